"""What lies in a user's carts: a list of cart nodes, the last touched first, each with its lines.

A cart that was emptied is remembered with the event time of that, so that an item event that
arrives late does not fill it again.
"""

from __future__ import annotations

from config.jit import compiled
from config.schema import NUMBER_SCALE
from state.layout import (
    CARTS_EMPTIED_AT,
    CARTS_HEAD,
    CARTS_MAX,
    LINES_MAX,
    ROW_WORDS,
    Plan,
)
from state.memory import Memory, give_back, give_back_list, take_node

CART_KEY, CART_EMPTIED_AT, CART_FIRST_LINE, CART_LINE_COUNT, CART_TOTAL, CART_QUANTITY = range(1, 7)
LINE_ITEM, LINE_CATEGORY, LINE_QUANTITY, LINE_PRICE = range(1, 5)
VALUE_MAX = 2**51
"""Minor units that one line of a cart can be worth at most; keeps sums within 64 bits."""
KEEP_PRICE = -(2**63)
"""Price of an item event that names none."""


@compiled
def find_cart(memory: Memory, plan: Plan, slot: int, key: int) -> int:
    """The user's cart of this key (0: the unnamed one), 0 when it is not known."""
    node = memory.rows32[2 * slot * plan.ints[ROW_WORDS] + CARTS_HEAD]
    while node != 0 and memory.nodes[node + CART_KEY] != key:
        node = memory.nodes[node]
    return int(node)


@compiled
def touch_cart(memory: Memory, plan: Plan, slot: int, key: int) -> int:
    """The user's cart of this key, made if need be, and now the last touched."""
    head = 2 * slot * plan.ints[ROW_WORDS] + CARTS_HEAD
    cart = find_cart(memory, plan, slot, key)
    if cart == 0:
        cart = _new_cart(memory, plan, slot, key)
    else:
        _unlink(memory, head, cart)
    memory.nodes[cart] = memory.rows32[head]
    memory.rows32[head] = cart
    return cart


@compiled
def _new_cart(memory: Memory, plan: Plan, slot: int, key: int) -> int:
    """A cart in no list yet; the least recently touched one goes when there are too many."""
    words = slot * plan.ints[ROW_WORDS]
    count = 0
    last = 0
    node = int(memory.rows32[2 * words + CARTS_HEAD])
    while node != 0:
        count += 1
        last = node
        node = memory.nodes[node]
    if count == CARTS_MAX:
        _unlink(memory, 2 * words + CARTS_HEAD, last)
        give_back_list(memory, memory.nodes[last + CART_FIRST_LINE])
        give_back(memory, last)
    cart = take_node(memory)
    memory.nodes[cart + CART_KEY] = key
    memory.nodes[cart + CART_EMPTIED_AT] = memory.rows64[words + CARTS_EMPTIED_AT]
    return cart


@compiled
def _unlink(memory: Memory, head: int, cart: int) -> None:
    before = int(memory.rows32[head])
    if before == cart:
        memory.rows32[head] = memory.nodes[cart]
        return
    while memory.nodes[before] != cart:
        before = memory.nodes[before]
    memory.nodes[before] = memory.nodes[cart]


@compiled
def clear_cart(memory: Memory, cart: int) -> None:
    """Take all lines out of a cart, without marking it as emptied."""
    give_back_list(memory, memory.nodes[cart + CART_FIRST_LINE])
    for word in (CART_FIRST_LINE, CART_LINE_COUNT, CART_TOTAL, CART_QUANTITY):
        memory.nodes[cart + word] = 0


@compiled
def empty_cart(memory: Memory, plan: Plan, slot: int, key: int, at_ms: int) -> None:
    """An order at `at_ms` names this cart: it is empty from then on, and touched by nobody."""
    cart = find_cart(memory, plan, slot, key)
    if cart == 0:
        head = 2 * slot * plan.ints[ROW_WORDS] + CARTS_HEAD
        cart = _new_cart(memory, plan, slot, key)
        _append(memory, head, cart)
    clear_cart(memory, cart)
    emptied_at = cart + CART_EMPTIED_AT
    memory.nodes[emptied_at] = max(memory.nodes[emptied_at], at_ms)


