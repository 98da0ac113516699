"""One record after the other, from bytes to a row of each column: the checks of docs/semantics.md, in order.

A check returns a fate (see `connectors.fates`): EVENT_FATE lets the next one look, anything else is final.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from connectors.columns import MISSING
from connectors.fates import EVENT_FATE, control_fate, fault
from connectors.layout import (
    ANONYMOUS_ID,
    CONTROL,
    CONTROL_CODE,
    CONTROL_NAMES,
    EVENT,
    EVENT_NAMES,
    LINES_NODE,
    MESSAGE_ID,
    PROPERTIES,
    RECEIVED_AT,
    ROOT,
    TRACK,
    TRAITS,
    TYPE,
    TYPE_NAMES,
    USER_ID,
    Layout,
)
from connectors.lean import inlined, lean
from connectors.message_fields import (
    TEXT_BYTES_MAX,
    check_currency,
    check_fields,
    check_required,
    text_token,
)
from connectors.message_times import check_times, usable_ms
from connectors.names import UNKNOWN, find
from connectors.order_lines import LINES_MAX, check_lines
from connectors.reasons import code_of
from connectors.rows import (
    EVENT_INDEX,
    LINE_COUNT,
    LINE_FROM,
    LINES_FILLED,
    MESSAGE_HASH,
    RECORD,
    ROW_COUNT,
    USER_HASH,
    USER_LENGTH,
    USER_START,
    Rows,
)
from connectors.scan import RECORD_BYTES_MAX, after_blanks, scan_value
from connectors.times import FAR_MS, UNUSABLE
from connectors.tokens import (
    ABSENT,
    BAD_JSON,
    NULL,
    OBJECT,
    TEXT,
    is_utf8,
    kind_of,
    length_of,
    start_of,
)
from connectors.words import hash_text

_TOO_LARGE = code_of("too_large")
_BAD_UTF8 = code_of("bad_utf8")
_NOT_AN_OBJECT = code_of("not_an_object")
_WRONG_TYPE = code_of("wrong_type")
_UNKNOWN_TYPE = code_of("unknown_type")
_BAD_CONTROL = code_of("bad_control")
_MISSING_ID = code_of("missing_id")
_MISSING_MESSAGE_ID = code_of("missing_message_id")
_UNKNOWN_EVENT = code_of("unknown_event")


class Records(NamedTuple):
    """Raw records as spans of `data`, each followed by a control character and eight readable bytes.

    log_ms is empty for a file.
    """

    data: NDArray[np.uint8]
    start: NDArray[np.int64]
    length: NDArray[np.int64]
    log_ms: NDArray[np.int64]


@lean
def decode_records(records: Records, first: int, layout: Layout, rows: Rows) -> int:
    """Decode records from `first` on; returns the first one left, when room for lines may run out."""
    for record in range(first, len(records.start)):
        lines = rows.fill[LINES_FILLED]
        if lines + LINES_MAX > len(rows.lines):
            return record
        rows.cells[RECORD, rows.fill[ROW_COUNT]] = record
        rows.cells[LINE_FROM, rows.fill[ROW_COUNT]] = lines
        fate = _decode_record(records, record, layout, rows)
        rows.fates[record] = fate
        if fate == EVENT_FATE:
            rows.fill[ROW_COUNT] += 1
        else:
            rows.fill[LINES_FILLED] = lines
    return len(records.start)


@inlined
def _decode_record(records: Records, record: int, layout: Layout, rows: Rows) -> int:
    data, start, length = records.data, records.start[record], records.length[record]
    fate = _scan_record(data, start, length, layout)
    if fate != EVENT_FATE:
        return fate
    message_type = _message_type(data, layout, rows)
    if message_type < 0:
        return -message_type
    if message_type == CONTROL_CODE:
        if len(records.log_ms) > 0:
            return fault(_UNKNOWN_TYPE, TYPE)
        return _check_control(data, layout, rows)
    fate = _check_ids(data, layout, rows)
    if fate == EVENT_FATE:
        log_ms = records.log_ms[record] if len(records.log_ms) > 0 else UNUSABLE
        fate = check_times(data, log_ms, layout, rows)
    if fate == EVENT_FATE:
        fate = _check_event(data, message_type, layout, rows)
    if fate == EVENT_FATE:
        fate = _check_values(data, start + length, layout, rows)
    return fate


@inlined
def _scan_record(data: NDArray[np.uint8], start: int, length: int, layout: Layout) -> int:
    """The record is one JSON object, and its tokens are noted."""
    if length > RECORD_BYTES_MAX:
        return fault(_TOO_LARGE, ROOT)
    scanner, end = layout.scanner, start + length
    for node in range(len(scanner.tokens)):
        scanner.tokens[node] = ABSENT
    position = scan_value(data, start, end, ROOT, scanner)
    if position >= 0 and after_blanks(data, position, end) != end:
        position = BAD_JSON
    if position < 0:
        return fault(-position if is_utf8(data, start, end) else _BAD_UTF8, ROOT)
    if kind_of(scanner.tokens[ROOT]) != OBJECT:
        return fault(_NOT_AN_OBJECT, ROOT)
    return EVENT_FATE


@inlined
def _message_type(data: NDArray[np.uint8], layout: Layout, rows: Rows) -> int:
    """The code of the message's type, or a fate, negative."""
    token = text_token(data, TYPE, layout, rows)
    kind = kind_of(token)
    if kind != TEXT:
        return -fault(_UNKNOWN_TYPE if kind == ABSENT or kind == NULL else _WRONG_TYPE, TYPE)
    code = find(layout.scanner.names, data, start_of(token), length_of(token), TYPE_NAMES)
    return -fault(_UNKNOWN_TYPE, TYPE) if code == UNKNOWN else code


