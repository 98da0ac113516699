"""The demo: true blocks in a pipe, frames that fit a terminal, and an exit code that tells."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest
from msgspec.structs import replace

from flows.counters import JourneyCounters
from flows.demo import Play, change_checks, resumed_checks, run_demo, told, whole_checks
from flows.demo_acts import Resumed, Whole
from flows.demo_blocks import sums_block
from flows.demo_change import Difference
from flows.demo_scenes import Scene
from flows.demo_screen import View, frame, scene_lines
from flows.told import Told
from tests.conftest import ROOT, Run
from tests.terminal import BECKON, ENTER_SCREEN, PATIENCE_SECONDS, Played, at_terminal

SIZE = ("--users", "800", "--days", "14")
STOPS = 20
SUMS = JourneyCounters(
    entered=9, scheduled=8, sent=4, suppressed={"rule": 2, "exit": 1}, pending=1, goals=0
)
WHOLE = Whole(
    records=100, users=7, dead_letters=0, journeys={"win_back": SUMS}, digests={"decisions": "ab"}
)
RESUMED = Resumed(stops=STOPS, users=7, digests={"decisions": "ab"})
OTHER = replace(WHOLE, journeys={"win_back": replace(SUMS, sent=3, pending=2)})
FOUND = Difference(before=4, lost=2, gained=1, after=3, example=None)
SCENE = Scene(
    when="3 Jan 14:02:10",
    who="Mia",
    user="u000004711",
    tone="sent",
    told=Told("sent cart_reminder by push", "cart_value 64.90 >= 20, no order since 13:32:10"),
)
VIEW = View(
    clock="Sat 3 Jan 2026, 14:02:10, Europe/Berlin",
    share=0.4,
    events=393_210,
    shown_per_second=37_210.4,
    engine_per_second=402_000.0,
    users=12_345,
    sent=13_502,
    not_sent=15_112,
    pending=3_511,
    tags=tuple((f"group.tag_{number}", number) for number in range(14)),
    scenes=(SCENE,) * 40,
)
SUM_LINE = re.compile(r"^(\w+) +([\d,]+) +([\d,]+) = +([\d,]+) \+ +([\d,]+) \+ +([\d,]+)$", re.M)


class Shown(NamedTuple):
    """What a demo in a pipe printed, and the folder that it named."""

    out: str
    folder: Path


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    home = tmp_path_factory.mktemp("demo")
    ended = subprocess.run(
        [*BECKON, "demo", *SIZE],
        env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(home)},
        capture_output=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr.decode()
    return Shown(ended.stdout.decode(), next(home.iterdir()))


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    folder = tmp_path_factory.mktemp("demo")
    return at_terminal("demo", *SIZE, "--seconds", 3, folder=folder)


def number(text: str) -> int:
    return int(text.replace(",", ""))


def test_in_a_pipe_three_numbered_blocks_are_printed_and_nothing_that_steers_a_terminal(
    shown: Shown,
) -> None:
    assert re.findall(r"^(\d)\. ", shown.out, re.MULTILINE) == ["1", "2", "3"]
    assert "\x1b" not in shown.out
    assert "\r" not in shown.out
    assert "FAILED" not in shown.out
    long = [line for line in shown.out.splitlines() if len(line) > 80 and "beckon-demo" not in line]
    assert not long


def test_the_sum_of_every_journey_closes_in_print(shown: Shown) -> None:
    sums = SUM_LINE.findall(shown.out)
    assert {name for name, *_ in sums} >= {"abandoned_cart", "win_back"}
    for name, entered, planned, *outcomes in sums:
        assert number(planned) == sum(map(number, outcomes)), name
        assert number(entered) <= number(planned), name


def test_the_hash_is_that_of_the_file_whichever_way_it_was_made(shown: Shown) -> None:
    digest = hashlib.sha256((shown.folder / "decisions.jsonl").read_bytes()).hexdigest()
    assert re.findall(r"[0-9a-f]{64}", shown.out) == [digest, digest]
    assert f"stopped and resumed {STOPS} times" in shown.out
    assert not list(shown.folder.glob("*.part*"))


def test_what_if_says_what_the_files_say(shown: Shown) -> None:
    found = re.search(r"([\d,]+) triggers before - ([\d,]+) lost \+ ([\d,]+) gained = ", shown.out)
    assert found is not None
    lost, gained = number(found[2]), number(found[3])
    before, after = (
        set(re.findall(rb'"id":"(\w+)","source":"beckon","type":"beckon.trigger"', text))
        for text in (
            (shown.folder / "decisions.jsonl").read_bytes(),
            (shown.folder / "what-if" / "decisions.jsonl").read_bytes(),
        )
    )
    assert (len(before), lost, gained) == (
        number(found[1]),
        len(before - after),
        len(after - before),
    )
    assert lost > 0


def test_the_commands_to_try_next_run(shown: Shown, run: Run, tmp_path: Path) -> None:
    lines = shown.out.split("Try next:\n")[1].splitlines()[:3]
    commands = [line.split()[1:] for line in lines]
    assert [command[0] for command in commands] == ["init", "show", "replay"]
    for command in commands:
        inside = [str(tmp_path / part) if part == "my-config" else part for part in command]
        ended = run(*inside)
        assert ended.code == 0, ended.err


def test_a_check_that_fails_ends_the_demo_with_1(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    play = Play(users=100, days=7, seconds=1)
    same = replace(play.change, value=20)
    assert run_demo(replace(play, change=same), tmp_path) == 1
    assert "FAILED the change made a difference" in capfd.readouterr().out


def test_unequal_hashes_open_sums_and_lost_triggers_are_found_out(
    capfd: pytest.CaptureFixture[str],
) -> None:
    checked = (
        whole_checks(WHOLE.records, WHOLE),
        resumed_checks(WHOLE, RESUMED, STOPS),
        change_checks(WHOLE, OTHER, FOUND),
    )
    assert all(told(checks) for checks in checked)
    open_sums = replace(WHOLE, journeys={"win_back": replace(SUMS, pending=0)})
    faulty = (
        whole_checks(WHOLE.records + 1, WHOLE),
        whole_checks(WHOLE.records, open_sums),
        resumed_checks(WHOLE, replace(RESUMED, digests={"decisions": "ba"}), STOPS),
        resumed_checks(WHOLE, RESUMED, STOPS + 1),
        resumed_checks(WHOLE, replace(RESUMED, users=6), STOPS),
        change_checks(WHOLE, OTHER, replace(FOUND, gained=2)),
        change_checks(WHOLE, WHOLE, FOUND),
    )
    assert not any(told(checks) for checks in faulty)
    assert capfd.readouterr().out.count("FAILED") == len(faulty)


def test_at_a_terminal_frames_fit_and_the_blocks_follow_on_the_screen_that_was_there(
    played: Played,
) -> None:
    assert played.code == 0
    assert played.is_clean
    assert len(played.frames) > 10
    for lines in played.frames:
        assert len(lines) <= 24
        assert max(map(len, lines)) <= 80
    last = "\n".join(played.frames[-1])
    for expected in ("100%", "users", "sent", "timers pending", "intent.", "Ctrl-C ends the demo"):
        assert expected in last
    assert re.search(r"\w+ \(u\d{9}\) ", last), "somebody is named"
    blocks = [line[:2] for line in played.printed if re.match(r"\d\. ", line)]
    assert blocks == ["1.", "2.", "3."]
    assert not any(line.startswith("   Some of what happened") for line in played.printed)


def test_the_first_act_keeps_its_pace(played: Played) -> None:
    clocks = [frame[0].rpartition(": a shop, live")[2].strip() for frame in played.frames]
    assert len(set(clocks)) > 10, "time passes from frame to frame"


@pytest.mark.parametrize("interrupts", [1, 2])
@pytest.mark.parametrize(
    "awaited", [b"Simulating", ENTER_SCREEN, b"2. The same", b"3. What if"], ids=str
)
def test_ctrl_c_leaves_the_terminal_clean(tmp_path: Path, awaited: bytes, interrupts: int) -> None:
    command = ("demo", *SIZE, "--seconds", 1)
    played = at_terminal(*command, folder=tmp_path, interrupt=(awaited, interrupts))
    # A second signal that comes when Python is ending already is the shell's 130 all the same.
    assert played.code in (130, -2)
    assert played.is_clean
    assert b"Traceback" not in played.written
    assert b"panicked" not in played.written
    assert b"Try next" not in played.written


@pytest.mark.parametrize(("width", "height"), [(80, 24), (200, 60), (40, 10), (12, 3), (1, 1)])
def test_a_frame_fits_terminals_of_any_size(width: int, height: int) -> None:
    lines = frame(VIEW, width, height)
    assert len(lines) == height
    assert max(line.cell_len for line in lines) <= width


def test_what_happened_is_told_in_one_line_or_with_its_reason_below() -> None:
    wide = [line.plain for line in scene_lines(SCENE, 120)]
    assert wide == [
        " 3 Jan 14:02:10  Mia (u000004711) sent cart_reminder by push: "
        "cart_value 64.90 >= 20, no order since 13:32:10"
    ]
    narrow = [line.plain for line in scene_lines(SCENE, 80)]
    assert narrow == [
        " 3 Jan 14:02:10  Mia (u000004711) sent cart_reminder by push",
        "                 cart_value 64.90 >= 20, no order since 13:32:10",
    ]
    letter = Told("dead letter missing_id", "a word and another " * 20)
    cut = scene_lines(replace(SCENE, told=letter), 80)
    assert [line.plain[-4:] for line in cut[2:]] == [" ..."]


def test_a_sum_is_written_as_a_sum() -> None:
    _, line, reasons = sums_block(WHOLE)
    assert line.split() == ["win_back", "9", "8", "=", "4", "+", "3", "+", "1"]
    assert reasons == "  not sent: 2 rule, 1 exit"
