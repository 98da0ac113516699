"""The simulated customers live as their model says, and the outlook is what it says will be."""

from __future__ import annotations

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
    WEEKDAY,
    Customers,
    DaysAhead,
    live_day,
    new_customers,
    outlook,
    weekday_of,
)


def naive_outlook(customers: Customers, row: int, mood: int, days: range) -> tuple[float, float]:
    """No order within the days, and no churn: every branch of every day, by hand."""
    if not days:
        return 1.0, 1.0
    no_order = stays = 0.0
    visit = min(0.9, customers.visit_rate[row] * VISIT[mood] * WEEKDAY[weekday_of(days[0])])
    cart = min(0.95, customers.cart_share[row] * CART[mood])
    order = cart * min(0.95, customers.order_share[row] * ORDER[mood])
    branches = (
        ((1 - visit) * COOLS, -1, False),
        ((1 - visit) * (1 - COOLS), 0, False),
        (visit * (1 - order) * WARMS, 1, False),
        (visit * (1 - order) * (1 - WARMS), 0, False),
        (visit * order * (1 - BAD), 1, True),
        (visit * order * BAD, -2, True),
    )
    for probability, step, ordered in branches:
        after = min(3, max(0, mood + step))
        churn = min(0.5, customers.fragility[row] * CHURN[after])
        later_no_order, later_stays = naive_outlook(customers, row, after, days[1:])
        no_order += probability * (not ordered) * (churn + (1 - churn) * later_no_order)
        stays += probability * (1 - churn) * later_stays
    return no_order, stays


def some_customers(count: int) -> Customers:
    random = np.random.Generator(np.random.PCG64(5))
    customers = new_customers(count, 1, CATEGORY_SHARES, random)
    customers.mood[:] = np.arange(count) % 4
    return customers


def test_the_outlook_is_the_sum_over_all_that_can_happen() -> None:
    customers = some_customers(8)
    ahead = DaysAhead(customers, np.arange(8))
    days = range(20_000, 20_005)
    for row in range(8):
        mood = int(customers.mood[row])
        no_order, stays = naive_outlook(customers, row, mood, days)
        assert ahead.no_order(days[0], len(days))[row, mood] == pytest.approx(no_order, abs=1e-12)
        assert ahead.stays(days[0], len(days))[row, mood] == pytest.approx(stays, abs=1e-12)


def test_lived_months_agree_with_the_outlook_at_their_start() -> None:
    customers = some_customers(40_000)
    expected = outlook(customers, np.arange(40_000), 20_000)
    random = np.random.Generator(np.random.PCG64(6))
    ordered = np.zeros(40_000, bool)
    for day in range(30):
        visits = live_day(customers, day + 1, weekday_of(20_000 + day), random)
        ordered[visits.user[visits.order]] = True
        if day == 6:
            week = ordered.copy()
    for happened, chance in (
        (week, expected.purchase_7d),
        (ordered, expected.purchase_30d),
        (customers.churned, expected.churn_30d),
    ):
        spread = np.sqrt((chance * (1 - chance)).sum())
        assert abs(happened.sum() - chance.sum()) < 4 * spread
