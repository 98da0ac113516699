"""What travels through the dataflow, one value per step."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from connectors.columns import Columns, DeadLetter
from connectors.events import RawBatch
from connectors.late import Withheld
from flows.examples import ClosedExamples


class Slice(Struct, frozen=True, kw_only=True):
    """Raw records of the log, in order. `next_offset` is that of the line after them.

    `last`: the log ends here, nothing will come that could tell more about these records.
    """

    records: RawBatch
    next_offset: int
    last: bool = False


class Stretch(Struct, frozen=True, kw_only=True):
    """A decoded stretch of the log: its events and dead letters, and where the log stands after it.

    `record_count` counts all its records, also ticks. `final`: the run ends with it. `withheld`:
    what it says was not sent, in order.
    """

    columns: Columns
    dead_letters: list[DeadLetter]
    record_count: int
    clock_ms: int
    next_offset: int
    final: bool = False
    withheld: list[Withheld] = []


class Routed(Struct, frozen=True, kw_only=True):
    """A stretch and its events by partition (as many as the run has, also where there are none)."""

    stretch: Stretch
    parts: list[Columns]


class Decided(Struct, frozen=True, kw_only=True):
    """What a stretch led to: the JSON lines of each output that was asked for, and what closed.

    closed: examples of models in the order in which they closed, within each partition.
    """

    stretch: Stretch
    lines: Mapping[str, list[bytes]]
    closed: list[ClosedExamples] = []


def no_records() -> RawBatch:
    """A batch of nothing.

    >>> len(no_records().offset)
    0
    """
    none = np.zeros(0, np.int64)
    return RawBatch(data=np.zeros(0, np.uint8), start=none, length=none, offset=none, log_ms=None)


def part_of(records: RawBatch, begin: int, end: int) -> RawBatch:
    """Records begin .. end of a file's, and no more bytes than theirs: for a short part of many."""
    if begin == end:
        return no_records()
    first = int(records.start[begin])
    after = int(records.start[end - 1] + records.length[end - 1])
    return RawBatch(
        data=records.data[first:after],
        start=records.start[begin:end] - first,
        length=records.length[begin:end],
        offset=records.offset[begin:end],
        log_ms=None,
    )


def preceded_by(held: RawBatch, piece: Slice) -> Slice:
    """The slice with the records before it that were held back (mostly none: then as it is)."""
    if not len(held.offset):
        return piece
    records = piece.records
    joined = RawBatch(
        data=np.concatenate((held.data, records.data)),
        start=np.concatenate((held.start, records.start + len(held.data))),
        length=np.concatenate((held.length, records.length)),
        offset=np.concatenate((held.offset, records.offset)),
        log_ms=None,
    )
    return replace(piece, records=joined)
