"""Running journey instances of a user: a list of nodes in the order of their opening."""

from __future__ import annotations

from config.jit import compiled, inlined
from state.layout import INSTANCES_HEAD, ROW_WORDS, Plan
from state.memory import NEVER, Memory, give_back, take_node

WHAT, INSTANCE_KEY, INSTANCE_ENTRY, BASE, INSTANCE_DEADLINE, DUE, EARLIER_SENT_AT = range(1, 8)
"""WHAT packs journey, stage and whether a tag opened it. EARLIER_SENT_AT: the last trigger of an
instance of the journey that was opened earlier, -1 before one."""

_STAGE_SHIFT = 16
_TAG_SHIFT = 32
_MASK = 0xFFFF


@inlined
def first_instance(memory: Memory, plan: Plan, slot: int) -> int:
    """The node of the user's instance opened first, 0 when there is none."""
    return int(memory.rows32[2 * slot * plan.ints[ROW_WORDS] + INSTANCES_HEAD])


@inlined
def journey_of(memory: Memory, node: int) -> int:
    """The index of an instance's journey."""
    return int(memory.nodes[node + WHAT] & _MASK)


@inlined
def stage_of(memory: Memory, node: int) -> int:
    """The index of an instance's pending stage."""
    return int(memory.nodes[node + WHAT] >> _STAGE_SHIFT & _MASK)


@inlined
def opened_by_tag(memory: Memory, node: int) -> bool:
    """Whether gaining a tag opened the instance."""
    return bool(memory.nodes[node + WHAT] >> _TAG_SHIFT)


@compiled
def next_stage(memory: Memory, node: int) -> None:
    """The instance's pending stage is the one after."""
    memory.nodes[node + WHAT] += 1 << _STAGE_SHIFT


@compiled
def find_instance(memory: Memory, plan: Plan, slot: int, journey: int, key: int) -> int:
    """The user's running instance of a journey and key, 0 when there is none."""
    node = first_instance(memory, plan, slot)
    while node != 0:
        if journey_of(memory, node) == journey and memory.nodes[node + INSTANCE_KEY] == key:
            return node
        node = memory.nodes[node]
    return 0


@compiled
def count_instances(memory: Memory, plan: Plan, slot: int) -> int:
    """How many instances of the user are running."""
    count = 0
    node = first_instance(memory, plan, slot)
    while node != 0:
        count += 1
        node = memory.nodes[node]
    return count


@compiled
def add_instance(
    memory: Memory, plan: Plan, slot: int, journey: int, key: int, by_tag: bool
) -> int:
    """A new instance at the end of the user's list; the caller sets its times."""
    node = take_node(memory)
    memory.nodes[node + WHAT] = journey | (int(by_tag) << _TAG_SHIFT)
    memory.nodes[node + INSTANCE_KEY] = key
    head = 2 * slot * plan.ints[ROW_WORDS] + INSTANCES_HEAD
    last = int(memory.rows32[head])
    if last == 0:
        memory.rows32[head] = node
        return node
    while memory.nodes[last] != 0:
        last = memory.nodes[last]
    memory.nodes[last] = node
    return node


@compiled
def drop_instance(memory: Memory, plan: Plan, slot: int, node: int) -> None:
    """Take an ended instance out of the user's list."""
    head = 2 * slot * plan.ints[ROW_WORDS] + INSTANCES_HEAD
    before = int(memory.rows32[head])
    if before == node:
        memory.rows32[head] = memory.nodes[node]
    else:
        while memory.nodes[before] != node:
            before = memory.nodes[before]
        memory.nodes[before] = memory.nodes[node]
    give_back(memory, node)


@compiled
def earliest_due(memory: Memory, plan: Plan, slot: int) -> int:
    """When the first of the user's pending stages is due, NEVER when none is pending."""
    first = NEVER
    node = first_instance(memory, plan, slot)
    while node != 0:
        first = min(first, memory.nodes[node + DUE])
        node = memory.nodes[node]
    return first


@compiled
def tell_later_instances(memory: Memory, node: int, sent_at_ms: int) -> None:
    """An instance sent: those of its journey opened later count their cooldown from it."""
    journey = journey_of(memory, node)
    later = memory.nodes[node]
    while later != 0:
        if journey_of(memory, later) == journey:
            at = later + EARLIER_SENT_AT
            memory.nodes[at] = max(memory.nodes[at], sent_at_ms)
        later = memory.nodes[later]


@compiled
def forget_sent(
    memory: Memory, plan: Plan, slot: int, journey: int, instants: tuple[int, int]
) -> None:
    """A trigger was withheld: instances that count their cooldown from it do from one before.

    `instants`: its own, and that of the one before or -1.
    """
    sent_at_ms, before_at = instants
    node = first_instance(memory, plan, slot)
    while node != 0:
        if (
            journey_of(memory, node) == journey
            and memory.nodes[node + EARLIER_SENT_AT] == sent_at_ms
        ):
            memory.nodes[node + EARLIER_SENT_AT] = before_at
        node = memory.nodes[node]
