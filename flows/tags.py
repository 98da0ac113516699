"""Tags: settling a user's tags at an instant, and when time alone can turn one next."""

from __future__ import annotations

import math

from config.jit import compiled, inlined
from flows.features import LAST_TOUCHED, read_features
from flows.interpret import run_range, run_rule
from flows.machine import Machine, Scratch
from flows.output import NO_OFFSET, report_transition
from flows.plan_words import (
    ALL_TAGS,
    FEATURES,
    LOOK_SCOPE,
    LOOK_SCORES,
    SCOPE_FEATURES,
    SCOPE_KEPT,
    SCOPE_RULES,
    SCOPE_SCORES,
    SCOPE_STAYS,
    SCOPE_TAGS,
    SCOPE_TURNS,
    SCOPE_UNSCORED,
    SCOPE_WINDOWS,
    SWEEP_READS,
    SWEEP_TURNS,
    SWEEP_WINDOWS,
    TAG_ANCESTORS,
    TAG_BLOCKERS,
    TAG_KEEP_MS,
    TAG_KEEP_WORD,
    TAG_RULE,
    TAG_SINCE,
    TAG_WORDS,
    TAGS,
    TURN_ABOVE,
    TURN_BOTH,
    TURN_DAILY,
    TURN_FEATURE,
    TURN_PROGRAM,
    TURN_UP,
    TURN_WHEN,
)
from flows.propensity import is_look, look
from state.distinct import distinct_turns_at
from state.layout import (
    DISTINCT,
    FEATURE_WORDS,
    KIND,
    ROW_WORDS,
    SWEEP_AT,
    TILE,
    WINDOW,
    Plan,
)
from state.layout import TAGS as HELD
from state.memory import NEVER, Memory
from state.rolling import DAY_MS, latest_at, ring_turns_at, tile_leaves, whole_second
from state.seconds import cell_of

DAYS_MAX = 100_000
"""A day count beyond this (two centuries and more) never comes."""


@compiled
def settle_all(machine: Machine, slot: int, now_ms: int, offset: int) -> int:
    """Settle all tags of a user at `now_ms`, report what turned, and set the next sweep.

    Returns the bits of the tags that were gained.
    """
    memory, plan = machine.memory, machine.plan
    scope = plan.ints[ALL_TAGS]
    _look_at(machine, scope, slot, now_ms)
    gained = _settle(machine, scope, slot, now_ms, offset)
    windows = plan.ints[scope + SCOPE_WINDOWS]
    first = NEVER
    for entry in range(windows + 1, windows + 1 + plan.ints[windows]):
        first = min(first, window_turns_at(machine, plan.ints[entry], slot, now_ms))
    words = slot * plan.ints[ROW_WORDS]
    memory.rows64[words + SWEEP_AT] = _rules_turn_at(machine, scope, slot, now_ms, first)
    return gained


@compiled
def settle_due(machine: Machine, slot: int, now_ms: int) -> int:
    """A sweep: settle what time can have turned at exactly `now_ms`, and set the next sweep.

    Returns the bits of the tags that were gained.
    """
    memory, plan = machine.memory, machine.plan
    ints = plan.ints
    scope = _due_scope(machine, slot, now_ms)
    if is_look(machine, slot, now_ms):
        look(machine, ints[LOOK_SCORES], slot, now_ms)
    gained = _settle(machine, scope, slot, now_ms, NO_OFFSET) if scope != 0 else 0
    first = NEVER
    windows = ints[SWEEP_WINDOWS]
    for entry in range(windows + 1, windows + 1 + 2 * ints[windows], 2):
        first = min(first, window_turns_at(machine, ints[entry], slot, now_ms))
    read_features(memory, plan, ints[SWEEP_READS], slot, now_ms, LAST_TOUCHED, machine.scratch)
    sweep_at = slot * ints[ROW_WORDS] + SWEEP_AT
    memory.rows64[sweep_at] = _rules_turn_at(machine, ints[ALL_TAGS], slot, now_ms, first)
    return gained


@inlined
def settle_looked(machine: Machine, slot: int, now_ms: int) -> int:
    """The daily look, where nothing else turns at that instant.

    Returns the bits of the tags that were gained.
    """
    ints = machine.plan.ints
    scope = ints[LOOK_SCOPE]
    if not look(machine, ints[LOOK_SCORES], slot, now_ms):
        return 0
    gained = _settle(machine, scope, slot, now_ms, NO_OFFSET)
    if ints[ints[scope + SCOPE_TURNS]] != 0 or ints[ints[scope + SCOPE_KEPT]] != 0:
        sweep_at = slot * ints[ROW_WORDS] + SWEEP_AT
        first = machine.memory.rows64[sweep_at]
        machine.memory.rows64[sweep_at] = _rules_turn_at(machine, scope, slot, now_ms, first)
    return gained


