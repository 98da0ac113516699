"""What makes one day of the simulated shop unlike another: weekday, season, campaign, change.

Days count from 1 for people (options, pictures) and from 0 inside (`Day.number`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, timedelta
from typing import NamedTuple

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from flows.simulate_events import DAY_MS

Floats = NDArray[np.float64]

WEEKDAY_VISITS = (0.95, 0.92, 0.95, 1.0, 1.02, 1.12, 1.20)
"""Monday to Sunday."""

MONTH_VISITS = (0.98, 0.92, 0.96, 1.00, 0.98, 0.90, 0.82, 0.84, 0.96, 1.04, 1.28, 1.40)
"""January to December, at the middle of each month; between them the curve is straight."""

YEAR_DAYS = 365.25
MONTH_MIDDLES = (np.arange(12) + 0.5) * YEAR_DAYS / 12

PAY_DAYS_FROM, PAY_DAYS_UNTIL, PAY_ORDERS = 27, 2, 1.15
"""From the 27th to the 2nd, when wages have come, more of the filled carts are ordered."""

CAMPAIGN_DAYS, CAMPAIGN_LIFT, CAMPAIGN_ORDERS = 3, 1.5, 1.25
CAMPAIGNS_MAX, LIFT_MAX = 50, 10

ARRIVAL_EXPONENT = 2 / 3
"""The shop has been there before: arrivals are densest at the start."""

EPOCH_WEEKDAY = 3
"""The Unix epoch was a Thursday."""


class Factors(NamedTuple):
    """By what a day multiplies the customers' own rates; 1 is a plain day.

    visits: of who comes. arrivals: of new customers. orders: of filled carts that are ordered.
    churn: of customers who leave for good. bad: of orders that will be taken back.
    """

    visits: float = 1.0
    arrivals: float = 1.0
    orders: float = 1.0
    churn: float = 1.0
    bad: float = 1.0

    def times(self, other: Factors) -> Factors:
        """Both at once."""
        return Factors(*(one * two for one, two in zip(self, other, strict=True)))


CHANGES = {
    "prices": Factors(orders=0.65),
    "competitor": Factors(visits=0.75, churn=2.5),
    "viral": Factors(arrivals=5.0),
    "delivery": Factors(bad=3.0),
}
"""What can change from one day to the next, for good.

