"""What becomes of a record, as one number: an event (0), a dead letter, or a control record.

A dead letter's fate is its reason, the node at fault << NODE_SHIFT, and on a line of an order the
line's number from 1 << LINE_SHIFT. A control record's fate is negative and holds its kind and the
time that it proves.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from config.jit import inlined
from connectors.reasons import DeadLetterReason, code_of

EVENT_FATE = 0
NODE_SHIFT = 8
LINE_SHIFT = 32
_KIND_BITS = 8


def fault(reason: DeadLetterReason, node: int) -> int:
    """The fate of a dead letter, for constants: compiled code puts the parts together itself."""
    return node << NODE_SHIFT | code_of(reason)


def fault_parts(fate: int) -> tuple[int, int, int]:
    """(reason's code, node, line or -1) of a dead letter's fate.

    >>> fault_parts(fault("future", 6) | 4 << LINE_SHIFT)
    (13, 6, 3)
    """
    line = (fate >> LINE_SHIFT) - 1
    return fate & (1 << NODE_SHIFT) - 1, fate >> NODE_SHIFT & 0xFFFFFF, line


@inlined
def control_fate(received_ms: int, kind: int) -> int:
    """The fate of a control record; its kind is an index into `connectors.layout.CONTROL_KINDS`."""
    return -1 - (received_ms << _KIND_BITS | kind)


@inlined
def proven_ms(fate: int) -> int:
    """The time that a control record proves."""
    return (-1 - fate) >> _KIND_BITS


def is_control(fates: NDArray[np.int64], kind: int) -> NDArray[np.bool_]:
    """Which of these fates are those of control records of a kind.

    >>> is_control(np.array([EVENT_FATE, control_fate(99, 5), control_fate(99, 4)]), 5).tolist()
    [False, True, False]
    """
    return np.asarray((fates < 0) & ((-1 - fates) & ((1 << _KIND_BITS) - 1) == kind))


def control_times(fates: NDArray[np.int64]) -> NDArray[np.int64]:
    """The time that each control record proves; -1 for other records.

    >>> control_times(np.array([EVENT_FATE, control_fate(99, 5)])).tolist()
    [-1, 99]
    """
    return np.where(fates < 0, (-1 - fates) >> _KIND_BITS, -1)
