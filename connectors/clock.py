"""Log time of the records of a file: when each was received, made non-decreasing over it all."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from config.jit import compiled, inlined
from connectors.fates import EVENT_FATE, fault, proven_ms
from connectors.layout import TIMESTAMP
from connectors.rows import AT, LOG, RECEIVED, RECORD
from connectors.times import DAY_MS, UNUSABLE

NO_CLOCK = 0
"""The clock before anything has set it."""

LOOK_AHEAD_RECORDS = 1000
"""How far a record's confirmation may stand behind it, control records and dead letters counted."""

_JUMP_MS = 45 * DAY_MS
_FUTURE = fault("future", TIMESTAMP)


@compiled
def place_in_file(
    cells: NDArray[np.int64], row_count: int, fates: NDArray[np.int64], clock_ms: int, last: bool
) -> tuple[int, int]:
    """Fill in log times, cut event times to them; returns the clock, and how many records have one.

    An event without `receivedAt` far ahead of the clock needs the next event to confirm it, else
    its fate becomes `future`. When the next one is not in sight yet, that record and all after it
    wait (`last`: there are no more).
    """
    row = 0
    for record in range(len(fates)):
        if fates[record] < 0:
            clock_ms = max(clock_ms, proven_ms(fates[record]))
        if fates[record] != EVENT_FATE:
            continue
        if cells[RECEIVED, row] == UNUSABLE and _jumps(cells[AT, row], clock_ms):
            is_followed = (
                row + 1 < row_count and cells[RECORD, row + 1] - record <= LOOK_AHEAD_RECORDS
            )
            if not is_followed and not last and len(fates) - 1 - record < LOOK_AHEAD_RECORDS:
                return clock_ms, record
            next_ms = _own_ms(cells, row + 1) if is_followed else UNUSABLE
            if _is_future(cells[AT, row], clock_ms, next_ms):
                fates[record] = _FUTURE
                row += 1
                continue
        clock_ms = max(clock_ms, _own_ms(cells, row))
        cells[LOG, row] = clock_ms
        cells[AT, row] = min(cells[AT, row], clock_ms)
        row += 1
    return clock_ms, len(fates)


@inlined
def _own_ms(cells: NDArray[np.int64], row: int) -> int:
    received_ms = cells[RECEIVED, row]
    return int(cells[AT, row] if received_ms == UNUSABLE else received_ms)


@inlined
def _jumps(at_ms: int, clock_ms: int) -> bool:
    return clock_ms == NO_CLOCK or at_ms > clock_ms + _JUMP_MS


@inlined
def _is_future(at_ms: int, clock_ms: int, next_ms: int) -> bool:
    """Whether a record that jumps stands alone; `next_ms` is UNUSABLE when none follows."""
    if clock_ms == NO_CLOCK:
        return next_ms != UNUSABLE and at_ms > next_ms + _JUMP_MS
    return next_ms <= clock_ms + _JUMP_MS
