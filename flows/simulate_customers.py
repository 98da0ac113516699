"""The simulated shop's customers: moods, visits, orders, churn, and what follows of it exactly.

**The model.** A customer arrives on a day of theirs, with a first visit, in mood 2 of 0 .. 3 (cold,
cool, warm, keen). From then on, each day until they churn:

- They visit with probability `visit_rate x VISIT[mood] x visits`, at most VISIT_MAX.
- A visit fills a cart with probability `cart_share x CART[mood]`, at most SHARE_MAX; a filled cart
  is ordered with probability `order_share x ORDER[mood] x orders`, at most SHARE_MAX, or else left
  behind.
- The day moves the mood: without a visit one down with probability COOLS; a visit without an order,
  one up with probability WARMS; a good order, one up; a bad one (probability `BAD x bad`: it will
  be refunded or cancelled), two down. It stays within 0 .. 3.
- Then they churn with probability `fragility x CHURN[mood] x churn`, at most CHURN_MAX: they never
  visit again.

`visits`, `orders`, `bad` and `churn` are the day's factors: its weekday, season, campaign and
changes, all known beforehand (`simulate_days`).

So churn depends on behaviour: who stays away cools down, and the cold leave. The rates differ
between customers (drawn once). Mood and churn are hidden; what a shop sees of them are visits,
carts, orders, refunds, opened and unsubscribed mails.

Because a day depends on the day before through the mood alone, the probabilities of what comes are
computed exactly, backwards from the horizon (`outlook`): no sampling.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from flows.simulate_days import Day, Factors

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

MOODS = 4
FIRST_MOOD = 2
VISIT = np.array([0.30, 0.65, 1.0, 1.5])
CART = np.array([0.6, 0.85, 1.0, 1.2])
ORDER = np.array([0.5, 0.8, 1.0, 1.3])
CHURN = np.array([0.060, 0.020, 0.006, 0.002])

VISIT_RATE = 0.172
"""What half of the customers are below."""

VISIT_MAX, SHARE_MAX, CHURN_MAX = 0.9, 0.95, 0.5
COOLS, WARMS, BAD = 0.10, 0.15, 0.12

WEEK_DAYS, OUTLOOK_DAYS = 7, 30
OUTLOOK_ROWS = 50_000
GUEST_SHARE, APP_SHARE, BARGAIN_SHARE = 0.08, 0.30, 0.20
FAVOURITES = 3
TIERS = 3
COUNTRIES = ("DE", "AT", "CH", "FR", "NL", "PL", "IT", "ES")
COUNTRY_SHARES = np.array([0.46, 0.12, 0.09, 0.11, 0.08, 0.06, 0.05, 0.03])


class Customers(Struct, kw_only=True):
    """All customers, one row each: what they are like (drawn once), and how they are now."""

    arrival_day: NDArray[np.int32]
    visit_rate: Floats
    cart_share: Floats
    order_share: Floats
    fragility: Floats
    guest: Flags
    app: Flags
    bargain: Flags
    country: NDArray[np.int8]
    tier: NDArray[np.int8]
    favourites: NDArray[np.int8]
    hour_shift: NDArray[np.int8]
    mood: NDArray[np.int8]
    churned: Flags
    unsubscribed: Flags
    cart_number: NDArray[np.int32]
    cart_lines: NDArray[np.int64]
    cart_day: NDArray[np.int32]

    @property
    def count(self) -> int:
        """How many there are, arrived or not."""
        return len(self.mood)


class Visits(NamedTuple):
    """The visits of one day, in order of customer: who came, and what came of it."""

    user: NDArray[np.int64]
    first: Flags
    cart: Flags
    order: Flags
    bad: Flags


class Outlook(NamedTuple):
    """True probabilities as of the start of a day, one row per customer."""

    purchase_7d: Floats
    purchase_30d: Floats
    churn_30d: Floats


def new_customers(
    count: int, arrivals: Floats, categories: Floats, random: np.random.Generator
) -> Customers:
    """Draw customers; `arrivals`: the share of each day, `categories`: that of each category."""

    def spread(median: float, sigma: float) -> Floats:
        return median * np.exp(sigma * random.standard_normal(count))

    def categories_drawn() -> NDArray[np.int64]:
        return np.searchsorted(np.cumsum(categories), random.random((count, FAVOURITES)))

    country = np.searchsorted(np.cumsum(COUNTRY_SHARES), random.random(count))
    arrival_day = np.searchsorted(np.cumsum(arrivals)[:-1], random.random(count), side="right")
    return Customers(
        arrival_day=arrival_day.astype(np.int32),
        visit_rate=spread(VISIT_RATE, 0.7),
        cart_share=spread(0.34, 0.3),
        order_share=spread(0.22, 0.4),
        fragility=spread(1.0, 0.4),
        guest=random.random(count) < GUEST_SHARE,
        app=random.random(count) < APP_SHARE,
        bargain=random.random(count) < BARGAIN_SHARE,
        country=np.minimum(country, len(COUNTRIES) - 1).astype(np.int8),
        tier=random.integers(0, TIERS, count, np.int8),
        favourites=np.minimum(categories_drawn(), len(categories) - 1).astype(np.int8),
        hour_shift=random.integers(-2, 2, count, np.int8),
        mood=np.full(count, FIRST_MOOD, np.int8),
        churned=np.zeros(count, bool),
        unsubscribed=np.zeros(count, bool),
        cart_number=np.zeros(count, np.int32),
        cart_lines=np.zeros(count, np.int64),
        cart_day=np.zeros(count, np.int32),
    )


def live_day(customers: Customers, day: Day, random: np.random.Generator) -> Visits:
    """Let everyone live through one day: returns its visits; moods and churn are those after it."""
    mood, factors = customers.mood, day.factors
    here = (customers.arrival_day <= day.number) & ~customers.churned
    first = here & (customers.arrival_day == day.number)
    draw = random.random((5, customers.count))
    comes = draw[0] < _capped(customers.visit_rate * VISIT[mood] * factors.visits, VISIT_MAX)
    visit = first | here & comes
    cart = visit & (draw[1] < _capped(customers.cart_share * CART[mood], SHARE_MAX))
    orders = _capped(customers.order_share * ORDER[mood] * factors.orders, SHARE_MAX)
    order = cart & (draw[2] < orders)
    bad = order & (draw[3] < BAD * factors.bad)
    step = np.zeros(customers.count, np.int8)
    step[here & ~visit & (draw[3] < COOLS)] = -1
    step[visit & ~order & (draw[3] < WARMS)] = 1
    step[order] = 1
    step[bad] = -2
    mood[:] = np.clip(mood + step, 0, MOODS - 1)
    churns = _capped(customers.fragility * CHURN[mood] * factors.churn, CHURN_MAX)
    customers.churned |= here & (draw[4] < churns)
    user = np.flatnonzero(visit)
    return Visits(user, first[user], cart[user], order[user], bad[user])


def outlook(customers: Customers, rows: NDArray[np.int64], ahead: Sequence[Day]) -> Outlook:
    """The true probabilities for the customers at `rows`, as of the start of the first day ahead.

    purchase_7d: at least one order within the first 7 of the OUTLOOK_DAYS ahead; purchase_30d: in
    all of them; churn_30d: to have churned at their end. For the churned: 0, 0 and 1.
    """
    assert len(ahead) == OUTLOOK_DAYS, "a purchase in 30 days needs 30 days ahead"
    parts = [
        _outlook_part(customers, rows[at : at + OUTLOOK_ROWS], ahead)
        for at in range(0, len(rows), OUTLOOK_ROWS)
    ]
    joined = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Outlook(*joined) if parts else Outlook(np.zeros(0), np.zeros(0), np.zeros(0))


def _outlook_part(customers: Customers, rows: NDArray[np.int64], ahead: Sequence[Day]) -> Outlook:
    chain = DaysAhead(customers, rows)
    now = np.arange(len(rows)), customers.mood[rows]
    churned = customers.churned[rows]
    week = chain.no_order(ahead[:WEEK_DAYS])[now]
    month = chain.no_order(ahead)[now]
    stays = chain.stays(ahead)[now]
    return Outlook(
        np.where(churned, 0.0, 1 - week),
        np.where(churned, 0.0, 1 - month),
        np.where(churned, 1.0, 1 - stays),
    )


class DaysAhead:
    """The days of customers as a Markov chain over moods; all arrays are (customers, MOODS)."""

    def __init__(self, customers: Customers, rows: NDArray[np.int64]) -> None:
        self.visit_rate = customers.visit_rate[rows, None] * VISIT
        self.cart = _capped(customers.cart_share[rows, None] * CART, SHARE_MAX)
        self.order_rate = customers.order_share[rows, None] * ORDER
        self.churn_rate = customers.fragility[rows, None] * CHURN

    def no_order(self, days: Sequence[Day]) -> Floats:
        """The probability of no order within `days`, by the mood at the start of the first."""
        value: Floats = np.ones_like(self.visit_rate)
        for day in reversed(days):
            visit, orders, remains = self._chances(day.factors)
            after = 1 - remains + remains * value
            value = (1 - visit) * _moved(after, -1, COOLS)
            value += visit * (1 - orders) * _moved(after, 1, WARMS)
        return value

    def stays(self, days: Sequence[Day]) -> Floats:
        """The probability of not churning within `days`."""
        value: Floats = np.ones_like(self.visit_rate)
        for day in reversed(days):
            visit, orders, remains = self._chances(day.factors)
            bad = BAD * day.factors.bad
            after = remains * value
            ordered = (1 - bad) * _moved(after, 1, 1.0) + bad * _moved(after, -2, 1.0)
            value = (1 - visit) * _moved(after, -1, COOLS)
            value += visit * (1 - orders) * _moved(after, 1, WARMS)
            value += visit * orders * ordered
        return value

    def _chances(self, factors: Factors) -> tuple[Floats, Floats, Floats]:
        """Of one day, by mood: to visit; on a visit, to order; not to churn at its end."""
        visit = _capped(self.visit_rate * factors.visits, VISIT_MAX)
        orders = self.cart * _capped(self.order_rate * factors.orders, SHARE_MAX)
        return visit, orders, 1 - _capped(self.churn_rate * factors.churn, CHURN_MAX)


def _moved(value: Floats, step: int, probability: float) -> Floats:
    """The expected value when the mood moves by `step` with this probability."""
    target = np.clip(np.arange(MOODS) + step, 0, MOODS - 1)
    moved: Floats = probability * value[:, target] + (1 - probability) * value
    return moved


def _capped(value: Floats, largest: float) -> Floats:
    capped: Floats = np.minimum(value, largest)
    return capped