prices: the shop has become dear for what it sells. competitor: a new one takes customers away.
viral: everybody talks about the shop. delivery: parcels are late, lost, or hold something else.
"""


class Campaign(Struct, frozen=True, kw_only=True):
    """Days on which `lift` times the usual visitors come and more of them order."""

    day: int
    days: int = CAMPAIGN_DAYS
    lift: float = CAMPAIGN_LIFT

    def covers(self, day: int) -> bool:
        """Whether it runs on this day (the first is 1)."""
        return self.day <= day < self.day + self.days

    def __str__(self) -> str:
        return f"campaign {self.day}:{self.days}:{self.lift:g}"


class Change(Struct, frozen=True, kw_only=True):
    """From `day` on the shop lives with one of CHANGES."""

    day: int
    what: str

    def __str__(self) -> str:
        return f"change {self.day}:{self.what}"


class Day(NamedTuple):
    """One day: its number from 0, its first instant, its weekday (0 is Monday) and its factors.

    `factors.visits` has the weekday in it; the arrivals of new customers do not follow it.
    """

    number: int
    at_ms: int
    weekday: int
    factors: Factors
    campaign: bool


class Calendar(Struct, frozen=True, kw_only=True):
    """What is known beforehand of each day, also of those after the simulation's last."""

    start_ms: int
    seasons: bool = False
    campaigns: tuple[Campaign, ...] = ()
    changes: tuple[Change, ...] = ()

    def day(self, number: int) -> Day:
        """The day of this number; the first has number 0."""
        at_ms = self.start_ms + number * DAY_MS
        weekday = weekday_of(at_ms // DAY_MS)
        factors = Factors(visits=WEEKDAY_VISITS[weekday])
        if self.seasons:
            factors = factors.times(season(date_of(at_ms)))
        running = [campaign for campaign in self.campaigns if campaign.covers(number + 1)]
        for campaign in running:
            factors = factors.times(
                Factors(visits=campaign.lift, arrivals=campaign.lift, orders=CAMPAIGN_ORDERS)
            )
        for change in self.changes:
            if change.day <= number + 1:
                factors = factors.times(CHANGES[change.what])
        return Day(number, at_ms, weekday, factors, bool(running))

    def days(self, first: int, count: int) -> list[Day]:
        """Several days in a row."""
        return [self.day(number) for number in range(first, first + count)]


def arrival_shares(days: Sequence[Day]) -> Floats:
    """Which share of the customers arrives on each of the simulation's days."""
    usual = np.diff((np.arange(len(days) + 1) / len(days)) ** ARRIVAL_EXPONENT)
    weights = usual * np.array([day.factors.arrivals for day in days])
    shares: Floats = weights / weights.sum()
    return shares


def season(day: date) -> Factors:
    """What the time of the year and of the month does to visits and orders.

    >>> season(date(2026, 7, 16)).visits < 0.85 < 1.35 < season(date(2026, 12, 15)).visits
    True
    """
    day_of_year = day.timetuple().tm_yday - 0.5
    visits = float(np.interp(day_of_year, MONTH_MIDDLES, MONTH_VISITS, period=YEAR_DAYS))
    paid = day.day >= PAY_DAYS_FROM or day.day <= PAY_DAYS_UNTIL
    return Factors(visits=visits, arrivals=visits, orders=PAY_ORDERS if paid else 1.0)


def date_of(at_ms: int) -> date:
    """The day (UTC) that an instant belongs to.

    >>> date_of(1_767_225_600_000)
    datetime.date(2026, 1, 1)
    """
    return date(1970, 1, 1) + timedelta(days=at_ms // DAY_MS)


def weekday_of(day: int) -> int:
    """0 is Monday; `day` counts from the Unix epoch.

    >>> weekday_of(0)
    3
    """
    return (day + EPOCH_WEEKDAY) % 7


def campaign_of(text: str) -> Campaign:
    """A campaign as people write it; raises `ValueError`.

    >>> campaign_of("20:5:1.8")
    Campaign(day=20, days=5, lift=1.8)
    """
    parts = re.fullmatch(r"(\d{1,9})(?::(\d{1,9})(?::(-?\d{1,9}(?:\.\d{1,9})?))?)?", text)
    if parts is None:
        raise ValueError(
            f"campaign {text}: expected DAY, DAY:DAYS or DAY:DAYS:LIFT, like 20, 20:3 or 20:3:1.8"
        )
    day, days, lift = parts.groups()
    return Campaign(
        day=int(day), days=int(days or CAMPAIGN_DAYS), lift=float(lift or CAMPAIGN_LIFT)
    )


def change_of(text: str) -> Change:
    """A change as people write it; raises `ValueError`.

    >>> change_of("30:competitor")
    Change(day=30, what='competitor')
    """
    parts = re.fullmatch(r"(\d{1,9}):(\w+)", text)
    if parts is None:
        raise ValueError(f"change {text}: expected DAY:WHAT, like 30:competitor")
    return Change(day=int(parts[1]), what=parts[2])


def check_calendar(calendar: Calendar, days: int) -> None:
    """Raise `ValueError` in plain words for what cannot happen within the simulation's days."""
    campaigns = sorted(calendar.campaigns, key=lambda campaign: campaign.day)
    if len(campaigns) > CAMPAIGNS_MAX:
        raise ValueError(f"expected at most {CAMPAIGNS_MAX} campaigns, got {len(campaigns)}")
    free_from = 1
    for campaign in campaigns:
        _check_campaign(campaign, days)
        if campaign.day < free_from:
            raise ValueError(
                f"{campaign}: expected days of its own, got day {campaign.day}, on which another "
                "campaign still runs"
            )
        free_from = campaign.day + campaign.days
    _check_changes(calendar.changes, days)


def _check_campaign(campaign: Campaign, days: int) -> None:
    last = campaign.day + campaign.days - 1
    if campaign.days < 1:
        raise ValueError(f"{campaign}: expected at least one day, got {campaign.days}")
    if campaign.day < 1 or last > days:
        within = f"expected days within 1 to {days}, the days simulated"
        raise ValueError(f"{campaign}: {within}, got days {campaign.day} to {last}")
    if not 0 < campaign.lift <= LIFT_MAX:
        raise ValueError(
            f"{campaign}: expected a lift above 0 and up to {LIFT_MAX} (1.8 means 1.8 times the "
            f"visits), got {campaign.lift:g}"
        )


def _check_changes(changes: tuple[Change, ...], days: int) -> None:
    for change in changes:
        if change.what not in CHANGES:
            known = ", ".join(CHANGES)
            raise ValueError(f"{change}: expected one of {known}, got {change.what}")
        if not 1 <= change.day <= days:
            within = f"expected a day within 1 to {days}, the days simulated"
            raise ValueError(f"{change}: {within}, got {change.day}")
    words = [change.what for change in changes]
    for what in words:
        if words.count(what) > 1:
            raise ValueError(f"change {what}: expected once, got it {words.count(what)} times")
