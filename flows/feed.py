"""What a partition of a range of the log brings, up to one instant after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

from msgspec.structs import replace

from connectors.events import RawBatch
from connectors.kafka_ranges import Span
from connectors.log import ControlRecord
from flows.decide import FAR
from flows.range_parts import Part

Piece = RawBatch | ControlRecord


class Feed:
    """Reads a partition piece by piece, and stops amid one where an instant is reached."""

    def __init__(self, part: Part, polled: Iterator[list[Piece]]) -> None:
        self.engine = part.engine
        self._pieces = chain.from_iterable(polled)
        self._next = next(self._pieces, None)
        self._span = part.span
        self._next_offset = part.span.begin
        self.last_ms = max(part.span.proved_ms, part.engine.checkpoint.clock_ms)
        """The latest instant that is known to have passed."""

    @property
    def next_ms(self) -> int:
        """The log time of the next record; far ahead where there is none."""
        return log_ms_of(self._next)[0] if self._next is not None else FAR

    def before(self, at_ms: int) -> Iterator[Piece]:
        """The pieces before the first record of this log time or a later one."""
        while self._next is not None:
            clocks = log_ms_of(self._next)
            count = next((at for at, log_ms in enumerate(clocks) if log_ms >= at_ms), len(clocks))
            if not count:
                return
            piece, self._next = cut(self._next, count)
            self._next = self._next or next(self._pieces, None)
            self.last_ms = max(self.last_ms, *clocks[:count])
            self._next_offset = last_offset(piece) + 1
            yield piece

    def reached(self, at_ms: int) -> ControlRecord:
        """What tells that time has passed up to an instant, behind all that came before it."""
        if self._next is None:
            return end_of(self._span, at_ms)
        return ControlRecord(kind="tick", offset=self._next_offset - 1, log_ms=at_ms, value=b"")


def end_of_all(feeds: Sequence[Feed]) -> int:
    """The last instant that a record of any partition proves; far ahead before all have ended.

    Where one ends early, no record of before that instant comes behind it: the brokers of a log
    have one time, so it would stand in the range.
    """
    if any(feed.next_ms < FAR for feed in feeds):
        return FAR
    return max(feed.last_ms for feed in feeds)


def end_of(span: Span, at_ms: int) -> ControlRecord:
    """What a range's end tells: that it was reached and, as a tick does, what time has passed."""
    return ControlRecord(kind="tick", offset=span.end - 1, log_ms=at_ms, value=b"")


def record_count(piece: Piece) -> int:
    """How many records a piece is."""
    return 1 if isinstance(piece, ControlRecord) else len(piece.offset)


def last_offset(piece: Piece) -> int:
    """The offset of its last record."""
    return piece.offset if isinstance(piece, ControlRecord) else int(piece.offset[-1])


def log_ms_of(piece: Piece) -> list[int]:
    """The broker's time of each of its records."""
    if isinstance(piece, ControlRecord):
        return [piece.log_ms]
    assert piece.log_ms is not None, "what comes from a broker has its time"
    clocks: list[int] = piece.log_ms.tolist()
    return clocks


def cut(piece: Piece, count: int) -> tuple[Piece, Piece | None]:
    """The first records of a piece, and the rest, if there is one."""
    if isinstance(piece, ControlRecord) or count == len(piece.offset):
        return piece, None
    return part_of(piece, slice(count)), part_of(piece, slice(count, None))


def part_of(batch: RawBatch, which: slice) -> RawBatch:
    """Some records of a batch."""
    assert batch.log_ms is not None, "as above"
    return replace(
        batch,
        start=batch.start[which],
        length=batch.length[which],
        offset=batch.offset[which],
        log_ms=batch.log_ms[which],
    )
