"""The simulated customers live as their model says, and the outlook is what it says will be."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from flows.simulate_catalog import CATEGORY_SHARES
from flows.simulate_customers import (
    BAD,
    CART,
    CHURN,
    COOLS,
    ORDER,
    VISIT,
    WARMS,
    Customers,
    DaysAhead,
    live_day,
    new_customers,
    outlook,
)
from flows.simulate_days import CHANGES, Calendar, Campaign, Change, Day

START_MS = 20_000 * 86_400_000
CALENDARS = {
    "plain": Calendar(start_ms=START_MS),
    "seasons": Calendar(start_ms=START_MS, seasons=True),
    "campaigns": Calendar(
        start_ms=START_MS,
        campaigns=(Campaign(day=3, days=2, lift=1.8), Campaign(day=9, days=10, lift=3)),
    ),
    "everything": Calendar(
        start_ms=START_MS,
        seasons=True,
        campaigns=(Campaign(day=3, days=10, lift=1.8),),
        changes=tuple(Change(day=2 + place, what=what) for place, what in enumerate(CHANGES)),
    ),
}
each_calendar = pytest.mark.parametrize("calendar", CALENDARS.values(), ids=CALENDARS.keys())


def naive_outlook(
    customers: Customers, row: int, mood: int, days: Sequence[Day]
) -> tuple[float, float]:
    """No order within the days, and no churn: every branch of every day, by hand."""
    if not days:
        return 1.0, 1.0
    no_order = stays = 0.0
    factors = days[0].factors
    visit = min(0.9, customers.visit_rate[row] * VISIT[mood] * factors.visits)
    cart = min(0.95, customers.cart_share[row] * CART[mood])
    order = cart * min(0.95, customers.order_share[row] * ORDER[mood] * factors.orders)
    bad = BAD * factors.bad
    branches = (
        ((1 - visit) * COOLS, -1, False),
        ((1 - visit) * (1 - COOLS), 0, False),
        (visit * (1 - order) * WARMS, 1, False),
        (visit * (1 - order) * (1 - WARMS), 0, False),
        (visit * order * (1 - bad), 1, True),
        (visit * order * bad, -2, True),
    )
    for probability, step, ordered in branches:
        after = min(3, max(0, mood + step))
        churn = min(0.5, customers.fragility[row] * CHURN[after] * factors.churn)
        later_no_order, later_stays = naive_outlook(customers, row, after, days[1:])
        no_order += probability * (not ordered) * (churn + (1 - churn) * later_no_order)
        stays += probability * (1 - churn) * later_stays
    return no_order, stays


def some_customers(count: int) -> Customers:
    random = np.random.Generator(np.random.PCG64(5))
    customers = new_customers(count, np.ones(1), CATEGORY_SHARES, random)
    customers.mood[:] = np.arange(count) % 4
    return customers


@each_calendar
def test_the_outlook_is_the_sum_over_all_that_can_happen(calendar: Calendar) -> None:
    customers = some_customers(8)
    ahead = DaysAhead(customers, np.arange(8))
    days = calendar.days(0, 5)
    for row in range(8):
        mood = int(customers.mood[row])
        no_order, stays = naive_outlook(customers, row, mood, days)
        assert ahead.no_order(days)[row, mood] == pytest.approx(no_order, abs=1e-12)
        assert ahead.stays(days)[row, mood] == pytest.approx(stays, abs=1e-12)


@each_calendar
def test_lived_months_agree_with_the_outlook_at_their_start(calendar: Calendar) -> None:
    customers = some_customers(40_000)
    days = calendar.days(1, 30)
    expected = outlook(customers, np.arange(40_000), days)
    random = np.random.Generator(np.random.PCG64(6))
    ordered = np.zeros(40_000, bool)
    for day in days:
        visits = live_day(customers, day, random)
        ordered[visits.user[visits.order]] = True
        if day == days[6]:
            week = ordered.copy()
    for happened, chance in (
        (week, expected.purchase_7d),
        (ordered, expected.purchase_30d),
        (customers.churned, expected.churn_30d),
    ):
        spread = np.sqrt((chance * (1 - chance)).sum())
        assert abs(happened.sum() - chance.sum()) < 4 * spread
