"""Runs a log through the oracle or through the engine; both give the same kind of `World`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import numpy as np
from msgspec.structs import replace

from config.load import load
from config.schema import Config
from tests import oracle
from tests.oracle_profile import Document, World
from tests.oracle_scores import models_of
from tests.reference_decoder import decode

if TYPE_CHECKING:
    from connectors.columns import Columns
    from connectors.events import RawBatch
    from flows.partition import Engine
    from flows.slices import Stretch

RUNNERS = ("oracle", "engine")


def run(runner: str, directory: Path, lines: list[bytes], *, batch: int) -> World:
    """What comes of a log in the hands of one of `RUNNERS` (the oracle knows no batches)."""
    if runner == "oracle":
        return run_oracle(directory, lines)
    return run_engine(load(directory), lines, batch=batch)


def run_oracle(directory: Path, lines: list[bytes], idle_ms: int = 0) -> World:
    """The oracle on the events that the reference decoder makes of the lines."""
    config = load(directory)
    decoded = decode(lines, config)
    return oracle.run(
        config,
        decoded.events,
        clock_ms=decoded.clock_ms + idle_ms,
        models=models_of(config, directory),
        withheld=decoded.withheld,
    )


def run_engine(
    config: Config, lines: list[bytes], idle_ms: int = 0, *, batch: int = 1000, partitions: int = 1
) -> World:
    """The engine on the same lines, `batch` of them at a time."""
    from flows.lines import merged_profiles
    from flows.partition import Engine

    engines = [Engine(config, partition=number) for number in range(partitions)]
    world = World(decisions=[], transitions=[], profiles=[], counters={})
    for stretch in stretches(config, lines, batch, idle_ms):
        note(world, engines, stretch)
    profiles = merged_profiles([engine.profiles() for engine in engines])
    world.profiles.extend(documents(profiles))
    world.counters.update(sums(engines))
    return world


def run_resumed(config: Config, lines: list[bytes], idle_ms: int, random: Random) -> World:
    """The engine again, but now and then a new one takes over from what the last one committed."""
    from flows.partition import Engine
    from state.store import MemoryStore

    store, engine = MemoryStore(), Engine(config)
    world = World(decisions=[], transitions=[], profiles=[], counters={})
    for stretch in stretches(config, lines, random.choice((1, 7, 20)), idle_ms):
        note(world, [engine], stretch)
        if random.random() < 0.5:
            store.commit(engine.commit())
            if random.random() < 0.5:
                engine = Engine(config, snapshot=store.load(0))
    world.profiles.extend(documents(engine.profiles()))
    return world


def run_drained(config: Config, lines: list[bytes]) -> World:
    """The engine up to the last record, and then all that is pending, however far ahead."""
    from flows.partition import Engine

    engine = Engine(config)
    world = World(decisions=[], transitions=[], profiles=[], counters={})
    for stretch in stretches(config, lines, 1000):
        note(world, [engine], stretch, drain=True)
    return world


def note(world: World, engines: list[Engine], stretch: Stretch, *, drain: bool = False) -> None:
    """Adds what a stretch of the log leads to, as a replay finds it."""
    from flows.decide import DecideStage

    stage = DecideStage(engines, outputs=("decisions", "tags"), drain=drain)
    decided = stage.apply(stage.route(stretch))
    world.decisions.extend(documents(decided.lines["decisions"]))
    world.transitions.extend(documents(decided.lines["tags"]))


def stretches(
    config: Config, lines: list[bytes], batch: int, idle_ms: int = 0
) -> Iterator[Stretch]:
    """The log, `batch` lines at a time; `idle_ms` pass after its last one."""
    from connectors.events import Decoder
    from flows.decode import DecodeStage
    from flows.slices import Slice, part_of

    stage = DecodeStage(Decoder(config))
    whole = raw_batch(lines)
    for first in range(0, max(len(lines), 1), batch):
        end = min(first + batch, len(lines))
        last = end == len(lines)
        piece = Slice(records=part_of(whole, first, end), next_offset=end, last=last)
        stretch = stage.decode(piece)
        assert stretch is not None
        yield replace(stretch, clock_ms=stretch.clock_ms + idle_ms) if last else stretch


def raw_batch(lines: list[bytes]) -> RawBatch:
    """The lines as they come from a file."""
    from connectors.events import RawBatch

    length = np.array([len(line) for line in lines], np.int64)
    return RawBatch(
        data=np.frombuffer(b"".join(lines), np.uint8),
        start=np.cumsum(length) - length,
        length=length,
        offset=np.arange(len(lines)),
        log_ms=None,
    )


def decoded(config: Config, lines: list[bytes], batch: int) -> Iterator[tuple[Columns, int, int]]:
    """(columns, clock, next offset) of each batch; what a batch holds back goes into the next."""
    for stretch in stretches(config, lines, batch):
        yield stretch.columns, stretch.clock_ms, stretch.next_offset


def parted(columns: Columns, partitions: int) -> list[Columns]:
    """The events of each partition, in log order."""
    from connectors.events import partition_of

    if partitions == 1:
        return [columns]
    numbers = partition_of(columns, partitions)
    return [columns.take(np.flatnonzero(numbers == number)) for number in range(partitions)]


def documents(lines: Iterable[bytes]) -> list[Document]:
    return [json.loads(line) for line in lines]


def sums(engines: list[Engine]) -> Document:
    """The counters of all partitions together; reasons and tags that never occur are left out."""
    parts = [engine.counters for engine in engines]
    total: Document = {
        name: sum(getattr(part, name) for part in parts)
        for name in ("events", "duplicates", "late", "users")
    }
    journeys: Document = {}
    for name in parts[0].journeys:
        own = [part.journeys[name] for part in parts]
        journeys[name] = {
            key: sum(getattr(one, key) for one in own)
            for key in ("entered", "scheduled", "sent", "pending", "goals")
        } | {"suppressed": added_up([one.suppressed for one in own])}
    return total | {"journeys": journeys, "tags": added_up([part.tags for part in parts])}


def added_up(parts: list[dict[str, int]]) -> dict[str, int]:
    names = dict.fromkeys(name for part in parts for name in part)
    total = {name: sum(part.get(name, 0) for part in parts) for name in names}
    return {name: count for name, count in total.items() if count}
