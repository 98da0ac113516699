"""Where the compiled decoder writes: rows of events, and the fate of each record."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

RECORD, AT, RECEIVED, LOG, EVENT_INDEX = 0, 1, 2, 3, 4
USER_START, USER_LENGTH, USER_HASH, MESSAGE_HASH, LINE_FROM, LINE_COUNT = 5, 6, 7, 8, 9, 10
CELLS = 11
"""Rows of `Rows.cells`: one contiguous array per column of the result."""

ROW_COUNT, LINES_FILLED, ROOM_FILLED = 0, 1, 2
"""Cells of `Rows.fill`."""


class Rows(NamedTuple):
    """cells: (CELLS, records); values: (records, fields); lines: (any, 4); fates: one per record.

    fill: how many rows of `cells` and `values` and how many `lines` are in use, and where in `data`
    texts without their escapes may be written. RECORD is the record's number in the batch, RECEIVED
    UNUSABLE where nothing says it.
    """

    cells: NDArray[np.int64]
    values: NDArray[np.int64]
    lines: NDArray[np.int64]
    fates: NDArray[np.int64]
    fill: NDArray[np.int64]


def new_rows(records: int, fields: int, lines: int, room_from: int) -> Rows:
    """Room for the events of so many records."""
    return Rows(
        cells=np.empty((CELLS, records), np.int64),
        values=np.empty((records, fields), np.int64),
        lines=np.empty((lines, 4), np.int64),
        fates=np.empty(records, np.int64),
        fill=np.array([0, 0, room_from], np.int64),
    )


def with_more_lines(rows: Rows, lines: int) -> Rows:
    """The same with room for `lines` more lines of orders."""
    used = rows.lines[: rows.fill[LINES_FILLED]]
    return rows._replace(lines=np.concatenate((used, np.empty((lines, 4), np.int64))))
