"""What a user's ended instances leave: last triggers per journey, and exits by event time."""

from __future__ import annotations

from config.jit import compiled, inlined
from state.layout import EXITS_HEAD, EXITS_MAX, HISTORY_HEAD, ROW_WORDS, Plan
from state.memory import NEVER, Memory, take_node

HISTORY_JOURNEY, HISTORY_SENT_AT, GOAL_FROM, GOAL_KEY, GOAL_ENTRY, GOAL_STAGE = range(1, 7)
HISTORY_SENT = 7
"""HISTORY_SENT_AT: last trigger that counts for cooldown; HISTORY_SENT: which (`sent_word`).
GOAL_FROM: instant of the last decision that was sent or held out and whose goal was not reached
yet; -1 when there is none."""
EXIT_JOURNEY, EXIT_KEY, EXIT_AT = range(1, 4)


@inlined
def sent_word(stage: int, shadow: bool) -> int:
    """The stage of a trigger, and whether it was a shadow's: `stage_sent` and `shadow_sent`."""
    return 2 * stage + int(shadow)


def stage_sent(word: int) -> int:
    """The stage in a `sent_word`.

    >>> stage_sent(sent_word(3, True))
    3
    """
    return word // 2


def shadow_sent(word: int) -> bool:
    """Whether a `sent_word` is of a trigger that was decided but not sent."""
    return word % 2 == 1


@compiled
def find_history(memory: Memory, plan: Plan, slot: int, journey: int) -> int:
    """The user's node for a journey, 0 when nothing was ever sent."""
    node = int(memory.rows32[2 * slot * plan.ints[ROW_WORDS] + HISTORY_HEAD])
    while node != 0 and memory.nodes[node + HISTORY_JOURNEY] != journey:
        node = memory.nodes[node]
    return node


@compiled
def history_of(memory: Memory, plan: Plan, slot: int, journey: int) -> int:
    """The user's node for a journey, made if need be."""
    node = find_history(memory, plan, slot, journey)
    if node == 0:
        head = 2 * slot * plan.ints[ROW_WORDS] + HISTORY_HEAD
        node = take_node(memory)
        memory.nodes[node] = memory.rows32[head]
        memory.nodes[node + HISTORY_JOURNEY] = journey
        memory.nodes[node + HISTORY_SENT_AT] = -1
        memory.nodes[node + GOAL_FROM] = -1
        memory.rows32[head] = node
    return node


@compiled
def last_sent_at(memory: Memory, plan: Plan, slot: int, journey: int) -> int:
    """Instant of the journey's last trigger to this user, -1 before one."""
    node = find_history(memory, plan, slot, journey)
    return memory.nodes[node + HISTORY_SENT_AT] if node != 0 else -1


@compiled
def blocked_by_exit(
    memory: Memory, plan: Plan, slot: int, journey: int, key: int, at_ms: int
) -> bool:
    """Whether the journey was exited, for this key or for all, by an event later than `at_ms`."""
    node = int(memory.rows32[2 * slot * plan.ints[ROW_WORDS] + EXITS_HEAD])
    while node != 0:
        exit_key = memory.nodes[node + EXIT_KEY]
        if (
            memory.nodes[node + EXIT_JOURNEY] == journey
            and (exit_key == key or exit_key == 0)
            and memory.nodes[node + EXIT_AT] > at_ms
        ):
            return True
        node = memory.nodes[node]
    return False


@compiled
def remember_exit(
    memory: Memory, plan: Plan, slot: int, journey: int, key: int, at_ms: int
) -> None:
    """Keep the latest exit of a journey and key; beyond EXITS_MAX the earliest is forgotten."""
    nodes = memory.nodes
    head = 2 * slot * plan.ints[ROW_WORDS] + EXITS_HEAD
    count = 0
    last = 0
    earliest = 0
    earliest_at = NEVER
    node = int(memory.rows32[head])
    while node != 0:
        if nodes[node + EXIT_JOURNEY] == journey and nodes[node + EXIT_KEY] == key:
            nodes[node + EXIT_AT] = max(nodes[node + EXIT_AT], at_ms)
            return
        if nodes[node + EXIT_AT] < earliest_at:
            earliest = node
            earliest_at = nodes[node + EXIT_AT]
        count += 1
        last = node
        node = nodes[node]
    if count == EXITS_MAX:
        if at_ms < earliest_at:
            return
        last = _move_to_end(memory, head, earliest, last)
    else:
        last = _add_at_end(memory, head, last)
    nodes[last + EXIT_JOURNEY] = journey
    nodes[last + EXIT_KEY] = key
    nodes[last + EXIT_AT] = at_ms


@compiled
def _add_at_end(memory: Memory, head: int, last: int) -> int:
    node = take_node(memory)
    if last == 0:
        memory.rows32[head] = node
    else:
        memory.nodes[last] = node
    return node


@compiled
def _move_to_end(memory: Memory, head: int, node: int, last: int) -> int:
    if node == last:
        return node
    if memory.rows32[head] == node:
        memory.rows32[head] = memory.nodes[node]
    else:
        before = int(memory.rows32[head])
        while memory.nodes[before] != node:
            before = memory.nodes[before]
        memory.nodes[before] = memory.nodes[node]
    memory.nodes[last] = node
    memory.nodes[node] = 0
    return node
