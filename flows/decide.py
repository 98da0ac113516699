"""The route and apply stages of a replay: each event to its partition's engine."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from msgspec import Struct

from connectors.columns import Columns
from connectors.events import partition_of
from connectors.late import Withheld
from flows.decisions import Batch
from flows.lines import rendered
from flows.lookup import partition_of_user
from flows.partition import Engine
from flows.slices import Decided, Routed, Stretch
from state.store import Commit


class Reached(Struct, frozen=True, kw_only=True):
    """Where the log stands: its clock, and the offset of the next record."""

    clock_ms: int
    next_offset: int


class DecideStage:
    """Applies stretches of the log to the engines of a run, one engine per partition.

    With `drain`, what is pending at the end of the log is decided too, however far ahead. That is
    a look ahead of the log, so it is not part of the commits (asked for only in runs that are
    `resumable`).
    """

    def __init__(
        self,
        engines: Sequence[Engine],
        *,
        outputs: Iterable[str],
        drain: bool = False,
        resumable: bool = False,
    ) -> None:
        self._engines = engines
        self._outputs = tuple(outputs)
        self._drain = drain
        self._resumable = resumable
        self._commits: list[Commit] | None = None

    def route(self, stretch: Stretch) -> Routed:
        """The events of each partition, in log order."""
        columns, count = stretch.columns, len(self._engines)
        if count == 1:
            return Routed(stretch=stretch, parts=[columns])
        partitions = partition_of(columns, count)
        parts = [columns.take(np.flatnonzero(partitions == number)) for number in range(count)]
        return Routed(stretch=stretch, parts=parts)

    def apply(self, routed: Routed) -> Decided:
        """What the partitions decide on a stretch, and at the log's end on what is pending."""
        stretch = routed.stretch
        lines = {name: rendered(name, [], stretch.dead_letters) for name in self._outputs}
        first = 0
        for withheld in stretch.withheld:
            before = Reached(clock_ms=withheld.log_ms, next_offset=withheld.offset)
            self._advance(routed.parts, first, before, lines)
            self._withhold(withheld, lines)
            first = withheld.offset
        reached = Reached(clock_ms=stretch.clock_ms, next_offset=stretch.next_offset)
        self._advance(routed.parts, first, reached, lines)
        if stretch.final and self._drain:
            if self._resumable:
                self.commits()
            self._add(lines, [engine.drain() for engine in self._engines])
        return Decided(stretch=stretch, lines=lines)

    def _advance(
        self, parts: Sequence[Columns], first: int, reached: Reached, lines: dict[str, list[bytes]]
    ) -> None:
        """Apply the events from offset `first` on, up to where the log is `reached`."""
        batches = []
        for engine, columns in zip(self._engines, parts, strict=True):
            # A partition may stand further ahead than the others, when a run is killed between
            # their commits: what it has applied is passed over.
            behind = engine.checkpoint.next_offset
            batches.append(
                engine.process(
                    between(columns, max(first, behind), reached.next_offset),
                    clock_ms=max(reached.clock_ms, engine.checkpoint.clock_ms),
                    next_offset=max(reached.next_offset, behind),
                )
            )
        self._add(lines, batches)

    def _withhold(self, withheld: Withheld, lines: dict[str, list[bytes]]) -> None:
        """Hand the partition of its user what the log says was not sent."""
        partition = partition_of_user(withheld.subject.encode(), len(self._engines))
        engine = self._engines[partition]
        if engine.checkpoint.next_offset > withheld.offset:
            return
        batch = engine.withhold(withheld)
        self._add(lines, [batch])
        if "decisions" in lines:
            lines["decisions"] += batch.withheld

    def _add(self, lines: dict[str, list[bytes]], batches: Sequence[Batch]) -> None:
        """Append what was decided to the lines of each output."""
        for name in lines:
            lines[name] += rendered(name, batches, [])

    def commits(self) -> list[Commit]:
        """What each partition has to commit: its state at the log's end, before any drain."""
        if self._commits is None:
            self._commits = [engine.commit() for engine in self._engines]
        return self._commits


def between(columns: Columns, first: int, end: int) -> Columns:
    """The events with offsets first .. end, in log order."""
    begin, after = np.searchsorted(columns.offset, (first, end)).tolist()
    if begin == 0 and after == len(columns.offset):
        return columns
    return columns.take(np.arange(begin, after))
