"""Features: what an event changes in a user's row, and what is read out of it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from config.jit import compiled, inlined
from connectors.columns import MISSING, SPAN_BITS, Columns
from flows.machine import VALUES, Scratch
from flows.plan_words import (
    EVENT_WORDS,
    EVENTS,
    FEATURES,
    OP_COUNT,
    OP_RECORD,
    OP_SOURCE,
    OP_WEIGHT,
    OP_WORDS,
    OPS,
    SOURCE_LINES,
    SOURCE_NONE,
)
from state.carts import CART_LINE_COUNT, CART_QUANTITY, CART_TOTAL
from state.distinct import distinct_count, note_distinct
from state.layout import (
    AFFINITY,
    AT32,
    AT64,
    CART,
    CART_ITEMS,
    CART_VALUE,
    CARTS_HEAD,
    COUNT,
    DAYS_SINCE,
    DISTINCT,
    FEATURE_WORDS,
    FIRST,
    GAP_VARIATION,
    GAPS,
    KIND,
    LAST,
    OF_LINES,
    OVER,
    PROPENSITY,
    RATIO,
    READS,
    READS_COMPLEMENT,
    READS_TEXT,
    RECENT,
    ROW_WORDS,
    SCALE,
    SESSIONS,
    SUM,
    UNDER,
    WINDOW,
    Plan,
)
from state.memory import Memory
from state.rolling import (
    SUM_MAX,
    add_to_tile,
    days_since,
    gap_days,
    gap_variation,
    in_window,
    move_ring,
    note_affinity,
    note_gap,
    note_latest,
    note_recent,
    note_variation,
    ring_total,
    start_session,
    top_text,
)
from state.texts import Texts, intern

LAST_TOUCHED = -1
"""As a cart: the one that the user touched last."""

SPAN_MASK = (1 << SPAN_BITS) - 1


@inlined
def text_number(texts: Texts, data: NDArray[np.uint8], cell: int) -> int:
    """The number of the text that a cell of a batch spans; 0 for a missing one."""
    if cell == MISSING:
        return 0
    return intern(texts, data, cell >> SPAN_BITS, cell & SPAN_MASK)


@inlined
def apply_features(
    memory: Memory, plan: Plan, texts: Texts, columns: Columns, index: int, slot: int
) -> bool:
    """Take event `index` of the batch into the user's features; whether it was late for one."""
    ints = plan.ints
    event = ints[EVENTS] + columns.event[index] * EVENT_WORDS
    at_ms, now_ms = columns.at_ms[index], columns.log_ms[index]
    late = False
    known_cell, known_text = MISSING, 0
    first = ints[event + OPS]
    for op in range(first, first + ints[event + OP_COUNT] * OP_WORDS, OP_WORDS):
        record = ints[op + OP_RECORD]
        source = ints[op + OP_SOURCE]
        counts = in_window(plan, record, at_ms, now_ms)
        late = late or not counts
        if source == SOURCE_NONE:
            _take_event(memory, plan, op, slot, at_ms, now_ms if counts else -1)
            continue
        if not counts:
            continue
        begin, end = 0, 1
        if source == SOURCE_LINES:
            begin = columns.line_from[index]
            end = begin + columns.line_count[index]
        for line in range(begin, end):
            if source == SOURCE_LINES:
                value = columns.lines[line, ints[record + OF_LINES]]
            else:
                value = columns.values[index, source]
            if value == MISSING:
                continue
            if ints[record + READS] == READS_TEXT:
                if value != known_cell:
                    known_cell = value
                    known_text = text_number(texts, columns.data, value)
                value = known_text
            _take_value(memory, plan, op, slot, at_ms, now_ms, value)
    return late


@inlined
def _take_event(memory: Memory, plan: Plan, op: int, slot: int, at_ms: int, now_ms: int) -> None:
    """Take an event into a feature that reads none of its fields; `now_ms` -1: it is late."""
    record = plan.ints[op + OP_RECORD]
    kind = plan.ints[record + KIND]
    if kind == COUNT:
        if now_ms >= 0:
            _add(memory, plan, record, slot, at_ms, now_ms, plan.ints[op + OP_WEIGHT])
    elif kind == SESSIONS:
        if start_session(memory, plan, record, slot, at_ms) and now_ms >= 0:
            _add(memory, plan, record, slot, at_ms, now_ms, 1)
    elif kind == DAYS_SINCE:
        note_latest(memory, plan, record, slot, at_ms)
    elif kind == GAPS:
        if plan.ints[record + READS] == GAP_VARIATION:
            note_variation(memory, plan, record, slot, at_ms)
        else:
            note_gap(memory, plan, record, slot, at_ms)


@inlined
def _add(
    memory: Memory, plan: Plan, record: int, slot: int, at_ms: int, now_ms: int, amount: int
) -> None:
    if plan.ints[record + WINDOW] != 0:
        move_ring(memory, plan, record, slot, now_ms)
    add_to_tile(memory, plan, record, slot, at_ms, amount)


