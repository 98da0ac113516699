"""Forgets texts that no row names any more, so that a table of texts does not grow with time.

Texts of events (items, categories, cart ids) get a number when they are first seen. Now and then
all rows are walked, twice: to mark the numbers they hold, and to put the new ones in their place.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from config.jit import compiled, inlined
from state.carts import CART_FIRST_LINE, CART_KEY, LINE_CATEGORY, LINE_ITEM
from state.distinct import TEXT_MASK
from state.history import EXIT_KEY, GOAL_KEY
from state.instances import INSTANCE_KEY
from state.layout import (
    CARTS_HEAD,
    EXITS_HEAD,
    HISTORY_HEAD,
    INSTANCES_HEAD,
    ROW_WORDS,
    Layout,
    Plan,
)
from state.memory import NODE_WORDS, Memory
from state.texts import BYTES, COUNT, HEAD, Texts, find_or_add, new_texts, with_room


class Rows(NamedTuple):
    """The rows of a partition's first `users` users, and what tells where texts stand in them."""

    memory: Memory
    plan: Plan
    layout: Layout
    users: int


def without_unused(rows: Rows, texts: Texts, always: int) -> Texts:
    """A table of the texts that the rows name, and of the first `always` ones.

    The rows hold the new numbers afterwards; those of the first `always` texts stay as they are.
    """
    memory, plan, layout, users = rows
    cells = (layout.text_cells, layout.distinct_heads)
    count = int(texts.entries[COUNT])
    numbers = np.zeros(count, np.int64)
    walk_texts(memory, plan, cells, users, numbers, True)
    numbers[:always] = 1
    kept = np.flatnonzero(numbers)
    smaller = with_room(new_texts(), len(kept), int(texts.entries[BYTES]))
    copy_texts(texts, kept, smaller, numbers)
    walk_texts(memory, plan, cells, users, numbers, False)
    return smaller


@compiled
def copy_texts(
    texts: Texts, kept: NDArray[np.int64], smaller: Texts, numbers: NDArray[np.int64]
) -> None:
    """Copy the texts `kept` in their order; `numbers` are then the new ones by the old ones."""
    for number in kept:
        entry = HEAD + 2 * number
        start, end = texts.entries[entry + 1], texts.entries[entry + 3]
        hashed = texts.entries[entry]
        numbers[number] = find_or_add(smaller, hashed, texts.data, start, end - start)


@compiled
def walk_texts(
    memory: Memory,
    plan: Plan,
    cells: tuple[NDArray[np.int64], NDArray[np.int64]],
    users: int,
    numbers: NDArray[np.int64],
    marking: bool,
) -> None:
    """Mark in `numbers` every text that the rows name, or replace each by `numbers` of it."""
    text_cells, distinct_heads = cells
    for slot in range(users):
        halves = 2 * slot * plan.ints[ROW_WORDS]
        for cell in text_cells:
            at = halves + cell
            memory.rows32[at] = _renumbered(memory.rows32[at], numbers, marking)
        _walk_list(memory, memory.rows32[halves + INSTANCES_HEAD], INSTANCE_KEY, numbers, marking)
        _walk_list(memory, memory.rows32[halves + HISTORY_HEAD], GOAL_KEY, numbers, marking)
        _walk_list(memory, memory.rows32[halves + EXITS_HEAD], EXIT_KEY, numbers, marking)
        cart = int(memory.rows32[halves + CARTS_HEAD])
        _walk_list(memory, cart, CART_KEY, numbers, marking)
        while cart != 0:
            lines = memory.nodes[cart + CART_FIRST_LINE]
            _walk_list(memory, lines, LINE_ITEM, numbers, marking)
            _walk_list(memory, lines, LINE_CATEGORY, numbers, marking)
            cart = memory.nodes[cart]
        for head in distinct_heads:
            _walk_distinct(memory, memory.rows32[halves + head], numbers, marking)


@inlined
def _renumbered(number: int, numbers: NDArray[np.int64], marking: bool) -> int:
    if marking:
        numbers[number] = 1
        return int(number)
    return int(numbers[number])


@compiled
def _walk_list(
    memory: Memory, first: int, word: int, numbers: NDArray[np.int64], marking: bool
) -> None:
    node = int(first)
    while node != 0:
        at = node + word
        memory.nodes[at] = _renumbered(memory.nodes[at], numbers, marking)
        node = memory.nodes[node]


@compiled
def _walk_distinct(memory: Memory, first: int, numbers: NDArray[np.int64], marking: bool) -> None:
    node = int(first)
    while node != 0:
        for at in range(node + 1, node + NODE_WORDS):
            value = memory.nodes[at]
            number = _renumbered(value & TEXT_MASK, numbers, marking)
            memory.nodes[at] = (value & ~TEXT_MASK) | number
        node = memory.nodes[node]
