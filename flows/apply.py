"""The hot loop: applies a batch's events one by one, each user's deadlines in between.

`apply_events` and `pass_time` stop between two steps when a buffer is nearly full and say where;
the caller empties it and calls again.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from config.jit import compiled, inlined, prefetch
from connectors.columns import Columns
from flows.answers import drop_example, named_trigger
from flows.carts import apply_cart
from flows.consent import apply_consent
from flows.due_stages import decide_due
from flows.features import apply_features
from flows.identity import Naming
from flows.journeys import enter_by_tags, react
from flows.machine import Machine
from flows.output import NO_OFFSET, has_room
from flows.plan_words import (
    CART_NONE,
    CART_ROLE,
    CONSENT_NONE,
    CONSENT_ROLE,
    EVENT_WORDS,
    EVENTS,
    GROUP_COUNT,
    OUTCOMES,
    SCOPE,
    WAKES,
)
from flows.propensity import is_look, next_look_at
from flows.sampling import learn, note_outcome, plan_learning, wake
from flows.tags import settle_all, settle_due, settle_looked, settle_touched
from state.examples import learn_at
from state.history import HISTORY_SENT_AT, counted_at, find_history, withhold_trigger
from state.instances import earliest_due, first_instance, forget_sent, journey_of
from state.layout import (
    CARTS_HEAD,
    INSTANCES_HEAD,
    MESSAGE_NEXT,
    MESSAGES,
    MESSAGES_MAX,
    ROW_WORDS,
    SWEEP_AT,
    USER_HASH,
    USER_HASH_MASK,
)
from state.memory import (
    DUPLICATES,
    EARLIEST,
    EVENTS_APPLIED,
    LAST_INSTANT,
    LATE,
    NEVER,
    Memory,
    nodes_left,
)

LOOK_AHEAD, LISTS_AHEAD = 3, 1
SCAN_AHEAD = 32
LINE_WORDS = 8
"""Words of a cache line, 64 bytes on every machine that we know."""

LOW_BITS, HIGH_BITS = 0x7FFFFFFF, 0x7FFF
"""What is kept of a message id's hash; without the sign bits."""

NODES_MARGIN = 2048
"""More nodes than one step can take: an order of 2000 lines in each of several features."""


@compiled
def apply_events(
    machine: Machine,
    naming: Naming,
    slots: NDArray[np.int64],
    columns: Columns,
    template: NDArray[np.int64],
    touched: NDArray[np.uint8],
    first: int,
) -> int:
    """Apply the batch's events from `first` on; the index of the first that was not applied.

    `slots` are the events' users. A row of zeros is that of a user who was not seen before.
    """
    memory = machine.memory
    for index in range(first, len(columns.offset)):
        if not has_room(machine.output) or nodes_left(memory) < NODES_MARGIN:
            return index
        if index + LOOK_AHEAD < len(slots):
            _fetch_row(memory, slots[index + LOOK_AHEAD], len(template))
            _fetch_lists(memory, slots[index + LISTS_AHEAD], len(template))
        slot = slots[index]
        is_new = memory.rows64[slot * len(template) + SWEEP_AT] == 0
        if is_new:
            _new_row(machine, template, slot, columns.user_hash[index])
        if not is_new and _is_duplicate(machine, slot, columns.message_hash[index]):
            memory.nodes[DUPLICATES] += 1
            continue
        # A call takes as long as an event, with all that it is handed: it is made only if it must.
        is_due = memory.deadline[slot] <= columns.log_ms[index]
        if is_due and not pass_deadlines(machine, naming, slot, columns.log_ms[index]):
            return index
        _note_message(machine, slot, columns.message_hash[index])
        touched[slot] = 1
        _apply_event(machine, naming, columns, index, slot, is_new)
    return len(columns.offset)


@compiled
def pass_time(
    machine: Machine, naming: Naming, touched: NDArray[np.uint8], users: int, clock_ms: int
) -> bool:
    """Decide what is due up to `clock_ms` for all users; whether it was done for all of them."""
    memory = machine.memory
    if memory.nodes[EARLIEST] > clock_ms:
        return True
    earliest = NEVER
    words = machine.plan.ints[ROW_WORDS]
    for slot in range(users):
        ahead = slot + SCAN_AHEAD
        if ahead < users and memory.deadline[ahead] <= clock_ms:
            _fetch_row(memory, ahead, words)
        if memory.deadline[slot] <= clock_ms:
            touched[slot] = 1
            if not pass_deadlines(machine, naming, slot, clock_ms):
                return False
        earliest = min(earliest, memory.deadline[slot])
    memory.nodes[EARLIEST] = earliest
    return True


