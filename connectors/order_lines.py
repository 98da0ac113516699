"""The lines of an order or a cart: scanned a second time, now one by one, and only where they count."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from connectors.fates import EVENT_FATE, fault, on_line
from connectors.layout import LINES_NODE, Layout
from connectors.lean import lean
from connectors.message_fields import check_path, fill_line
from connectors.reasons import code_of
from connectors.rows import LINES_FILLED, Rows
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

LINES_MAX = 500
"""An event with more lines is `too_large`."""

_WRONG_TYPE = code_of("wrong_type")
_TOO_LARGE = code_of("too_large")


@lean
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
        return fault(_WRONG_TYPE, node)
    fate, count, position = EVENT_FATE, 0, after_blanks(data, start_of(token) + 1, end)
    while data[position] != CLOSE_ARRAY:
        if count == LINES_MAX:
            return fault(_TOO_LARGE, node)
        position = _scan_line(data, position, end, layout)
        if fate == EVENT_FATE:
            if kind_of(layout.scanner.tokens[layout.line_node]) != OBJECT:
                fate = on_line(fault(_WRONG_TYPE, layout.line_node), count)
            else:
                fate = fill_line(data, layout, rows)
                fate = fate if fate == EVENT_FATE else on_line(fate, count)
        count += 1
        position = after_blanks(data, position, end)
        if data[position] != CLOSE_ARRAY:
            position = after_blanks(data, position + 1, end)
    return fate


@lean
def _scan_line(data: NDArray[np.uint8], position: int, end: int, layout: Layout) -> int:
    """Scan one line into the tokens of the line's nodes; the array is known to be valid."""
    for node in range(layout.line_node, len(layout.scanner.tokens)):
        layout.scanner.tokens[node] = ABSENT
    return scan_value(data, position, end, layout.line_node, layout.scanner)
