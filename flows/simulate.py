"""A believable shop as a log of events, of any size: `simulate` writes it, day by day.

Customers arrive, browse, fill carts, order, send back, read mails and leave; `simulate_customers`
says by which probabilities, `simulate_days` what is special about a day, and the truth file states
what follows of both. One day is in memory at a time (and what was sent but not yet received).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import BinaryIO

import numpy as np
from msgspec import Struct

from flows.simulate_aftermath import aftermath, mails, pushes
from flows.simulate_answers import Trigger
from flows.simulate_bodies import Bodies
from flows.simulate_catalog import CATEGORY_SHARES
from flows.simulate_customers import OUTLOOK_DAYS, Customers, live_day, new_customers, outlook
from flows.simulate_days import Calendar, Campaign, Change, Day, arrival_shares, check_calendar
from flows.simulate_delivery import Delivered, Rates, both, deliver, split_by_time
from flows.simulate_events import DAY_MS, Events, Kind, joined
from flows.simulate_mailbox import Mailbox, Waiting, merged
from flows.simulate_messages import Messages, instants
from flows.simulate_visits import visit_events

START_MS = 1_767_225_600_000
"""2026-01-01T00:00:00Z."""

USERS_END, DAYS_MAX, SEED_END = 10**9, 3_660, 2**64

TRUTH_DAYS = 7
TRUTH = (
    '{"user":"%s","at":"%s","purchase_7d":%.6f,"purchase_30d":%.6f,"churn_30d":%.6f,"churned":%s}\n'
)


class SimulateOptions(Struct, frozen=True, kw_only=True):
    """What to simulate: `users` customers over `days` days from `start_ms` (a midnight, UTC).

    truth_days: after so many days each the truth is written.
    seasons: visits follow the year, orders the pay days. campaigns, changes: see `simulate_days`.
    """

    users: int
    days: int
    seed: int
    rates: Rates = Rates()
    seasons: bool = False
    campaigns: tuple[Campaign, ...] = ()
    changes: tuple[Change, ...] = ()
    start_ms: int = START_MS
    currency: str = "EUR"
    truth_days: int = TRUTH_DAYS

    def __post_init__(self) -> None:
        if not 1 <= self.users < USERS_END or not 1 <= self.days <= DAYS_MAX:
            raise ValueError(f"expected 1 to {USERS_END - 1} users and 1 to {DAYS_MAX} days")
        if not 0 <= self.seed < SEED_END:
            raise ValueError(f"expected a seed from 0 to {SEED_END - 1}")
        if not re.fullmatch("[A-Z]{3}", self.currency):
            raise ValueError("expected a currency of three capital letters")
        if self.start_ms % DAY_MS:
            raise ValueError("expected a midnight (UTC) to start from")
        shares = (self.rates.late, self.rates.duplicate, self.rates.reordered, self.rates.broken)
        if not all(0 <= share <= 1 for share in shares) or shares[0] + shares[2] > 1:
            raise ValueError("expected shares between 0 and 1, late and reordered together too")
        check_calendar(self.calendar, self.days)

    @property
    def calendar(self) -> Calendar:
        """What is known beforehand of each day."""
        return Calendar(
            start_ms=self.start_ms,
            seasons=self.seasons,
            campaigns=self.campaigns,
            changes=self.changes,
        )


class Traffic(Struct, frozen=True, kw_only=True):
    """What one day brought: messages that were received, orders that were made."""

    messages: int
    orders: int


class Simulated(Struct, frozen=True, kw_only=True):
    """What was written: counts of the whole, and each day's traffic."""

    counts: dict[str, int]
    days: list[Traffic]


