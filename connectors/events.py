"""Events in: raw records to columns, dead letters and the clock, one batch at a time.

The work is done by compiled functions (`decode.py`, `clock.py`) on arrays that `layout.py` makes of
the config; there is no Python object per event.
"""

from __future__ import annotations

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from config.fields import field_names
from config.schema import Config
from connectors.clock import NO_CLOCK, place_in_file
from connectors.columns import Columns, DeadLetter
from connectors.dead_letters import dead_letter, new_places
from connectors.decode import Records, decode_records
from connectors.fates import EVENT_FATE, control_times, is_control
from connectors.late import Withheld, read_withheld
from connectors.layout import CONTROL_KINDS, WITHHELD, new_layout
from connectors.log import ControlRecord
from connectors.murmur import fill_partitions
from connectors.order_lines import LINES_MAX
from connectors.rows import (
    AT,
    EVENT_INDEX,
    LINE_COUNT,
    LINE_FROM,
    LINES_FILLED,
    LOG,
    MESSAGE_HASH,
    RECORD,
    ROW_COUNT,
    USER_HASH,
    USER_LENGTH,
    USER_START,
    Rows,
    new_rows,
    with_more_lines,
)

_PADDING = 16


class RawBatch(Struct, frozen=True, kw_only=True):
    """Records of the log as they came: bytes start .. start + length of `data`, in log order.

    `log_ms` is the broker's time of each record; None for a file, whose records say it themselves.
    """

    data: NDArray[np.uint8]
    start: NDArray[np.int64]
    length: NDArray[np.int64]
    offset: NDArray[np.int64]
    log_ms: NDArray[np.int64] | None


class Decoded(Struct, frozen=True, kw_only=True):
    """What a batch held: usable events, the rest as dead letters in order, and the clock after it.

    `withheld`: what a file's control records say was not sent, in order.

    The last `held` records were not looked at for good, as what becomes of them depends on what
    follows: they are to be passed again, at the head of the next batch.
    """

    columns: Columns
    dead_letters: list[DeadLetter]
    clock_ms: int
    held: int
    withheld: list[Withheld] = []


class Decoder:
    """Decodes the batches of one log, in order; where they are cut makes no difference."""

    clock_ms: int
    """The log's clock, NO_CLOCK before its first record; to be set where a log is resumed."""

    fields: tuple[str, ...]
    """What the columns of `Columns.values` hold."""

    def __init__(self, config: Config) -> None:
        self.clock_ms = NO_CLOCK
        self.fields = field_names(config.events)
        self._layout = new_layout(config)
        self._places = new_places(config)

    def decode(self, batch: RawBatch, *, last: bool) -> Decoded:
        """Decode a batch; `last`: nothing follows it. With a broker's times nothing is held."""
        records = _with_room(batch)
        rows = self._decode(records)
        clock_ms = self.clock_ms
        placed = self._place(records, rows, last)
        columns = _columns(batch, records, rows, placed)
        dead_letters = [
            self._dead_letter(batch, int(record), int(rows.fates[record]))
            for record in np.flatnonzero(rows.fates[:placed] > EVENT_FATE)
        ]
        read = [
            read_withheld(record) for record in _withheld_records(batch, rows, placed, clock_ms)
        ]
        if read:
            dead_letters += [one for one in read if isinstance(one, DeadLetter)]
            dead_letters.sort(key=lambda letter: letter.offset)
        return Decoded(
            columns=columns,
            dead_letters=dead_letters,
            clock_ms=self.clock_ms,
            held=len(records.start) - placed,
            withheld=[one for one in read if isinstance(one, Withheld)],
        )

    def _decode(self, records: Records) -> Rows:
        """All records as rows and fates, not yet placed in time."""
        count = len(records.start)
        room_from = len(records.data) - _PADDING - int(records.length.sum())
        rows = new_rows(count, len(self.fields), count + LINES_MAX, room_from)
        record = decode_records(records, 0, self._layout, rows)
        while record < count:
            rows = with_more_lines(rows, 2 * len(rows.lines))
            record = decode_records(records, record, self._layout, rows)
        return rows

    def _place(self, records: Records, rows: Rows, last: bool) -> int:
        """Fill in log times and move the clock; returns how many records are placed."""
        row_count = int(rows.fill[ROW_COUNT])
        if len(records.log_ms) == 0:
            self.clock_ms, placed = place_in_file(
                rows.cells, row_count, rows.fates, self.clock_ms, last
            )
            return placed
        log_ms = np.maximum.accumulate(np.maximum(records.log_ms, self.clock_ms))
        cells = rows.cells[:, :row_count]
        cells[LOG] = log_ms[cells[RECORD]]
        cells[AT] = np.minimum(cells[AT], cells[LOG])
        self.clock_ms = int(log_ms[-1])
        return len(log_ms)

    def _dead_letter(self, batch: RawBatch, record: int, fate: int) -> DeadLetter:
        raw = _value(batch, record)
        return dead_letter(self._places, raw, int(batch.offset[record]), fate)


