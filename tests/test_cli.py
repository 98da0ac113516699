"""The command line: what it prints, how it ends, and that no traceback ever reaches a user."""

from __future__ import annotations

import gzip
import json
import os
import pty
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import click
import pytest

import config
from flows.console import close
from flows.counters import JourneyCounters
from flows.exits import run_command
from flows.summary import Measured, Summary
from tests.conftest import ROOT, Run

BECKON = (sys.executable, "-c", "from flows.cli import main; main()")
HELP_CPU_SECONDS = 0.3
COMMAND_CPU_SECONDS = 1.5
PATIENCE_SECONDS = 240


@pytest.fixture
def log(shop_log: Sequence[bytes], tmp_path: Path) -> Path:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"".join(line + b"\n" for line in shop_log))
    return path


@pytest.fixture
def own_config(tmp_path: Path) -> Path:
    """A copy of the default config, to be changed."""
    folder = tmp_path / "config"
    shutil.copytree(Path(config.__file__).parent, folder, ignore=shutil.ignore_patterns("*.py"))
    return folder


def started(*arguments: object, **environment: str) -> subprocess.Popen[bytes]:
    """A `beckon` in a process of its own."""
    return subprocess.Popen(
        [*BECKON, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def ended(process: subprocess.Popen[bytes]) -> tuple[int, str, str]:
    """Exit code, output and messages of a process, once it has ended."""
    out, err = process.communicate(timeout=PATIENCE_SECONDS)
    return process.returncode, out.decode(), err.decode()


def cpu_seconds(*arguments: object) -> float:
    """The least CPU time of three runs: what else the machine does must not count."""

    def once() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        code, _, messages = ended(started(*arguments))
        assert code == 0, messages
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    return min(once() for _ in range(3))


def test_help_is_there_at_once_and_names_all_commands(run: Run) -> None:
    assert cpu_seconds("--help") < HELP_CPU_SECONDS
    shown = run("--help")
    assert shown.code == 0
    for command in ("check", "import", "simulate", "replay", "show", "audience", "demo"):
        assert command in shown.out
        assert run(command, "--help").code == 0


def test_commands_start_within_a_second_once_compiled_code_is_cached(
    run: Run, tmp_path: Path
) -> None:
    nothing = tmp_path / "nothing.jsonl"
    nothing.touch()
    assert run("replay", nothing).code == 0
    assert cpu_seconds("check") < COMMAND_CPU_SECONDS
    assert cpu_seconds("replay", nothing) < COMMAND_CPU_SECONDS


def test_check_shows_what_a_clean_config_holds_and_costs(run: Run) -> None:
    shown = run("check")
    assert (shown.code, shown.err) == (0, "")
    for expected in ("abandoned_cart", "win_back", "spend_365d", "bytes"):
        assert expected in shown.out


def test_check_lists_every_problem_with_file_place_and_nearest_name(
    run: Run, own_config: Path
) -> None:
    tags = own_config / "tags.toml"
    tags.write_text(tags.read_text().replace("cart_items > 0", "cart_itms > 0"))
    journey = own_config / "journeys" / "win_back.toml"
    journey.write_text(journey.read_text().replace("lifecycle.at_risk", "lifecyle.at_risk"))
    found = run("check", "--config", own_config)
    assert (found.code, found.err) == (1, "")
    assert "2 problems in 2 files" in " ".join(found.out.split())
    assert "[intent] cart, line " in found.out
    assert "fix: write cart_items" in found.out
    assert "[entry] tag, line " in found.out
    assert 'fix: write "lifecycle.at_risk"' in found.out


def test_other_commands_list_the_problems_of_a_config_one_a_line(
    run: Run, own_config: Path, log: Path
) -> None:
    tags = own_config / "tags.toml"
    tags.write_text(tags.read_text().replace("cart_items > 0", "cart_itms > 0"))
    refused = run("replay", log, "--config", own_config)
    assert (refused.code, refused.out) == (1, "")
    assert "did you mean 'cart_items'? - at $.intent.cart" in refused.err
    assert len(refused.err.splitlines()) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("no-such-command",),
        ("replay",),
        ("replay", "LOG", "--no-such-option"),
        ("replay", "LOG", "--batch", "0"),
        ("replay", "LOG", "--until", "tomorrow"),
        ("replay", "-", "-"),
        ("replay", "LOG", "--json", "--triggers", "-"),
        ("replay", "LOG", "--triggers", "same", "--decisions", "./same"),
        ("replay", "LOG", "--triggers", "LOG"),
        ("simulate", "--out", "-", "--late", "0.9", "--reordered", "0.9"),
        ("import", "LOG", "--out", "-", "--format", "csv"),
    ],
)
def test_a_command_line_that_cannot_be_meant_ends_with_2(
    run: Run, log: Path, arguments: Sequence[str]
) -> None:
    content = log.read_bytes()
    refused = run(*(str(log) if argument == "LOG" else argument for argument in arguments))
    assert refused.code == 2
    assert "Usage:" in refused.err
    assert log.read_bytes() == content


