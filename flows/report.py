"""Writes what was decided about a stage, and why, into the output buffers."""

from __future__ import annotations

from config.jit import compiled, inlined
from flows.features import LAST_TOUCHED, read_features
from flows.interpret import run_rule
from flows.machine import TRACE, VALUES, Machine
from flows.output import (
    CHANNEL,
    DEADLINE,
    DECISION_WORDS,
    ENTRY,
    FILLED_LINES,
    FIRST_LINE,
    GOAL,
    HOLDOUT,
    INSTANT,
    JOURNEY,
    KEY,
    LINE_COUNT,
    LINE_WORDS,
    LINES_AT,
    OFFSET,
    OUTCOME,
    ROW_TEXTS,
    ROW_TRACE,
    SENT,
    SHADOW,
    STAGE,
    TAGS_HELD,
    USER,
    new_decision,
)
from flows.plan_words import (
    ALL_FEATURES,
    ALL_SCORES,
    CHANNEL_LIST,
    FEATURE_COUNT,
    FEATURES,
    JOURNEY_WORDS,
    JOURNEYS,
    KEYED_BY_CART,
    PROGRAM_SCORES,
    STAGE_REASONS,
    STAGE_WHEN,
    STAGE_WORDS,
    STAGES,
)
from flows.propensity import read_scores
from flows.reasons import report_reasons, report_scores
from state.carts import (
    CART_FIRST_LINE,
    LINE_CATEGORY,
    LINE_ITEM,
    LINE_PRICE,
    LINE_QUANTITY,
    find_cart,
)
from state.instances import INSTANCE_DEADLINE, INSTANCE_ENTRY, INSTANCE_KEY, journey_of, stage_of
from state.layout import (
    AT32,
    CARTS_HEAD,
    CLOSED_CHANNELS,
    FEATURE_WORDS,
    KEEP,
    KIND,
    RECENT,
    ROW_WORDS,
)
from state.layout import TAGS as HELD

NO_CHANNEL = -1


@inlined
def cart_of(machine: Machine, slot: int, node: int) -> int:
    """The cart that an instance's rules see: its own, or the last touched."""
    plan = machine.plan
    journey = plan.ints[JOURNEYS] + journey_of(machine.memory, node) * JOURNEY_WORDS
    if plan.ints[journey + KEYED_BY_CART] == 0:
        return LAST_TOUCHED
    return find_cart(machine.memory, plan, slot, machine.memory.nodes[node + INSTANCE_KEY])


@inlined
def stage_record(machine: Machine, node: int) -> int:
    """Where the record of an instance's pending stage stands in `plan.ints`."""
    ints = machine.plan.ints
    journey = ints[JOURNEYS] + journey_of(machine.memory, node) * JOURNEY_WORDS
    return int(ints[journey + STAGES]) + stage_of(machine.memory, node) * STAGE_WORDS


@compiled
def read_stage(machine: Machine, slot: int, node: int, now_ms: int) -> bool:
    """Read all features as of `now_ms` and run the pending stage's rule; whether it holds.

    Of the scores only those that the rule names are read.
    Afterwards the scratch array holds the features and comparisons that the record shows.
    """
    memory, plan, scratch = machine.memory, machine.plan, machine.scratch
    cart = cart_of(machine, slot, node)
    scores = rule_scores(machine, node)
    if scores != 0:
        read_scores(machine, scores, slot, now_ms)
    read_features(memory, plan, plan.ints[ALL_FEATURES], slot, now_ms, cart, scratch)
    held = memory.rows64[slot * plan.ints[ROW_WORDS] + HELD]
    for index in range(TRACE, VALUES):
        scratch[index] = 0.0
    rule = plan.ints[stage_record(machine, node) + STAGE_WHEN]
    return rule == 0 or run_rule(plan, scratch, rule, held)


@inlined
def rule_scores(machine: Machine, node: int) -> int:
    """The scores block of the pending stage's rule; 0 where it names no propensity."""
    rule = machine.plan.ints[stage_record(machine, node) + STAGE_WHEN]
    return int(machine.plan.ints[rule + PROGRAM_SCORES]) if rule != 0 else 0


@compiled
def choose_channel(machine: Machine, slot: int, journey: int) -> int:
    """The first of the journey's channels that the user has not closed, or NO_CHANNEL."""
    ints = machine.plan.ints
    closed = machine.memory.rows32[2 * slot * ints[ROW_WORDS] + CLOSED_CHANNELS]
    listed = ints[ints[JOURNEYS] + journey * JOURNEY_WORDS + CHANNEL_LIST]
    for entry in range(listed + 1, listed + 1 + ints[listed]):
        if not closed >> ints[entry] & 1:
            return int(ints[entry])
    return NO_CHANNEL


