"""What becomes of a record, as one number: an event (0), a dead letter, or a control record.

A dead letter's fate holds its reason, the node of the path at fault and the number of the order's line. A
control record's fate is negative and holds the time that it proves.
"""

from __future__ import annotations

from connectors.lean import inlined

EVENT_FATE = 0


@inlined
def fault(reason: int, node: int) -> int:
    """The fate of a dead letter; `reason` as `reasons.code_of` gives it."""
    return node << 8 | reason


@inlined
def on_line(fate: int, line: int) -> int:
    """The same fate on a line of an order, counted from 0."""
    return fate | (line + 1) << 32


@inlined
def control_fate(received_ms: int) -> int:
    """The fate of a control record."""
    return -1 - received_ms


@inlined
def proven_ms(fate: int) -> int:
    """The time that a control record proves."""
    return -1 - fate


def fault_parts(fate: int) -> tuple[int, int, int]:
    """(reason, node, line or -1) of a dead letter's fate.

    >>> fault_parts(on_line(fault(7, 20), 3))
    (7, 20, 3)
    """
    return fate & 0xFF, fate >> 8 & 0xFFFFFF, (fate >> 32) - 1
