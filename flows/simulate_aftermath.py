"""What follows a simulated day: refunds and cancellations, mails, push notifications."""

from __future__ import annotations

import numpy as np

from flows.simulate_customers import Customers, Visits
from flows.simulate_days import Day
from flows.simulate_events import (
    DAY_MS,
    HOUR_MS,
    LINE_MASK,
    SECOND_MS,
    Events,
    Integers,
    Kind,
    joined,
)

CANCELLED_SHARE, PARTIAL_SHARE = 0.4, 0.5
CANCEL_MS_MAX = 12 * HOUR_MS
REFUND_DAYS_MIN, REFUND_DAYS_MAX = 2, 12

MAIL_WEEKDAYS = (1, 4)
"""Newsletters go out on Tuesdays and Fridays, to a part of the customers each."""

MAIL_SHARE = 0.3
MAIL_FROM_MS, MAIL_SPREAD_MS = 8 * HOUR_MS, 4 * HOUR_MS
OPENS = np.array([0.10, 0.20, 0.32, 0.45, 0.04])
LEAVES = np.array([0.020, 0.010, 0.004, 0.002, 0.030])
"""Probabilities to open and to unsubscribe, by mood; the last ones are those of the churned."""

CLICKS = 0.18
OPENED_MS_MEDIAN = 2 * HOUR_MS
REACTION_MS_MIN, REACTION_MS_MAX = 5 * SECOND_MS, 60 * SECOND_MS

PUSH_SHARE, TAPS = 0.05, 0.12
PUSH_FROM_MS, PUSH_SPREAD_MS = 10 * HOUR_MS, 9 * HOUR_MS


def aftermath(events: Events, visits: Visits, random: np.random.Generator) -> Events:
    """Each bad order is cancelled within hours or refunded after days, whole or in part."""
    bad_users = visits.user[visits.bad]
    bad = np.flatnonzero((events.kind == Kind.ORDER) & np.isin(events.user, bad_users))
    count = len(bad)
    cancelled = random.random(count) < CANCELLED_SHARE
    partial = ~cancelled & (random.random(count) < PARTIAL_SHARE)
    refund_ms = random.integers(REFUND_DAYS_MIN * DAY_MS, REFUND_DAYS_MAX * DAY_MS, count)
    delay_ms = np.where(cancelled, random.integers(HOUR_MS, CANCEL_MS_MAX, count), refund_ms)
    lines = events.lines[bad]
    return Events(
        at_ms=events.at_ms[bad] + delay_ms,
        kind=np.where(cancelled, Kind.CANCELLED, Kind.REFUNDED).astype(np.int8),
        user=events.user[bad],
        cart=events.cart[bad],
        lines=np.where(partial, lines & LINE_MASK, lines),
    )


def mails(customers: Customers, day: Day, random: np.random.Generator) -> Events:
    """The day's newsletters and what their readers do; who unsubscribes gets no more of them."""
    if day.weekday not in MAIL_WEEKDAYS:
        return _events(np.zeros(0, np.int64), Kind.DELIVERED, np.zeros(0, np.int64))
    known = (customers.arrival_day < day.number) & ~customers.guest & ~customers.unsubscribed
    user = np.flatnonzero(known & (random.random(customers.count) < MAIL_SHARE))
    state = np.where(customers.churned[user], len(OPENS) - 1, customers.mood[user])
    delivered = day.at_ms + MAIL_FROM_MS + random.integers(0, MAIL_SPREAD_MS, len(user))
    draw = random.random((3, len(user)))
    opened = delivered + (OPENED_MS_MEDIAN * random.exponential(1.4, len(user))).astype(np.int64)
    reacted = opened + random.integers(REACTION_MS_MIN, REACTION_MS_MAX, len(user))
    opens = draw[0] < OPENS[state]
    leaves = draw[2] < LEAVES[state]
    clicks = opens & ~leaves & (draw[1] < CLICKS)
    customers.unsubscribed[user[leaves]] = True
    return joined(
        _events(delivered, Kind.DELIVERED, user),
        _events(opened[opens | leaves], Kind.OPENED, user[opens | leaves]),
        _events(reacted[clicks], Kind.CLICKED, user[clicks]),
        _events(reacted[leaves], Kind.UNSUBSCRIBED, user[leaves]),
        _events(reacted[leaves] + 1, Kind.UNSUBSCRIBED_IDENTIFY, user[leaves]),
    )


def pushes(customers: Customers, day: Day, random: np.random.Generator) -> Events:
    """The day's push notifications to those who have the app, and the taps on them."""
    has_app = (customers.arrival_day < day.number) & customers.app
    user = np.flatnonzero(has_app & (random.random(customers.count) < PUSH_SHARE))
    received = day.at_ms + PUSH_FROM_MS + random.integers(0, PUSH_SPREAD_MS, len(user))
    taps = (random.random(len(user)) < TAPS) & ~customers.churned[user]
    tapped = received + random.integers(REACTION_MS_MIN, REACTION_MS_MAX, len(user))
    return joined(
        _events(received, Kind.PUSHED, user), _events(tapped[taps], Kind.TAPPED, user[taps])
    )


def _events(at_ms: Integers, kind: int, user: Integers) -> Events:
    """Events that have neither cart nor lines."""
    count = len(user)
    kinds, carts = np.full(count, kind, np.int8), np.zeros(count, np.int32)
    return Events(at_ms, kinds, user, carts, np.zeros(count, np.int64))