@compiled
def _due_scope(machine: Machine, slot: int, now_ms: int) -> int:
    """The scope of what turns at `now_ms`: of its one cause, or all tags if there are several.

    0 when nothing turns: a sweep can come too early.
    """
    memory, plan = machine.memory, machine.plan
    ints = plan.ints
    words = slot * ints[ROW_WORDS]
    kept = ints[ints[ALL_TAGS] + SCOPE_KEPT]
    for entry in range(kept + 1, kept + 1 + ints[kept]):
        record = ints[TAGS] + ints[entry] * TAG_WORDS
        if memory.rows64[words + ints[record + TAG_KEEP_WORD]] == now_ms:
            return int(ints[ALL_TAGS])
    scope = ints[LOOK_SCOPE] if is_look(machine, slot, now_ms) else 0
    windows = ints[SWEEP_WINDOWS]
    for entry in range(windows + 1, windows + 1 + 2 * ints[windows], 2):
        if _window_turns(machine, ints[entry], slot, now_ms):
            if scope != 0:
                return int(ints[ALL_TAGS])
            scope = ints[entry + 1]
    turns = ints[SWEEP_TURNS]
    for entry in range(turns + 1, turns + 1 + 2 * ints[turns], 2):
        record = ints[FEATURES] + ints[ints[entry] + TURN_FEATURE] * FEATURE_WORDS
        last = latest_at(memory, plan, record, slot)
        if last >= 0 and (now_ms - last) % DAY_MS == 0 and scope != ints[entry + 1]:
            if scope != 0:
                return int(ints[ALL_TAGS])
            scope = ints[entry + 1]
    return int(scope)


@inlined
def _window_turns(machine: Machine, feature: int, slot: int, now_ms: int) -> bool:
    """Whether something may leave the feature's window at exactly `now_ms`."""
    plan = machine.plan
    record = plan.ints[FEATURES] + feature * FEATURE_WORDS
    if plan.ints[record + KIND] == DISTINCT:
        return bool((now_ms - plan.ints[record + WINDOW]) % plan.ints[record + TILE] == 0)
    return tile_leaves(machine.memory, plan, record, slot, now_ms)


@inlined
def window_turns_at(machine: Machine, feature: int, slot: int, now_ms: int) -> int:
    """When something leaves the feature's window next; NEVER if nothing is in it."""
    memory, plan = machine.memory, machine.plan
    record = plan.ints[FEATURES] + feature * FEATURE_WORDS
    if plan.ints[record + KIND] == DISTINCT:
        return distinct_turns_at(memory, plan, record, slot, now_ms)
    return ring_turns_at(memory, plan, record, slot, now_ms)


