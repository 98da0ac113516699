"""Which events change a user's carts, and how: Segment's own cart and order events."""

from __future__ import annotations

from config.jit import compiled
from config.schema import NUMBER_SCALE
from connectors.columns import MISSING, Columns
from flows.features import text_number
from flows.plan_words import (
    CART_ADD,
    CART_COLUMN,
    CART_ORDER,
    CART_REMOVE,
    CART_ROLE,
    CATEGORY_COLUMN,
    EVENT_WORDS,
    EVENTS,
    ITEM_COLUMN,
    PRICE_COLUMN,
    QUANTITY_COLUMN,
)
from state.carts import (
    CART_EMPTIED_AT,
    add_item,
    clear_cart,
    empty_all_carts,
    empty_cart,
    find_cart,
    remove_item,
    touch_cart,
)
from state.layout import CARTS_EMPTIED_AT, ROW_WORDS, Plan
from state.memory import Memory
from state.texts import Texts

QUANTITY_MAX = 10**9 * NUMBER_SCALE
WHOLE_LINE = QUANTITY_MAX * 2
LINE_ITEM, LINE_PRICE, LINE_QUANTITY, LINE_CATEGORY = range(4)


@compiled
def apply_cart(
    memory: Memory, plan: Plan, texts: Texts, columns: Columns, index: int, slot: int
) -> None:
    """Take event `index` into the user's carts: add, remove, replace all lines, or order."""
    role = plan.ints[plan.ints[EVENTS] + columns.event[index] * EVENT_WORDS + CART_ROLE]
    at_ms = columns.at_ms[index]
    key = text_number(texts, columns.data, _cell(plan, columns, index, CART_COLUMN))
    if role == CART_ORDER:
        if key == 0:
            empty_all_carts(memory, plan, slot, at_ms)
        else:
            empty_cart(memory, plan, slot, key, at_ms)
        return
    if at_ms < _emptied_at(memory, plan, slot, key):
        return
    if role != CART_ADD and role != CART_REMOVE:
        if columns.line_count[index] > 0:
            _replace_lines(memory, texts, columns, index, touch_cart(memory, plan, slot, key))
        return
    item = text_number(texts, columns.data, _cell(plan, columns, index, ITEM_COLUMN))
    if item == 0:
        return
    cart = touch_cart(memory, plan, slot, key)
    quantity = _cell(plan, columns, index, QUANTITY_COLUMN)
    if role == CART_REMOVE:
        remove_item(memory, cart, item, _bounded(quantity, WHOLE_LINE))
        return
    category = text_number(texts, columns.data, _cell(plan, columns, index, CATEGORY_COLUMN))
    price = _cell(plan, columns, index, PRICE_COLUMN)
    add_item(memory, cart, item, category, _bounded(quantity, NUMBER_SCALE), price)


@compiled
def _cell(plan: Plan, columns: Columns, index: int, column_word: int) -> int:
    column = plan.ints[column_word]
    return columns.values[index, column] if column >= 0 else MISSING


@compiled
def _bounded(quantity: int, default: int) -> int:
    if quantity == MISSING:
        return default
    return max(-QUANTITY_MAX, min(QUANTITY_MAX, quantity))


@compiled
def _emptied_at(memory: Memory, plan: Plan, slot: int, key: int) -> int:
    cart = find_cart(memory, plan, slot, key)
    if cart != 0:
        return int(memory.nodes[cart + CART_EMPTIED_AT])
    return int(memory.rows64[slot * plan.ints[ROW_WORDS] + CARTS_EMPTIED_AT])


@compiled
def _replace_lines(memory: Memory, texts: Texts, columns: Columns, index: int, cart: int) -> None:
    """The cart was seen with these lines: they are what is in it."""
    clear_cart(memory, cart)
    first = columns.line_from[index]
    for line in range(first, first + columns.line_count[index]):
        item = text_number(texts, columns.data, columns.lines[line, LINE_ITEM])
        if item != 0:
            category = text_number(texts, columns.data, columns.lines[line, LINE_CATEGORY])
            quantity = _bounded(columns.lines[line, LINE_QUANTITY], NUMBER_SCALE)
            add_item(memory, cart, item, category, quantity, columns.lines[line, LINE_PRICE])