def partition_of(columns: Columns, partitions: int) -> NDArray[np.int64]:
    """The partition of each event by its profile id, as Kafka's default partitioner chooses it."""
    chosen = np.empty(len(columns.offset), np.int64)
    fill_partitions(columns.data, columns.user_start, columns.user_length, partitions, chosen)
    return chosen


def _with_room(batch: RawBatch) -> Records:
    """The batch in a buffer of its own, in which a control character follows each record.

    Behind the records there is room for all their texts without escapes, and to read eight bytes
    anywhere.
    """
    log_ms = np.zeros(0, np.int64) if batch.log_ms is None else batch.log_ms
    if len(batch.start) == 0:
        return Records(np.zeros(_PADDING, np.uint8), batch.start, batch.length, log_ms)
    begin, end = int(batch.start.min()), int((batch.start + batch.length).max())
    used, room = end - begin + _PADDING, int(batch.length.sum()) + _PADDING
    data = np.empty(used + room, np.uint8)
    data[: end - begin] = batch.data[begin:end]
    data[end - begin : used] = 0
    data[-_PADDING:] = 0
    start = batch.start - begin
    if (data[start + batch.length] >= ord(" ")).any():
        return _with_room(_separated(batch))
    return Records(data, start, batch.length, log_ms)


def _separated(batch: RawBatch) -> RawBatch:
    """The same records, one a line."""
    spans = zip(batch.start.tolist(), batch.length.tolist(), strict=True)
    data = b"\n".join(batch.data[start : start + length].tobytes() for start, length in spans)
    start = np.cumsum(batch.length + 1) - batch.length - 1
    return RawBatch(
        data=np.frombuffer(data, np.uint8),
        start=start,
        length=batch.length,
        offset=batch.offset,
        log_ms=batch.log_ms,
    )


def _withheld_records(
    batch: RawBatch, rows: Rows, placed: int, clock_ms: int
) -> list[ControlRecord]:
    """A file's records of that kind among the first `placed`, each at the clock that it leaves.

    `clock_ms` is the clock before the batch.
    """
    fates = rows.fates[:placed]
    found = np.flatnonzero(is_control(fates, WITHHELD))
    if not len(found):
        return []
    cells = rows.cells[:, : int(rows.fill[ROW_COUNT])]
    cells = cells[:, cells[RECORD] < placed]
    log_ms = control_times(fates)
    is_event = fates[cells[RECORD]] == EVENT_FATE
    log_ms[cells[RECORD, is_event]] = cells[LOG, is_event]
    log_ms = np.maximum.accumulate(np.maximum(log_ms, clock_ms))
    return [
        ControlRecord(
            kind=CONTROL_KINDS[WITHHELD],
            offset=int(batch.offset[record]),
            log_ms=int(log_ms[record]),
            value=_value(batch, record),
        )
        for record in found.tolist()
    ]


def _value(batch: RawBatch, record: int) -> bytes:
    start = int(batch.start[record])
    return batch.data[start : start + int(batch.length[record])].tobytes()


def _columns(batch: RawBatch, records: Records, rows: Rows, placed: int) -> Columns:
    """The rows of the events among the first `placed` records."""
    row_count = int(rows.fill[ROW_COUNT])
    cells, values = rows.cells[:, :row_count], rows.values[:row_count]
    kept = (cells[RECORD] < placed) & (rows.fates[cells[RECORD]] == EVENT_FATE)
    if not kept.all():
        cells, values = np.ascontiguousarray(cells[:, kept]), values[kept]
    return Columns(
        offset=batch.offset[cells[RECORD]],
        log_ms=cells[LOG],
        at_ms=cells[AT],
        event=cells[EVENT_INDEX].astype(np.int32),
        user_start=cells[USER_START],
        user_length=cells[USER_LENGTH],
        user_hash=cells[USER_HASH].view(np.uint64),
        message_hash=cells[MESSAGE_HASH].view(np.uint64),
        values=values,
        line_from=cells[LINE_FROM],
        line_count=cells[LINE_COUNT],
        lines=rows.lines[: rows.fill[LINES_FILLED]],
        data=records.data,
    )
