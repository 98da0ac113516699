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
CUSTOMER = '"userId":"u%d","anonymousId":"%s",'
GUEST = '"anonymousId":"%s",'
INSTANT = "0000-00-00T00:00:00.000Z"
TAIL = (
    f'"messageId":"00000000-0000-0000-0000-000000000000","timestamp":"{INSTANT}",'
    f'"sentAt":"{INSTANT}","receivedAt":"{INSTANT}"}}'
)
ID_AT = TAIL.index("00000000-")
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
            lines = self._lines(messages.take(rows))
            lines.append("")
            # A lone surrogate is how a broken message holds a byte that is no UTF-8.
            yield "\n".join(lines).encode(errors="surrogateescape")

    def profile_ids(self, user: Integers) -> list[str]:
        """What each user is known by: the user id, or a guest's anonymous id."""
        rows = zip(user.tolist(), self._anonymous(user), self._guest[user].tolist(), strict=True)
        return [name if guest else f"u{number}" for number, name, guest in rows]

    def _lines(self, messages: Delivered) -> list[str]:
        bodies = self._bodies.render(messages.events)
        ids = self._ids(messages.events.user)
        tails = self._tails(messages)
        lines = [body + id + tail for body, id, tail in zip(bodies, ids, tails, strict=True)]
        for row in np.flatnonzero(messages.broken).tolist():
            poison = POISONS[int(messages.serial[row]) % len(POISONS)]
            lines[row] = poison(lines[row])
        return lines

    def _ids(self, user: Integers) -> list[str]:
        rows = zip(user.tolist(), self._anonymous(user), self._guest[user].tolist(), strict=True)
        return [
            GUEST % name if guest else CUSTOMER % (number, name) for number, name, guest in rows
        ]

    def _anonymous(self, user: Integers) -> list[str]:
        return texts(hexadecimal(mixed(user.astype(np.uint64) ^ self._salt))[:, :12])

    def _tails(self, messages: Delivered) -> list[str]:
        """Message ids look like random UUIDs; they are hashes of the event's serial number."""
        table = np.tile(np.frombuffer(TAIL.encode(), np.uint8), (messages.message_count, 1))
        serial = messages.serial.astype(np.uint64) * np.uint64(2) + self._salt
        halves = mixed(serial), mixed(serial + np.uint64(1))
        digits = np.concatenate([hexadecimal(half) for half in halves], axis=1)
        digits[:, 12], digits[:, 16] = ord("4"), ord("a")
        for number, (first, end) in enumerate(ID_GROUPS):
            at = ID_AT + first + number
            table[:, at : at + end - first] = digits[:, first:end]
        skew_ms = clock_skew_ms(messages.events.user)
        times = {
            "timestamp": messages.events.at_ms + skew_ms,
            "sentAt": messages.received_ms - SENT_BEFORE_MS + skew_ms,
            "receivedAt": messages.received_ms,
        }
        for name, instant_ms in times.items():
            at = TAIL.index(INSTANT, TAIL.index(name))
            write_instants(table[:, at : at + len(INSTANT)], instant_ms)
        return texts(table)


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


def write_instants(characters: Bytes, instant_ms: Integers) -> None:
    """Write each instant's digits into its row of (n, 24) characters that hold an `INSTANT`."""
    day, ms = np.divmod(instant_ms, DAY_MS)
    first, last = (int(day.min()), int(day.max())) if len(day) else (0, 0)
    dates = np.arange(first, last + 1).astype("datetime64[D]").astype("S10")
    characters[:, :10] = dates.view(np.uint8).reshape(-1, 10)[day - first]
    fields = ((11, HOUR_MS, 24), (14, 60_000, 60), (17, 1000, 60))
    for at, unit_ms, modulus in fields:
        characters[:, at : at + 2] = DIGIT_TRIPLES[ms // unit_ms % modulus, 1:]
    characters[:, 20:23] = DIGIT_TRIPLES[ms % 1000]


def texts(characters: Bytes) -> list[str]:
    """The rows of (n, width) ASCII characters as texts."""
    count, width = characters.shape
    text = characters.tobytes().decode("ascii")
    return [text[at : at + width] for at in range(0, count * width, width)]
