"""The arrays that hold all profiles of a partition, and the pool of nodes for what few users have.

A user has a row: a fixed number of int64 words, also seen as int32, int16 and float64 (`Memory`'s
first four arrays are one piece of memory). What a row holds and where is decided by `state.layout`.
What few users have (journey instances, carts and their lines, ...) is a linked list of nodes of eight
words; a row keeps the list's first node. Node 0 stands for "none".
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from config.jit import compiled

NEVER = 2**62
NODE_WORDS = 8
NEXT = 0
"""Every node's first word: the next node of its list."""

FREE_NODE = 0
NODES_MADE = 1
NODES_FREE = 2
EARLIEST = 3
EVENTS_APPLIED = 4
DUPLICATES = 5
LATE = 6
LAST_INSTANT = 7
TALLY_WORDS = 8
"""Behind these, two words per journey: instances opened, stages scheduled."""


class Memory(NamedTuple):
    """rows64, rows32, rows16, rows_float: views of one slab, row after row; deadline: per user, ms;
    nodes: the pool, flat; tally: counters and the pool's free list."""

    rows64: NDArray[np.int64]
    rows32: NDArray[np.int32]
    rows16: NDArray[np.int16]
    rows_float: NDArray[np.float64]
    deadline: NDArray[np.int64]
    nodes: NDArray[np.int64]
    tally: NDArray[np.int64]


def new_memory(row_words: int, journeys: int, users: int = 1024, nodes: int = 4096) -> Memory:
    """Empty memory for `users` users of `row_words` words each."""
    tally = np.zeros(TALLY_WORDS + 2 * journeys, np.int64)
    tally[NODES_MADE] = 1
    tally[EARLIEST] = NEVER
    rows = np.zeros(users * row_words, np.int64)
    return _over(rows, np.full(users, NEVER, np.int64), np.zeros(nodes * NODE_WORDS, np.int64), tally)


def with_users(memory: Memory, row_words: int, users: int) -> Memory:
    """The memory, grown if need be, with room for `users` users in all."""
    room = len(memory.deadline)
    if users <= room:
        return memory
    room = max(users, room * 3 // 2)
    rows = np.zeros(room * row_words, np.int64)
    rows[: len(memory.rows64)] = memory.rows64
    deadline = np.full(room, NEVER, np.int64)
    deadline[: len(memory.deadline)] = memory.deadline
    return _over(rows, deadline, memory.nodes, memory.tally)


def with_nodes(memory: Memory, free: int) -> Memory:
    """The memory, grown if need be, with `free` nodes to take."""
    room = len(memory.nodes) // NODE_WORDS
    if room - memory.tally[NODES_MADE] >= free:
        return memory
    nodes = np.zeros(max(room + free, room * 3 // 2) * NODE_WORDS, np.int64)
    nodes[: len(memory.nodes)] = memory.nodes
    return memory._replace(nodes=nodes)


def _over(
    rows: NDArray[np.int64],
    deadline: NDArray[np.int64],
    nodes: NDArray[np.int64],
    tally: NDArray[np.int64],
) -> Memory:
    return Memory(
        rows64=rows,
        rows32=rows.view(np.int32),
        rows16=rows.view(np.int16),
        rows_float=rows.view(np.float64),
        deadline=deadline,
        nodes=nodes,
        tally=tally,
    )


@compiled
def nodes_left(memory: Memory) -> int:
    """How many nodes can be taken before the pool must grow."""
    return len(memory.nodes) // NODE_WORDS - memory.tally[NODES_MADE] + memory.tally[NODES_FREE]


@compiled
def take_node(memory: Memory) -> int:
    """A node of zeros, as its first word's index into `memory.nodes`. The caller has made room."""
    tally = memory.tally
    node = tally[FREE_NODE]
    if node != 0:
        tally[FREE_NODE] = memory.nodes[node]
        tally[NODES_FREE] -= 1
    else:
        node = tally[NODES_MADE] * NODE_WORDS
        tally[NODES_MADE] += 1
    for word in range(NODE_WORDS):
        memory.nodes[node + word] = 0
    return node


@compiled
def give_back(memory: Memory, node: int) -> None:
    """Return a node to the pool; it is in no list any more."""
    memory.nodes[node] = memory.tally[FREE_NODE]
    memory.tally[FREE_NODE] = node
    memory.tally[NODES_FREE] += 1


@compiled
def give_back_list(memory: Memory, first: int) -> None:
    """Return all nodes of a list to the pool."""
    node = first
    while node != 0:
        following = memory.nodes[node]
        give_back(memory, node)
        node = following
