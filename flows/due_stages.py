"""Decides due stages, each once, on the user's state as of its instant, and schedules the next."""

from __future__ import annotations

from config.jit import compiled
from flows.answers import sample_sent
from flows.identity import Naming, is_held_out
from flows.machine import Machine
from flows.output import (
    BEFORE_LIVE,
    CONSENT,
    COOLED,
    EXIT,
    EXPIRED,
    HOLDOUT,
    OFF,
    PRIORITY_TAKEN,
    RULE,
    SENT,
    SHADOW,
)
from flows.plan_words import (
    COOLDOWN,
    EXIT_WHEN,
    JOURNEY_WORDS,
    JOURNEYS,
    LIVE_FROM,
    PRIORITY,
    STAGE_AFTER,
    STAGE_COUNT,
    STAGE_TTL,
    STATUS,
    STATUS_OFF,
    STATUS_SHADOW,
)
from flows.propensity import rule_holds
from flows.report import (
    NO_CHANNEL,
    cart_of,
    choose_channel,
    read_stage,
    report_decision,
    stage_record,
)
from state.history import history_of, note_trigger
from state.instances import (
    BASE,
    DUE,
    EARLIER_SENT_AT,
    INSTANCE_DEADLINE,
    INSTANCE_ENTRY,
    INSTANCE_KEY,
    drop_instance,
    first_instance,
    journey_of,
    next_stage,
    stage_of,
    tell_later_instances,
)
from state.layout import ROW_WORDS, SENT_AT
from state.memory import JOURNEY_TALLIES
from state.rolling import whole_second
from state.texts import comes_before


@compiled
def decide_due(machine: Machine, naming: Naming, slot: int, now_ms: int, offset: int) -> None:
    """Decide the user's stages that are due at or before `now_ms`, in order of their places."""
    node = _first_due(machine, slot, now_ms)
    while node != 0:
        _decide(machine, naming, slot, node, now_ms, offset)
        node = _first_due(machine, slot, now_ms)


@compiled
def exit_rule_holds(machine: Machine, slot: int, node: int, now_ms: int) -> bool:
    """Whether the `exit.when` of an instance's journey holds at `now_ms`."""
    ints = machine.plan.ints
    rule = ints[ints[JOURNEYS] + journey_of(machine.memory, node) * JOURNEY_WORDS + EXIT_WHEN]
    if rule == 0:
        return False
    return rule_holds(machine, rule, slot, now_ms, cart_of(machine, slot, node))


@compiled
def end_instance(
    machine: Machine, slot: int, node: int, outcome: int, instant_ms: int, offset: int
) -> None:
    """The instance ends with its stage pending: that is the stage's outcome."""
    read_stage(machine, slot, node, instant_ms)
    report_decision(machine, slot, node, outcome, instant_ms, offset)
    drop_instance(machine.memory, machine.plan, slot, node)


@compiled
def schedule(machine: Machine, node: int, not_before_ms: int) -> None:
    """Set the pending stage's deadline by the instance's base.

    It is due at its deadline or, if that is later, at `not_before_ms`.
    """
    nodes = machine.memory.nodes
    after_ms = machine.plan.ints[stage_record(machine, node) + STAGE_AFTER]
    deadline = whole_second(nodes[node + BASE] + after_ms)
    nodes[node + INSTANCE_DEADLINE] = deadline
    nodes[node + DUE] = max(deadline, not_before_ms)
    machine.memory.nodes[JOURNEY_TALLIES + 2 * journey_of(machine.memory, node) + 1] += 1


@compiled
def second_after(instant_ms: int) -> int:
    """The next whole second after an instant."""
    return instant_ms // 1000 * 1000 + 1000


@compiled
def _first_due(machine: Machine, slot: int, now_ms: int) -> int:
    """Of the instances due at or before `now_ms`, the one that comes first; 0 when none is."""
    nodes = machine.memory.nodes
    best = 0
    node = first_instance(machine.memory, machine.plan, slot)
    while node != 0:
        if nodes[node + DUE] <= now_ms and (best == 0 or _comes_first(machine, node, best)):
            best = node
        node = nodes[node]
    return best


