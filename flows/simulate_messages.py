"""The simulated shop's events as Segment messages: JSON lines, written by hand for speed.

A line is a body (what happened), the ids of who it happened to, and a tail of fixed width (message
id and times) that is made for many messages at once, column by column.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from flows.simulate_bodies import Bodies
from flows.simulate_customers import Customers
from flows.simulate_delivery import Delivered
from flows.simulate_events import DAY_MS, HOUR_MS, Integers
from flows.simulate_poison import POISONS

Bytes = NDArray[np.uint8]
Hashes = NDArray[np.uint64]

MESSAGES_AT_ONCE = 2_000
INSTANT = "0000-00-00T00:00:00.000Z"
TAIL = (
    '"userId":"u000000000","anonymousId":"000000000000",'
    '"messageId":"00000000-0000-0000-0000-000000000000",'
    f'"timestamp":"{INSTANT}","sentAt":"{INSTANT}","receivedAt":"{INSTANT}"}}\n'
)
GUEST_FROM = TAIL.index('"anonymousId"')
"""A guest's tail is the part from here on."""

ID_GROUPS = ((0, 8), (8, 12), (12, 16), (16, 20), (20, 32))
"""The hex digits of the five groups of a UUID."""

SKEWED_ONE_IN = 32
"""One in so many users has a device whose clock is wrong, by up to an hour."""

SENT_BEFORE_MS = 20
"""What a message takes from being sent to being received."""

HEX_PAIRS = np.frombuffer(bytes(range(256)).hex().encode(), np.uint8).reshape(256, 2)
DIGITS = np.frombuffer("".join(f"{n:03d}" for n in range(1000)).encode(), np.uint8)
DIGIT_TRIPLES = DIGITS.reshape(1000, 3)


class Messages:
    """Renders messages of one shop; the same ones for the same seed."""

    def __init__(self, customers: Customers, bodies: Bodies, seed: int) -> None:
        self._guest = customers.guest
        self._bodies = bodies
        self._salt = mixed(np.array([seed], np.uint64))[0]

    def render(self, messages: Delivered) -> Iterator[bytes]:
        """The messages in order, one line each, some thousands at a time."""
        for at in range(0, messages.message_count, MESSAGES_AT_ONCE):
            rows = np.arange(at, min(at + MESSAGES_AT_ONCE, messages.message_count))
            # A lone surrogate is how a broken message holds a byte that is no UTF-8.
            yield "".join(self._parts(messages.take(rows))).encode(errors="surrogateescape")

    def profile_ids(self, user: Integers) -> list[str]:
        """What each user is known by: the user id, or a guest's anonymous id."""
        guests = self._guest[user].tolist()
        names = zip(user_ids(user), self._anonymous_ids(user), guests, strict=True)
        return [anonymous if guest else customer for customer, anonymous, guest in names]

    def _parts(self, messages: Delivered) -> list[str]:
        """Body, tail, body, tail, ... of the messages."""
        parts = [""] * (2 * messages.message_count)
        parts[::2] = self._bodies.render(messages.events)
        parts[1::2] = self._tails(messages)
        for row in np.flatnonzero(messages.broken).tolist():
            poison = POISONS[int(messages.serial[row]) % len(POISONS)]
            line = parts[2 * row] + parts[2 * row + 1].removesuffix("\n")
            parts[2 * row : 2 * row + 2] = poison(line), "\n"
        return parts

    def _tails(self, messages: Delivered) -> list[str]:
        """Message ids look like random UUIDs; they are hashes of the event's serial number."""
        user = messages.events.user
        table = np.tile(np.frombuffer(TAIL.encode(), np.uint8), (messages.message_count, 1))
        write_number(_field(table, "userId")[:, 1:], user)
        _field(table, "anonymousId")[:, :12] = self._anonymous(user)
        serial = messages.serial.astype(np.uint64) * np.uint64(2) + self._salt
        write_uuids(_field(table, "messageId"), serial)
        skew_ms = clock_skew_ms(user)
        write_instants(_field(table, "timestamp"), messages.events.at_ms + skew_ms)
        write_instants(_field(table, "sentAt"), messages.received_ms - SENT_BEFORE_MS + skew_ms)
        write_instants(_field(table, "receivedAt"), messages.received_ms)
        return texts(table, self._guest[user] * GUEST_FROM)

    def _anonymous(self, user: Integers) -> Bytes:
        return hexadecimal(mixed(user.astype(np.uint64) ^ self._salt))[:, :12]

    def _anonymous_ids(self, user: Integers) -> list[str]:
        return texts(self._anonymous(user))


