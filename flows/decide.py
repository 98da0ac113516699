"""The route and apply stages of a replay: each event to its partition's engine."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np
from msgspec import Struct

from config.limits import HOUR_MS
from connectors.columns import Columns
from connectors.events import partition_of
from connectors.late import Withheld
from flows.decisions import Batch
from flows.examples import ClosedExamples
from flows.learn_saved import Version
from flows.lines import rendered
from flows.lookup import partition_of_user
from flows.partition import Engine
from flows.slices import Decided, Routed, Stretch
from state.store import Commit

SHARED = ("lines", "data")
"""What is no column with a row per event."""

FAR = 2**62
"""Later than any instant, behind any offset."""


class Reached(Struct, frozen=True, kw_only=True):
    """Where the log stands: its clock, and the offset of the next record."""

    clock_ms: int
    next_offset: int


class Learning(Protocol):
    """What learns beside the engines, at whole hours of log time."""

    @property
    def is_waiting(self) -> bool:
        """Whether it was given examples that it has not learned from."""
        ...

    def take(self, closed: Sequence[ClosedExamples]) -> None:
        """Examples that closed since, those of each partition."""
        ...

    def learn(self) -> Sequence[tuple[str, Version]]:
        """An hour is full: learn from all of them. The models' versions that are new."""
        ...


class DecideStage:
    """Applies stretches of the log to the engines of a run, one engine per partition.

    With `learning`, versions of models come into force at whole hours of log time, by what closed
    up to then in any partition: so decisions depend neither on how the log is cut, nor on how users
    are divided. With `drain`, what is pending at the end of the log is decided too, however far
    ahead. That is a look ahead of the log, so it is not part of the commits (asked for only in runs
    that are `resumable`).
    """

    def __init__(
        self,
        engines: Sequence[Engine],
        *,
        outputs: Iterable[str],
        learning: Learning | None = None,
        drain: bool = False,
        resumable: bool = False,
    ) -> None:
        self._engines = engines
        self._outputs = tuple(outputs)
        self._learning = learning
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
        decided = Decided(stretch=stretch, lines=lines)
        first = 0
        for withheld in stretch.withheld:
            before = Reached(clock_ms=withheld.log_ms, next_offset=withheld.offset)
            self._advance(routed.parts, first, before, decided)
            self._withhold(withheld, decided)
            first = withheld.offset
        reached = Reached(clock_ms=stretch.clock_ms, next_offset=stretch.next_offset)
        self._advance(routed.parts, first, reached, decided)
        if stretch.final and self._drain:
            if self._resumable:
                self.commits()
            self._add(decided, [engine.drain() for engine in self._engines])
        return decided

    def _advance(
        self, parts: Sequence[Columns], first: int, reached: Reached, decided: Decided
    ) -> None:
        """Apply the events from offset `first` on, up to where the log is `reached`.

        Where models learn this stops at each hour in which something happens.
        """
        if self._learning is not None:
            while (hour_ms := self._next_hour(parts, first)) <= reached.clock_ms:
                at_hour = Reached(
                    clock_ms=hour_ms,
                    next_offset=min(_first_from(parts, hour_ms), reached.next_offset),
                )
                self._process(parts, first, at_hour, decided)
                first = at_hour.next_offset
                for model, version in self._learning.learn():
                    for engine in self._engines:
                        engine.adopt(model, version)
        self._process(parts, first, reached, decided)

    def _next_hour(self, parts: Sequence[Columns], first: int) -> int:
        """The next whole hour up to which examples may have closed."""
        assert self._learning is not None, "who does not learn needs no hours"
        clock_ms = self._engines[0].checkpoint.clock_ms
        happens_ms = min(
            *(engine.next_deadline_ms for engine in self._engines),
            *(_log_ms_from(columns, first) for columns in parts),
        )
        begin_ms = clock_ms if self._learning.is_waiting else max(clock_ms, happens_ms - 1)
        return (begin_ms // HOUR_MS + 1) * HOUR_MS

    def _process(
        self, parts: Sequence[Columns], first: int, reached: Reached, decided: Decided
    ) -> None:
        """Apply the events from offset `first` on, and decide what is due by then."""
        batches = [
            engine.process(
                between(columns, first, reached.next_offset),
                clock_ms=reached.clock_ms,
                next_offset=reached.next_offset,
            )
            for engine, columns in zip(self._engines, parts, strict=True)
        ]
        self._add(decided, batches)

    def _withhold(self, withheld: Withheld, decided: Decided) -> None:
        """Hand the partition of its user what the log says was not sent."""
        partition = partition_of_user(withheld.subject.encode(), len(self._engines))
        batch = self._engines[partition].withhold(withheld)
        self._add(decided, [batch])
        if "decisions" in decided.lines:
            decided.lines["decisions"].extend(batch.withheld)

    def _add(self, decided: Decided, batches: Sequence[Batch]) -> None:
        """Note what was decided in the lines of each output, and what closed."""
        for name, lines in decided.lines.items():
            lines.extend(rendered(name, batches, []))
        closed = [batch.closed() for batch in batches]
        decided.closed.extend(closed)
        if self._learning is not None:
            self._learning.take(closed)

    def commits(self) -> list[Commit]:
        """What each partition has to commit: its state at the log's end, before any drain."""
        if self._commits is None:
            self._commits = [engine.commit() for engine in self._engines]
        return self._commits


def between(columns: Columns, first: int, end: int) -> Columns:
    """The events with offsets first .. end, in log order."""
    begin, after = np.searchsorted(columns.offset, (first, end)).tolist()
    return columns._replace(
        **{
            name: getattr(columns, name)[begin:after]
            for name in Columns._fields
            if name not in SHARED
        }
    )


def _first_from(parts: Sequence[Columns], at_ms: int) -> int:
    """The offset of the first event with this log time or a later one; far ahead without any."""
    found = [columns.offset[np.searchsorted(columns.log_ms, at_ms) :][:1] for columns in parts]
    return int(min(np.concatenate(found), default=FAR))


def _log_ms_from(columns: Columns, first: int) -> int:
    """The log time of the first event from an offset on; far ahead without any."""
    found = columns.log_ms[np.searchsorted(columns.offset, first) :][:1]
    return int(min(found, default=FAR))
