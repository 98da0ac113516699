"""Whole seconds in int32 cells of a row, for instants that need no more, from 1970 to 2106."""

from __future__ import annotations

from config.jit import inlined

NO_SECOND = -(2**31)
"""What a cell holds before there is an instant."""

SECOND_MAX = 2**31 - 1


@inlined
def cell_of(instant_ms: int) -> int:
    """The cell for an instant, which is cut to its second.

    >>> instant_in(cell_of(1_767_225_600_000))
    1767225600000
    """
    return int(min(instant_ms // 1000 + 1 + NO_SECOND, SECOND_MAX))


@inlined
def instant_in(cell: int) -> int:
    """The instant (ms) that a cell holds, -1 when there is none.

    >>> instant_in(NO_SECOND)
    -1
    """
    second = int(cell) - NO_SECOND - 1
    return second * 1000 if second >= 0 else -1