def clock_skew_ms(user: Integers) -> Integers:
    """How far the clock of each user's device is ahead; 0 for most."""
    hashes = mixed(user.astype(np.uint64))
    skew_ms = (hashes >> np.uint64(8)).astype(np.int64) % (2 * HOUR_MS) - HOUR_MS
    return np.where(hashes % np.uint64(SKEWED_ONE_IN) == 0, skew_ms, 0)


def mixed(value: Hashes) -> Hashes:
    """Well mixed 64-bit hashes (the finaliser of splitmix64)."""
    value = value + np.uint64(0x9E3779B97F4A7C15)
    value = (value ^ value >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ value >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return value ^ value >> np.uint64(31)


def hexadecimal(value: Hashes) -> Bytes:
    """The sixteen hex digits of each value, as (n, 16) characters.

    >>> texts(hexadecimal(np.array([255, 10], np.uint64)))
    ['00000000000000ff', '000000000000000a']
    """
    digits: Bytes = HEX_PAIRS[value.astype(">u8").view(np.uint8)].reshape(len(value), 16)
    return digits


def instants(instant_ms: Integers) -> list[str]:
    """Instants as RFC 3339 in UTC.

    >>> instants(np.array([1_767_225_600_001]))
    ['2026-01-01T00:00:00.001Z']
    """
    characters = np.tile(np.frombuffer(INSTANT.encode(), np.uint8), (len(instant_ms), 1))
    write_instants(characters, instant_ms)
    return texts(characters)


def user_ids(user: Integers) -> list[str]:
    """What customers who are no guests are known by.

    >>> user_ids(np.array([12_345]))
    ['u000012345']
    """
    characters = np.full((len(user), 10), ord("u"), np.uint8)
    write_number(characters[:, 1:], user)
    return texts(characters)


def write_number(characters: Bytes, number: Integers) -> None:
    """Write each number below 10 ** 9 into its row of (n, 9 or more) characters."""
    for at, unit in ((0, 1_000_000), (3, 1000), (6, 1)):
        characters[:, at : at + 3] = DIGIT_TRIPLES[number // unit % 1000]


def write_uuids(characters: Bytes, source: Hashes) -> None:
    """Write a UUID (in the form of version 4) for each source: a hash of it and the next number."""
    halves = mixed(source), mixed(source + np.uint64(1))
    digits = np.concatenate([hexadecimal(half) for half in halves], axis=1)
    digits[:, 12], digits[:, 16] = ord("4"), ord("a")
    for group, (first, end) in enumerate(ID_GROUPS):
        characters[:, first + group : end + group] = digits[:, first:end]


def write_instants(characters: Bytes, instant_ms: Integers) -> None:
    """Write each instant's digits into its row of characters that hold an `INSTANT`."""
    day = instant_ms // DAY_MS
    ms = (instant_ms - day * DAY_MS).astype(np.int32)
    first, last = (int(day.min()), int(day.max())) if len(day) else (0, 0)
    dates = np.arange(first, last + 1).astype("datetime64[D]").astype("S10")
    characters[:, :10] = dates.view(np.uint8).reshape(-1, 10)[day - first]
    fields = ((11, HOUR_MS, 24), (14, 60_000, 60), (17, 1000, 60))
    for at, unit_ms, modulus in fields:
        characters[:, at : at + 2] = DIGIT_TRIPLES[ms // unit_ms % modulus, 1:]
    characters[:, 20:23] = DIGIT_TRIPLES[ms % 1000]


def texts(characters: Bytes, first: Integers | int = 0) -> list[str]:
    """The rows of (n, width) ASCII characters as texts, each from its `first` character on."""
    count, width = characters.shape
    text = characters.tobytes().decode("ascii")
    ends = np.arange(1, count + 1) * width
    starts = (ends - width + first).tolist()
    return [text[start:end] for start, end in zip(starts, ends.tolist(), strict=True)]


def _field(table: Bytes, name: str) -> Bytes:
    """The part of a table of tails that begins with the value of a field."""
    return table[:, TAIL.index(name) + len(name) + len('":"') :]
