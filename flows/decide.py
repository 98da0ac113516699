"""The route and apply stages of a replay: each event to its partition's engine."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from connectors.columns import Columns
from connectors.events import partition_of
from flows.decisions import Batch
from flows.lines import rendered
from flows.partition import Engine
from flows.slices import Decided, Routed, Stretch
from state.store import Commit


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
        batches = [
            applied(engine, part, stretch)
            for engine, part in zip(self._engines, routed.parts, strict=True)
        ]
        lines = {name: rendered(name, batches, stretch.dead_letters) for name in self._outputs}
        if stretch.final and self._drain:
            if self._resumable:
                self.commits()
            drained = [engine.drain() for engine in self._engines]
            lines = {name: [*lines[name], *rendered(name, drained, [])] for name in lines}
        return Decided(stretch=stretch, lines=lines)

    def commits(self) -> list[Commit]:
        """What each partition has to commit: its state at the log's end, before any drain."""
        if self._commits is None:
            self._commits = [engine.commit() for engine in self._engines]
        return self._commits


def applied(engine: Engine, columns: Columns, stretch: Stretch) -> Batch:
    """The stretch applied to one partition.

    A partition may stand further ahead than the others: when a run is killed between their
    commits. What it has applied is passed over.
    """
    behind = engine.checkpoint.next_offset
    if len(columns.offset) and int(columns.offset[0]) < behind:
        columns = columns.take(np.flatnonzero(columns.offset >= behind))
    return engine.process(
        columns,
        clock_ms=max(stretch.clock_ms, engine.checkpoint.clock_ms),
        next_offset=max(stretch.next_offset, behind),
    )
