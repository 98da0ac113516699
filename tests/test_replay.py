"""A replay gives the same bytes however it is cut: by batches, partitions, stops and files."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from config.load import load
from tests.config_folders import copy_defaults, edit
from tests.conftest import Run

OUTPUTS = ("triggers", "decisions", "tags", "examples", "dead-letters")
LINES_MIN = 500


def written(path: Path, lines: Sequence[bytes]) -> Path:
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return path


def replayed(run: Run, folder: Path, *arguments: object) -> dict[str, bytes]:
    """The outputs of a replay that ends well, by name."""
    folder.mkdir(exist_ok=True)
    options = [part for name in OUTPUTS for part in (f"--{name}", folder / name)]
    ended = run("replay", *options, *arguments)
    assert ended.code == 0, ended.err
    return {name: (folder / name).read_bytes() for name in OUTPUTS}


def summary(run: Run, *arguments: object) -> dict[str, Any]:
    ended = run("replay", "--json", *arguments)
    assert ended.code == 0, ended.err
    found: dict[str, Any] = json.loads(ended.out)
    return found


def received_at(line: bytes) -> datetime | None:
    """When a record was received, if it says so in the usual way."""
    try:
        return datetime.fromisoformat(json.loads(line)["receivedAt"])
    except (ValueError, KeyError, TypeError):
        return None


def with_ticks(lines: Sequence[bytes], seed: int) -> list[bytes]:
    """The log with ticks strewn in, each some time after the record before it, and true."""
    chance = random.Random(seed)
    found: list[bytes] = []
    for line, following in zip(lines, [*lines[1:], b""], strict=True):
        found.append(line)
        now, then = received_at(line), received_at(following)
        if now and then and now < then and chance.random() < 0.2:
            at = now + timedelta(
                milliseconds=chance.randrange((then - now) // timedelta(0, 0, 1000))
            )
            tick = {"type": "beckon.control", "control": "tick", "receivedAt": at.isoformat()}
            found.append(json.dumps(tick).encode())
    return found


@pytest.fixture(scope="module")
def log(shop_log: Sequence[bytes], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("log") / "events.jsonl", shop_log)


@pytest.fixture
def whole(run: Run, log: Path, tmp_path: Path) -> dict[str, bytes]:
    """The outputs of the log in one run, which every other way to run it has to give."""
    outputs = replayed(run, tmp_path / "whole", log)
    assert outputs["triggers"].count(b"\n") > 20, "the log must decide something"
    assert outputs["tags"]
    assert outputs["dead-letters"]
    return outputs


@pytest.mark.parametrize("batch_size", [1, 7, 1000])
def test_batch_size_changes_no_byte(
    run: Run, log: Path, tmp_path: Path, whole: dict[str, bytes], batch_size: int
) -> None:
    assert replayed(run, tmp_path, log, "--batch", batch_size) == whole


def test_partitions_change_no_byte_and_no_profile(
    run: Run, log: Path, tmp_path: Path, whole: dict[str, bytes]
) -> None:
    one, four = tmp_path / "profiles1", tmp_path / "profiles4"
    assert replayed(run, tmp_path, log, "--profiles", one) == whole
    several = ("--partitions", 4, "--batch", 50, "--profiles", four)
    assert replayed(run, tmp_path, log, *several) == whole
    assert one.read_bytes() == four.read_bytes()
    assert one.read_bytes().count(b"\n") == summary(run, log)["users"]


def test_ticks_change_no_decision(
    run: Run, shop_log: Sequence[bytes], tmp_path: Path, whole: dict[str, bytes]
) -> None:
    ticked = with_ticks(shop_log, seed=3)
    assert len(ticked) > len(shop_log) + 100
    outputs = replayed(run, tmp_path / "ticked", written(tmp_path / "log", ticked), "--batch", 90)

    def without_offsets(lines: bytes) -> list[Any]:
        found = [json.loads(line) for line in lines.splitlines()]
        for one in found:
            one["data"].pop("offset")
        return found

    assert without_offsets(outputs["decisions"]) == without_offsets(whole["decisions"])


@pytest.mark.parametrize("seed", range(4))
def test_a_replay_stopped_by_until_and_resumed_gives_the_same_bytes(
    run: Run, shop_log: Sequence[bytes], tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    ticked = with_ticks(shop_log, seed)
    log = written(tmp_path / "log", ticked)
    expected = replayed(run, tmp_path / "whole", log)
    instants = sorted(filter(None, map(received_at, chance.sample(ticked, 5))))
    between = [at + timedelta(milliseconds=chance.choice([0, 0, 1, 700])) for at in instants]
    joined = dict.fromkeys(OUTPUTS, b"")
    state = ("--state", tmp_path / "state", "--partitions", 1 + seed % 3)
    for at in [*between, None]:
        until = () if at is None else ("--until", at.isoformat())
        batch = ("--batch", chance.choice([1, 30, 5000]) if at else 5000)
        part = replayed(run, tmp_path / "part", log, *state, *until, *batch)
        joined = {name: joined[name] + part[name] for name in OUTPUTS}
    assert joined == expected


def test_the_same_command_again_does_nothing_new(run: Run, log: Path, tmp_path: Path) -> None:
    state = ("--state", tmp_path / "state")
    first = summary(run, log, *state)
    assert first["records"] > LINES_MIN
    outputs = replayed(run, tmp_path / "again", log, *state)
    assert set(outputs.values()) == {b""}
    again = summary(run, log, *state)
    assert (again["records"], again["events"]) == (0, 0)
    for key in ("users", "clock", "next_offset", "tags"):
        assert again[key] == first[key]


def test_a_log_in_files_that_grow_and_follow_each_other_goes_on_where_it_was(
    run: Run, shop_log: Sequence[bytes], tmp_path: Path, whole: dict[str, bytes]
) -> None:
    third = len(shop_log) // 3
    state = ("--state", tmp_path / "state")
    first = written(tmp_path / "first", shop_log[:third])
    parts = [replayed(run, tmp_path / "part", first, *state)]
    written(first, shop_log[: third + 100])
    second = tmp_path / "second.gz"
    second.write_bytes(gzip.compress(b"\n".join(shop_log[third + 100 :])))
    parts.append(replayed(run, tmp_path / "part", first, second, *state))
    assert {name: parts[0][name] + parts[1][name] for name in OUTPUTS} == whole


def test_a_drain_looks_ahead_of_the_log_and_leaves_the_state_at_its_end(
    run: Run, shop_log: Sequence[bytes], tmp_path: Path
) -> None:
    half = len(shop_log) // 2
    first, second = tmp_path / "first", tmp_path / "second"
    written(first, shop_log[:half])
    written(second, shop_log[half:])
    state = ("--state", tmp_path / "state", "--drain")
    drained = replayed(run, tmp_path / "drained", first, *state)
    kept = replayed(run, tmp_path / "kept", first)
    assert drained["decisions"].startswith(kept["decisions"])
    assert len(drained["decisions"]) > len(kept["decisions"])
    rest = replayed(run, tmp_path / "rest", second, *state)
    everything = replayed(run, tmp_path / "all", first, second, "--drain")
    for name in OUTPUTS:
        assert kept[name] + rest[name] == everything[name]


def test_partitions_left_apart_by_a_kill_between_their_commits_meet_again(
    run: Run, log: Path, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    options = ("--state", state, "--partitions", 2)
    replayed(run, tmp_path / "part", log, *options, "--until", "2026-01-03T12:00:00Z")
    behind = {path.name: path.read_bytes() for path in state.glob("partition-1*")}
    assert behind
    replayed(run, tmp_path / "part", log, *options, "--until", "2026-01-05T12:00:00Z")
    for name, content in behind.items():
        (state / name).write_bytes(content)
    profiles = tmp_path / "profiles"
    replayed(run, tmp_path / "part", log, *options, "--profiles", profiles)
    expected = tmp_path / "expected"
    replayed(run, tmp_path / "whole", log, "--profiles", expected)
    assert profiles.read_bytes() == expected.read_bytes()


def test_until_decides_deadlines_up_to_it_and_applies_nothing_from_it_on(
    run: Run, log: Path, shop_log: Sequence[bytes], tmp_path: Path
) -> None:
    until = "2026-01-05T00:00:00Z"
    outputs = replayed(run, tmp_path / "cut", log, "--until", until)
    for line in outputs["decisions"].splitlines():
        assert datetime.fromisoformat(json.loads(line)["time"]) <= datetime.fromisoformat(until)
    cut = summary(run, log, "--until", until)
    assert cut["clock"] == "2026-01-05T00:00:00.000Z"
    first_after = next(
        offset
        for offset, line in enumerate(shop_log)
        if (at := received_at(line)) and at >= datetime.fromisoformat(until)
    )
    assert cut["next_offset"] == cut["records"] == first_after


def test_until_beyond_the_end_lets_time_pass_after_the_last_record(
    run: Run, log: Path, tmp_path: Path, whole: dict[str, bytes]
) -> None:
    outputs = replayed(run, tmp_path / "on", log, "--until", "2026-01-30")
    assert outputs["decisions"].startswith(whole["decisions"])
    assert len(outputs["decisions"]) > len(whole["decisions"])
    assert summary(run, log, "--until", "2026-01-30")["clock"] == "2026-01-30T00:00:00.000Z"


def test_until_before_where_the_state_stands_changes_nothing(
    run: Run, log: Path, tmp_path: Path
) -> None:
    state = ("--state", tmp_path / "state")
    before = summary(run, log, *state, "--until", "2026-01-05T00:00:00Z")
    again = summary(run, log, *state, "--until", "2026-01-02T00:00:00Z")
    assert again["records"] == 0
    assert again["clock"] == before["clock"]


def test_a_state_of_another_currency_or_partition_count_is_refused_with_the_fix(
    run: Run, log: Path, tmp_path: Path
) -> None:
    changed = copy_defaults(tmp_path)
    edit(changed, "shop.toml", '"EUR"', '"NOK"')
    state = ("--state", tmp_path / "state")
    replayed(run, tmp_path / "part", log, *state)
    other_currency = run("replay", log, *state, "--config", changed)
    assert other_currency.code == 1
    assert "expected amounts in NOK, got EUR" in other_currency.err
    assert "new state" in other_currency.err
    other_count = run("replay", log, *state, "--partitions", 2)
    assert other_count.code == 1
    assert "--partitions 1" in other_count.err


def test_a_state_of_other_features_is_converted_and_goes_on(
    run: Run, log: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    changed = copy_defaults(tmp_path)
    features = changed / "features.toml"
    added = '[pages_total]\nkind = "count"\nevents = ["page"]\n'
    features.write_text(f"{added}\n{features.read_text()}")
    state = ("--state", tmp_path / "state", "--partitions", 2)
    assert run("replay", log, *state, "--until", "2026-01-05").code == 0
    files = [tmp_path / name for name in ("on", "again", "whole")]
    for file in files[:2]:
        assert run("replay", log, *state, "--config", changed, "--profiles", file).code == 0
    assert caplog.messages == [
        f"{tmp_path / 'state'}: profiles converted: features: 1 new (pages_total)"
    ]
    assert run("replay", log, "--profiles", files[2]).code == 0
    on, again, whole = (
        [json.loads(line) for line in file.read_text().splitlines()] for file in files
    )
    assert on == again
    assert any(profile["features"].pop("pages_total") for profile in on)
    for profile in on:
        profile["features"].pop("pages_total", None)
    assert on == whole


def test_the_summary_counts_what_the_outputs_hold(run: Run, log: Path, tmp_path: Path) -> None:
    outputs = {name: tmp_path / name for name in OUTPUTS}
    options = [part for name, path in outputs.items() for part in (f"--{name}", path)]
    found = summary(run, log, *options)
    lines = {name: path.read_bytes().count(b"\n") for name, path in outputs.items()}
    journeys = found["journeys"].values()
    sent = sum(journey["sent"] for journey in journeys)
    suppressed = sum(sum(journey["suppressed"].values()) for journey in journeys)
    assert lines["triggers"] == sent
    assert lines["decisions"] == sent + suppressed + sum(one["goals"] for one in journeys)
    assert lines["dead-letters"] == sum(found["dead_letters"].values())
    assert found["records"] == found["next_offset"] == log.read_bytes().count(b"\n")
    for journey in journeys:
        outcomes = journey["sent"] + sum(journey["suppressed"].values())
        assert journey["scheduled"] == outcomes + journey["pending"]
    assert found["sums_close"] is True


def test_a_replay_that_is_given_a_config_passes_over_its_live_from(
    run: Run, log: Path, tmp_path: Path
) -> None:
    config = copy_defaults(tmp_path)
    edit(config, "shop.toml", "strict ", "live_from = 2100-01-01T00:00:00Z\nstrict ")
    found, usual = summary(run, log, "--config", config), summary(run, log)
    assert found["journeys"] == usual["journeys"]
    assert found["config_version"] == load(config).version != usual["config_version"]