@compiled
def _comes_first(machine: Machine, node: int, other: int) -> bool:
    memory, ints = machine.memory, machine.plan.ints
    journey, other_journey = journey_of(memory, node), journey_of(memory, other)
    priority = ints[ints[JOURNEYS] + journey * JOURNEY_WORDS + PRIORITY]
    other_priority = ints[ints[JOURNEYS] + other_journey * JOURNEY_WORDS + PRIORITY]
    if priority != other_priority:
        return bool(priority > other_priority)
    if journey != other_journey:
        return bool(journey < other_journey)
    key, other_key = memory.nodes[node + INSTANCE_KEY], memory.nodes[other + INSTANCE_KEY]
    if key != other_key:
        return key == 0 or (other_key != 0 and comes_before(machine.texts, key, other_key))
    return bool(memory.nodes[node + INSTANCE_ENTRY] < memory.nodes[other + INSTANCE_ENTRY])


@compiled
def _decide(
    machine: Machine, naming: Naming, slot: int, node: int, instant_ms: int, offset: int
) -> None:
    if exit_rule_holds(machine, slot, node, instant_ms):
        end_instance(machine, slot, node, EXIT, instant_ms, offset)
        return
    rule_holds = read_stage(machine, slot, node, instant_ms)
    outcome = _judge(machine, slot, node, instant_ms, rule_holds)
    if outcome == SENT and is_held_out(naming, slot, journey_of(machine.memory, node), 0):
        outcome = HOLDOUT
    report_decision(machine, slot, node, outcome, instant_ms, offset)
    if outcome == SENT:
        sample_sent(machine, naming, slot, node, instant_ms)
    if outcome == SENT or outcome == HOLDOUT or outcome == SHADOW:
        _note_sent(machine, slot, node, instant_ms, outcome != SHADOW)
    memory, ints = machine.memory, machine.plan.ints
    journey = ints[JOURNEYS] + journey_of(memory, node) * JOURNEY_WORDS
    if stage_of(memory, node) + 1 == ints[journey + STAGE_COUNT]:
        drop_instance(memory, machine.plan, slot, node)
        return
    next_stage(memory, node)
    schedule(machine, node, second_after(instant_ms))


@compiled
def _judge(machine: Machine, slot: int, node: int, instant_ms: int, rule_holds: bool) -> int:
    """The first reason that applies, or SENT; but for the last gate, the hold-out."""
    memory, ints = machine.memory, machine.plan.ints
    index = journey_of(memory, node)
    journey = ints[JOURNEYS] + index * JOURNEY_WORDS
    ttl_ms = ints[stage_record(machine, node) + STAGE_TTL]
    earlier = memory.nodes[node + EARLIER_SENT_AT]
    if ints[journey + STATUS] == STATUS_OFF:
        return OFF
    if memory.nodes[node + INSTANCE_DEADLINE] < ints[LIVE_FROM]:
        return BEFORE_LIVE
    if instant_ms > memory.nodes[node + INSTANCE_DEADLINE] + ttl_ms:
        return EXPIRED
    if not rule_holds:
        return RULE
    if earlier >= 0 and instant_ms < earlier + ints[journey + COOLDOWN]:
        return COOLED
    if choose_channel(machine, slot, index) == NO_CHANNEL:
        return CONSENT
    if memory.rows64[slot * ints[ROW_WORDS] + SENT_AT] == instant_ms:
        return PRIORITY_TAKEN
    return SHADOW if ints[journey + STATUS] == STATUS_SHADOW else SENT


@compiled
def _note_sent(machine: Machine, slot: int, node: int, instant_ms: int, sent: bool) -> None:
    """A stage was sent (or held out: the same to all that follows), or would have been (shadow)."""
    memory, plan = machine.memory, machine.plan
    nodes = memory.nodes
    history = history_of(memory, plan, slot, journey_of(memory, node))
    trigger = (nodes[node + INSTANCE_KEY], nodes[node + INSTANCE_ENTRY], stage_of(memory, node))
    note_trigger(memory, history, trigger, instant_ms, sent)
    tell_later_instances(memory, node, instant_ms)
    if sent:
        memory.rows64[slot * plan.ints[ROW_WORDS] + SENT_AT] = instant_ms
