"""Runs a log through the oracle or through the engine; both give the same kind of `World`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import numpy as np

from config.load import load
from config.schema import Config
from tests import oracle
from tests.oracle_profile import Document, World
from tests.oracle_rules import thresholds_of
from tests.reference_decoder import decode

if TYPE_CHECKING:
    from connectors.columns import Columns
    from flows.decisions import Batch
    from flows.partition import Engine

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
        thresholds=thresholds_of(directory),
    )


def run_engine(
    config: Config, lines: list[bytes], idle_ms: int = 0, *, batch: int = 1000, partitions: int = 1
) -> World:
    """The engine on the same lines, `batch` of them at a time.

    What several partitions give is put together in the order of the partitions.
    """
    from flows.partition import Engine

    engines = [Engine(config, partition=number) for number in range(partitions)]
    world = World(decisions=[], transitions=[], profiles=[], counters={})
    clock_ms, next_offset, columns = 0, 0, None
    for columns, clock_ms, next_offset in decoded(config, lines, batch):
        for engine, part in zip(engines, parted(columns, partitions), strict=True):
            note(world, engine.process(part, clock_ms=clock_ms, next_offset=next_offset))
    assert columns is not None
    nothing = columns.take(np.zeros(0, np.int64))
    for engine in engines:
        clock_at_end_ms = clock_ms + idle_ms
        note(world, engine.process(nothing, clock_ms=clock_at_end_ms, next_offset=next_offset))
        world.profiles.extend(documents(engine.profiles()))
    world.counters.update(sums(engines))
    return world


def run_resumed(config: Config, lines: list[bytes], idle_ms: int, random: Random) -> World:
    """The engine again, but now and then a new one takes over from what the last one committed."""
    from flows.partition import Engine
    from state.store import MemoryStore

    store, engine = MemoryStore(), Engine(config)
    world = World(decisions=[], transitions=[], profiles=[], counters={})
    clock_ms, next_offset, columns = 0, 0, None
    for columns, clock_ms, next_offset in decoded(config, lines, random.choice((1, 7, 20))):
        note(world, engine.process(columns, clock_ms=clock_ms, next_offset=next_offset))
        if random.random() < 0.5:
            store.commit(engine.commit())
            if random.random() < 0.5:
                engine = Engine(config, snapshot=store.load(0))
    assert columns is not None
    nothing = columns.take(np.zeros(0, np.int64))
    note(world, engine.process(nothing, clock_ms=clock_ms + idle_ms, next_offset=next_offset))
    world.profiles.extend(documents(engine.profiles()))
    return world


def run_drained(config: Config, lines: list[bytes]) -> World:
    """The engine up to the last record, and then all that is pending, however far ahead."""
    from flows.partition import Engine

    engine = Engine(config)
    world = World(decisions=[], transitions=[], profiles=[], counters={})
    for columns, clock_ms, next_offset in decoded(config, lines, 1000):
        note(world, engine.process(columns, clock_ms=clock_ms, next_offset=next_offset))
    note(world, engine.drain())
    return world


def note(world: World, batch: Batch) -> None:
    """Adds what one call decided (a batch is read before the next call)."""
    world.decisions.extend(documents(batch.decisions()))
    world.transitions.extend(documents(batch.transitions()))


def decoded(config: Config, lines: list[bytes], batch: int) -> Iterator[tuple[Columns, int, int]]:
    """(columns, clock, next offset) of each batch; what a batch holds back goes into the next."""
    from connectors.events import Decoder, RawBatch

    decoder = Decoder(config)
    length = np.array([len(line) for line in lines], np.int64)
    start = np.cumsum(length) - length
    data = np.frombuffer(b"".join(lines), np.uint8)
    first = end = 0
    while first < len(lines) or end == 0:
        end = min(end + batch, len(lines))
        offset = np.arange(first, end, dtype=np.int64)
        raw = RawBatch(
            data=data, start=start[first:end], length=length[first:end], offset=offset, log_ms=None
        )
        outcome = decoder.decode(raw, last=end == len(lines))
        first = end - outcome.held
        yield outcome.columns, outcome.clock_ms, first


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
