"""A user's row as bytes that are complete in themselves, and back.

A packed row holds the row's words, the nodes of its lists and the texts it names, which stand in
the row as numbers of its own (1, 2, ...). So it can be loaded into any table, in any order.
"""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

from config.jit import compiled
from state.carts import CART_FIRST_LINE, CART_KEY, LINE_CATEGORY, LINE_ITEM
from state.distinct import TEXT_MASK
from state.history import EXIT_KEY, GOAL_KEY
from state.instances import INSTANCE_KEY
from state.layout import (
    CARTS_HEAD,
    CARTS_MAX,
    DISTINCT_MAX,
    EXITS_HEAD,
    HISTORY_HEAD,
    INSTANCES_HEAD,
    LINES_MAX,
    ROW_WORDS,
    Layout,
    Plan,
)
from state.memory import NODE_WORDS, Memory, take_node
from state.texts import Texts, number_of, text_of, with_room

CELLS = NODE_WORDS - 1
JOURNEYS_MAX = 64
TEXTS_MAX = 4096


class RowPacker:
    """Packs and unpacks rows of one layout; holds the buffers that this takes."""

    def __init__(self, layout: Layout) -> None:
        lists = 8 + JOURNEYS_MAX + 8 + CARTS_MAX * (LINES_MAX + 2)
        chunks = (DISTINCT_MAX // CELLS + 2) * len(layout.distinct_heads)
        self._layout = layout
        self._words = np.zeros(layout.words + (lists + chunks) * NODE_WORDS, np.int64)
        self._texts = np.zeros(TEXTS_MAX + 1, np.int64)

    def pack(self, memory: Memory, plan: Plan, texts: Texts, slot: int) -> bytes:
        """The row of a user as bytes."""
        layout = self._layout
        self._texts[0] = 0
        count = pack_user(
            memory, plan, (layout.text_cells, layout.distinct_heads), slot, self._words, self._texts
        )
        named = [text_of(texts, int(number)) for number in self._texts[1 : self._texts[0] + 1]]
        lengths = struct.pack(f"<{len(named)}H", *map(len, named))
        head = struct.pack("<II", count, len(named))
        return b"".join((head, self._words[:count].tobytes(), lengths, *named))

    def unpack(self, memory: Memory, plan: Plan, texts: Texts, slot: int, row: bytes) -> Texts:
        """Load a packed row into an empty row of the table; the table of texts, maybe grown."""
        count, named = struct.unpack_from("<II", row)
        words = np.frombuffer(row, np.int64, count, 8).copy()
        lengths = struct.unpack_from(f"<{named}H", row, 8 + 8 * count)
        texts = with_room(texts, named, sum(lengths))
        numbers = np.zeros(named + 1, np.int64)
        at = 8 + 8 * count + 2 * named
        for index, length in enumerate(lengths):
            numbers[index + 1] = number_of(texts, row[at : at + length])
            at += length
        layout = self._layout
        cells = (layout.text_cells, layout.distinct_heads)
        unpack_user(memory, plan, cells, slot, words, numbers)
        return texts


@compiled
def pack_user(
    memory: Memory,
    plan: Plan,
    cells: tuple[NDArray[np.int64], NDArray[np.int64]],
    slot: int,
    words: NDArray[np.int64],
    texts: NDArray[np.int64],
) -> int:
    """Write a row and its lists to `words`, and the texts it names to `texts` (their count first).

    Returns how many words were written.
    """
    text_cells, distinct_heads = cells
    count = plan.ints[ROW_WORDS]
    for word in range(count):
        words[word] = memory.rows64[slot * count + word]
    halves = words.view(np.int32)
    for cell in text_cells:
        halves[cell] = _local(texts, halves[cell])
    at = count
    for head, text_word in (
        (INSTANCES_HEAD, INSTANCE_KEY),
        (HISTORY_HEAD, GOAL_KEY),
        (EXITS_HEAD, EXIT_KEY),
    ):
        at = _pack_list(memory, halves[head], words, at, texts, text_word, 0)
        halves[head] = 0
    at = _pack_carts(memory, halves[CARTS_HEAD], words, at, texts)
    halves[CARTS_HEAD] = 0
    for head in distinct_heads:
        at = _pack_distinct(memory, halves[head], words, at, texts)
        halves[head] = 0
    return at


@compiled
def _local(texts: NDArray[np.int64], number: int) -> int:
    """The row's own number for a text."""
    if number == 0:
        return 0
    for index in range(1, texts[0] + 1):
        if texts[index] == number:
            return index
    texts[0] += 1
    texts[texts[0]] = number
    return int(texts[0])


@compiled
def _pack_list(
    memory: Memory,
    first: int,
    words: NDArray[np.int64],
    start: int,
    texts: NDArray[np.int64],
    text_word: int,
    other_text_word: int,
) -> int:
    """Write a list's length and nodes, without their links; where the next thing goes."""
    at = start + 1
    node = int(first)
    while node != 0:
        for word in range(1, NODE_WORDS):
            value = memory.nodes[node + word]
            is_text = word == text_word or word == other_text_word
            words[at + word - 1] = _local(texts, value) if is_text else value
        at += CELLS
        node = memory.nodes[node]
    words[start] = (at - start - 1) // CELLS
    return at


@compiled
def _pack_carts(
    memory: Memory, first: int, words: NDArray[np.int64], start: int, texts: NDArray[np.int64]
) -> int:
    at = _pack_list(memory, first, words, start, texts, CART_KEY, 0)
    node = int(first)
    while node != 0:
        lines = memory.nodes[node + CART_FIRST_LINE]
        at = _pack_list(memory, lines, words, at, texts, LINE_ITEM, LINE_CATEGORY)
        node = memory.nodes[node]
    return at


@compiled
def _pack_distinct(
    memory: Memory, first: int, words: NDArray[np.int64], start: int, texts: NDArray[np.int64]
) -> int:
    end = _pack_list(memory, first, words, start, texts, 0, 0)
    for at in range(start + 1, end):
        high = words[at] & ~TEXT_MASK
        words[at] = high | _local(texts, words[at] & TEXT_MASK)
    return end


@compiled
def unpack_user(
    memory: Memory,
    plan: Plan,
    cells: tuple[NDArray[np.int64], NDArray[np.int64]],
    slot: int,
    words: NDArray[np.int64],
    numbers: NDArray[np.int64],
) -> None:
    """Load what `pack_user` wrote; `numbers` are its texts' numbers here, by local number."""
    text_cells, distinct_heads = cells
    count = plan.ints[ROW_WORDS]
    base = slot * count
    for word in range(count):
        memory.rows64[base + word] = words[word]
    for cell in text_cells:
        memory.rows32[2 * base + cell] = numbers[memory.rows32[2 * base + cell]]
    at = count
    for head, text_word in (
        (INSTANCES_HEAD, INSTANCE_KEY),
        (HISTORY_HEAD, GOAL_KEY),
        (EXITS_HEAD, EXIT_KEY),
    ):
        memory.rows32[2 * base + head] = _unpack_list(memory, words, at, numbers, text_word, 0)
        at += 1 + words[at] * CELLS
    first = _unpack_list(memory, words, at, numbers, CART_KEY, 0)
    memory.rows32[2 * base + CARTS_HEAD] = first
    at += 1 + words[at] * CELLS
    node = first
    while node != 0:
        lines = _unpack_list(memory, words, at, numbers, LINE_ITEM, LINE_CATEGORY)
        memory.nodes[node + CART_FIRST_LINE] = lines
        at += 1 + words[at] * CELLS
        node = memory.nodes[node]
    for head in distinct_heads:
        end = at + 1 + words[at] * CELLS
        for cell in range(at + 1, end):
            high = words[cell] & ~TEXT_MASK
            words[cell] = high | numbers[words[cell] & TEXT_MASK]
        memory.rows32[2 * base + head] = _unpack_list(memory, words, at, numbers, 0, 0)
        at = end


@compiled
def _unpack_list(
    memory: Memory,
    words: NDArray[np.int64],
    start: int,
    numbers: NDArray[np.int64],
    text_word: int,
    other_text_word: int,
) -> int:
    """Make a list of nodes from words; its first node."""
    first = 0
    last = 0
    for index in range(words[start]):
        node = take_node(memory)
        at = start + 1 + index * CELLS
        for word in range(1, NODE_WORDS):
            value = words[at + word - 1]
            is_text = word == text_word or word == other_text_word
            memory.nodes[node + word] = numbers[value] if is_text else value
        if last == 0:
            first = node
        else:
            memory.nodes[last] = node
        last = node
    return first
