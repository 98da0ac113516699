"""A user's row as bytes that are complete in themselves, and back.

A packed row holds the row's words, the nodes of its lists and the texts it names, which stand in
the row as numbers of its own (1, 2, ...). So it can be loaded into any table, in any order. In
bytes: the words without their zeros (`state.word_packing`), the first of which says how many follow
and, above 32 bits, how many texts there are; the texts' lengths as uint16, the texts.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from config.jit import compiled
from config.limits import JOURNEYS_MAX, TEXT_BYTES_MAX
from state.carts import CART_FIRST_LINE, CART_KEY, LINE_CATEGORY, LINE_ITEM
from state.distinct import TEXT_MASK
from state.history import EXIT_KEY, GOAL_KEY
from state.instances import INSTANCE_KEY
from state.layout import (
    CARTS_HEAD,
    CARTS_MAX,
    DISTINCT_MAX,
    EXAMPLES_HEAD,
    EXITS_HEAD,
    EXITS_MAX,
    HISTORY_HEAD,
    INSTANCES_HEAD,
    INSTANCES_MAX,
    LINES_MAX,
    ROW_WORDS,
    Layout,
    Plan,
)
from state.memory import NODE_WORDS, Memory, take_node, with_nodes
from state.texts import HEAD, Texts, intern, joined, with_room
from state.word_packing import PACKED_WORD_BYTES, pack_words, unpack_words

CELLS = NODE_WORDS - 1
TEXTS_SHIFT = 32
WORDS_MASK = (1 << TEXTS_SHIFT) - 1
BUFFER_BYTES = 1 << 22
ROWS_AT_ONCE = 4096
"""Rows are packed into a buffer of 4 MB and a row, and loaded some thousand at once."""


class RowPacker:
    """Packs and unpacks rows of one layout; holds the buffers that this takes."""

    def __init__(self, layout: Layout) -> None:
        lists = INSTANCES_MAX + JOURNEYS_MAX + EXITS_MAX + CARTS_MAX * (LINES_MAX + 2)
        examples = layout.example_nodes
        chunks = (DISTINCT_MAX // CELLS + 2) * len(layout.distinct_heads)
        texts = len(layout.text_cells) + 2 * lists + CELLS * chunks
        self._row_words = layout.words
        self._cells = (layout.text_cells, layout.distinct_heads)
        nodes = lists + chunks + examples
        self._words = np.zeros(layout.words + nodes * NODE_WORDS + 4, np.int64)
        self._local = np.zeros(texts + 1, np.int64)
        self._row_bytes_max = len(self._words) * PACKED_WORD_BYTES + texts * (2 + TEXT_BYTES_MAX)
        self._content = np.empty(self._row_bytes_max + BUFFER_BYTES, np.uint8)

    def pack(
        self, memory: Memory, plan: Plan, texts: Texts, slots: NDArray[np.int64]
    ) -> list[bytes]:
        """The rows of users as bytes, in the order of `slots`."""
        packed: list[bytes] = []
        content = self._content
        while len(packed) < len(slots):
            ends = np.zeros(len(slots) - len(packed) + 1, np.int64)
            left = slots[len(packed) :]
            scratch = (self._words, self._local)
            where = (content, ends, BUFFER_BYTES)
            count = pack_rows(memory, plan, texts, self._cells, left, scratch, where)
            bounds = ends[: count + 1].tolist()
            packed += [bytes(content.data[start:end]) for start, end in pairwise(bounds)]
        return packed

    def unpack(
        self, memory: Memory, plan: Plan, texts: Texts, first_slot: int, rows: list[bytes]
    ) -> tuple[Memory, Texts]:
        """Load packed rows into the empty rows from `first_slot` on; the tables, maybe grown."""
        for first in range(0, len(rows), ROWS_AT_ONCE):
            part = rows[first : first + ROWS_AT_ONCE]
            content, starts = joined(part)
            needs = np.zeros(3, np.int64)
            add_needs(content, starts, self._words, self._row_words, needs)
            nodes, count, size = needs.tolist()
            memory, texts = with_nodes(memory, nodes), with_room(texts, count, size)
            at = first_slot + first
            scratch = (self._words, self._local)
            unpack_rows(memory, plan, texts, self._cells, at, (content, starts), scratch)
        return memory, texts


@compiled
def pack_rows(
    memory: Memory,
    plan: Plan,
    texts: Texts,
    cells: tuple[NDArray[np.int64], NDArray[np.int64]],
    slots: NDArray[np.int64],
    scratch: tuple[NDArray[np.int64], NDArray[np.int64]],
    where: tuple[NDArray[np.uint8], NDArray[np.int64], int],
) -> int:
    """Pack rows until the buffer is full; returns how many.

    `scratch`: room for a row's words, and for the numbers of its texts. `where`: the buffer, room
    for where each row ends (behind a 0, where the first one starts), and the byte from which on no
    row may start.
    """
    words, local = scratch
    content, ends, last = where
    at = 0
    for index in range(len(slots)):
        if at >= last:
            return index
        local[0] = 0
        end = pack_user(memory, plan, cells, slots[index], words, 1, local)
        words[0] = (end - 1) | (local[0] << TEXTS_SHIFT)
        at = pack_words(words, end, content, at)
        at = _pack_texts(texts, local, content, at)
        ends[index + 1] = at
    return len(slots)


@compiled
def _pack_texts(
    texts: Texts, local: NDArray[np.int64], content: NDArray[np.uint8], start: int
) -> int:
    """Write the lengths (two bytes each) and the bytes of a row's texts; where they end."""
    at = start + 2 * local[0]
    for index in range(local[0]):
        entry = HEAD + 2 * local[index + 1]
        first, end = texts.entries[entry + 1], texts.entries[entry + 3]
        content[start + 2 * index] = (end - first) & 0xFF
        content[start + 2 * index + 1] = (end - first) >> 8
        for position in range(first, end):
            content[at] = texts.data[position]
            at += 1
    return int(at)