@compiled
def settle_touched(
    machine: Machine, scope: int, slot: int, at_ms: int, now_ms: int, offset: int
) -> int:
    """Settle the tags that an event at `at_ms` can have turned; the others stand as they were.

    The next sweep moves forward where the event brings one about. Where it takes one back, that
    sweep still comes and finds nothing turned.
    """
    memory, plan = machine.memory, machine.plan
    scope = _look_at(machine, scope, slot, now_ms)
    if scope == 0:
        return 0
    gained = _settle(machine, scope, slot, now_ms, offset)
    sweep_at = slot * plan.ints[ROW_WORDS] + SWEEP_AT
    first = memory.rows64[sweep_at]
    windows = plan.ints[scope + SCOPE_WINDOWS]
    for entry in range(windows + 1, windows + 1 + plan.ints[windows]):
        record = plan.ints[FEATURES] + plan.ints[entry] * FEATURE_WORDS
        tile, window = plan.ints[record + TILE], plan.ints[record + WINDOW]
        leaves = (at_ms // tile + 1) * tile + window
        if leaves > now_ms:
            first = min(first, leaves)
    memory.rows64[sweep_at] = _rules_turn_at(machine, scope, slot, now_ms, first)
    return gained


@inlined
def _look_at(machine: Machine, scope: int, slot: int, now_ms: int) -> int:
    """Look at the models of a scope that were touched; the scope of what can have turned, or 0.

    A look that leaves the scores as they were turns nothing by itself.
    """
    ints = machine.plan.ints
    scores = ints[scope + SCOPE_SCORES]
    if scores != 0 and not look(machine, scores, slot, now_ms):
        return int(ints[scope + SCOPE_UNSCORED])
    return int(scope)


@compiled
def _settle(machine: Machine, scope: int, slot: int, now_ms: int, offset: int) -> int:
    """Settle the tags of a scope; the bits of those gained, groups included."""
    memory, plan, scratch = machine.memory, machine.plan, machine.scratch
    ints = plan.ints
    words = slot * ints[ROW_WORDS]
    before = memory.rows64[words + HELD]
    read_features(memory, plan, ints[scope + SCOPE_FEATURES], slot, now_ms, LAST_TOUCHED, scratch)
    held = before & ~ints[scope + SCOPE_TAGS]
    stays = ints[scope + SCOPE_STAYS]
    for entry in range(stays + 1, stays + 1 + 2 * ints[stays], 2):
        if before & ints[entry + 1]:
            held |= 1 << ints[entry]
    rules = ints[scope + SCOPE_RULES]
    for entry in range(rules + 1, rules + 1 + ints[rules]):
        tag = ints[entry]
        record = ints[TAGS] + tag * TAG_WORDS
        if _holds(machine, record, words, held, bool(before >> tag & 1), now_ms):
            held |= (1 << tag) | ints[record + TAG_ANCESTORS]
    turned = held ^ before
    tag = 0
    while turned != 0:
        if turned & 1:
            gained = bool(held >> tag & 1)
            report_transition(machine.output, slot, tag, gained, now_ms, offset)
            cell = ints[ints[TAGS] + tag * TAG_WORDS + TAG_SINCE]
            if gained and cell >= 0:
                memory.rows32[2 * words + cell] = cell_of(now_ms)
        turned >>= 1
        tag += 1
    memory.rows64[words + HELD] = held
    return int(held & ~before)


@inlined
def _holds(machine: Machine, record: int, words: int, held: int, before: bool, now_ms: int) -> bool:
    """Whether a tag holds, given those settled above it; notes until when it is kept."""
    memory, plan, scratch = machine.memory, machine.plan, machine.scratch
    ints = plan.ints
    keep_ms = ints[record + TAG_KEEP_MS]
    kept_until = words + ints[record + TAG_KEEP_WORD]
    blocked = held & ints[record + TAG_BLOCKERS] != 0
    rule = not blocked and run_rule(plan, scratch, ints[record + TAG_RULE], held)
    if keep_ms == 0:
        return rule
    if rule or blocked or not before:
        memory.rows64[kept_until] = 0
        return rule
    if memory.rows64[kept_until] == 0:
        memory.rows64[kept_until] = whole_second(now_ms + keep_ms)
    if now_ms < memory.rows64[kept_until]:
        return True
    memory.rows64[kept_until] = 0
    return False


@compiled
def _rules_turn_at(machine: Machine, scope: int, slot: int, now_ms: int, first: int) -> int:
    """The earliest of `first` and of the instants at which time can turn a tag of the scope.

    Those are after `now_ms`: a count of days reaches a value, or a `keep` ends.
    """
    memory, plan, scratch = machine.memory, machine.plan, machine.scratch
    ints = plan.ints
    words = slot * ints[ROW_WORDS]
    held = memory.rows64[words + HELD]
    turns = ints[scope + SCOPE_TURNS]
    for entry in range(turns + 1, turns + 1 + ints[turns]):
        turn_at = _days_turn_at(memory, plan, scratch, ints[entry], slot, now_ms, held)
        first = min(first, turn_at)
    kept = ints[scope + SCOPE_KEPT]
    for entry in range(kept + 1, kept + 1 + ints[kept]):
        record = ints[TAGS] + ints[entry] * TAG_WORDS
        kept_until = memory.rows64[words + ints[record + TAG_KEEP_WORD]]
        if kept_until > now_ms:
            first = min(first, kept_until)
    return first


@compiled
def _days_turn_at(
    memory: Memory, plan: Plan, scratch: Scratch, turn: int, slot: int, now_ms: int, held: int
) -> int:
    """When the days_since of a comparison reaches what would turn it; NEVER if it did or cannot."""
    ints = plan.ints
    record = ints[FEATURES] + ints[turn + TURN_FEATURE] * FEATURE_WORDS
    last = latest_at(memory, plan, record, slot)
    if last < 0:
        return NEVER
    when = ints[turn + TURN_WHEN]
    if when == TURN_DAILY:
        return int(last + max(0, (now_ms - last) // DAY_MS + 1) * DAY_MS)
    value = run_range(plan, scratch, ints[turn + TURN_PROGRAM], held)
    if not 0.0 <= value < DAYS_MAX:
        return NEVER
    first = NEVER
    if when == TURN_UP or when == TURN_BOTH:
        first = _after(now_ms, last + math.ceil(value) * DAY_MS, first)
    if when == TURN_ABOVE or when == TURN_BOTH:
        first = _after(now_ms, last + (math.floor(value) + 1) * DAY_MS, first)
    return first


@compiled
def _after(now_ms: int, instant_ms: int, first: int) -> int:
    return min(first, instant_ms) if instant_ms > now_ms else first