@compiled
def report_decision(
    machine: Machine, slot: int, node: int, outcome: int, instant_ms: int, offset: int
) -> None:
    """Report the pending stage's outcome with what `read_stage` has read.

    One that is sent, or would be, tells all scores, and why they are what they are.
    """
    memory, plan, output = machine.memory, machine.plan, machine.output
    nodes = memory.nodes
    row = new_decision(output)
    cells = output.ints
    journey = journey_of(memory, node)
    cells[row + OUTCOME] = outcome
    cells[row + USER] = slot
    cells[row + JOURNEY] = journey
    cells[row + STAGE] = stage_of(memory, node)
    cells[row + KEY] = nodes[node + INSTANCE_KEY]
    cells[row + ENTRY] = nodes[node + INSTANCE_ENTRY]
    cells[row + DEADLINE] = nodes[node + INSTANCE_DEADLINE]
    cells[row + INSTANT] = instant_ms
    cells[row + OFFSET] = offset
    cells[row + CHANNEL] = choose_channel(machine, slot, journey)
    cells[row + TAGS_HELD] = memory.rows64[slot * plan.ints[ROW_WORDS] + HELD]
    trace = row + cells[ROW_TRACE]
    for index in range(VALUES - TRACE):
        output.floats[trace + index] = machine.scratch[TRACE + index]
    report_features(machine, slot, row)
    if outcome == SENT or outcome == HOLDOUT or outcome == SHADOW:
        scores = plan.ints[ALL_SCORES]
        if scores != 0:
            read_scores(machine, scores, slot, instant_ms)
        report_scores(machine, scores, row)
        told = plan.ints[stage_record(machine, node) + STAGE_REASONS]
        if plan.ints[told] != 0:
            report_reasons(machine, told, row)
    else:
        report_scores(machine, rule_scores(machine, node), row)
    _report_lines(machine, slot, cart_of(machine, slot, node), row)


@compiled
def report_features(machine: Machine, slot: int, row: int) -> None:
    """The features that were read; behind them, feature after feature, the `keep` recent texts."""
    memory, ints, output = machine.memory, machine.plan.ints, machine.output
    at = row + output.ints[ROW_TEXTS]
    for feature in range(ints[FEATURE_COUNT]):
        output.floats[row + DECISION_WORDS + feature] = machine.scratch[VALUES + feature]
        record = ints[FEATURES] + feature * FEATURE_WORDS
        if ints[record + KIND] != RECENT:
            continue
        first = 2 * slot * ints[ROW_WORDS] + ints[record + AT32]
        for index in range(ints[record + KEEP]):
            output.ints[at] = memory.rows32[first + index]
            at += 1


@compiled
def _report_lines(machine: Machine, slot: int, cart: int, row: int) -> None:
    """The lines of the cart that the decision is about."""
    memory, output = machine.memory, machine.output
    node = cart
    if cart == LAST_TOUCHED:
        node = int(memory.rows32[2 * slot * machine.plan.ints[ROW_WORDS] + CARTS_HEAD])
    cells = output.ints
    first = cells[FILLED_LINES]
    cells[row + FIRST_LINE] = first
    line = memory.nodes[node + CART_FIRST_LINE] if node != 0 else 0
    while line != 0:
        at = cells[LINES_AT] + cells[FILLED_LINES] * LINE_WORDS
        cells[at] = memory.nodes[line + LINE_ITEM]
        cells[at + 1] = memory.nodes[line + LINE_CATEGORY]
        cells[at + 2] = memory.nodes[line + LINE_QUANTITY]
        cells[at + 3] = memory.nodes[line + LINE_PRICE]
        cells[FILLED_LINES] += 1
        line = memory.nodes[line]
    cells[row + LINE_COUNT] = cells[FILLED_LINES] - first


@compiled
def report_goal(
    machine: Machine, slot: int, journey: int, reached: tuple[int, int, int], now: tuple[int, int]
) -> None:
    """Report that the goal of a journey's last decision was reached.

    `reached` is the decision's instance key, entry and stage; `now` the log time and offset of the
    event that reached it.
    """
    row = new_decision(machine.output)
    cells = machine.output.ints
    for word in range(DECISION_WORDS):
        cells[row + word] = 0
    cells[row + OUTCOME] = GOAL
    cells[row + USER] = slot
    cells[row + JOURNEY] = journey
    cells[row + KEY], cells[row + ENTRY], cells[row + STAGE] = reached
    cells[row + INSTANT], cells[row + OFFSET] = now