@compiled
def add_needs(
    content: NDArray[np.uint8],
    starts: NDArray[np.int64],
    words: NDArray[np.int64],
    row_words: int,
    needs: NDArray[np.int64],
) -> None:
    """Add what packed rows take at most: nodes, texts, bytes of texts. `words` is scratch."""
    for index in range(len(starts) - 1):
        unpack_words(content, starts[index], words, 1)
        needs[0] += ((words[0] & WORDS_MASK) - row_words) // CELLS
        needs[1] += words[0] >> TEXTS_SHIFT
        needs[2] += starts[index + 1] - starts[index]


@compiled
def unpack_rows(
    memory: Memory,
    plan: Plan,
    texts: Texts,
    cells: tuple[NDArray[np.int64], NDArray[np.int64]],
    first_slot: int,
    packed: tuple[NDArray[np.uint8], NDArray[np.int64]],
    scratch: tuple[NDArray[np.int64], NDArray[np.int64]],
) -> None:
    """Load packed rows, given as their bytes and where each starts; there is room for all."""
    content, starts = packed
    words, numbers = scratch
    for index in range(len(starts) - 1):
        unpack_words(content, starts[index], words, 1)
        count, named = words[0] & WORDS_MASK, words[0] >> TEXTS_SHIFT
        lengths = unpack_words(content, starts[index], words, count + 1)
        # Rows that were packed before there were examples end where their list would stand.
        words[count + 1] = 0
        at = lengths + 2 * named
        for number in range(named):
            length_at = lengths + 2 * number
            length = int(content[length_at]) + 256 * int(content[length_at + 1])
            numbers[number + 1] = intern(texts, content, at, length)
            at += length
        unpack_user(memory, plan, cells, first_slot + index, words, 1, numbers)


@compiled
def pack_user(
    memory: Memory,
    plan: Plan,
    cells: tuple[NDArray[np.int64], NDArray[np.int64]],
    slot: int,
    words: NDArray[np.int64],
    start: int,
    texts: NDArray[np.int64],
) -> int:
    """Write a row and its lists from `words[start]` on; returns where they end.

    The numbers of the texts that it names go to `texts`, their count first.
    """
    text_cells, distinct_heads = cells
    count = plan.ints[ROW_WORDS]
    for word in range(count):
        words[start + word] = memory.rows64[slot * count + word]
    halves, base = words.view(np.int32), 2 * start
    for cell in text_cells:
        halves[base + cell] = _local(texts, halves[base + cell])
    at = start + count
    for head, text_word in (
        (INSTANCES_HEAD, INSTANCE_KEY),
        (HISTORY_HEAD, GOAL_KEY),
        (EXITS_HEAD, EXIT_KEY),
    ):
        at = _pack_list(memory, halves[base + head], words, at, texts, text_word, 0)
        halves[base + head] = 0
    at = _pack_carts(memory, halves[base + CARTS_HEAD], words, at, texts)
    halves[base + CARTS_HEAD] = 0
    for head in distinct_heads:
        at = _pack_distinct(memory, halves[base + head], words, at, texts)
        halves[base + head] = 0
    at = _pack_list(memory, halves[base + EXAMPLES_HEAD], words, at, texts, 0, 0)
    halves[base + EXAMPLES_HEAD] = 0
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
    for index in range(words[start]):
        # Where a cart's lines stand in this table means nothing in another.
        words[start + CELLS * index + CART_FIRST_LINE] = 0
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
    start: int,
    numbers: NDArray[np.int64],
) -> None:
    """Load what `pack_user` wrote; `numbers` are its texts' numbers here, by local number."""
    text_cells, distinct_heads = cells
    count = plan.ints[ROW_WORDS]
    base = slot * count
    numbers[0] = 0
    for word in range(count):
        memory.rows64[base + word] = words[start + word]
    for cell in text_cells:
        memory.rows32[2 * base + cell] = numbers[memory.rows32[2 * base + cell]]
    at = start + count
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
    if words[at] != 0:
        # Rows of format 1 have no such head, and no examples.
        memory.rows32[2 * base + EXAMPLES_HEAD] = _unpack_list(memory, words, at, numbers, 0, 0)


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
