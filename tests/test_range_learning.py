"""A range replayed with --learn learns what a file's replay learns, however it is read and cut."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from threading import Event
from typing import Any, NamedTuple

import pytest

from config.load import load
from config.schema import Config
from connectors.kafka_ranges import Span, topic_range
from connectors.memory_broker import MemoryBroker
from connectors.triggers import instant_ms
from flows.cli import beckon
from flows.exits import DONE, run_command
from flows.feed import Piece
from flows.lookup import partition_of_user
from flows.produce import key_of
from flows.range_parts import Beginning, parts_of
from flows.range_replay import RangeOptions, RangeRun
from flows.resuming import undo_half_commits
from flows.spool import Spool
from flows.warm_start import Replayed, replayed_models
from state.file_store import FileStore
from state.store import StoreError
from tests.config_folders import copy_defaults, edit
from tests.conftest import Run
from tests.simulated import simulated

OUTPUTS = ("triggers", "decisions", "tags", "examples")
FAR_MS = 2**62


class Recorded(NamedTuple):
    """Events with the instants at which they came, and what a file's replay makes of them."""

    folder: Path
    config: Config
    events: list[tuple[int, bytes]]
    lines: dict[str, list[bytes]]
    learned: list[Replayed]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    folder = copy_defaults(tmp_path_factory.mktemp("config"))
    edit(folder, "models.toml", 'within    = "7d"', 'within    = "30h"')
    edit(folder, "models.toml", 'every     = "7d"', 'every     = "6h"')
    with (folder / "tags.toml").open("a") as file:
        file.write('\n[learned]\nlikely = "propensity.purchase_7d >= 0.12"\n')
    events: list[tuple[int, bytes]] = []
    for line in simulated(users=500, days=12, seed=9).lines:
        if key_of(line) is not None:
            came_ms = instant_ms(json.loads(line)["receivedAt"])
            events.append((max(came_ms, events[-1][0] if events else 0), line))
    into = tmp_path_factory.mktemp("file")
    log = into / "events.jsonl"
    log.write_bytes(b"".join(line + b"\n" for _, line in events))
    options = [part for name in OUTPUTS for part in (f"--{name}", into / name)]
    command = ("replay", log, "--config", folder, "--state", into / "state", *options)
    assert run_command(beckon, [str(part) for part in command]) == DONE
    lines = {name: (into / name).read_bytes().splitlines() for name in OUTPUTS}
    return Recorded(folder, load(folder), events, lines, replayed_models(into / "state"))


def broker_of(events: Sequence[tuple[int, bytes]], partitions: int) -> MemoryBroker:
    """A log with these events, and with records that a replay that learns passes over."""
    broker = MemoryBroker(partitions)
    for number, (came_ms, line) in enumerate(events):
        broker.now_ms = came_ms
        if number % 500 == 400:
            for partition in range(partitions):
                broker.append(partition, b"a version of before", "model")
        key = key_of(line)
        assert key is not None
        broker.append(partition_of_user(key, partitions), line)
    return broker


class Ranged(NamedTuple):
    lines: dict[str, list[bytes]]
    records: int


class How(NamedTuple):
    """Up to which instant a log is replayed, in batches of how many, and whether it learns."""

    to_ms: int = FAR_MS
    batch: int = 20_000
    learns: bool = True


WHOLE = How()


def replayed_range(broker: MemoryBroker, config: Config, state: Path, how: How = WHOLE) -> Ranged:
    """A replay of the log from where the state stands."""
    wanted = topic_range("kafka://nowhere:1/beckon.events")
    beginning = Beginning(wanted=wanted, config=config, state=state, pause=lambda: None)
    options = RangeOptions(
        beginning=beginning, outputs={}, batch_size=how.batch, drain=False, learns=how.learns
    )
    spans = [span_of(log, partition, how.to_ms) for partition, log in enumerate(broker.log)]

    def polled(span: Span, size: int) -> Iterator[list[Piece]]:
        reader, at = broker.reader(span.partition, span.begin), span.begin
        while at < span.end:
            got = reader.poll(min(size, span.end - at))
            at = got.next_offset
            yield got.pieces

    with ExitStack() as stack:
        store = stack.enter_context(closing(FileStore(state, partitions=len(spans))))
        spools = {name: stack.enter_context(closing(Spool(None, len(spans)))) for name in OUTPUTS}
        if how.learns:
            undo_half_commits(store, one_log=False)
        run = RangeRun(options, spools, polled, partitions=len(spans))
        parts = [*parts_of(beginning, spans, store)]
        replay = run.replay_together if how.learns else run.replay_each
        replay(parts, Event(), lambda count: None)
        for commit in run.commits:
            store.commit(commit)
        records = run.replayed(interrupted=False).records
        return Ranged({name: [*run.lines(name)] for name in OUTPUTS}, records)