def test_a_world_that_cannot_be_reached_ends_with_3_and_its_name(
    run: Run, log: Path, tmp_path: Path
) -> None:
    damaged = tmp_path / "damaged.gz"
    damaged.write_bytes(gzip.compress(log.read_bytes())[:-100])
    nowhere = tmp_path / "nowhere" / "triggers"
    cases: list[tuple[Sequence[object], str]] = [
        (("replay", tmp_path / "missing.jsonl"), "missing.jsonl"),
        (("replay", log, tmp_path / "missing.jsonl", "--triggers", tmp_path / "t"), "missing"),
        (("replay", tmp_path), str(tmp_path)),
        (("replay", damaged, "--triggers", tmp_path / "t"), "damaged.gz"),
        (("replay", log, "--triggers", nowhere), "nowhere"),
        (("replay", log, "--state", log), "events.jsonl"),
        (("import", tmp_path / "missing.csv", "--format", "rees46", "--out", "-"), "missing.csv"),
        (("simulate", "--users", 1, "--days", 1, "--out", nowhere), "nowhere"),
        (("simulate", "--out", "-", "--answers-to", tmp_path / "missing.jsonl"), "missing.jsonl"),
        (("simulate", "--out", "-", "--answers-to", log), "expected a message of Beckon's"),
    ]
    for arguments, named in cases:
        failed = run(*arguments)
        assert failed.code == 3, failed
        assert named in failed.err
        assert failed.out == ""
    assert not (tmp_path / "t").exists()


def test_a_full_disk_ends_with_3(run: Run, log: Path) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("NOT TESTED: this system has no /dev/full")
    failed = run("replay", log, "--decisions", full)
    assert failed.code == 3
    assert "No space left on device" in failed.err


