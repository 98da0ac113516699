"""Examples to learn from: when users are sampled, what closes, and what it is labelled with.

A user is sampled at the whole seconds that the hash of the id gives, one every so often, as long as
a model of the group takes the user. Nobody is looked at for whom none of them can: an event that
its rule reads, or time where it reads windows or days, must bring that about first.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from config.jit import compiled, inlined
from flows.features import LAST_TOUCHED, read_features
from flows.machine import VALUES, Machine
from flows.output import (
    EXAMPLE_CLOSED,
    EXAMPLE_FEATURES,
    EXAMPLE_MODEL,
    EXAMPLE_OUTCOME,
    EXAMPLE_SAMPLED,
    EXAMPLE_SCORE,
    EXAMPLE_TAGS,
    EXAMPLE_TRIGGER,
    EXAMPLE_USER,
    EXAMPLE_VERSION,
    new_example,
)
from flows.plan_words import (
    FEATURES,
    GROUP_CELLS,
    GROUP_COUNT,
    GROUP_EVERY_SECONDS,
    GROUP_FEATURES,
    GROUP_MODEL_COUNT,
    GROUP_MODELS,
    GROUP_NODES,
    GROUP_SCORES,
    GROUP_TRIGGER,
    GROUP_WORDS,
    GROUPS,
    MODEL_BITS,
    MODEL_ELIGIBLE,
    MODEL_FEATURE,
    MODEL_WORDS,
    MODELS,
    PROGRAM_FEATURES,
    SAMPLED_INDEX,
    SAMPLED_WITHIN,
    SAMPLED_WORDS,
)
from flows.propensity import has_score, read_scores, rule_holds, version_of
from flows.tags import window_turns_at
from state.examples import (
    OUTCOME_SHIFT,
    SNAPSHOT_HEAD,
    SNAPSHOT_TAGS,
    VERSIONS,
    add_snapshot,
    cell_at,
    drop_snapshot,
    first_snapshot,
    group_of,
    head_of,
    last_node,
    learn_at,
    open_bits,
    outcome_bits,
    sampled_at,
    set_learn_at,
    word_at,
)
from state.layout import DAYS_SINCE, FEATURE_WORDS, KIND, ROW_WORDS, USER_HASH, WINDOW
from state.layout import TAGS as HELD
from state.memory import NEVER
from state.rolling import latest_at, whole_second

NO_TRIGGER = (0, 0)
"""In the place of the two words of a trigger's id where there is none; no id is like that."""


