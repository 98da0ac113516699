"""When a message's event happened and was received, of the four times that Segment's messages carry."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from connectors.fates import EVENT_FATE, fault
from connectors.layout import ORIGINAL_TIMESTAMP, RECEIVED_AT, SENT_AT, TIMESTAMP, Layout
from connectors.lean import inlined
from connectors.message_fields import text_token
from connectors.reasons import code_of
from connectors.rows import AT, RECEIVED, ROW_COUNT, Rows
from connectors.times import FAR_MS, UNUSABLE, instant_ms
from connectors.tokens import ABSENT, NULL, TEXT, kind_of, length_of, start_of

_WRONG_TYPE = code_of("wrong_type")
_NO_TIMESTAMP = code_of("no_timestamp")
_FUTURE = code_of("future")


@inlined
def usable_ms(data: NDArray[np.uint8], node: int, layout: Layout, rows: Rows) -> int:
    """The time at a node, or UNUSABLE."""
    if kind_of(layout.scanner.tokens[node]) == ABSENT:
        return UNUSABLE
    token = text_token(data, node, layout, rows)
    if kind_of(token) != TEXT:
        return UNUSABLE
    return instant_ms(data, start_of(token), length_of(token))


@inlined
def check_times(
    data: NDArray[np.uint8], log_ms: int, layout: Layout, rows: Rows
) -> int:
    """Fill in event time and time received; `log_ms` is the broker's, UNUSABLE for a file."""
    for node in (TIMESTAMP, SENT_AT, RECEIVED_AT, ORIGINAL_TIMESTAMP):
        kind = kind_of(text_token(data, node, layout, rows))
        if kind != ABSENT and kind != NULL and kind != TEXT:
            return fault(_WRONG_TYPE, node)
    received_ms = usable_ms(data, RECEIVED_AT, layout, rows)
    if received_ms < 0:
        received_ms = log_ms
    at_ms = _event_ms(data, received_ms, layout, rows)
    if at_ms < 0:
        return fault(_NO_TIMESTAMP, TIMESTAMP)
    if at_ms >= FAR_MS or received_ms >= FAR_MS:
        return fault(_FUTURE, TIMESTAMP if at_ms >= FAR_MS else RECEIVED_AT)
    rows.cells[AT, rows.fill[ROW_COUNT]] = at_ms
    rows.cells[RECEIVED, rows.fill[ROW_COUNT]] = received_ms
    return EVENT_FATE


@inlined
def _event_ms(data: NDArray[np.uint8], received_ms: int, layout: Layout, rows: Rows) -> int:
    """When it happened by a corrected clock; UNUSABLE when nothing says so."""
    kind = kind_of(layout.scanner.tokens[TIMESTAMP])
    is_given = kind != ABSENT and kind != NULL
    original_ms = usable_ms(data, ORIGINAL_TIMESTAMP, layout, rows)
    at_ms = original_ms
    if is_given:
        at_ms = usable_ms(data, TIMESTAMP, layout, rows)
        if at_ms == UNUSABLE or original_ms != UNUSABLE:
            return at_ms
    if at_ms == UNUSABLE:
        return received_ms
    sent_ms = usable_ms(data, SENT_AT, layout, rows)
    if sent_ms == UNUSABLE or received_ms == UNUSABLE:
        return at_ms
    return received_ms - (sent_ms - at_ms)