@inlined
def _take_value(
    memory: Memory, plan: Plan, op: int, slot: int, at_ms: int, now_ms: int, value: int
) -> None:
    """Take one value (of a text its number) of an event that is in the feature's window."""
    record = plan.ints[op + OP_RECORD]
    weight = plan.ints[op + OP_WEIGHT]
    kind = plan.ints[record + KIND]
    if kind == SUM:
        most = SUM_MAX // abs(weight)
        amount = weight * max(-most, min(most, value))
        _add(memory, plan, record, slot, at_ms, now_ms, amount)
    elif kind == LAST or kind == FIRST:
        _keep_value(memory, plan, record, slot, at_ms, value)
    elif kind == DISTINCT:
        note_distinct(memory, plan, record, slot, at_ms, value, now_ms)
    elif kind == AFFINITY:
        note_affinity(memory, plan, record, slot, at_ms, value, weight)
    elif kind == RECENT:
        note_recent(memory, plan, record, slot, value)


@inlined
def _keep_value(memory: Memory, plan: Plan, record: int, slot: int, at_ms: int, value: int) -> None:
    ints = plan.ints
    words = slot * ints[ROW_WORDS]
    kept_at = words + ints[record + AT64]
    before = memory.rows64[kept_at]
    if before >= 0:
        if ints[record + KIND] == LAST and at_ms < before:
            return
        if ints[record + KIND] == FIRST and at_ms >= before:
            return
    memory.rows64[kept_at] = at_ms
    if ints[record + READS] == READS_TEXT:
        memory.rows32[2 * words + ints[record + AT32]] = value
    else:
        memory.rows64[kept_at + 1] = value


@compiled
def read_features(
    memory: Memory,
    plan: Plan,
    listed: int,
    slot: int,
    now_ms: int,
    cart: int,
    scratch: Scratch,
) -> None:
    """Read the features of a list into the scratch array, as of `now_ms`.

    `listed` is a list in `plan.ints` that names a ratio's parts before the ratio. Missing ones are
    NaN; a text is its number; a propensity is the one held for tags.
    """
    for entry in range(listed + 1, listed + 1 + plan.ints[listed]):
        feature = plan.ints[entry]
        record = plan.ints[FEATURES] + feature * FEATURE_WORDS
        scratch[VALUES + feature] = _value(memory, plan, record, slot, now_ms, cart, scratch)


@inlined
def _value(
    memory: Memory,
    plan: Plan,
    record: int,
    slot: int,
    now_ms: int,
    cart: int,
    scratch: Scratch,
) -> float:
    ints = plan.ints
    kind = ints[record + KIND]
    if kind == COUNT or kind == SUM or kind == SESSIONS:
        return float(ring_total(memory, plan, record, slot, now_ms) / plan.floats[record + SCALE])
    if kind == DAYS_SINCE:
        return days_since(memory, plan, record, slot, now_ms)
    if kind == CART:
        return _cart_value(memory, plan, record, slot, cart)
    if kind == RATIO:
        under = scratch[VALUES + ints[record + UNDER]]
        return scratch[VALUES + ints[record + OVER]] / under if under != 0.0 else np.nan
    if kind == PROPENSITY:
        held = memory.rows_float[slot * ints[ROW_WORDS] + ints[record + AT64]]
        return float(1.0 - held if ints[record + READS] == READS_COMPLEMENT else held)
    if kind == GAPS:
        if ints[record + READS] == GAP_VARIATION:
            return gap_variation(memory, plan, record, slot)
        return gap_days(memory, plan, record, slot)
    if kind == DISTINCT:
        return float(distinct_count(memory, plan, record, slot, now_ms))
    if kind == AFFINITY:
        return _or_missing(top_text(memory, plan, record, slot))
    if kind == RECENT:
        first = 2 * slot * ints[ROW_WORDS] + ints[record + AT32]
        return _or_missing(memory.rows32[first])
    return _kept_value(memory, plan, record, slot)


@inlined
def _or_missing(text: int) -> float:
    return float(text) if text != 0 else np.nan


@inlined
def _kept_value(memory: Memory, plan: Plan, record: int, slot: int) -> float:
    words = slot * plan.ints[ROW_WORDS]
    if plan.ints[record + READS] == READS_TEXT:
        return _or_missing(memory.rows32[2 * words + plan.ints[record + AT32]])
    kept_at = words + plan.ints[record + AT64]
    if memory.rows64[kept_at] < 0:
        return np.nan
    return float(memory.rows64[kept_at + 1] / plan.floats[record + SCALE])


@inlined
def _cart_value(memory: Memory, plan: Plan, record: int, slot: int, cart: int) -> float:
    node = cart
    if cart == LAST_TOUCHED:
        node = memory.rows32[2 * slot * plan.ints[ROW_WORDS] + CARTS_HEAD]
    if node == 0:
        return 0.0
    word = CART_LINE_COUNT
    if plan.ints[record + READS] == CART_VALUE:
        word = CART_TOTAL
    elif plan.ints[record + READS] == CART_ITEMS:
        word = CART_QUANTITY
    return float(memory.nodes[node + word] / plan.floats[record + SCALE])