@compiled
def _append(memory: Memory, head: int, cart: int) -> None:
    node = int(memory.rows32[head])
    if node == 0:
        memory.rows32[head] = cart
        return
    while memory.nodes[node] != 0:
        node = memory.nodes[node]
    memory.nodes[node] = cart


@compiled
def empty_all_carts(memory: Memory, plan: Plan, slot: int, at_ms: int) -> None:
    """An order at `at_ms` names no cart: all of them are empty from then on."""
    words = slot * plan.ints[ROW_WORDS]
    node = memory.rows32[2 * words + CARTS_HEAD]
    while node != 0:
        clear_cart(memory, node)
        memory.nodes[node + CART_EMPTIED_AT] = max(memory.nodes[node + CART_EMPTIED_AT], at_ms)
        node = memory.nodes[node]
    memory.rows64[words + CARTS_EMPTIED_AT] = max(memory.rows64[words + CARTS_EMPTIED_AT], at_ms)


@compiled
def add_item(
    memory: Memory, cart: int, item: int, category: int, quantity: int, price: int
) -> None:
    """Add `quantity` thousandths of an item; price and category replace the line's when given."""
    nodes = memory.nodes
    line = _find_line(memory, cart, item)
    if line == 0:
        if quantity <= 0 or nodes[cart + CART_LINE_COUNT] == LINES_MAX:
            return
        line = take_node(memory)
        nodes[line + LINE_ITEM] = item
        nodes[cart + CART_LINE_COUNT] += 1
        _append_line(memory, cart, line)
    else:
        nodes[cart + CART_TOTAL] -= _line_value(memory, line)
        nodes[cart + CART_QUANTITY] -= nodes[line + LINE_QUANTITY]
    if price != KEEP_PRICE:
        nodes[line + LINE_PRICE] = price
    if category != 0:
        nodes[line + LINE_CATEGORY] = category
    nodes[line + LINE_QUANTITY] += quantity
    if nodes[line + LINE_QUANTITY] <= 0:
        _remove_line(memory, cart, line)
        return
    nodes[cart + CART_TOTAL] += _line_value(memory, line)
    nodes[cart + CART_QUANTITY] += nodes[line + LINE_QUANTITY]


@compiled
def remove_item(memory: Memory, cart: int, item: int, quantity: int) -> None:
    """Take `quantity` thousandths of an item away; the line goes when nothing is left."""
    nodes = memory.nodes
    line = _find_line(memory, cart, item)
    if line == 0:
        return
    nodes[cart + CART_TOTAL] -= _line_value(memory, line)
    nodes[cart + CART_QUANTITY] -= nodes[line + LINE_QUANTITY]
    nodes[line + LINE_QUANTITY] -= quantity
    if nodes[line + LINE_QUANTITY] <= 0:
        _remove_line(memory, cart, line)
        return
    nodes[cart + CART_TOTAL] += _line_value(memory, line)
    nodes[cart + CART_QUANTITY] += nodes[line + LINE_QUANTITY]


@compiled
def _line_value(memory: Memory, line: int) -> int:
    price, quantity = memory.nodes[line + LINE_PRICE], memory.nodes[line + LINE_QUANTITY]
    if abs(float(price) * float(quantity)) > VALUE_MAX * NUMBER_SCALE:
        return VALUE_MAX if price > 0 else -VALUE_MAX
    return int((price * quantity + NUMBER_SCALE // 2) // NUMBER_SCALE)


@compiled
def _find_line(memory: Memory, cart: int, item: int) -> int:
    line = memory.nodes[cart + CART_FIRST_LINE]
    while line != 0 and memory.nodes[line + LINE_ITEM] != item:
        line = memory.nodes[line]
    return int(line)


@compiled
def _append_line(memory: Memory, cart: int, line: int) -> None:
    last = cart + CART_FIRST_LINE
    while memory.nodes[last] != 0:
        last = memory.nodes[last]
    memory.nodes[last] = line


@compiled
def _remove_line(memory: Memory, cart: int, line: int) -> None:
    before = cart + CART_FIRST_LINE
    while memory.nodes[before] != line:
        before = memory.nodes[before]
    memory.nodes[before] = memory.nodes[line]
    memory.nodes[cart + CART_LINE_COUNT] -= 1
    give_back(memory, line)