def simulate(
    options: SimulateOptions,
    events: BinaryIO,
    truth: BinaryIO | None = None,
    triggers: Sequence[Trigger] = (),
) -> Simulated:
    """Write the log, and now and then what is true of every customer; count what was done.

    `events`: Segment messages as JSON lines, in order of `receivedAt`. The log ends with its last
    day: what would have been received later is not in it. `truth`: see `write_truth`. The same
    options give the same bytes. `triggers`: what was sent to the customers, in order of time; the
    log has their answers, and but for these and the newsletters that they end is the same.
    """
    random = _random(options.seed, 0)
    calendar = options.calendar
    days = calendar.days(0, options.days)
    customers = new_customers(options.users, arrival_shares(days), CATEGORY_SHARES, random)
    bodies = Bodies(customers, options.currency)
    messages = Messages(customers, bodies, options.seed)
    counts: Counter[str] = Counter()
    traffic: list[Traffic] = []
    waiting = Delivered.none()
    mailbox = Mailbox(customers, options.seed, triggers)
    for day in days:
        random = _random(options.seed, day.number + 1)
        chances = mailbox.open_day(day)
        happened = _one_day(customers, day, random)
        mailbox.close_day(happened)
        sent, faults = deliver(happened, counts["events"], options.rates, random)
        due, waiting = split_by_time(both(waiting, sent), day.at_ms + DAY_MS)
        due, answers = mailbox.wanted(due), mailbox.due(day.at_ms + DAY_MS)
        _write(events, messages.render(due), due, answers)
        received = due.message_count + len(answers)
        counts.update(faults, events=len(happened.at_ms), messages=received)
        if triggers:
            counts["answers"] += len(answers)
        kinds = _kinds(happened)
        counts.update(kinds)
        traffic.append(Traffic(messages=received, orders=kinds["orders"]))
        if truth is not None:
            truth.write(chances)
            if (day.number + 1) % options.truth_days == 0:
                ahead = calendar.days(day.number + 1, OUTLOOK_DAYS)
                write_truth(customers, messages, ahead, truth)
    return Simulated(counts=dict(counts), days=traffic)


def _write(
    events: BinaryIO, rendered: Iterator[bytes], due: Delivered, answers: Sequence[Waiting]
) -> None:
    """Write a day's messages, some thousands at a time, or all together with its answers."""
    if not answers:
        events.writelines(rendered)
    else:
        events.write(merged(b"".join(rendered), due.received_ms, answers))


def write_truth(
    customers: Customers, messages: Messages, ahead: Sequence[Day], truth: BinaryIO
) -> None:
    """One JSON line for every customer who has arrived before the first day ahead: what is true.

    user: as in the events. purchase_7d, purchase_30d: the probability of at least one order in the
    7 or 30 days ahead. churn_30d: that the customer will have churned at the end of 30 days.
    churned: whether that has happened already (which nobody can see). at: when the first day ahead
    begins.
    """
    user = np.flatnonzero(customers.arrival_day < ahead[0].number)
    at = instants(np.array([ahead[0].at_ms]))[0]
    columns = (*outlook(customers, user, ahead), customers.churned[user])
    rows = zip(messages.profile_ids(user), *(column.tolist() for column in columns), strict=True)
    lines = (
        TRUTH % (name, at, week, month, churn, "true" if churned else "false")
        for name, week, month, churn, churned in rows
    )
    truth.write("".join(lines).encode())


def _one_day(customers: Customers, day: Day, random: np.random.Generator) -> Events:
    """All that happens on a day, and what will follow from it later."""
    # Mails first: they find the customers as the day before left them.
    sent = joined(mails(customers, day, random), pushes(customers, day, random))
    visits = live_day(customers, day, random)
    happened = visit_events(customers, visits, day, random)
    return joined(happened, aftermath(happened, visits, random), sent)


def _kinds(events: Events) -> dict[str, int]:
    """How many of what a reader of the summary asks for."""
    counted = {"additions": Kind.ADDED, "orders": Kind.ORDER, "unsubscribed": Kind.UNSUBSCRIBED}
    return {name: int((events.kind == kind).sum()) for name, kind in counted.items()}


def _random(seed: int, stream: int) -> np.random.Generator:
    """Random numbers of their own for each day: PCG64, whose numbers numpy never changes."""
    return np.random.Generator(np.random.PCG64([seed, stream]))