@lean
def _check_control(data: NDArray[np.uint8], layout: Layout, rows: Rows) -> int:
    """A control record of a file."""
    token = text_token(data, CONTROL, layout, rows)
    if kind_of(token) != TEXT:
        return fault(_BAD_CONTROL, CONTROL)
    if find(layout.scanner.names, data, start_of(token), length_of(token), CONTROL_NAMES) == UNKNOWN:
        return fault(_BAD_CONTROL, CONTROL)
    received_ms = usable_ms(data, RECEIVED_AT, layout, rows)
    if received_ms < 0 or received_ms >= FAR_MS:
        return fault(_BAD_CONTROL, RECEIVED_AT)
    return control_fate(received_ms)


@inlined
def _check_ids(data: NDArray[np.uint8], layout: Layout, rows: Rows) -> int:
    """The profile id and the message id."""
    row = rows.fill[ROW_COUNT]
    token = text_token(data, USER_ID, layout, rows)
    node = USER_ID
    if _is_empty(token):
        token = text_token(data, ANONYMOUS_ID, layout, rows)
        node = ANONYMOUS_ID
        if _is_empty(token):
            return fault(_MISSING_ID, USER_ID)
    if kind_of(token) != TEXT:
        return fault(_WRONG_TYPE, node)
    if length_of(token) > TEXT_BYTES_MAX:
        return fault(_TOO_LARGE, node)
    rows.cells[USER_START, row] = start_of(token)
    rows.cells[USER_LENGTH, row] = length_of(token)
    rows.cells[USER_HASH, row] = np.int64(hash_text(data, start_of(token), length_of(token)))
    token = text_token(data, MESSAGE_ID, layout, rows)
    if _is_empty(token):
        return fault(_MISSING_MESSAGE_ID, MESSAGE_ID)
    if kind_of(token) != TEXT:
        return fault(_WRONG_TYPE, MESSAGE_ID)
    rows.cells[MESSAGE_HASH, row] = np.int64(hash_text(data, start_of(token), length_of(token)))
    return EVENT_FATE


@inlined
def _is_empty(token: int) -> bool:
    """Absent, null or an empty text."""
    kind = kind_of(token)
    return kind == ABSENT or kind == NULL or (kind == TEXT and length_of(token) == 0)


@inlined
def _check_event(data: NDArray[np.uint8], message_type: int, layout: Layout, rows: Rows) -> int:
    """Which of the config's events it is, and that what holds its fields can hold some."""
    event = layout.type_events[message_type]
    if message_type == TRACK:
        token = text_token(data, EVENT, layout, rows)
        if kind_of(token) != TEXT:
            return fault(_WRONG_TYPE, EVENT)
        event = find(layout.scanner.names, data, start_of(token), length_of(token), EVENT_NAMES)
    if event < 0 and layout.is_strict:
        return fault(_UNKNOWN_EVENT, EVENT)
    rows.cells[EVENT_INDEX, rows.fill[ROW_COUNT]] = event
    for node in (PROPERTIES, TRAITS):
        kind = kind_of(layout.scanner.tokens[node])
        if kind != ABSENT and kind != NULL and kind != OBJECT:
            return fault(_WRONG_TYPE, node)
    return EVENT_FATE


@inlined
def _check_values(data: NDArray[np.uint8], end: int, layout: Layout, rows: Rows) -> int:
    """The fields of the event; one that the config does not name has none."""
    row = rows.fill[ROW_COUNT]
    for column in range(rows.values.shape[1]):
        rows.values[row, column] = MISSING
    event, fate = rows.cells[EVENT_INDEX, row], EVENT_FATE
    if event >= 0:
        fate = check_fields(data, event, layout, rows)
        if fate == EVENT_FATE and layout.events[event, LINES_NODE] >= 0:
            fate = check_lines(data, end, event, layout, rows)
        if fate == EVENT_FATE:
            fate = check_required(event, layout, rows)
        if fate == EVENT_FATE:
            fate = check_currency(data, event, layout, rows)
    rows.cells[LINE_COUNT, row] = rows.fill[LINES_FILLED] - rows.cells[LINE_FROM, row]
    return fate
