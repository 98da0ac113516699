"""Examples of messages: taken when a trigger goes out, labelled by the answers that name it."""

from __future__ import annotations

import numpy as np

from config.jit import compiled, inlined
from config.limits import OPEN_EXAMPLES_MAX
from connectors.blake2b import written_hash
from connectors.columns import MISSING, SPAN_BITS, Columns
from flows.features import SPAN_MASK
from flows.identity import Decision, Naming, hash_decision
from flows.machine import Machine
from flows.plan_words import (
    DRAINING,
    GROUP_CHANNEL,
    GROUP_COUNT,
    GROUP_MODELS,
    GROUP_NODES,
    GROUP_TRIGGER,
    GROUP_WORDS,
    GROUPS,
    SAMPLED_INDEX,
    TRIGGER_COLUMN,
)
from flows.render_plan import ID_TRIGGER
from flows.report import choose_channel
from flows.sampling import NO_TRIGGER, closes_at, sample, trigger_of
from state.examples import (
    SNAPSHOT_HEAD,
    drop_snapshot,
    first_snapshot,
    group_of,
    last_node,
    learn_at,
    set_learn_at,
    word_at,
)
from state.instances import INSTANCE_ENTRY, INSTANCE_KEY, journey_of, stage_of
from state.memory import MODEL_TALLIES
from state.texts import joined


@compiled
def sample_sent(machine: Machine, naming: Naming, slot: int, node: int, now_ms: int) -> None:
    """The pending stage of an instance is sent: take the user for the models of its channel.

    Not while all that is pending is decided ahead of time: no answer to it can be in the log.
    """
    memory, ints = machine.memory, machine.plan.ints
    if ints[DRAINING] != 0:
        return
    channel = choose_channel(machine, slot, journey_of(memory, node))
    for group in range(ints[GROUP_COUNT]):
        record = ints[GROUPS] + group * GROUP_WORDS
        if ints[record + GROUP_TRIGGER] == 0 or ints[record + GROUP_CHANNEL] != channel:
            continue
        if _count_open(machine, slot, group) >= OPEN_EXAMPLES_MAX:
            model = ints[ints[record + GROUP_MODELS] + SAMPLED_INDEX]
            memory.nodes[MODEL_TALLIES + model] += 1
            continue
        snapshot = sample(machine, slot, group, now_ms)
        if snapshot == 0:
            continue
        key, entry_ms = memory.nodes[node + INSTANCE_KEY], memory.nodes[node + INSTANCE_ENTRY]
        stage = (journey_of(memory, node), stage_of(memory, node), key, entry_ms)
        hash_decision(naming, machine.texts, Decision(ID_TRIGGER, slot, *stage), 0)
        for word in range(2):
            at = word_at(memory, snapshot, ints[record + GROUP_TRIGGER] + word)
            memory.nodes[at] = np.int64(naming.hashing[word])
        closing_ms = closes_at(ints, memory.nodes[snapshot + SNAPSHOT_HEAD], 0)
        first = min(closing_ms, learn_at(memory, machine.plan, slot))
        set_learn_at(memory, machine.plan, slot, first)


def id_words(trigger: str) -> tuple[int, int]:
    """The two words of a trigger's id, NO_TRIGGER for a text that is none."""
    written = trigger.encode()
    return written_hash(joined([written])[0], 0, len(written))


@inlined
def named_trigger(machine: Machine, columns: Columns, index: int) -> tuple[int, int]:
    """The words of the id of the trigger that an event names, NO_TRIGGER where it names none."""
    column = machine.plan.ints[TRIGGER_COLUMN]
    cell = columns.values[index, column] if column >= 0 else MISSING
    if cell == MISSING:
        return NO_TRIGGER
    return written_hash(columns.data, cell >> SPAN_BITS, cell & SPAN_MASK)


@compiled
def drop_example(machine: Machine, slot: int, trigger: tuple[int, int]) -> bool:
    """Forget the user's examples of a trigger, by the words of its id; whether there were any."""
    memory, plan = machine.memory, machine.plan
    ints = plan.ints
    dropped = False
    before, node = 0, first_snapshot(memory, plan, slot)
    while node != 0:
        record = ints[GROUPS] + group_of(memory.nodes[node + SNAPSHOT_HEAD]) * GROUP_WORDS
        last = last_node(memory, node, ints[record + GROUP_NODES])
        following = memory.nodes[last]
        if ints[record + GROUP_TRIGGER] != 0 and trigger_of(machine, node) == trigger:
            drop_snapshot(memory, plan, slot, before, (node, last))
            dropped = True
        else:
            before = last
        node = following
    return dropped


@compiled
def _count_open(machine: Machine, slot: int, group: int) -> int:
    """How many examples of a group, which has one model, the user has open."""
    memory, ints = machine.memory, machine.plan.ints
    count = 0
    node = first_snapshot(memory, machine.plan, slot)
    while node != 0:
        own = group_of(memory.nodes[node + SNAPSHOT_HEAD])
        count += int(own == group)
        nodes = ints[ints[GROUPS] + own * GROUP_WORDS + GROUP_NODES]
        node = memory.nodes[last_node(memory, node, nodes)]
    return count
