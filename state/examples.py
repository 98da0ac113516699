"""Open examples of a user: snapshots of features that wait for what comes of them.

They are a list of nodes behind EXAMPLES_HEAD in the order of sampling; a snapshot is so many nodes
in a row as its group takes (`state.example_groups`). Its words, counted over its nodes without
their links: the head (sampled at, group, bits of the models whose outcome came and of those that
are open), the tags held, the version that scored of each model; then float32 cells, two a word: the
score of each model and the features, NaN where there is none. One that was taken when a message was
sent ends with the two words of its trigger's id.
"""

from __future__ import annotations

from config.jit import compiled, inlined
from state.layout import EXAMPLES_HEAD, LEARN_AT, ROW_WORDS, Plan
from state.memory import NEVER, NODE_WORDS, Memory, give_back_list, take_node
from state.seconds import NO_SECOND, SECOND_MAX, cell_of, instant_in

SNAPSHOT_HEAD, SNAPSHOT_TAGS = 1, 2
"""Words of a snapshot's first node."""

VERSIONS = 2
"""The word that the first model's version stands in, as `word_at` counts them."""

OUTCOME_SHIFT, GROUP_SHIFT, INSTANT_SHIFT = 8, 16, 20
MODEL_BITS, GROUP_BITS = 0xFF, 0xF
_WORDS = NODE_WORDS - 1


@inlined
def head_of(sampled_ms: int, group: int, is_open: int) -> int:
    """The head of a new snapshot; `is_open` has a bit of each model that takes it.

    >>> head = head_of(1_767_225_600_123, 3, 0b101)
    >>> sampled_at(head), group_of(head), outcome_bits(head), open_bits(head)
    (1767225600123, 3, 0, 5)
    """
    return sampled_ms << INSTANT_SHIFT | group << GROUP_SHIFT | is_open


@inlined
def sampled_at(head: int) -> int:
    """The instant (ms) of a snapshot."""
    return int(head >> INSTANT_SHIFT)


@inlined
def group_of(head: int) -> int:
    """The index of a snapshot's group."""
    return int(head >> GROUP_SHIFT & GROUP_BITS)


@inlined
def outcome_bits(head: int) -> int:
    """A bit of each model whose outcome has come."""
    return int(head >> OUTCOME_SHIFT & MODEL_BITS)


@inlined
def open_bits(head: int) -> int:
    """A bit of each model whose example is open."""
    return int(head & MODEL_BITS)


@inlined
def first_snapshot(memory: Memory, plan: Plan, slot: int) -> int:
    """The first node of the user's oldest snapshot, 0 when there is none."""
    return int(memory.rows32[2 * slot * plan.ints[ROW_WORDS] + EXAMPLES_HEAD])


@compiled
def last_node(memory: Memory, snapshot: int, count: int) -> int:
    """The last of the `count` nodes of a snapshot; the next snapshot follows it."""
    node = snapshot
    for _ in range(count - 1):
        node = memory.nodes[node]
    return node


@compiled
def word_at(memory: Memory, snapshot: int, word: int) -> int:
    """Where a word of a snapshot stands in `memory.nodes`."""
    node = snapshot
    left = word
    while left >= _WORDS:
        node = memory.nodes[node]
        left -= _WORDS
    return node + 1 + left


@inlined
def cell_at(memory: Memory, snapshot: int, models: int, cell: int) -> int:
    """Where a cell of a snapshot of a group of `models` stands in `memory.node_cells`."""
    return int(2 * word_at(memory, snapshot, VERSIONS + models + cell // 2) + cell % 2)


@compiled
def add_snapshot(memory: Memory, plan: Plan, slot: int, count: int) -> int:
    """A new snapshot of `count` nodes at the end of the user's list; its first node."""
    nodes = memory.nodes
    head = 2 * slot * plan.ints[ROW_WORDS] + EXAMPLES_HEAD
    last = int(memory.rows32[head])
    while last != 0 and nodes[last] != 0:
        last = nodes[last]
    first = 0
    for _ in range(count):
        node = take_node(memory)
        if first == 0:
            first = node
        if last == 0:
            memory.rows32[head] = node
        else:
            nodes[last] = node
        last = node
    return first


@compiled
def drop_snapshot(
    memory: Memory, plan: Plan, slot: int, before: int, bounds: tuple[int, int]
) -> None:
    """Take a snapshot out of the user's list: the nodes from first to last, behind `before` or 0.

    `bounds`: its first node and its last.
    """
    first, last = bounds
    following = memory.nodes[last]
    if before == 0:
        memory.rows32[2 * slot * plan.ints[ROW_WORDS] + EXAMPLES_HEAD] = following
    else:
        memory.nodes[before] = following
    memory.nodes[last] = 0
    give_back_list(memory, first)


@inlined
def learn_at(memory: Memory, plan: Plan, slot: int) -> int:
    """The user's next learning instant (ms), NEVER when there is none."""
    cell = memory.rows32[2 * slot * plan.ints[ROW_WORDS] + LEARN_AT]
    return instant_in(cell) if cell != NO_SECOND else NEVER


@inlined
def set_learn_at(memory: Memory, plan: Plan, slot: int, instant_ms: int) -> None:
    """Note the user's next learning instant, a whole second; of one beyond 2106 there is none."""
    fits = instant_ms < instant_in(SECOND_MAX)
    cell = cell_of(instant_ms) if fits else NO_SECOND
    memory.rows32[2 * slot * plan.ints[ROW_WORDS] + LEARN_AT] = cell
