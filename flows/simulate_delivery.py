"""How the simulated shop's events reach the log: late, twice, out of order, broken."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from msgspec import Struct

from flows.simulate_events import DAY_MS, HOUR_MS, SECOND_MS, Events, Flags, Integers, joined

LATENCY_MS_MIN, LATENCY_MS_MAX = 40, 400
LATE_MS_MIN, LATE_MS_MAX = HOUR_MS, 5 * DAY_MS
REORDERED_MS_MIN, REORDERED_MS_MAX = 2 * SECOND_MS, 60 * SECOND_MS
AGAIN_MS_MIN, AGAIN_MS_MAX = SECOND_MS, HOUR_MS


class Rates(Struct, frozen=True, kw_only=True):
    """Shares of the events that reach the log in some other way than soon, once, in order, intact.

    late: hours to days after they happened. duplicate: sent a second time, within the hour.
    reordered: seconds late, so that later ones come before. broken: unusable in one of many ways.
    """

    late: float = 0.01
    duplicate: float = 0.005
    reordered: float = 0.01
    broken: float = 0.001


class Delivered(NamedTuple):
    """Events with the instant they were received, one row per message.

    `serial` numbers the events: the two messages of a duplicate have the same.
    """

    events: Events
    received_ms: Integers
    serial: Integers
    broken: Flags

    @property
    def message_count(self) -> int:
        """How many messages these are."""
        return len(self.serial)

    @staticmethod
    def none() -> Delivered:
        """No messages."""
        nothing = np.zeros(0, np.int64)
        events = Events(
            nothing, nothing.astype(np.int8), nothing, nothing.astype(np.int32), nothing
        )
        return Delivered(events, nothing, nothing, nothing.astype(bool))

    def take(self, rows: Integers) -> Delivered:
        """The messages at `rows`, in that order."""
        return Delivered(
            self.events.take(rows), self.received_ms[rows], self.serial[rows], self.broken[rows]
        )


def deliver(
    events: Events, first_serial: int, rates: Rates, random: np.random.Generator
) -> tuple[Delivered, dict[str, int]]:
    """Messages of all events, unsorted; and how many are late, reordered, repeated, broken."""
    count = len(events.at_ms)
    draw = random.random((3, count))
    late = draw[0] < rates.late
    reordered = ~late & (draw[0] < rates.late + rates.reordered)
    again = np.flatnonzero(draw[1] < rates.duplicate)
    received = events.at_ms + random.integers(LATENCY_MS_MIN, LATENCY_MS_MAX, count)
    received[late] += _spread_ms(LATE_MS_MIN, LATE_MS_MAX, int(late.sum()), random)
    received[reordered] += random.integers(REORDERED_MS_MIN, REORDERED_MS_MAX, int(reordered.sum()))
    serial = first_serial + np.arange(count)
    messages = Delivered(events, received, serial, draw[2] < rates.broken)
    repeated = messages.take(again)
    pause_ms = _spread_ms(AGAIN_MS_MIN, AGAIN_MS_MAX, len(again), random)
    repeated = repeated._replace(received_ms=repeated.received_ms + pause_ms)
    counts = {
        "late": int(late.sum()),
        "reordered": int(reordered.sum()),
        "duplicates": len(again),
        "broken": int(messages.broken.sum() + repeated.broken.sum()),
    }
    return both(messages, repeated), counts


def both(first: Delivered, second: Delivered) -> Delivered:
    """The messages of both, one after the other."""
    columns = zip(first[1:], second[1:], strict=True)
    received_ms, serial, broken = (np.concatenate(pair) for pair in columns)
    return Delivered(joined(first.events, second.events), received_ms, serial, broken)


def split_by_time(messages: Delivered, end_ms: int) -> tuple[Delivered, Delivered]:
    """Those received before `end_ms`, in the order of their receipt, and the rest."""
    order = np.lexsort((messages.serial, messages.received_ms))
    cut = int(np.searchsorted(messages.received_ms[order], end_ms))
    return messages.take(order[:cut]), messages.take(order[cut:])


def _spread_ms(least_ms: int, most_ms: int, count: int, random: np.random.Generator) -> Integers:
    """Delays of all orders of magnitude between the two, evenly on a logarithmic scale."""
    exponent = random.random(count) * np.log(most_ms / least_ms)
    delays: Integers = (least_ms * np.exp(exponent)).astype(np.int64)
    return delays
