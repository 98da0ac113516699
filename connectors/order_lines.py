"""The lines of an order or a cart: scanned a second time, one by one, and only where they count."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from config.jit import compiled, inlined
from connectors.escapes import resolve_escapes
from connectors.fates import EVENT_FATE, LINE_SHIFT, NODE_SHIFT
from connectors.layout import LINES_NODE, Layout
from connectors.message_fields import check_path, fill_line
from connectors.reasons import code_of
from connectors.rows import ROOM_FILLED, Rows
from connectors.scan import after_blanks, scan_value
from connectors.tokens import (
    ABSENT,
    ARRAY,
    CLOSE_ARRAY,
    NULL,
    OBJECT,
    kind_of,
    start_of,
)

LINES_MAX = 2000
"""An event with more lines is `too_large`."""

_WRONG_TYPE = code_of("wrong_type")
_TOO_LARGE = code_of("too_large")


@compiled
def check_lines(data: NDArray[np.uint8], end: int, event: int, layout: Layout, rows: Rows) -> int:
    """Convert the lines of an event that has some into `rows.lines`; `end` is the record's."""
    node = layout.events[event, LINES_NODE]
    token = layout.scanner.tokens[node]
    kind = kind_of(token)
    if kind == ABSENT:
        return check_path(node, layout)
    if kind == NULL:
        return EVENT_FATE
    if kind != ARRAY:
        return int(node << NODE_SHIFT | _WRONG_TYPE)
    fate, count, position = EVENT_FATE, 0, after_blanks(data, start_of(token) + 1, end)
    while data[position] != CLOSE_ARRAY:
        if count == LINES_MAX:
            return int(node << NODE_SHIFT | _TOO_LARGE)
        position = _scan_line(data, position, end, layout, rows)
        count += 1
        if fate == EVENT_FATE:
            fate = _check_line(data, layout, rows)
            if fate != EVENT_FATE:
                fate |= count << LINE_SHIFT
        position = after_blanks(data, position, end)
        if data[position] != CLOSE_ARRAY:
            position = after_blanks(data, position + 1, end)
    return fate


@compiled
def _scan_line(data: NDArray[np.uint8], position: int, end: int, layout: Layout, rows: Rows) -> int:
    """Scan one line into the tokens of the line's nodes; the array is known to be valid."""
    tokens = layout.scanner.tokens[layout.line_node :]
    for node in range(len(tokens)):
        tokens[node] = ABSENT
    position = scan_value(data, position, end, layout.line_node, layout.scanner)
    rows.fill[ROOM_FILLED] = resolve_escapes(data, tokens, rows.fill[ROOM_FILLED])
    return position


@inlined
def _check_line(data: NDArray[np.uint8], layout: Layout, rows: Rows) -> int:
    if kind_of(layout.scanner.tokens[layout.line_node]) != OBJECT:
        return layout.line_node << NODE_SHIFT | _WRONG_TYPE
    return fill_line(data, layout, rows)