@compiled
def settle_users(
    machine: Machine, touched: NDArray[np.uint8], first: int, users: int, now_ms: int
) -> int:
    """Settle all tags of the users from `first` on, which opens no journey; where it stopped.

    That is `users`, unless a buffer was full before.
    """
    for slot in range(first, users):
        if not has_room(machine.output):
            return slot
        settle_all(machine, slot, now_ms, NO_OFFSET)
        set_deadline(machine, slot, now_ms)
        touched[slot] = 1
    return users


@compiled
def withhold(
    machine: Machine, touched: NDArray[np.uint8], slot: int, journey: int, instant_ms: int
) -> bool:
    """A user's trigger of that journey and instant was not sent: give back what it took.

    False, and nothing is done, where there was none, as far as is remembered.
    """
    memory, plan = machine.memory, machine.plan
    history = find_history(memory, plan, slot, journey)
    if history == 0 or not withhold_trigger(memory, history, instant_ms):
        return False
    is_last = memory.nodes[history + HISTORY_SENT_AT] == instant_ms
    before_at = counted_at(memory, history) if is_last else -1
    forget_sent(memory, plan, slot, journey, (instant_ms, before_at))
    touched[slot] = 1
    return True


@compiled
def withhold_example(
    machine: Machine,
    touched: NDArray[np.uint8],
    slot: int,
    trigger: tuple[int, int],
    now_ms: int,
) -> None:
    """A user's trigger, by the words of its id, was not sent: nobody can have answered it."""
    if drop_example(machine, slot, trigger):
        plan_learning(machine, slot, now_ms)
        set_deadline(machine, slot, now_ms)
        touched[slot] = 1


@compiled
def pending_stages(machine: Machine, users: int, counts: NDArray[np.int64]) -> None:
    """Count all users' pending stages, by walking their instances, into `counts` (journeys,)."""
    for slot in range(users):
        node = first_instance(machine.memory, machine.plan, slot)
        while node != 0:
            counts[journey_of(machine.memory, node)] += 1
            node = machine.memory.nodes[node]


@compiled
def pass_deadlines(machine: Machine, naming: Naming, slot: int, now_ms: int) -> bool:
    """Decide what is due for a user up to `now_ms`, instants in order; False: a buffer is full.

    At each instant tags settle first, then examples close and are sampled, then stages are decided.
    """
    memory = machine.memory
    words = slot * machine.plan.ints[ROW_WORDS]
    while memory.deadline[slot] <= now_ms:
        if not has_room(machine.output) or nodes_left(memory) < NODES_MARGIN:
            return False
        instant = memory.deadline[slot]
        memory.nodes[LAST_INSTANT] = max(memory.nodes[LAST_INSTANT], instant)
        gained = 0
        if memory.rows64[words + SWEEP_AT] <= instant:
            gained = settle_due(machine, slot, instant)
        elif is_look(machine, slot, instant):
            gained = settle_looked(machine, slot, instant)
        if gained != 0:
            enter_by_tags(machine, slot, gained, instant, NO_OFFSET)
        if learn_at(memory, machine.plan, slot) <= instant:
            learn(machine, slot, instant)
        if first_instance(memory, machine.plan, slot) != 0:
            decide_due(machine, naming, slot, instant, NO_OFFSET)
        set_deadline(machine, slot, instant)
    return True


@inlined
def _apply_event(
    machine: Machine, naming: Naming, columns: Columns, index: int, slot: int, is_new: bool
) -> None:
    memory, plan = machine.memory, machine.plan
    ints = plan.ints
    event = ints[EVENTS] + columns.event[index] * EVENT_WORDS
    now_ms, offset = columns.log_ms[index], columns.offset[index]
    memory.nodes[EVENTS_APPLIED] += 1
    if apply_features(memory, plan, machine.texts, columns, index, slot):
        memory.nodes[LATE] += 1
    if ints[event + CART_ROLE] != CART_NONE:
        apply_cart(memory, plan, machine.texts, columns, index, slot)
    if ints[event + CONSENT_ROLE] != CONSENT_NONE:
        apply_consent(memory, plan, machine.texts, columns, index, slot)
    gained = 0
    scope = ints[event + SCOPE]
    if is_new:
        gained = settle_all(machine, slot, now_ms, offset)
    elif scope != 0:
        at_ms = columns.at_ms[index]
        gained = settle_touched(machine, scope, slot, at_ms, now_ms, offset)
    if ints[GROUP_COUNT] != 0:
        _learn_from(machine, columns, index, slot, is_new)
    react(machine, columns, index, slot, gained)
    if first_instance(memory, plan, slot) != 0:
        decide_due(machine, naming, slot, now_ms, offset)
    set_deadline(machine, slot, now_ms)


