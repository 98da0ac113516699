"""`beckon show` and `beckon audience`: what a replay has left in its state directory."""

from __future__ import annotations

import csv
import gzip
import json
import os
import pty
import subprocess
from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from config.load import load
from connectors.triggers import instant_text
from flows.audience_page import ROWS_SHOWN
from flows.cli import beckon
from flows.exits import run_command
from flows.lookup import audience_of, profile_of
from flows.plain_text import columns
from flows.profile_page import profile_page
from state.file_store import FileStore
from tests.config_folders import copy_defaults, edit
from tests.conftest import ROOT, Run
from tests.messages import message
from tests.test_cli import BECKON, PATIENCE_SECONDS

HOSTILE = 'u\x1b[2J\r\n"=1,2\u202e\x9b' + "東" * 60
CONFIG = load()


class Kept(NamedTuple):
    """What a replay has left: its state directory, and its profiles by user id."""

    state: Path
    profiles: dict[str, bytes]

    def users(self, tag: str) -> dict[str, Any]:
        """Who holds a tag by the profiles, and since when."""
        tags = {user: json.loads(line)["tags"] for user, line in self.profiles.items()}
        return {user: held[tag] for user, held in tags.items() if tag in held}


@pytest.fixture(scope="module", params=[1, 3])
def kept(
    request: pytest.FixtureRequest,
    shop_log: Sequence[bytes],
    tmp_path_factory: pytest.TempPathFactory,
) -> Kept:
    folder = tmp_path_factory.mktemp("kept")
    hostile = message(
        userId=HOSTILE,
        messageId="hostile",
        timestamp="2026-01-08T22:30:00Z",
        receivedAt="2026-01-08T22:30:00Z",
        properties={"product_id": "\x1b[31m", "price": 500, "category": HOSTILE, "cart_id": "\b"},
    )
    (folder / "events").write_bytes(b"\n".join([*shop_log, hostile]))
    arguments = ["replay", folder / "events", "--state", folder / "state"]
    arguments += ["--profiles", folder / "profiles", "--partitions", request.param]
    assert run_command(beckon, list(map(str, arguments))) == 0
    lines = (folder / "profiles").read_bytes().splitlines()
    return Kept(folder / "state", {json.loads(line)["user"]: line for line in lines})


def test_the_profile_as_json_is_its_line_of_the_replay(run: Run, kept: Kept) -> None:
    for user in [HOSTILE, *list(kept.profiles)[::40]]:
        shown = run("show", user, "--state", kept.state, "--json")
        assert (shown.code, shown.err) == (0, "")
        assert shown.out.encode() == kept.profiles[user] + b"\n"


def test_every_user_is_found_in_their_partition_and_fits_a_terminal(kept: Kept) -> None:
    assert len(kept.profiles) > 100
    for user, line in kept.profiles.items():
        assert profile_of(kept.state, CONFIG, user) == line
        page = profile_page(line, CONFIG)
        assert max(map(columns, page)) <= 80
        assert all(text.isprintable() for text in page)


def test_a_profile_is_shown_with_what_is_held_pending_and_known(run: Run, kept: Kept) -> None:
    running = next(
        (user, document)
        for user, line in kept.profiles.items()
        if (document := json.loads(line))["instances"] and document["tags"] and user != HOSTILE
    )
    user, document = running
    shown = run("show", user, "--state", kept.state)
    assert (shown.code, shown.err) == (0, "")
    assert shown.out.startswith(f"{user}\nas of ")
    assert "Europe/Berlin" in shown.out
    groups = {tag.name for tag in CONFIG.tags if tag.rule is None}
    pending = [instance["stage"] + " due " for instance in document["instances"]]
    for expected in [*document["features"], *(set(document["tags"]) - groups), *pending]:
        assert expected in shown.out


def test_hostile_ids_reach_no_terminal_unescaped(run: Run, kept: Kept) -> None:
    shown = run("show", HOSTILE, "--state", kept.state)
    assert shown.code == 0
    assert "cart \\x08" in shown.out
    unknown = run("show", "x" + HOSTILE, "--state", kept.state)
    assert (unknown.code, unknown.out) == (1, "")
    for text in (shown.out, unknown.err):
        assert all(line.isprintable() for line in text.split("\n"))


@pytest.mark.parametrize("index", range(len(CONFIG.tags)), ids=[tag.name for tag in CONFIG.tags])
def test_an_audience_is_everybody_whose_profile_has_the_tag(kept: Kept, index: int) -> None:
    tag = CONFIG.tags[index].name
    found = audience_of(kept.state, CONFIG, index)
    holders = {user.decode(): instant_text(since_ms) for user, since_ms in found.holders}
    assert holders == kept.users(tag)
    assert list(holders) == sorted(holders, key=str.encode)