@compiled
def learn(machine: Machine, slot: int, now_ms: int) -> None:
    """A learning instant: what is due of the user's examples closes; then the user is sampled."""
    ints = machine.plan.ints
    _close(machine, slot, now_ms)
    user_hash = machine.memory.rows32[2 * slot * ints[ROW_WORDS] + USER_HASH]
    for group in range(ints[GROUP_COUNT]):
        record = ints[GROUPS] + group * GROUP_WORDS
        every = ints[record + GROUP_EVERY_SECONDS]
        if every != 0 and (now_ms // 1000 - user_hash) % every == 0:
            sample(machine, slot, group, now_ms)
    plan_learning(machine, slot, now_ms)


@compiled
def plan_learning(machine: Machine, slot: int, now_ms: int) -> None:
    """Find the user's next learning instant after `now_ms` from nothing but the profile."""
    memory, plan = machine.memory, machine.plan
    ints = plan.ints
    first = NEVER
    for group in range(ints[GROUP_COUNT]):
        every = ints[ints[GROUPS] + group * GROUP_WORDS + GROUP_EVERY_SECONDS]
        if every != 0 and _may_take(machine, group, slot, now_ms):
            first = min(first, _next_sample_at(machine, group, slot, now_ms))
    node = first_snapshot(memory, plan, slot)
    while node != 0:
        head = memory.nodes[node + SNAPSHOT_HEAD]
        record = ints[GROUPS] + group_of(head) * GROUP_WORDS
        for model in range(ints[record + GROUP_MODEL_COUNT]):
            if open_bits(head) >> model & 1:
                first = min(first, closes_at(ints, head, model))
        node = memory.nodes[last_node(memory, node, ints[record + GROUP_NODES])]
    set_learn_at(memory, plan, slot, first)


@compiled
def wake(machine: Machine, groups: int, slot: int, now_ms: int) -> None:
    """An event has changed what the rules of these groups (bits) read: who is taken is sampled."""
    memory, plan = machine.memory, machine.plan
    first = learn_at(memory, plan, slot)
    for group in range(plan.ints[GROUP_COUNT]):
        if groups >> group & 1 and _may_take(machine, group, slot, now_ms):
            first = min(first, _next_sample_at(machine, group, slot, now_ms))
    set_learn_at(memory, plan, slot, first)


@compiled
def note_outcome(
    machine: Machine, outcomes: int, slot: int, at_ms: int, named: tuple[int, int]
) -> None:
    """An event at `at_ms` is the outcome of these models: a byte of bits per group.

    It counts for what was sampled before it and is still open; for a message, if the event names
    its trigger (see `trigger_of`) and came in time.
    """
    memory, plan = machine.memory, machine.plan
    ints = plan.ints
    node = first_snapshot(memory, plan, slot)
    while node != 0:
        head = memory.nodes[node + SNAPSHOT_HEAD]
        group = group_of(head)
        record = ints[GROUPS] + group * GROUP_WORDS
        came = outcomes >> (MODEL_BITS * group) & open_bits(head)
        if ints[record + GROUP_TRIGGER] != 0 and came != 0:
            # It may close up to a second after its time is over, as nothing of the calendar does.
            until_ms = sampled_at(head) + ints[ints[record + GROUP_MODELS] + SAMPLED_WITHIN]
            came = came if at_ms <= until_ms and trigger_of(machine, node) == named else 0
        if at_ms > sampled_at(head):
            memory.nodes[node + SNAPSHOT_HEAD] = head | came << OUTCOME_SHIFT
        node = memory.nodes[last_node(memory, node, ints[record + GROUP_NODES])]


@inlined
def trigger_of(machine: Machine, snapshot: int) -> tuple[int, int]:
    """Of a snapshot that was taken when a message was sent: the words of its trigger's id."""
    memory, ints = machine.memory, machine.plan.ints
    group = group_of(memory.nodes[snapshot + SNAPSHOT_HEAD])
    word = ints[ints[GROUPS] + group * GROUP_WORDS + GROUP_TRIGGER]
    first, second = word_at(memory, snapshot, word), word_at(memory, snapshot, word + 1)
    return memory.nodes[first], memory.nodes[second]


@inlined
def closes_at(ints: NDArray[np.int64], head: int, model: int) -> int:
    """When the example of a snapshot closes for a model of its group: at a whole second."""
    models = ints[ints[GROUPS] + group_of(head) * GROUP_WORDS + GROUP_MODELS]
    within_ms = ints[models + model * SAMPLED_WORDS + SAMPLED_WITHIN]
    return whole_second(sampled_at(head) + within_ms)


@inlined
def _next_sample_at(machine: Machine, group: int, slot: int, now_ms: int) -> int:
    """The first instant after `now_ms` at which a group samples the user."""
    ints = machine.plan.ints
    user_hash = machine.memory.rows32[2 * slot * ints[ROW_WORDS] + USER_HASH]
    every = ints[ints[GROUPS] + group * GROUP_WORDS + GROUP_EVERY_SECONDS]
    second = now_ms // 1000 + 1
    return int((second + (user_hash - second) % every) * 1000)


@compiled
def _may_take(machine: Machine, group: int, slot: int, now_ms: int) -> bool:
    """Whether a model of the group takes the user now, or may later without another event."""
    ints = machine.plan.ints
    record = ints[GROUPS] + group * GROUP_WORDS
    for model in range(ints[record + GROUP_MODEL_COUNT]):
        rule = ints[_model_record(ints, record, model) + MODEL_ELIGIBLE]
        if rule_holds(machine, rule, slot, now_ms, LAST_TOUCHED):
            return True
        if _time_turns(machine, rule, slot, now_ms):
            return True
    return False


@inlined
def _model_record(ints: NDArray[np.int64], group: int, model: int) -> int:
    """Where the record of a group's model stands, that of its place in the group."""
    sampled = ints[group + GROUP_MODELS] + model * SAMPLED_WORDS
    return int(ints[MODELS] + ints[sampled + SAMPLED_INDEX] * MODEL_WORDS)


@compiled
def _time_turns(machine: Machine, rule: int, slot: int, now_ms: int) -> bool:
    """Whether something that the rule reads changes by time alone: what is in a window, or days."""
    memory, plan = machine.memory, machine.plan
    ints = plan.ints
    listed = ints[rule + PROGRAM_FEATURES]
    for entry in range(listed + 1, listed + 1 + ints[listed]):
        record = ints[FEATURES] + ints[entry] * FEATURE_WORDS
        if ints[record + WINDOW] != 0:
            if window_turns_at(machine, ints[entry], slot, now_ms) != NEVER:
                return True
        elif ints[record + KIND] == DAYS_SINCE and latest_at(memory, plan, record, slot) >= 0:
            return True
    return False


@compiled
def sample(machine: Machine, slot: int, group: int, now_ms: int) -> int:
    """Keep what the user is like at `now_ms` for the models of a group that take the user.

    The first node of the snapshot, 0 where none of them does.
    """
    memory, plan, scratch = machine.memory, machine.plan, machine.scratch
    ints = plan.ints
    record = ints[GROUPS] + group * GROUP_WORDS
    models = ints[record + GROUP_MODEL_COUNT]
    is_read = read_scores(machine, ints[record + GROUP_SCORES], slot, now_ms)
    taken = 0
    for model in range(models):
        if has_score(plan, scratch, _model_record(ints, record, model)):
            taken |= 1 << model
    if taken == 0:
        return 0
    if not is_read:
        listed = ints[record + GROUP_FEATURES]
        read_features(memory, plan, listed, slot, now_ms, LAST_TOUCHED, scratch)
    node = add_snapshot(memory, plan, slot, ints[record + GROUP_NODES])
    memory.nodes[node + SNAPSHOT_HEAD] = head_of(now_ms, group, taken)
    memory.nodes[node + SNAPSHOT_TAGS] = memory.rows64[slot * ints[ROW_WORDS] + HELD]
    for model in range(models):
        _keep_score(machine, node, models, model)
    cells = ints[record + GROUP_CELLS]
    for cell in range(ints[cells]):
        at = cell_at(memory, node, models, models + cell)
        memory.node_cells[at] = scratch[VALUES + ints[cells + 1 + cell]]
    return node


@compiled
def _keep_score(machine: Machine, node: int, models: int, model: int) -> None:
    """Keep a score that was just read, and the version that gave it; or that none did.

    `models`: how many the group has; `model`: which of them.
    """
    memory, plan = machine.memory, machine.plan
    group = plan.ints[GROUPS] + group_of(memory.nodes[node + SNAPSHOT_HEAD]) * GROUP_WORDS
    record = _model_record(plan.ints, group, model)
    version = version_of(plan, record)
    score = machine.scratch[VALUES + plan.ints[record + MODEL_FEATURE]]
    memory.nodes[word_at(memory, node, VERSIONS + model)] = version
    memory.node_cells[cell_at(memory, node, models, model)] = score if version != 0 else math.nan


@compiled
def _close(machine: Machine, slot: int, now_ms: int) -> None:
    """Report the examples that are due, and forget snapshots of which none is open any more."""
    memory, plan = machine.memory, machine.plan
    ints, nodes = plan.ints, memory.nodes
    before = 0
    node = first_snapshot(memory, plan, slot)
    while node != 0:
        record = ints[GROUPS] + group_of(nodes[node + SNAPSHOT_HEAD]) * GROUP_WORDS
        last = last_node(memory, node, ints[record + GROUP_NODES])
        following = nodes[last]
        for model in range(ints[record + GROUP_MODEL_COUNT]):
            head = nodes[node + SNAPSHOT_HEAD]
            if open_bits(head) >> model & 1 and closes_at(ints, head, model) <= now_ms:
                _report(machine, slot, node, model, now_ms)
                nodes[node + SNAPSHOT_HEAD] = head & ~(1 << model)
        if open_bits(nodes[node + SNAPSHOT_HEAD]) == 0:
            drop_snapshot(memory, plan, slot, before, (node, last))
        else:
            before = last
        node = following


@compiled
def _report(machine: Machine, slot: int, node: int, model: int, now_ms: int) -> None:
    """Report that the example of a snapshot for a model (its index in the group) has closed."""
    memory, ints, output = machine.memory, machine.plan.ints, machine.output
    head = memory.nodes[node + SNAPSHOT_HEAD]
    record = ints[GROUPS] + group_of(head) * GROUP_WORDS
    models = ints[record + GROUP_MODEL_COUNT]
    row, words = new_example(output), output.ints
    words[row + EXAMPLE_USER] = slot
    words[row + EXAMPLE_MODEL] = ints[
        ints[record + GROUP_MODELS] + model * SAMPLED_WORDS + SAMPLED_INDEX
    ]
    words[row + EXAMPLE_SAMPLED] = sampled_at(head)
    words[row + EXAMPLE_CLOSED] = now_ms
    words[row + EXAMPLE_OUTCOME] = outcome_bits(head) >> model & 1
    words[row + EXAMPLE_TAGS] = memory.nodes[node + SNAPSHOT_TAGS]
    words[row + EXAMPLE_VERSION] = memory.nodes[word_at(memory, node, VERSIONS + model)]
    score_at = cell_at(memory, node, models, model)
    output.floats[row + EXAMPLE_SCORE] = memory.node_cells[score_at]
    sent = ints[record + GROUP_TRIGGER] != 0
    trigger = trigger_of(machine, node) if sent else NO_TRIGGER
    words[row + EXAMPLE_TRIGGER], words[row + EXAMPLE_TRIGGER + 1] = trigger
    for cell in range(ints[ints[record + GROUP_CELLS]]):
        at = cell_at(memory, node, models, models + cell)
        output.floats[row + EXAMPLE_FEATURES + cell] = memory.node_cells[at]
