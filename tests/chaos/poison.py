"""Broken records of every kind among the others: what is wrong in a message, and around it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from random import Random
from threading import Event

import numpy as np
from confluent_kafka import KafkaError, Message
from msgspec.structs import replace

from connectors.log import CONTROL_HEADER
from connectors.murmur import fill_partitions
from flows.produce import key_of
from flows.simulate_delivery import Rates
from flows.simulate_poison import POISONS
from tests.chaos.traffic import Sent, as_of_now, messages, track
from tests.chaos.world import PARTITIONS, World

USERS_AT_ONCE = 2_800
"""They bring 50,000 events."""

POISON_EVERY = 100
WITHOUT_LIMIT = float("inf")
REASONS_LIVE = {"bad_control": "unknown_type"}
"""Where a poison is named after the reason it has in a file: in Kafka the header of a record says
that it is a control record, not its value."""

Poisoned = tuple[str, Sent]
"""A broken record, and the reason of the dead letter that it must become."""


def poisoned(world: World, random: Random, times: int) -> int:
    """An engine works on `times` 50,000 events, of which each hundredth is followed by poison."""
    unharmed = Rates(broken=0.0)
    good = as_of_now(messages(times * USERS_AT_ONCE, random.randrange(1_000), unharmed))
    world.clear()
    engine = world.start()
    track(world.kafka, with_poison(good, world.poison), WITHOUT_LIMIT, Event())
    assert engine.code() is None, f"it ended:\n{world.tail()}"
    engine.kill()
    return len(world.poison)


def with_poison(good: Iterator[Sent], positions: dict[tuple[int, int], str]) -> Iterator[Sent]:
    """Records, and poison of each kind in turn; where it ends up is noted in `positions`."""
    for number, record in enumerate(good, 1):
        yield record
        if number % POISON_EVERY == 0:
            reason, broken = KINDS[number // POISON_EVERY % len(KINDS)](record)
            yield replace(broken, acknowledged=partial(note, positions, reason))


def note(
    positions: dict[tuple[int, int], str],
    reason: str,
    error: KafkaError | None,
    message: Message,
) -> None:
    """Note where the broker put a broken record."""
    assert error is None, f"the broker did not take it: {error}"
    partition, offset = message.partition(), message.offset()
    assert partition is not None
    assert offset is not None
    positions[partition, offset] = reason


def broken_message(poison: Callable[[str], str], record: Sent) -> Poisoned:
    """What is in the message is broken."""
    assert record.value is not None
    value = poison(record.value.decode()).encode(errors="surrogateescape")
    reason = REASONS_LIVE.get(poison.__name__, poison.__name__)
    return reason, Sent(value=value, key=key_of(value))


def no_value(record: Sent) -> Poisoned:
    """A record without a value, as those who delete from a compacted topic send it."""
    return "bad_json", replace(record, value=None)


def unknown_control(record: Sent) -> Poisoned:
    """The header of a control record of no kind that there is."""
    return "bad_control", replace(record, headers=[(CONTROL_HEADER, b"tock")])


def unreadable_control(record: Sent) -> Poisoned:
    """The header of a control record, and no text in it."""
    return "bad_control", replace(record, headers=[(CONTROL_HEADER, b"\xff\x00")])


def wrong_partition(record: Sent) -> Poisoned:
    """A record that was keyed by something else than its user."""
    assert record.key is not None
    return "wrong_partition", replace(record, partition=(own(record.key) + 1) % PARTITIONS)


def own(key: bytes) -> int:
    """The partition of a key."""
    chosen = np.zeros(1, np.int64)
    data, length = np.frombuffer(key, np.uint8), np.array([len(key)])
    fill_partitions(data, np.zeros(1, np.int64), length, PARTITIONS, chosen)
    return int(chosen[0])


KINDS: tuple[Callable[[Sent], Poisoned], ...] = (
    *(partial(broken_message, poison) for poison in POISONS),
    *(no_value, unknown_control, unreadable_control, wrong_partition),
)
