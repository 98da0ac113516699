"""A partition of a range of the log, on its way: pieces in, steps out."""

from __future__ import annotations

from collections.abc import Container, Iterator
from functools import reduce

from msgspec.structs import replace

from connectors.events import RawBatch
from connectors.log import ControlKind, ControlRecord
from flows.counters import Counters, joined
from flows.live_apply import Applier, Step
from flows.live_commit import Live
from flows.range_parts import Part
from state.store import Commit


class PartRun:
    """A partition on its way through its range."""

    def __init__(self, part: Part, *, partitions: int, passes_over: Container[ControlKind]) -> None:
        """`passes_over`: of these records it counts only that time has passed."""
        self.partition = part.span.partition
        self.applier = Applier(
            part.config,
            part.engine,
            part.versions,
            partition=part.span.partition,
            partitions=partitions,
        )
        self._passes_over = passes_over
        self._config_to_store = part.config_record
        self._earlier: list[Counters] = []

    def steps(self, piece: RawBatch | ControlRecord) -> Iterator[Step]:
        """Apply a piece, as its steps are asked for."""
        if isinstance(piece, ControlRecord):
            if piece.kind == "config":
                self._config_to_store = piece.value
            if piece.kind in self._passes_over:
                piece = replace(piece, kind="tick")
        engine = self.applier.engine
        yield from self.applier.steps(piece)
        if self.applier.engine is not engine:
            self._earlier.append(engine.counters)

    def commit(self) -> Commit:
        """What has changed of the profiles, and the position."""
        live = Live(config=self._config_to_store, models=self.applier.versions.taken())
        return self.applier.engine.commit(live)

    def counters(self) -> Counters:
        """The sums of all configs that were in force."""
        return reduce(joined, [*self._earlier, self.applier.engine.counters])
