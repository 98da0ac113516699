"""The fields that a record's event defines, converted by type; the required ones; the currency."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from config.jit import compiled, inlined
from connectors.columns import MISSING, SPAN_BITS
from connectors.fates import EVENT_FATE, NODE_SHIFT
from connectors.layout import (
    COLUMN,
    FIELDS_FROM,
    FIELDS_TO,
    HAS_MONEY,
    KIND,
    LINES_COLUMN,
    MONEY_FIELD,
    NODE,
    NUMBER_FIELD,
    REQUIRED_FROM,
    REQUIRED_TO,
    ROOT,
    TEXT_FIELD,
    Layout,
)
from connectors.names import UNKNOWN, find
from connectors.numbers import NUMBER_MAX, OUT_OF_RANGE, whole_units
from connectors.reasons import code_of
from connectors.rows import LINE_FROM, LINES_FILLED, ROW_COUNT, Rows
from connectors.tokens import (
    ABSENT,
    FALSE,
    NULL,
    NUMBER,
    OBJECT,
    TEXT,
    TRUE,
    kind_of,
    length_of,
    start_of,
)

TEXT_BYTES_MAX = 256
"""A longer text of a field, or a longer id, is `too_large`."""

LINE_PRICE = 1
"""The column of a line's price, in the order of LINE_FIELDS."""

LINE_KINDS = (TEXT_FIELD, MONEY_FIELD, NUMBER_FIELD, TEXT_FIELD)
"""The types of an order's lines' fields, in the order of LINE_FIELDS."""

_WRONG_TYPE = code_of("wrong_type")
_TOO_LARGE = code_of("too_large")
_NUMBER_TOO_LARGE = code_of("number_too_large")
_MISSING_FIELD = code_of("missing_field")
_UNKNOWN_CURRENCY = code_of("unknown_currency")

_FAULTS_END = MISSING + 256
"""`_convert` returns a fault as MISSING + reason, far from all values."""

_NUMBER_SCALE_DIGITS = 3
_LARGEST = (float(NUMBER_MAX), NUMBER_MAX * 10.0, NUMBER_MAX * 100.0, NUMBER_MAX * 1000.0)


@inlined
def check_fields(data: NDArray[np.uint8], event: int, layout: Layout, rows: Rows) -> int:
    """Convert the value fields of an event into the row that is being filled."""
    row = rows.fill[ROW_COUNT]
    for at in range(layout.events[event, FIELDS_FROM], layout.events[event, FIELDS_TO]):
        node = layout.fields[at, NODE]
        token = layout.scanner.tokens[node]
        if token == ABSENT:
            fate = check_path(node, layout)
            if fate != EVENT_FATE:
                return fate
            continue
        value = _convert(data, token, layout.fields[at, KIND], layout.money_digits)
        if MISSING < value < _FAULTS_END:
            return int(node << NODE_SHIFT | (value - MISSING))
        rows.values[row, layout.fields[at, COLUMN]] = value
    return EVENT_FATE


@inlined
def check_path(node: int, layout: Layout) -> int:
    """An absent node is fine unless its path leads through what is neither object nor null."""
    parent = layout.parents[node]
    while parent > ROOT:
        kind = kind_of(layout.scanner.tokens[parent])
        if kind in (OBJECT, NULL):
            return EVENT_FATE
        if kind != ABSENT:
            return int(parent << NODE_SHIFT | _WRONG_TYPE)
        parent = layout.parents[parent]
    return EVENT_FATE


@inlined
def _convert(data: NDArray[np.uint8], token: int, field_kind: int, money_digits: int) -> int:
    """A token as a value of `Columns`: MISSING for null, MISSING + reason for a fault."""
    kind = kind_of(token)
    if kind == NULL:
        return MISSING
    if field_kind == TEXT_FIELD:
        if kind != TEXT:
            return MISSING + _WRONG_TYPE
        if length_of(token) > TEXT_BYTES_MAX:
            return MISSING + _TOO_LARGE
        return start_of(token) << SPAN_BITS | length_of(token)
    if field_kind in (NUMBER_FIELD, MONEY_FIELD):
        if kind != NUMBER:
            return MISSING + _WRONG_TYPE
        digits = money_digits if field_kind == MONEY_FIELD else _NUMBER_SCALE_DIGITS
        units = whole_units(data, start_of(token), length_of(token), digits)
        return MISSING + _NUMBER_TOO_LARGE if units == OUT_OF_RANGE else units
    if kind in (TRUE, FALSE):
        return kind - FALSE
    return MISSING + _WRONG_TYPE


