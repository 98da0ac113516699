"""The arrays that hold all profiles of a partition, and the pool of nodes for what few users have.

A user has a row: a fixed number of int64 words, also seen as int32, int16 and float64 (`Memory`'s
first four arrays are one piece of memory). What a row holds and where is decided by `state.layout`.
What few users have (journey instances, carts and their lines, ...) is a linked list of nodes of
eight words, the first of which is the next node; a row keeps the list's first node. Node 0 stands
for "none".
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from config.jit import compiled, inlined
from config.limits import JOURNEYS_MAX, MODELS_MAX

NEVER = 2**62
NODE_WORDS = 8
FREE_NODE = 1
NODES_MADE = 2
NODES_FREE = 3
EARLIEST = 4
EVENTS_APPLIED = 5
DUPLICATES = 6
LATE = 7
LAST_INSTANT = 8
JOURNEY_TALLIES = 16
MODEL_TALLIES = JOURNEY_TALLIES + 2 * JOURNEYS_MAX
"""The pool's first words: its free list and counters; from JOURNEY_TALLIES on two words per journey
(instances opened, stages scheduled), from MODEL_TALLIES on one per model (examples not taken, as
too many were open). Nodes come behind them, so that index 0 is none."""

HEAD_NODES = (MODEL_TALLIES + MODELS_MAX) // NODE_WORDS + 1


class Memory(NamedTuple):
    """The profiles of a partition.

    rows64, rows32, rows16, rows_float: views of one slab, row after row.
    deadline: per user, ms. nodes: the pool, flat, with counters at its head; node_cells: the same
    memory as float32.
    """

    rows64: NDArray[np.int64]
    rows32: NDArray[np.int32]
    rows16: NDArray[np.int16]
    rows_float: NDArray[np.float64]
    deadline: NDArray[np.int64]
    nodes: NDArray[np.int64]
    node_cells: NDArray[np.float32]


def new_memory(row_words: int, users: int = 1024, nodes: int = 4096) -> Memory:
    """Empty memory for `users` users of `row_words` words each."""
    pool = np.zeros(nodes * NODE_WORDS, np.int64)
    pool[NODES_MADE] = HEAD_NODES
    pool[EARLIEST] = NEVER
    rows = np.zeros(users * row_words, np.int64)
    return _over(rows, np.full(users, NEVER, np.int64), pool)


def with_users(memory: Memory, row_words: int, users: int) -> Memory:
    """The memory, grown if need be, with room for `users` users in all."""
    room = len(memory.deadline)
    if users <= room:
        return memory
    room = max(users, room * 2)
    rows = np.zeros(room * row_words, np.int64)
    rows[: len(memory.rows64)] = memory.rows64
    deadline = np.full(room, NEVER, np.int64)
    deadline[: len(memory.deadline)] = memory.deadline
    return _over(rows, deadline, memory.nodes)


def with_nodes(memory: Memory, free: int) -> Memory:
    """The memory, grown if need be, with `free` nodes to take."""
    room = len(memory.nodes) // NODE_WORDS
    if room - memory.nodes[NODES_MADE] >= free:
        return memory
    nodes = np.zeros(max(room + free, room * 3 // 2) * NODE_WORDS, np.int64)
    nodes[: len(memory.nodes)] = memory.nodes
    return memory._replace(nodes=nodes, node_cells=nodes.view(np.float32))


def _over(
    rows: NDArray[np.int64],
    deadline: NDArray[np.int64],
    nodes: NDArray[np.int64],
) -> Memory:
    return Memory(
        rows64=rows,
        rows32=rows.view(np.int32),
        rows16=rows.view(np.int16),
        rows_float=rows.view(np.float64),
        deadline=deadline,
        nodes=nodes,
        node_cells=nodes.view(np.float32),
    )


@inlined
def nodes_left(memory: Memory) -> int:
    """How many nodes can be taken before the pool must grow."""
    made, free = memory.nodes[NODES_MADE], memory.nodes[NODES_FREE]
    return int(len(memory.nodes) // NODE_WORDS - made + free)


@inlined
def take_node(memory: Memory) -> int:
    """A node of zeros, as its first word's index into `memory.nodes`. The caller has made room."""
    nodes = memory.nodes
    node = nodes[FREE_NODE]
    if node != 0:
        nodes[FREE_NODE] = nodes[node]
        nodes[NODES_FREE] -= 1
    else:
        node = nodes[NODES_MADE] * NODE_WORDS
        nodes[NODES_MADE] += 1
    for word in range(NODE_WORDS):
        nodes[node + word] = 0
    return int(node)


@inlined
def give_back(memory: Memory, node: int) -> None:
    """Return a node to the pool; it is in no list any more."""
    memory.nodes[node] = memory.nodes[FREE_NODE]
    memory.nodes[FREE_NODE] = node
    memory.nodes[NODES_FREE] += 1


@compiled
def give_back_list(memory: Memory, first: int) -> None:
    """Return all nodes of a list to the pool."""
    node = first
    while node != 0:
        following = memory.nodes[node]
        give_back(memory, node)
        node = following