def span_of(log: Sequence[tuple[int, str, bytes]], partition: int, to_ms: int) -> Span:
    end = next((at for at, record in enumerate(log) if record[0] >= to_ms), len(log))
    proved_ms = to_ms if end < len(log) else 0
    return Span(partition=partition, first=0, begin=0, end=end, proved_ms=proved_ms)


def told(lines: Sequence[bytes]) -> list[Any]:
    """What lines say but where a record stood, and ids of what is told by that."""
    return [without_places(json.loads(line)) for line in lines]


def without_places(part: Any) -> Any:
    if isinstance(part, dict):
        kept = {key: value for key, value in part.items() if key not in ("offset", "id")}
        return {key: without_places(value) for key, value in kept.items()}
    return [without_places(one) for one in part] if isinstance(part, list) else part


@pytest.mark.parametrize(("partitions", "batch"), [(1, 20_000), (3, 1_500), (3, 20_000)])
def test_it_learns_and_decides_what_a_files_replay_does(
    recorded: Recorded, tmp_path: Path, partitions: int, batch: int
) -> None:
    broker = broker_of(recorded.events, partitions)
    ranged = replayed_range(broker, recorded.config, tmp_path / "state", How(batch=batch))
    assert replayed_models(tmp_path / "state") == recorded.learned
    assert max(model.figures.scored_count for model in recorded.learned) > 500
    assert len(recorded.lines["examples"]) > 1_000
    for name in OUTPUTS:
        assert sorted(map(str, told(ranged.lines[name]))) == sorted(
            map(str, told(recorded.lines[name]))
        ), name
    assert ranged.records == sum(map(len, broker.log))


def test_cut_anywhere_and_resumed_it_learns_and_decides_the_same(
    recorded: Recorded, tmp_path: Path
) -> None:
    broker = broker_of(recorded.events, 3)
    whole = replayed_range(broker, recorded.config, tmp_path / "whole")
    joined: dict[str, list[bytes]] = {name: [] for name in OUTPUTS}
    count = len(recorded.events)
    for at in (count // 3, count // 2, count // 2 + 1, count - 1):
        to_ms = recorded.events[at][0]
        part = replayed_range(broker, recorded.config, tmp_path / "parts", How(to_ms=to_ms))
        joined = {name: joined[name] + part.lines[name] for name in OUTPUTS}
    part = replayed_range(broker, recorded.config, tmp_path / "parts")
    assert {name: joined[name] + part.lines[name] for name in OUTPUTS} == whole.lines
    assert replayed_models(tmp_path / "parts") == recorded.learned


def test_a_run_killed_between_its_commits_is_repeated_whole(
    recorded: Recorded, tmp_path: Path
) -> None:
    broker = broker_of(recorded.events, 3)
    state = tmp_path / "state"
    to_ms = recorded.events[len(recorded.events) // 2][0]
    replayed_range(broker, recorded.config, state, How(to_ms=to_ms))
    kept = {path.name: path.read_bytes() for path in state.glob("partition-[01]*")}
    replayed_range(broker, recorded.config, state)
    for name, content in kept.items():
        (state / name).write_bytes(content)
    replayed_range(broker, recorded.config, state)
    assert replayed_models(state) == recorded.learned


def test_a_state_that_nothing_was_learned_on_the_way_to_is_refused(
    recorded: Recorded, tmp_path: Path
) -> None:
    broker = broker_of(recorded.events, 1)
    state = tmp_path / "state"
    replayed_range(broker_of(recorded.events[:100], 1), recorded.config, state, How(learns=False))
    with pytest.raises(StoreError, match="expected a state of a replay with --learn"):
        replayed_range(broker, recorded.config, state)


def test_who_learns_in_a_range_says_what(run: Run) -> None:
    ended = run("replay", "kafka://nowhere:1/beckon.events", "--learn")
    assert ended.code == 2
    assert "expected --config DIR with --learn" in ended.err
