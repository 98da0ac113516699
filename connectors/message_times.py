"""When a message's event happened and was received, by the four times that a message may carry."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from config.jit import compiled, inlined
from connectors.fates import EVENT_FATE, NODE_SHIFT, fault
from connectors.layout import ORIGINAL_TIMESTAMP, RECEIVED_AT, SENT_AT, TIMESTAMP
from connectors.reasons import code_of
from connectors.rows import AT, RECEIVED
from connectors.times import FAR_MS, UNUSABLE, instant_ms
from connectors.tokens import ABSENT, NULL, TEXT, kind_of, length_of, start_of

_TIME_NODES = (TIMESTAMP, SENT_AT, RECEIVED_AT, ORIGINAL_TIMESTAMP)
_WRONG_TYPE = code_of("wrong_type")
_NO_TIMESTAMP = fault("no_timestamp", TIMESTAMP)
_FUTURE_EVENT = fault("future", TIMESTAMP)
_FUTURE_RECEIVED = fault("future", RECEIVED_AT)


@compiled
def check_times(
    data: NDArray[np.uint8],
    tokens: NDArray[np.int64],
    log_ms: int,
    cells: NDArray[np.int64],
    row: int,
) -> int:
    """Fill in event time and time received; `log_ms` is the broker's, UNUSABLE for a file."""
    for node in _TIME_NODES:
        kind = kind_of(tokens[node])
        if kind != TEXT and kind != NULL and kind != ABSENT:
            return node << NODE_SHIFT | _WRONG_TYPE
    received_ms = usable_ms(data, tokens[RECEIVED_AT])
    if received_ms < 0:
        received_ms = log_ms
    at_ms = _event_ms(data, tokens, received_ms)
    if at_ms < 0:
        return _NO_TIMESTAMP
    if at_ms >= FAR_MS:
        return _FUTURE_EVENT
    if received_ms >= FAR_MS:
        return _FUTURE_RECEIVED
    cells[AT, row] = at_ms
    cells[RECEIVED, row] = received_ms
    return EVENT_FATE


@inlined
def usable_ms(data: NDArray[np.uint8], token: int) -> int:
    """The time that a token holds, or UNUSABLE."""
    if kind_of(token) != TEXT:
        return UNUSABLE
    return instant_ms(data, start_of(token), length_of(token))


@inlined
def _event_ms(data: NDArray[np.uint8], tokens: NDArray[np.int64], received_ms: int) -> int:
    """When it happened, by a corrected clock; UNUSABLE when nothing says so."""
    original_ms = usable_ms(data, tokens[ORIGINAL_TIMESTAMP])
    at_ms = original_ms
    if kind_of(tokens[TIMESTAMP]) == TEXT:
        at_ms = usable_ms(data, tokens[TIMESTAMP])
        if at_ms == UNUSABLE or original_ms != UNUSABLE:
            return at_ms
    if at_ms == UNUSABLE:
        return received_ms
    sent_ms = usable_ms(data, tokens[SENT_AT])
    if sent_ms == UNUSABLE or received_ms == UNUSABLE:
        return at_ms
    return received_ms - (sent_ms - at_ms)
