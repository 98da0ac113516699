"""Renders readable profiles to JSON, compiled: a commit writes those of thousands of users.

docs/semantics.md says what each part is; the constant parts are in `flows.render_plan`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from config.jit import compiled, inlined
from connectors.blake2b import Hashing
from connectors.json_text import Bytes, put_instant, put_null, put_raw
from flows.features import LAST_TOUCHED, read_features
from flows.identity import Naming, is_held_out
from flows.machine import Machine
from flows.output import DECISIONS_AT
from flows.plan_words import ALL_FEATURES, ALL_SCORES, TAG_SINCE, TAG_WORDS
from flows.plan_words import TAGS as PLAN_TAGS
from flows.propensity import read_scores
from flows.reasons import report_scores
from flows.render_parts import (
    Decisions,
    put_comma,
    put_features,
    put_name,
    put_name_or_null,
    put_part,
    put_scores,
)
from flows.render_plan import (
    CHANNEL_COUNT,
    CHANNELS_AT,
    ENTRY,
    JOURNEY_OPENING,
    JOURNEY_RECORD_WORDS,
    JOURNEY_STAGE_COUNT,
    JOURNEY_STAGES,
    JOURNEYS_AT,
    PROFILE_AT,
    PROFILE_CHANNELS,
    PROFILE_DUE,
    PROFILE_END,
    PROFILE_FEATURES,
    PROFILE_HOLDOUT,
    PROFILE_INSTANCES,
    PROFILE_KEY,
    PROFILE_SCORES,
    PROFILE_SENT,
    PROFILE_SHADOW,
    PROFILE_STAGE,
    PROFILE_TAGS,
    PROFILE_TOO_LATE,
    PROFILE_TRIGGERS,
    PROFILE_USER,
    TAG_COUNT,
    TAG_PARENT,
    TAG_PART,
    TAG_RECORD_WORDS,
    TAGS_AT,
    RenderPlan,
)
from flows.report import report_features
from state.history import (
    GOAL_STAGE,
    HISTORY_JOURNEY,
    HISTORY_SENT,
    HISTORY_SENT_AT,
    shadow_sent,
    stage_sent,
    withheld_at,
)
from state.instances import DUE, INSTANCE_ENTRY, INSTANCE_KEY, first_instance, journey_of, stage_of
from state.layout import CLOSED_CHANNELS, HISTORY_HEAD, ROW_WORDS
from state.layout import TAGS as HELD
from state.memory import NEVER
from state.seconds import instant_in
from state.texts import Texts

_COLON, _CLOSING_BRACE = 58, 125


class Profiles(NamedTuple):
    """What profiles are read from and rendered with.

    The machine's first decision is written over with the features of the user at hand, and `facts`
    is that row; `since` (tags,) with when the tags held were gained. `bytes_max` is what a profile
    takes at most.
    """

    machine: Machine
    plan: RenderPlan
    users: Texts
    facts: Decisions
    since: NDArray[np.int64]
    hashing: Hashing
    bytes_max: int


@compiled
def render_profiles(
    profiles: Profiles,
    slots: NDArray[np.int64],
    clock_ms: int,
    position: Bytes,
    buffer: Bytes,
    ends: NDArray[np.int64],
) -> int:
    """Write the profiles of `slots` as of the clock into `buffer`, as many as find room.

    `position` is JSON that goes behind the clock as it is. `ends` tells where each profile ends.

    Returns:
        How many were written: at least one, if the buffer has `bytes_max`.
    """
    at = 0
    for index in range(len(slots)):
        if at + profiles.bytes_max > len(buffer):
            return index
        at = _put_profile(profiles, slots[index], clock_ms, position, buffer, at)
        ends[index] = at
    return len(slots)


@compiled
def fill_since(
    profiles: Profiles, slots: NDArray[np.int64], tag: int, since: NDArray[np.int64]
) -> None:
    """Since when each of `slots` has held a tag that it holds."""
    for index in range(len(slots)):
        _read_since(profiles, slots[index])
        since[index] = profiles.since[tag]


@compiled
def _put_profile(
    profiles: Profiles, slot: int, clock_ms: int, position: Bytes, buffer: Bytes, at: int
) -> int:
    machine, plan = profiles.machine, profiles.plan
    listed, scores = machine.plan.ints[ALL_FEATURES], machine.plan.ints[ALL_SCORES]
    read_features(
        machine.memory, machine.plan, listed, slot, clock_ms, LAST_TOUCHED, machine.scratch
    )
    report_features(machine, slot, DECISIONS_AT)
    if scores != 0:
        read_scores(machine, scores, slot, clock_ms)
    report_scores(machine, scores, DECISIONS_AT)
    at = put_name(profiles.users, slot, buffer, put_part(plan, PROFILE_USER, buffer, at))
    at = put_instant(buffer, put_part(plan, PROFILE_AT, buffer, at), clock_ms)
    at = put_raw(buffer, at, position, 0, len(position))
    at = put_part(plan, PROFILE_FEATURES, buffer, at)
    at = put_features(plan, machine.texts, profiles.facts, 0, buffer, at)
    if scores != 0:
        at = put_part(plan, PROFILE_SCORES, buffer, at)
        at = put_scores(plan, profiles.facts, 0, buffer, at)
    at = _put_tags(profiles, slot, buffer, put_part(plan, PROFILE_TAGS, buffer, at))
    at = _put_instances(profiles, slot, buffer, put_part(plan, PROFILE_INSTANCES, buffer, at))
    at = _put_triggers(profiles, slot, buffer, put_part(plan, PROFILE_TRIGGERS, buffer, at))
    at = _put_closed_channels(profiles, slot, buffer, put_part(plan, PROFILE_CHANNELS, buffer, at))
    return put_part(plan, PROFILE_END, buffer, at)


@compiled
def _read_since(profiles: Profiles, slot: int) -> None:
    """Note since when the tags held were gained; a group, since the earliest of its own.

    Tags come behind the groups that they belong to.
    """
    memory, ints, words = profiles.machine.memory, profiles.machine.plan.ints, profiles.plan.words
    row, since = slot * ints[ROW_WORDS], profiles.since
    held = memory.rows64[row + HELD]
    since[:] = NEVER
    for tag in range(words[TAG_COUNT] - 1, -1, -1):
        if not held >> tag & 1:
            continue
        cell = ints[ints[PLAN_TAGS] + tag * TAG_WORDS + TAG_SINCE]
        if cell >= 0:
            since[tag] = instant_in(memory.rows32[2 * row + cell])
        parent = words[words[TAGS_AT] + tag * TAG_RECORD_WORDS + TAG_PARENT]
        if parent >= 0:
            since[parent] = min(since[parent], since[tag])


@compiled
def _put_tags(profiles: Profiles, slot: int, buffer: Bytes, at: int) -> int:
    machine, plan = profiles.machine, profiles.plan
    held = machine.memory.rows64[slot * machine.plan.ints[ROW_WORDS] + HELD]
    _read_since(profiles, slot)
    begin = at
    for tag in range(plan.words[TAG_COUNT]):
        if held >> tag & 1:
            if at > begin:
                at = put_comma(buffer, at)
            record = plan.words[TAGS_AT] + tag * TAG_RECORD_WORDS
            at = put_part(plan, plan.words[record + TAG_PART], buffer, at)
            buffer[at] = _COLON
            at = put_instant(buffer, at + 1, profiles.since[tag])
    return at


@compiled
def _put_instances(profiles: Profiles, slot: int, buffer: Bytes, at: int) -> int:
    machine, plan = profiles.machine, profiles.plan
    memory, nodes = machine.memory, machine.memory.nodes
    node = first_instance(memory, machine.plan, slot)
    begin = at
    while node != 0:
        if at > begin:
            at = put_comma(buffer, at)
        journey = _journey(plan, journey_of(memory, node))
        at = put_part(plan, plan.words[journey + JOURNEY_OPENING], buffer, at)
        at = put_part(plan, PROFILE_KEY, buffer, at)
        at = put_name_or_null(machine.texts, nodes[node + INSTANCE_KEY], buffer, at)
        at = put_part(plan, ENTRY, buffer, at)
        at = put_instant(buffer, at, nodes[node + INSTANCE_ENTRY])
        at = _put_stage(plan, journey, stage_of(memory, node), buffer, at)
        at = put_part(plan, PROFILE_DUE, buffer, at)
        at = put_instant(buffer, at, nodes[node + DUE])
        buffer[at] = _CLOSING_BRACE
        at += 1
        node = nodes[node]
    return at


@compiled
def _put_triggers(profiles: Profiles, slot: int, buffer: Bytes, at: int) -> int:
    """The last trigger of each journey, the newest first, those of one instant by journey."""
    machine, plan = profiles.machine, profiles.plan
    naming = Naming(plan, profiles.users, profiles.hashing, buffer)
    nodes = machine.memory.nodes
    begin = at
    node = _next_trigger(profiles, slot, 0)
    while node != 0:
        if at > begin:
            at = put_comma(buffer, at)
        index, word = nodes[node + HISTORY_JOURNEY], nodes[node + HISTORY_SENT]
        journey = _journey(plan, index)
        at = put_part(plan, plan.words[journey + JOURNEY_OPENING], buffer, at)
        at = _put_stage(plan, journey, stage_sent(word), buffer, at)
        at = put_part(plan, PROFILE_AT, buffer, at)
        at = put_instant(buffer, at, nodes[node + HISTORY_SENT_AT])
        outcome = PROFILE_SENT
        if shadow_sent(word):
            outcome = PROFILE_SHADOW
        elif withheld_at(nodes[node + GOAL_STAGE]) == nodes[node + HISTORY_SENT_AT]:
            outcome = PROFILE_TOO_LATE
        elif is_held_out(naming, slot, index, at):
            outcome = PROFILE_HOLDOUT
        at = put_part(plan, outcome, buffer, at)
        node = _next_trigger(profiles, slot, node)
    return at


@compiled
def _next_trigger(profiles: Profiles, slot: int, last: int) -> int:
    """The node that is told of after `last`: the newest of those older; 0 when there is none."""
    machine = profiles.machine
    nodes = machine.memory.nodes
    found = 0
    node = int(machine.memory.rows32[2 * slot * machine.plan.ints[ROW_WORDS] + HISTORY_HEAD])
    while node != 0:
        if (last == 0 or _is_newer(nodes, last, node)) and (
            found == 0 or _is_newer(nodes, node, found)
        ):
            found = node
        node = nodes[node]
    return found


@inlined
def _is_newer(nodes: NDArray[np.int64], node: int, other: int) -> bool:
    at, other_at = nodes[node + HISTORY_SENT_AT], nodes[other + HISTORY_SENT_AT]
    if at != other_at:
        return bool(at > other_at)
    return bool(nodes[node + HISTORY_JOURNEY] < nodes[other + HISTORY_JOURNEY])


@compiled
def _put_closed_channels(profiles: Profiles, slot: int, buffer: Bytes, at: int) -> int:
    machine, plan = profiles.machine, profiles.plan
    closed = machine.memory.rows32[2 * slot * machine.plan.ints[ROW_WORDS] + CLOSED_CHANNELS]
    begin = at
    for channel in range(plan.words[CHANNEL_COUNT]):
        if closed >> channel & 1:
            if at > begin:
                at = put_comma(buffer, at)
            at = put_part(plan, plan.words[plan.words[CHANNELS_AT] + channel], buffer, at)
    return at


@compiled
def _put_stage(plan: RenderPlan, journey: int, stage: int, buffer: Bytes, at: int) -> int:
    """A stage by name; null for one that the journey does not have any more."""
    at = put_part(plan, PROFILE_STAGE, buffer, at)
    if stage >= plan.words[journey + JOURNEY_STAGE_COUNT]:
        return put_null(buffer, at)
    return put_part(plan, plan.words[journey + JOURNEY_STAGES] + stage, buffer, at)


@inlined
def _journey(plan: RenderPlan, journey: int) -> int:
    return int(plan.words[JOURNEYS_AT] + journey * JOURNEY_RECORD_WORDS)