def test_a_fault_of_our_own_shows_no_traceback_unless_asked_for(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    @click.command()
    def faulty() -> None:
        raise ZeroDivisionError("by zero")

    assert run_command(faulty, []) == 1
    told = capfd.readouterr().err
    assert "ZeroDivisionError: by zero" in told
    assert "Traceback" not in told
    monkeypatch.setenv("BECKON_TRACEBACK", "1")
    assert run_command(faulty, []) == 1
    assert "Traceback" in capfd.readouterr().err


def test_json_is_all_there_is_on_standard_output(run: Run, log: Path) -> None:
    shown = run("replay", log, "--json")
    assert shown.code == 0
    assert json.loads(shown.out)["events"] > 0
    assert len(shown.out.splitlines()) == 1


def test_progress_is_shown_on_a_terminal_and_only_there(run: Run, log: Path) -> None:
    assert run("replay", log, "--json").err == ""
    screen, terminal = pty.openpty()
    process = subprocess.Popen(
        [*BECKON, "replay", str(log), "--json", "--batch", "20"],
        env={**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=terminal,
    )
    os.close(terminal)
    out, _ = process.communicate(timeout=PATIENCE_SECONDS)
    shown = os.read(screen, 65_536)
    os.close(screen)
    assert process.returncode == 0
    assert b" records" in shown
    assert json.loads(out)["records"] == log.read_bytes().count(b"\n")


def test_the_summary_gives_way_when_standard_output_is_an_output(run: Run, log: Path) -> None:
    shown = run("replay", log, "--triggers", "-")
    assert shown.code == 0
    assert all(json.loads(line)["type"] == "beckon.trigger" for line in shown.out.splitlines())
    assert "the sums close" in shown.err


def test_standard_input_is_a_log_like_any_other(run: Run, log: Path) -> None:
    with log.open("rb") as lines:
        piped = subprocess.run(
            [*BECKON, "replay", "-", "--triggers", "-"],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=lines,
            capture_output=True,
            timeout=PATIENCE_SECONDS,
            check=True,
        )
    assert piped.stdout.decode() == run("replay", log, "--triggers", "-").out


def test_a_reader_that_leaves_gets_whole_lines_and_nobody_a_traceback(log: Path) -> None:
    process = started("replay", log, "--decisions", "-", "--batch", 20)
    assert process.stdout is not None
    assert process.stderr is not None
    first = process.stdout.readline()
    process.stdout.close()
    messages = process.stderr.read().decode()
    process.stderr.close()
    assert process.wait(PATIENCE_SECONDS) == 130
    assert json.loads(first)["specversion"] == "1.0"
    assert "Traceback" not in messages
    assert "panicked" not in messages
    assert "Exception ignored" not in messages


@pytest.mark.parametrize("command", ["--help", "check"])
def test_a_reader_that_never_reads_is_no_fault(command: str) -> None:
    process = started(command)
    assert process.stdout is not None
    process.stdout.close()
    process.stdout = None
    _, messages = process.communicate(timeout=PATIENCE_SECONDS)
    assert (process.returncode, messages) == (130, b"")


def interrupted(log: Path, *arguments: object) -> tuple[int, bytes, str]:
    """A replay that is sent a SIGINT when it is under way: code, decisions written, messages."""
    process = started("replay", log, "--decisions", "-", "--batch", 1, *arguments)
    assert process.stdout is not None
    # More is decided than a pipe holds, so the replay cannot end before we go on reading.
    first = process.stdout.readline()
    process.send_signal(signal.SIGINT)
    decisions = first + process.stdout.read()
    _, messages = process.communicate(timeout=PATIENCE_SECONDS)
    return process.returncode, decisions, messages.decode()


def test_ctrl_c_leaves_no_file_no_half_line_and_no_traceback(log: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    code, decisions, messages = interrupted(log, "--triggers", folder / "triggers")
    assert code == 130
    assert decisions.endswith(b"}\n")
    assert "interrupted" in messages
    assert "Traceback" not in messages
    assert "panicked" not in messages
    assert not list(folder.iterdir())


def test_ctrl_c_with_a_state_keeps_what_was_done_and_the_next_run_goes_on(
    run: Run, log: Path, tmp_path: Path
) -> None:
    state = ("--state", tmp_path / "state")
    code, first, messages = interrupted(log, *state)
    assert code == 130, messages
    assert "interrupted" in messages
    assert "Traceback" not in messages
    second, whole = tmp_path / "second", tmp_path / "whole"
    resumed = run("replay", log, "--decisions", second, *state, "--json")
    assert resumed.code == 0
    records = json.loads(resumed.out)["records"]
    assert 0 < records < log.read_bytes().count(b"\n"), "the signal must come amid the run"
    assert run("replay", log, "--decisions", whole).code == 0
    assert first + second.read_bytes() == whole.read_bytes()


def test_sums_that_do_not_close_are_told_and_end_with_1(capfd: pytest.CaptureFixture[str]) -> None:
    journey = JourneyCounters(
        entered=3, scheduled=3, sent=1, suppressed={"rule": 1}, pending=0, goals=0
    )
    measured = Measured(
        seconds=1, cpu_seconds=1, events_per_second=1, events_per_cpu_second=1, resident_mb=1
    )
    summary = Summary(
        records=3,
        events=3,
        users=1,
        dead_letters={},
        duplicates=0,
        late=0,
        tags={},
        journeys={"win_back": journey},
        examples={},
        scores={},
        clock=None,
        next_offset=3,
        partitions=1,
        config_version="0",
        interrupted=False,
        sums_close=False,
        measured=measured,
    )
    assert close(summary, as_json=False) == 1
    shown = capfd.readouterr()
    assert "win_back" in shown.err
    assert "3 = 1 + 1 + 0" in shown.err
    assert "the sums close" not in shown.out


def test_the_same_seed_simulates_the_same_bytes(run: Run, tmp_path: Path) -> None:
    for name, seed in (("one", 4), ("two", 4), ("other", 5)):
        options = (
            "--users",
            20,
            "--days",
            2,
            "--seed",
            seed,
            "--truth",
            tmp_path / f"{name}.truth",
        )
        assert run("simulate", "--out", tmp_path / name, *options).code == 0
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert (tmp_path / "one").read_bytes() != (tmp_path / "other").read_bytes()


@pytest.mark.parametrize(
    ("file", "source_format"),
    [
        ("rees46_head/2019-Oct_head.csv.xz", "rees46"),
        ("online_retail/online_retail.csv.xz", "online-retail"),
    ],
)
def test_real_data_is_imported_and_replayed(
    run: Run, data: Callable[[str], Path], tmp_path: Path, file: str, source_format: str
) -> None:
    source = data(file)
    events, letters = tmp_path / "events.jsonl", tmp_path / "letters.jsonl"
    imported = run("import", source, "--format", source_format, "--out", events)
    assert imported.code == 0, imported.err
    replayed = run("replay", events, "--json", "--drain", "--dead-letters", letters)
    assert replayed.code == 0, replayed.err
    summary = json.loads(replayed.out)
    assert summary["records"] == events.read_bytes().count(b"\n")
    assert summary["dead_letters"] == {}, letters.read_text()[:1000]
    assert summary["events"] + summary["duplicates"] == summary["records"]
    assert summary["sums_close"]
    decided = "abandoned_cart" if source_format == "rees46" else "win_back"
    assert summary["journeys"][decided]["sent"] > 0