@inlined
def _learn_from(machine: Machine, columns: Columns, index: int, slot: int, is_new: bool) -> None:
    """What the event means for examples: an outcome of open ones, and who is sampled."""
    ints = machine.plan.ints
    event = ints[EVENTS] + columns.event[index] * EVENT_WORDS
    if is_new:
        plan_learning(machine, slot, columns.log_ms[index])
        return
    if ints[event + OUTCOMES] != 0:
        named = named_trigger(machine, columns, index)
        note_outcome(machine, ints[event + OUTCOMES], slot, columns.at_ms[index], named)
    if ints[event + WAKES] != 0:
        wake(machine, ints[event + WAKES], slot, columns.log_ms[index])


@compiled
def plan_everybody(machine: Machine, users: int, now_ms: int) -> None:
    """Every user's next learning instant after `now_ms`."""
    for slot in range(users):
        plan_learning(machine, slot, now_ms)


@compiled
def set_deadlines(machine: Machine, users: int, now_ms: int) -> None:
    """Every user's next deadline, all up to `now_ms` being decided."""
    for slot in range(users):
        set_deadline(machine, slot, now_ms)


@inlined
def set_deadline(machine: Machine, slot: int, now_ms: int) -> None:
    """The user's next deadline: the next sweep, look, learning instant or due stage."""
    memory, plan = machine.memory, machine.plan
    sweep_at = memory.rows64[slot * plan.ints[ROW_WORDS] + SWEEP_AT]
    deadline = min(sweep_at, earliest_due(memory, plan, slot), learn_at(memory, plan, slot))
    deadline = min(deadline, next_look_at(machine, slot, now_ms))
    memory.deadline[slot] = deadline
    memory.nodes[EARLIEST] = min(memory.nodes[EARLIEST], deadline)


@inlined
def _fetch_row(memory: Memory, slot: int, words: int) -> None:
    """Ask for all cache lines of a row, which is needed a few events later."""
    prefetch(memory.deadline, slot)
    for word in range(slot * words, (slot + 1) * words, LINE_WORDS):
        prefetch(memory.rows64, word)


@inlined
def _fetch_lists(memory: Memory, slot: int, words: int) -> None:
    """Ask for the first nodes of a user's lists; the row itself was asked for earlier."""
    for head in range(INSTANCES_HEAD, CARTS_HEAD + 1):
        prefetch(memory.nodes, memory.rows32[2 * slot * words + head])


@inlined
def _new_row(machine: Machine, template: NDArray[np.int64], slot: int, user_hash: int) -> None:
    words = slot * len(template)
    for word in range(len(template)):
        machine.memory.rows64[words + word] = template[word]
    machine.memory.rows32[2 * words + USER_HASH] = np.int32(user_hash & USER_HASH_MASK)


@inlined
def _is_duplicate(machine: Machine, slot: int, message_hash: int) -> bool:
    """Whether the message is among the last ones of the user that were applied."""
    words = slot * machine.plan.ints[ROW_WORDS]
    low_at = 2 * (words + MESSAGES)
    high_at = 2 * low_at + 2 * MESSAGES_MAX
    low = np.int32(message_hash & LOW_BITS)
    for index in range(MESSAGES_MAX):
        if machine.memory.rows32[low_at + index] == low:
            high = np.int16(message_hash >> 32 & HIGH_BITS)
            if machine.memory.rows16[high_at + index] == high:
                return True
    return False


@inlined
def _note_message(machine: Machine, slot: int, message_hash: int) -> None:
    words = slot * machine.plan.ints[ROW_WORDS]
    next_at = 2 * words + MESSAGE_NEXT
    at = machine.memory.rows32[next_at]
    low_at = 2 * (words + MESSAGES)
    machine.memory.rows32[low_at + at] = np.int32(message_hash & LOW_BITS)
    high_at = 2 * low_at + 2 * MESSAGES_MAX
    machine.memory.rows16[high_at + at] = np.int16(message_hash >> 32 & HIGH_BITS)
    machine.memory.rows32[next_at] = (at + 1) % MESSAGES_MAX