def test_an_audience_in_a_pipe_or_a_file_is_csv_and_its_count_goes_to_stderr(
    run: Run, kept: Kept, tmp_path: Path
) -> None:
    expected = kept.users("intent")
    assert HOSTILE in expected
    piped = run("audience", "intent", "--state", kept.state)
    assert piped.code == 0
    assert piped.err.startswith(f"{len(expected):,} users hold intent as of ")
    rows = list(csv.reader(StringIO(piped.out, newline="")))
    assert rows[0] == ["user", "since"]
    assert dict(rows[1:]) == expected
    path = tmp_path / "intent.csv.gz"
    written = run("audience", "intent", "--state", kept.state, "--out", path)
    assert (written.code, written.out, written.err) == (0, "", piped.err)
    assert gzip.decompress(path.read_bytes()).decode() == piped.out


def test_an_audience_on_a_terminal_is_its_first_rows(kept: Kept) -> None:
    screen, terminal = pty.openpty()
    process = subprocess.Popen(
        [*BECKON, "audience", "intent", "--state", kept.state],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        stdout=terminal,
        stderr=subprocess.PIPE,
    )
    os.close(terminal)
    _, messages = process.communicate(timeout=PATIENCE_SECONDS)
    shown = os.read(screen, 65_536).decode().replace("\r\n", "\n")
    os.close(screen)
    assert process.returncode == 0
    rows = [line for line in shown.splitlines() if line.startswith("  ")]
    assert 0 < len(rows) <= ROWS_SHOWN + 4
    assert all(columns(line) <= 80 and line.isprintable() for line in rows)
    assert b"--out FILE writes them all" in messages


def test_an_unknown_user_is_told_with_the_nearest_ids(run: Run, kept: Kept) -> None:
    user = next(user for user in kept.profiles if user.startswith("u0"))
    unknown = run("show", user.replace("u", "U", 1) + "x", "--state", kept.state)
    assert (unknown.code, unknown.out) == (1, "")
    assert f"expected one of the {len(kept.profiles)} users of this state" in unknown.err
    assert f"did you mean '{user}'" in unknown.err
    unlike = run("show", "?" * 300, "--state", kept.state)
    assert (unlike.code, unlike.out) == (1, "")
    assert "userId" in unlike.err
    assert run("show", "", "--state", kept.state).code == 1


def test_an_unknown_tag_is_told_with_the_nearest_name(run: Run, kept: Kept) -> None:
    unknown = run("audience", "intnt", "--state", kept.state)
    assert (unknown.code, unknown.out) == (2, "")
    assert "did you mean 'intent'?" in unknown.err


@pytest.mark.parametrize("command", [("show", HOSTILE), ("audience", "intent")])
def test_a_state_that_cannot_be_read_is_refused_with_the_fix(
    run: Run, kept: Kept, tmp_path: Path, command: tuple[str, ...]
) -> None:
    nowhere = run(*command, "--state", tmp_path / "nowhere")
    assert (nowhere.code, nowhere.out) == (1, "")
    assert "no such directory; give the one" in nowhere.err
    assert not (tmp_path / "nowhere").exists()
    folder = copy_defaults(tmp_path)
    edit(folder, "shop.toml", '"EUR"', '"NOK"')
    other = run(*command, "--state", kept.state, "--config", folder)
    assert (other.code, other.out) == (1, "")
    assert "expected amounts in NOK, got EUR; use the config that the state was" in other.err
    assert run(*command).code == 2


def test_a_state_of_another_config_is_shown_as_that_config_would_go_on(
    run: Run, kept: Kept, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = copy_defaults(tmp_path)
    with (folder / "features.toml").open("a") as features:
        features.write('\n[pages_total]\nkind = "count"\nevents = ["page"]\n')
    options = ("--state", kept.state, "--config", folder)
    user, line = next(iter(kept.profiles.items()))
    profile = json.loads(run("show", user, *options, "--json").out)
    assert profile["features"].pop("pages_total") == 0
    assert profile == json.loads(line)
    assert run("audience", "intent", *options).out == run("audience", "intent", *options[:2]).out
    said = f"{kept.state}: profiles converted: features: 1 new (pages_total)"
    assert caplog.messages == [said, said]


def test_a_run_that_holds_the_state_is_not_disturbed(run: Run, kept: Kept) -> None:
    partitions = len(list(kept.state.glob("partition-*.state")))
    before = {path: path.read_bytes() for path in kept.state.iterdir()}
    store = FileStore(kept.state, partitions=partitions)
    user = next(iter(kept.profiles))
    assert run("show", user, "--state", kept.state).code == 0
    assert run("audience", "intent", "--state", kept.state).code == 0
    store.close()
    states = {path: content for path, content in before.items() if path.name != "lock"}
    assert {path: path.read_bytes() for path in states} == states
