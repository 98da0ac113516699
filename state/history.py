"""What a user's ended instances leave: last triggers per journey, and exits by event time."""

from __future__ import annotations

from config.jit import compiled, inlined
from state.layout import EXITS_HEAD, EXITS_MAX, HISTORY_HEAD, ROW_WORDS, Plan
from state.memory import NEVER, Memory, take_node

HISTORY_JOURNEY, HISTORY_SENT_AT, GOAL_FROM, GOAL_KEY, GOAL_ENTRY, GOAL_STAGE = range(1, 7)
HISTORY_SENT = 7
"""HISTORY_SENT_AT: last trigger, also a shadow's; HISTORY_SENT: which (`sent_word`). GOAL_FROM:
instant of the last decision that was sent or held out and whose goal was not reached yet; -1 when
there is none. GOAL_KEY, GOAL_ENTRY: its instance; GOAL_STAGE: its stage, and the last trigger that
was withheld (`goal_word`)."""
EXIT_JOURNEY, EXIT_KEY, EXIT_AT = range(1, 4)

STAGE_BITS = 16
STAGE_MASK = (1 << STAGE_BITS) - 1
"""Both words have a stage below an instant, which stands there as one more: 0 says "none"."""


@inlined
def sent_word(stage: int, shadow: bool, before_at: int) -> int:
    """The stage of a trigger, whether it was a shadow's, and the instant of the one before, or -1.

    See `stage_sent`, `shadow_sent`, `before_sent`.
    """
    return (before_at + 1) << (STAGE_BITS + 1) | stage << 1 | int(shadow)


@inlined
def stage_sent(word: int) -> int:
    """The stage in a `sent_word`.

    >>> stage_sent(sent_word(3, True, 7))
    3
    """
    return word >> 1 & STAGE_MASK


@inlined
def shadow_sent(word: int) -> bool:
    """Whether a `sent_word` is of a trigger that was decided but not sent."""
    return word & 1 == 1


@inlined
def before_sent(word: int) -> int:
    """The instant of the trigger before that of a `sent_word`, -1 when none counts.

    >>> before_sent(sent_word(3, True, 7)), before_sent(sent_word(3, False, -1))
    (7, -1)
    """
    return (word >> (STAGE_BITS + 1)) - 1


@inlined
def goal_word(stage: int, withheld_at: int) -> int:
    """The stage whose goal is waited for, and the instant of the last withheld trigger, or -1."""
    return (withheld_at + 1) << STAGE_BITS | stage


@inlined
def goal_stage(word: int) -> int:
    """The stage in a `goal_word`."""
    return word & STAGE_MASK


@inlined
def withheld_at(word: int) -> int:
    """The instant of the last withheld trigger in a `goal_word`, -1 before one.

    >>> withheld_at(goal_word(3, 7)), withheld_at(goal_word(3, -1))
    (7, -1)
    """
    return (word >> STAGE_BITS) - 1


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
    """Instant of the last trigger to this user that counts for the journey's cooldown, or -1."""
    node = find_history(memory, plan, slot, journey)
    return counted_at(memory, node) if node != 0 else -1


@inlined
def counted_at(memory: Memory, node: int) -> int:
    """Instant of a journey's last trigger, of the one before where that was withheld; or -1."""
    sent_at = memory.nodes[node + HISTORY_SENT_AT]
    if withheld_at(memory.nodes[node + GOAL_STAGE]) == sent_at:
        return int(before_sent(memory.nodes[node + HISTORY_SENT]))
    return int(sent_at)


@compiled
def note_trigger(
    memory: Memory, node: int, trigger: tuple[int, int, int], instant_ms: int, sent: bool
) -> None:
    """A journey's last trigger is this one, of (instance key, entry, stage).

    It was sent or held out, which is the same to all that follows; or (not `sent`) a shadow's.
    """
    nodes = memory.nodes
    key, entry, stage = trigger
    last = nodes[node + HISTORY_SENT]
    before_at = -1
    if sent:
        same_instance = nodes[node + GOAL_KEY] == key and nodes[node + GOAL_ENTRY] == entry
        if same_instance and not shadow_sent(last):
            before_at = counted_at(memory, node)
    elif shadow_sent(last):
        before_at = before_sent(last)
    else:
        before_at = counted_at(memory, node)
    nodes[node + HISTORY_SENT_AT] = instant_ms
    nodes[node + HISTORY_SENT] = sent_word(stage, not sent, before_at)
    if sent:
        nodes[node + GOAL_FROM] = instant_ms
        nodes[node + GOAL_KEY] = key
        nodes[node + GOAL_ENTRY] = entry
        nodes[node + GOAL_STAGE] = goal_word(stage, withheld_at(nodes[node + GOAL_STAGE]))


@compiled
def withhold_trigger(memory: Memory, node: int, instant_ms: int) -> bool:
    """A journey's trigger of that instant was not sent: it counts no more, and has no goal.

    Returns False, and does nothing, where it cannot be one of this journey: after the last one, or
    not after the last one withheld.
    """
    nodes = memory.nodes
    word = nodes[node + HISTORY_SENT]
    before_at, is_shadow = before_sent(word), shadow_sent(word)
    last_at = before_at if is_shadow else nodes[node + HISTORY_SENT_AT]
    if not withheld_at(nodes[node + GOAL_STAGE]) < instant_ms <= last_at:
        return False
    if before_at == instant_ms:
        nodes[node + HISTORY_SENT] = sent_word(stage_sent(word), is_shadow, -1)
    if nodes[node + GOAL_FROM] == instant_ms:
        nodes[node + GOAL_FROM] = -1
    stage = goal_stage(nodes[node + GOAL_STAGE])
    nodes[node + GOAL_STAGE] = goal_word(stage, instant_ms)
    return True


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
