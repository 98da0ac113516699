"""One record after the other, from bytes to a row of each column: the checks of docs/semantics.md.

A check returns a fate (see `connectors.fates`): EVENT_FATE lets the next one look, anything else is
final.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from config.jit import compiled, inlined
from config.words import hash_text
from connectors.columns import MISSING
from connectors.escapes import resolve_escapes
from connectors.fates import EVENT_FATE, NODE_SHIFT, control_fate, fault
from connectors.layout import (
    ANONYMOUS_ID,
    CONTROL,
    CONTROL_CODE,
    EVENT,
    LINES_NODE,
    MESSAGE_ID,
    PROPERTIES,
    RECEIVED_AT,
    ROOT,
    TRACK,
    TRAITS,
    TYPE,
    USER_ID,
    Layout,
)
from connectors.message_fields import (
    TEXT_BYTES_MAX,
    check_currency,
    check_fields,
    check_required,
    has_currency,
)
from connectors.message_times import check_times, usable_ms
from connectors.names import UNKNOWN, Names, find
from connectors.order_lines import LINES_MAX, check_lines
from connectors.reasons import code_of
from connectors.rows import (
    EVENT_INDEX,
    LINE_COUNT,
    LINE_FROM,
    LINES_FILLED,
    MESSAGE_HASH,
    RECORD,
    ROOM_FILLED,
    ROW_COUNT,
    USER_HASH,
    USER_LENGTH,
    USER_START,
    Rows,
)
from connectors.scan import RECORD_BYTES_MAX, Scanner, after_blanks, scan_value
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

_TOO_LARGE = fault("too_large", ROOT)
_BAD_UTF8 = fault("bad_utf8", ROOT)
_NOT_AN_OBJECT = fault("not_an_object", ROOT)
_TYPE_IS_NO_TEXT = fault("wrong_type", TYPE)
_UNKNOWN_TYPE = fault("unknown_type", TYPE)
_UNKNOWN_CONTROL = fault("bad_control", CONTROL)
_CONTROL_WITHOUT_TIME = fault("bad_control", RECEIVED_AT)
_MISSING_ID = fault("missing_id", USER_ID)
_MISSING_MESSAGE_ID = fault("missing_message_id", MESSAGE_ID)
_MESSAGE_ID_IS_NO_TEXT = fault("wrong_type", MESSAGE_ID)
_EVENT_IS_NO_TEXT = fault("wrong_type", EVENT)
_UNKNOWN_EVENT = fault("unknown_event", EVENT)

_WRONG_TYPE = code_of("wrong_type")
_LONG_TEXT = code_of("too_large")


class Records(NamedTuple):
    """Raw records: spans of `data`, each followed by a control character and eight readable bytes.

    log_ms is empty for a file.
    """

    data: NDArray[np.uint8]
    start: NDArray[np.int64]
    length: NDArray[np.int64]
    log_ms: NDArray[np.int64]


@compiled
def decode_records(records: Records, first: int, layout: Layout, rows: Rows) -> int:
    """Decode records from `first` on; returns the first that is left, where room may run out."""
    for record in range(first, len(records.start)):
        lines, row = rows.fill[LINES_FILLED], rows.fill[ROW_COUNT]
        if lines + LINES_MAX > len(rows.lines):
            return record
        rows.cells[RECORD, row] = record
        rows.cells[LINE_FROM, row] = lines
        fate = _check_message(records, record, layout, rows)
        if fate == EVENT_FATE:
            fate = _check_values(records, record, layout, rows)
        rows.fates[record] = fate
        if fate == EVENT_FATE:
            rows.cells[LINE_COUNT, row] = rows.fill[LINES_FILLED] - lines
            rows.fill[ROW_COUNT] = row + 1
        else:
            rows.fill[LINES_FILLED] = lines
    return len(records.start)


@inlined
def _check_message(records: Records, record: int, layout: Layout, rows: Rows) -> int:
    """What all messages have in common: form, type, ids, times; and which event it is."""
    data, tokens, names = records.data, layout.scanner.tokens, layout.scanner.names
    fate = _scan_record(data, records.start[record], records.length[record], layout.scanner)
    if fate != EVENT_FATE:
        return fate
    rows.fill[ROOM_FILLED] = resolve_escapes(data, tokens, rows.fill[ROOM_FILLED])
    kind = kind_of(tokens[TYPE])
    if kind != TEXT:
        return _UNKNOWN_TYPE if kind in (ABSENT, NULL) else _TYPE_IS_NO_TEXT
    message_type = _code_at(data, tokens[TYPE], names, layout.type_names)
    if message_type == UNKNOWN:
        return _UNKNOWN_TYPE
    is_file, row = len(records.log_ms) == 0, rows.fill[ROW_COUNT]
    if message_type == CONTROL_CODE:
        return _check_control(data, layout) if is_file else _UNKNOWN_TYPE
    fate = _check_ids(data, tokens, rows.cells, row)
    if fate != EVENT_FATE:
        return fate
    log_ms = UNUSABLE if is_file else records.log_ms[record]
    fate = check_times(data, tokens, log_ms, rows.cells, row)
    if fate != EVENT_FATE:
        return fate
    event = layout.type_events[message_type]
    if message_type == TRACK:
        if kind_of(tokens[EVENT]) != TEXT:
            return _EVENT_IS_NO_TEXT
        event = _code_at(data, tokens[EVENT], names, layout.event_names)
    rows.cells[EVENT_INDEX, row] = event
    return _UNKNOWN_EVENT if event < 0 and layout.is_strict else EVENT_FATE


@compiled
def _scan_record(data: NDArray[np.uint8], start: int, length: int, scanner: Scanner) -> int:
    """The record is one JSON object, and its tokens are noted."""
    if length > RECORD_BYTES_MAX:
        return _TOO_LARGE
    end, root = start + length, scanner.root
    for node in range(len(scanner.tokens)):
        scanner.tokens[node] = ABSENT
    position = scan_value(data, start, end, root, scanner)
    if position >= 0 and after_blanks(data, position, end) != end:
        position = BAD_JSON
    if position < 0:
        return -position if is_utf8(data, start, end) else _BAD_UTF8
    return EVENT_FATE if kind_of(scanner.tokens[root]) == OBJECT else _NOT_AN_OBJECT


@inlined
def _code_at(data: NDArray[np.uint8], token: int, names: Names, space: int) -> int:
    """The code of the text of a token, or UNKNOWN."""
    return find(names, data, start_of(token), length_of(token), space)


@compiled
def _check_control(data: NDArray[np.uint8], layout: Layout) -> int:
    """A control record of a file."""
    tokens = layout.scanner.tokens
    if kind_of(tokens[CONTROL]) != TEXT:
        return _UNKNOWN_CONTROL
    kind = _code_at(data, tokens[CONTROL], layout.scanner.names, layout.control_names)
    if kind == UNKNOWN:
        return _UNKNOWN_CONTROL
    received_ms = usable_ms(data, tokens[RECEIVED_AT])
    if received_ms < 0 or received_ms >= FAR_MS:
        return _CONTROL_WITHOUT_TIME
    return control_fate(received_ms, kind)


@compiled
def _check_ids(
    data: NDArray[np.uint8], tokens: NDArray[np.int64], cells: NDArray[np.int64], row: int
) -> int:
    """The profile id and the message id."""
    node = ANONYMOUS_ID if _is_empty(tokens[USER_ID]) else USER_ID
    user, message_id = tokens[node], tokens[MESSAGE_ID]
    if _is_empty(user):
        return _MISSING_ID
    if kind_of(user) != TEXT:
        return node << NODE_SHIFT | _WRONG_TYPE
    if length_of(user) > TEXT_BYTES_MAX:
        return node << NODE_SHIFT | _LONG_TEXT
    if _is_empty(message_id):
        return _MISSING_MESSAGE_ID
    if kind_of(message_id) != TEXT:
        return _MESSAGE_ID_IS_NO_TEXT
    cells[USER_START, row] = start_of(user)
    cells[USER_LENGTH, row] = length_of(user)
    cells[USER_HASH, row] = np.int64(hash_text(data, start_of(user), length_of(user)))
    cells[MESSAGE_HASH, row] = np.int64(
        hash_text(data, start_of(message_id), length_of(message_id))
    )
    return EVENT_FATE


@inlined
def _is_empty(token: int) -> bool:
    """Absent, null or an empty text."""
    kind = kind_of(token)
    return kind in (ABSENT, NULL) or (kind == TEXT and length_of(token) == 0)


@inlined
def _check_values(records: Records, record: int, layout: Layout, rows: Rows) -> int:
    """What the event's fields hold; an event that the config does not name has none."""
    data, row = records.data, rows.fill[ROW_COUNT]
    for node in (PROPERTIES, TRAITS):
        kind = kind_of(layout.scanner.tokens[node])
        if kind != OBJECT and kind != ABSENT and kind != NULL:
            return node << NODE_SHIFT | _WRONG_TYPE
    for column in range(rows.values.shape[1]):
        rows.values[row, column] = MISSING
    event = rows.cells[EVENT_INDEX, row]
    if event < 0:
        return EVENT_FATE
    fate = check_fields(data, event, layout, rows)
    if fate == EVENT_FATE and layout.events[event, LINES_NODE] >= 0:
        end = records.start[record] + records.length[record]
        fate = check_lines(data, end, event, layout, rows)
    if fate == EVENT_FATE:
        fate = check_required(event, layout, rows)
    if fate == EVENT_FATE and has_currency(event, layout):
        fate = check_currency(data, event, layout, rows)
    return fate
