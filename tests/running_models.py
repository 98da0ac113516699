"""Runs the log of a world with models through the engine: versions come into force in between."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random
from typing import NamedTuple

import numpy as np

from config.limits import HOUR_MS
from config.schema import Config
from connectors.columns import Columns
from flows.decide import DecideStage
from flows.decisions import Batch
from flows.examples import ClosedExamples
from flows.learn_saved import Version
from flows.lines import merged_profiles, rendered
from flows.partition import Engine
from state.store import MemoryStore
from tests.oracle_profile import Document, World
from tests.running import documents, parted, stretches, sums
from tests.world_versions import random_version
from tests.worlds import Given, GivenModels


class Told(NamedTuple):
    """What the engine tells of a log."""

    world: World
    examples: list[Document]


class Piece(NamedTuple):
    """A piece of the log, the clock behind it, and a version that comes into force there."""

    columns: Columns
    clock_ms: int
    next_offset: int
    adopted: tuple[str, Version] | None = None


def run_models(
    given: GivenModels, random: Random, *, partitions: int = 1, resumed: bool = False
) -> Told:
    """The engine on a world's log, in pieces of any length; `resumed`: by one engine after another.

    A new engine starts from what the one before it committed.
    """
    config = given.given.config
    engines = [Engine(config, partition=number) for number in range(partitions)]
    stores = [MemoryStore() for _ in engines]
    told = Told(World(decisions=[], transitions=[], profiles=[], counters={}), [])
    adopted: dict[str, Version] = {}
    for piece in pieces(given, random):
        note(told, process(engines, piece))
        if piece.adopted is not None:
            name, version = piece.adopted
            adopted[name] = version
            for engine in engines:
                engine.adopt(name, version)
        if resumed and random.random() < 0.4:
            for number, store in enumerate(stores):
                store.commit(engines[number].commit())
                engines[number] = Engine(config, partition=number, snapshot=store.load(number))
                for name, version in adopted.items():
                    engines[number].adopt(name, version)
    profiles = merged_profiles([engine.profiles() for engine in engines])
    told.world.profiles.extend(documents(profiles))
    told.world.counters.update(sums(engines))
    return told


class Oracular:
    """Learns nothing, but has a version at some of the hours at which there is something to learn.

    `adopted` has the hour, the model and the version of each.
    """

    def __init__(self, config: Config, random: Random) -> None:
        self.models = [model for model in config.models if not model.complement]
        self.random = random
        self.closed_ms: list[int] = []
        self.adopted: list[tuple[int, str, Version]] = []

    @property
    def is_waiting(self) -> bool:
        """Whether something closed since the last hour."""
        return bool(self.closed_ms)

    def take(self, closed: Sequence[ClosedExamples]) -> None:
        """What closed since."""
        for examples in closed:
            self.closed_ms += examples.closed_ms.tolist()

    def learn(self) -> list[tuple[str, Version]]:
        """The version that is in force from the first whole hour by which all of that closed."""
        if not self.closed_ms or self.random.random() < 0.3:
            self.closed_ms = []
            return []
        hour_ms = -(-max(self.closed_ms) // HOUR_MS) * HOUR_MS
        self.closed_ms = []
        model = self.random.choice(self.models)
        self.adopted.append((hour_ms, model.name, random_version(self.random, model)))
        return [self.adopted[-1][1:]]


def run_learning(given: Given, learning: Oracular, random: Random) -> Told:
    """The engine on a world's log, as a replay runs it while `learning` learns beside it."""
    engines = [Engine(given.config, partition=number) for number in range(random.choice((1, 1, 3)))]
    outputs = ("decisions", "tags", "examples")
    stage = DecideStage(engines, outputs=outputs, learning=learning)
    told = Told(World(decisions=[], transitions=[], profiles=[], counters={}), [])
    for stretch in stretches(given.config, given.lines, random.choice((1, 7, 1000)), given.idle_ms):
        lines = stage.apply(stage.route(stretch)).lines
        told.world.decisions.extend(documents(lines["decisions"]))
        told.world.transitions.extend(documents(lines["tags"]))
        told.examples.extend(documents(lines["examples"]))
    profiles = merged_profiles([engine.profiles() for engine in engines])
    told.world.profiles.extend(documents(profiles))
    return told


def process(engines: Sequence[Engine], piece: Piece) -> list[Batch]:
    """What each partition makes of its part of a piece."""
    parts = parted(piece.columns, len(engines))
    return [
        engine.process(columns, clock_ms=piece.clock_ms, next_offset=piece.next_offset)
        for engine, columns in zip(engines, parts, strict=True)
    ]


def note(told: Told, batches: Sequence[Batch]) -> None:
    """Adds what a piece of the log leads to, in order of place."""
    told.world.decisions.extend(documents(rendered("decisions", batches, [])))
    told.world.transitions.extend(documents(rendered("tags", batches, [])))
    told.examples.extend(documents(rendered("examples", batches, [])))


def pieces(given: GivenModels, random: Random) -> Iterator[Piece]:
    """The log, cut at each `model` record and anywhere else."""
    world, first = given.given, 0
    (whole,) = stretches(world.config, world.lines, len(world.lines), world.idle_ms)
    columns = whole.columns.take(np.flatnonzero(whole.columns.log_ms < given.before_ms))
    clocks = columns.log_ms.tolist()
    for adoption, version in given.adopted:
        if adoption.log_ms >= given.before_ms:
            break
        end = int(np.searchsorted(columns.offset, adoption.before))
        for cut in cuts(first, end, random):
            yield Piece(
                part(columns, first, cut), clocks[cut - 1], int(columns.offset[cut - 1]) + 1
            )
            first = cut
        rest = part(columns, first, end)
        yield Piece(rest, adoption.log_ms, adoption.before, (adoption.model, version))
        first = end
    for cut in cuts(first, len(clocks), random):
        yield Piece(part(columns, first, cut), clocks[cut - 1], int(columns.offset[cut - 1]) + 1)
        first = cut
    yield Piece(part(columns, first, len(clocks)), whole.clock_ms, whole.next_offset)


def cuts(first: int, end: int, random: Random) -> list[int]:
    """Some places between two events, in order."""
    count = min(max(end - first - 1, 0), random.choice((0, 1, 5, 100)))
    return sorted(random.sample(range(first + 1, end), count))


def part(columns: Columns, first: int, end: int) -> Columns:
    return columns.take(np.arange(first, end))