@compiled
def fill_line(data: NDArray[np.uint8], layout: Layout, rows: Rows) -> int:
    """Convert a scanned line of an order into the next row of `lines`."""
    line = rows.fill[LINES_FILLED]
    for column in range(len(LINE_KINDS)):
        node = layout.line_node + 1 + column
        token = layout.scanner.tokens[node]
        value = MISSING
        if token != ABSENT:
            value = _convert(data, token, LINE_KINDS[column], layout.money_digits)
        if MISSING < value < _FAULTS_END:
            return int(node << NODE_SHIFT | (value - MISSING))
        rows.lines[line, column] = value
    rows.fill[LINES_FILLED] = line + 1
    return EVENT_FATE


@inlined
def check_required(event: int, layout: Layout, rows: Rows) -> int:
    """All fields that the event requires are there; an empty list of lines is a list."""
    row = rows.fill[ROW_COUNT]
    for at in range(layout.events[event, REQUIRED_FROM], layout.events[event, REQUIRED_TO]):
        column, node = layout.required[at, COLUMN], layout.required[at, NODE]
        if column == LINES_COLUMN:
            kind = kind_of(layout.scanner.tokens[node])
            is_missing = kind in (ABSENT, NULL)
        else:
            is_missing = rows.values[row, column] == MISSING
        if is_missing:
            return int(node << NODE_SHIFT | _MISSING_FIELD)
    return EVENT_FATE


@inlined
def has_currency(event: int, layout: Layout) -> bool:
    """Whether the event has amounts, and says of which currency they are."""
    is_given = layout.scanner.tokens[layout.currency_node] != ABSENT
    return bool(is_given and layout.events[event, HAS_MONEY])


@compiled
def check_currency(data: NDArray[np.uint8], event: int, layout: Layout, rows: Rows) -> int:
    """Turn an event's amounts into the shop's currency if they are of another one with a rate."""
    node = layout.currency_node
    token = layout.scanner.tokens[node]
    if kind_of(token) == NULL:
        return EVENT_FATE
    if kind_of(token) != TEXT:
        return node << NODE_SHIFT | _WRONG_TYPE
    code = find(
        layout.scanner.names, data, start_of(token), length_of(token), layout.currency_names
    )
    if code == UNKNOWN:
        return node << NODE_SHIFT | _UNKNOWN_CURRENCY
    return EVENT_FATE if code == 0 else _exchange(event, layout.rates[code], layout, rows)


@compiled
def _exchange(event: int, rate: float, layout: Layout, rows: Rows) -> int:
    """Turn all amounts of the row that is being filled, those of its lines included."""
    row, largest = rows.fill[ROW_COUNT], _LARGEST[layout.money_digits]
    for at in range(layout.events[event, FIELDS_FROM], layout.events[event, FIELDS_TO]):
        column = layout.fields[at, COLUMN]
        if layout.fields[at, KIND] == MONEY_FIELD and rows.values[row, column] != MISSING:
            amount = rows.values[row, column] * rate + 0.5
            if abs(amount) > largest:
                return int(layout.fields[at, NODE] << NODE_SHIFT | _NUMBER_TOO_LARGE)
            rows.values[row, column] = np.int64(np.floor(amount))
    for line in range(rows.cells[LINE_FROM, row], rows.fill[LINES_FILLED]):
        if rows.lines[line, LINE_PRICE] != MISSING:
            amount = rows.lines[line, LINE_PRICE] * rate + 0.5
            if abs(amount) > largest:
                return (layout.line_node + 1 + LINE_PRICE) << NODE_SHIFT | _NUMBER_TOO_LARGE
            rows.lines[line, LINE_PRICE] = np.int64(np.floor(amount))
    return EVENT_FATE
