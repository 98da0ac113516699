"""Journeys: what an event or a gained tag does to a user's instances: goals, exits, entries.

All of it is compiled. Decisions go to `Output`; due stages are decided in `flows.due_stages`.
"""

from __future__ import annotations

from config.jit import compiled
from connectors.columns import Columns
from flows.due_stages import end_instance, exit_rule_holds, schedule, second_after
from flows.features import LAST_TOUCHED, text_number
from flows.interpret import load_event_fields
from flows.machine import Machine
from flows.output import EXIT, REPLACED
from flows.plan_words import (
    ENTERS,
    ENTRY_TAG,
    ENTRY_WHEN,
    EVENT_WORDS,
    EVENTS,
    EXITS,
    GOAL_WITHIN,
    GOALS,
    JOURNEY_COUNT,
    JOURNEY_WORDS,
    JOURNEYS,
    KEY_COLUMN,
    KEYED_BY_CART,
    REENTRY_RESETS,
    STAGE_AFTER,
)
from flows.propensity import rule_holds
from flows.report import report_goal, stage_record
from state.carts import find_cart
from state.history import (
    GOAL_ENTRY,
    GOAL_FROM,
    GOAL_KEY,
    GOAL_STAGE,
    blocked_by_exit,
    find_history,
    goal_stage,
    last_sent_at,
    remember_exit,
)
from state.instances import (
    BASE,
    DUE,
    EARLIER_SENT_AT,
    INSTANCE_DEADLINE,
    INSTANCE_ENTRY,
    INSTANCE_KEY,
    add_instance,
    count_instances,
    find_instance,
    first_instance,
    journey_of,
    opened_by_tag,
)
from state.layout import INSTANCES_MAX
from state.memory import JOURNEY_TALLIES
from state.rolling import whole_second

NO_KEY = 0


@compiled
def react(machine: Machine, columns: Columns, index: int, slot: int, gained: int) -> None:
    """An event was applied and tags settled: goals, exits, entries, journeys in order of name."""
    ints = machine.plan.ints
    event = ints[EVENTS] + columns.event[index] * EVENT_WORDS
    now_ms, offset = columns.log_ms[index], columns.offset[index]
    journeys = ints[JOURNEY_COUNT]
    for journey in range(journeys if ints[event + GOALS] != 0 else 0):
        if ints[event + GOALS] >> journey & 1:
            _reach_goal(machine, columns, index, slot, journey)
    for journey in range(journeys if ints[event + EXITS] != 0 else 0):
        if ints[event + EXITS] >> journey & 1:
            _exit_by_event(machine, columns, index, slot, journey)
    if first_instance(machine.memory, machine.plan, slot) != 0:
        _exit_by_rule(machine, slot, now_ms, offset)
    if ints[event + ENTERS] == 0 and gained == 0:
        return
    for journey in range(journeys):
        if ints[event + ENTERS] >> journey & 1:
            _enter_by_event(machine, columns, index, slot, journey)
        elif gained != 0:
            _enter_by_tag(machine, slot, journey, gained, (now_ms, now_ms, offset, 0))


@compiled
def enter_by_tags(machine: Machine, slot: int, gained: int, now_ms: int, offset: int) -> None:
    """Time alone turned tags at the whole second `now_ms`: open the journeys that start on them."""
    when = (now_ms, now_ms, offset, second_after(now_ms))
    for journey in range(machine.plan.ints[JOURNEY_COUNT]):
        _enter_by_tag(machine, slot, journey, gained, when)


@compiled
def _enter_by_tag(
    machine: Machine, slot: int, journey: int, gained: int, when: tuple[int, int, int, int]
) -> None:
    """Open a journey whose tag is among the bits `gained`; `when` as for `_enter`."""
    record = machine.plan.ints[JOURNEYS] + journey * JOURNEY_WORDS
    tag = machine.plan.ints[record + ENTRY_TAG]
    if (
        tag >= 0
        and gained >> tag & 1
        and _entry_rule_holds(machine, slot, record, LAST_TOUCHED, when[1])
    ):
        _enter(machine, slot, journey, NO_KEY, when)


@compiled
def _key_of_event(machine: Machine, columns: Columns, index: int, journey: int) -> int:
    """The number of the text in the journey's key field; NO_KEY without a key or the field."""
    ints = machine.plan.ints
    column = ints[ints[JOURNEYS] + journey * JOURNEY_WORDS + KEY_COLUMN]
    if column < 0:
        return NO_KEY
    return text_number(machine.texts, columns.data, columns.values[index, column])


@compiled
def _reach_goal(machine: Machine, columns: Columns, index: int, slot: int, journey: int) -> None:
    memory, ints = machine.memory, machine.plan.ints
    history = find_history(memory, machine.plan, slot, journey)
    if history == 0 or memory.nodes[history + GOAL_FROM] < 0:
        return
    nodes = memory.nodes
    sent_at = nodes[history + GOAL_FROM]
    within_ms = ints[ints[JOURNEYS] + journey * JOURNEY_WORDS + GOAL_WITHIN]
    if sent_at <= columns.at_ms[index] < sent_at + within_ms:
        reached = (
            nodes[history + GOAL_KEY],
            nodes[history + GOAL_ENTRY],
            goal_stage(nodes[history + GOAL_STAGE]),
        )
        nodes[history + GOAL_FROM] = -1
        now = (columns.log_ms[index], columns.offset[index])
        report_goal(machine, slot, journey, reached, now)


@compiled
def _exit_by_event(machine: Machine, columns: Columns, index: int, slot: int, journey: int) -> None:
    memory, plan = machine.memory, machine.plan
    at_ms = columns.at_ms[index]
    key = _key_of_event(machine, columns, index, journey)
    remember_exit(memory, plan, slot, journey, key, at_ms)
    node = first_instance(memory, plan, slot)
    while node != 0:
        following = memory.nodes[node]
        if (
            journey_of(memory, node) == journey
            and (key == NO_KEY or memory.nodes[node + INSTANCE_KEY] == key)
            and (opened_by_tag(memory, node) or at_ms >= memory.nodes[node + BASE])
        ):
            end_instance(machine, slot, node, EXIT, columns.log_ms[index], columns.offset[index])
        node = following


@compiled
def _exit_by_rule(machine: Machine, slot: int, now_ms: int, offset: int) -> None:
    node = first_instance(machine.memory, machine.plan, slot)
    while node != 0:
        following = machine.memory.nodes[node]
        if exit_rule_holds(machine, slot, node, now_ms):
            end_instance(machine, slot, node, EXIT, now_ms, offset)
        node = following


@compiled
def _enter_by_event(
    machine: Machine, columns: Columns, index: int, slot: int, journey: int
) -> None:
    plan = machine.plan
    record = plan.ints[JOURNEYS] + journey * JOURNEY_WORDS
    key = _key_of_event(machine, columns, index, journey)
    if plan.ints[record + KEY_COLUMN] >= 0 and key == NO_KEY:
        return
    now_ms = columns.log_ms[index]
    if plan.ints[record + ENTRY_WHEN] != 0:
        load_event_fields(machine, columns, index, plan.ints[record + ENTRY_WHEN])
    cart = _cart_for_entry(machine, slot, record, key)
    if _entry_rule_holds(machine, slot, record, cart, now_ms):
        _enter(
            machine, slot, journey, key, (columns.at_ms[index], now_ms, columns.offset[index], 0)
        )


@compiled
def _entry_rule_holds(machine: Machine, slot: int, record: int, cart: int, now_ms: int) -> bool:
    """Whether a journey's `entry.when` holds; the entry event's fields are loaded."""
    return rule_holds(machine, machine.plan.ints[record + ENTRY_WHEN], slot, now_ms, cart)


@compiled
def _cart_for_entry(machine: Machine, slot: int, journey: int, key: int) -> int:
    if machine.plan.ints[journey + KEYED_BY_CART] == 0:
        return LAST_TOUCHED
    return find_cart(machine.memory, machine.plan, slot, key)


@compiled
def _enter(
    machine: Machine, slot: int, journey: int, key: int, when: tuple[int, int, int, int]
) -> None:
    """Open an instance, or reset the running one, unless a later exit blocks it.

    `when` is the entry's event time, the instant now, the offset, and the first instant at which
    the first stage may be due.
    """
    memory, plan = machine.memory, machine.plan
    entry_ms, now_ms, offset, not_before_ms = when
    if blocked_by_exit(memory, plan, slot, journey, key, entry_ms):
        return
    node = find_instance(memory, plan, slot, journey, key)
    if node != 0:
        if plan.ints[plan.ints[JOURNEYS] + journey * JOURNEY_WORDS + REENTRY_RESETS] != 0:
            _reset(machine, node, entry_ms)
        return
    if count_instances(memory, plan, slot) == INSTANCES_MAX:
        oldest = first_instance(memory, plan, slot)
        end_instance(machine, slot, oldest, REPLACED, now_ms, offset)
    by_tag = plan.ints[plan.ints[JOURNEYS] + journey * JOURNEY_WORDS + ENTRY_TAG] >= 0
    node = add_instance(memory, plan, slot, journey, key, by_tag)
    memory.nodes[node + INSTANCE_ENTRY] = entry_ms
    memory.nodes[node + BASE] = entry_ms
    memory.nodes[node + EARLIER_SENT_AT] = last_sent_at(memory, plan, slot, journey)
    schedule(machine, node, not_before_ms)
    memory.nodes[JOURNEY_TALLIES + 2 * journey] += 1


@compiled
def _reset(machine: Machine, node: int, at_ms: int) -> None:
    """Stages count from `at_ms` if that is later; the pending one's deadline never moves back."""
    nodes = machine.memory.nodes
    nodes[node + BASE] = max(nodes[node + BASE], at_ms)
    after_ms = machine.plan.ints[stage_record(machine, node) + STAGE_AFTER]
    deadline = whole_second(nodes[node + BASE] + after_ms)
    if deadline > nodes[node + INSTANCE_DEADLINE]:
        nodes[node + INSTANCE_DEADLINE] = deadline
        nodes[node + DUE] = max(nodes[node + DUE], deadline)
