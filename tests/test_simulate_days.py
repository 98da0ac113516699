"""What is special about a day of the simulated shop shows in its log, from that day on."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from functools import cache
from typing import Any

import numpy as np
import pytest

from config.load import load
from flows.simulate import START_MS, SimulateOptions
from flows.simulate_catalog import CATEGORY_SHARES
from flows.simulate_customers import CART, ORDER, VISIT, live_day, new_customers
from flows.simulate_days import (
    CAMPAIGN_ORDERS,
    CAMPAIGNS_MAX,
    CHANGES,
    WEEKDAY_VISITS,
    Calendar,
    Campaign,
    Change,
    Day,
    Factors,
    campaign_of,
    change_of,
    season,
)
from flows.simulate_events import DAY_MS
from tests import reference_decoder
from tests.conftest import Run
from tests.simulated import FAULTLESS, Log, happened_at, log_of, profile

CHANGE_DAY, DAYS, USERS = 15, 28, 3000
NOVEMBER_MS = START_MS + 304 * DAY_MS


@cache
def shop(what: str | None = None) -> Log:
    """A shop of some weeks that changes in their middle, or does not."""
    changes = (Change(day=CHANGE_DAY, what=what),) if what else ()
    return log_of(SimulateOptions(users=USERS, days=DAYS, seed=2, rates=FAULTLESS, changes=changes))


@cache
def kinds_by_day(what: str | None = None) -> dict[str, list[int]]:
    """How often each kind of event was received on each day."""
    counts: dict[str, list[int]] = {}
    number = -1
    lines = iter(shop(what).lines)
    for number, traffic in enumerate(shop(what).days):
        for _ in range(traffic.messages):
            head = next(lines).split(b'"', 10)
            kind = (head[7] if head[3] == b"track" else head[3]).decode()
            counts.setdefault(kind, [0] * DAYS)[number] += 1
    return counts


def after_change(what: str | None, kind: str) -> int:
    return sum(kinds_by_day(what)[kind][CHANGE_DAY - 1 :])


def lived(day: Day, count: int) -> tuple[Any, Any, Any]:
    """Customers, all of one mood each, before a day and what they did on it."""
    random = np.random.Generator(np.random.PCG64(8))
    customers = new_customers(count, np.ones(1), CATEGORY_SHARES, random)
    customers.mood[:] = np.arange(count) % 4
    mood = customers.mood.copy()
    return customers, mood, live_day(customers, day, random)


def test_a_day_without_options_differs_by_its_weekday_alone() -> None:
    for day in Calendar(start_ms=START_MS).days(0, 400):
        assert day.factors == Factors(visits=WEEKDAY_VISITS[day.weekday])
        assert not day.campaign


def test_a_campaign_multiplies_visits_by_its_lift_and_orders_by_a_fixed_factor() -> None:
    calendar = Calendar(start_ms=START_MS, campaigns=(Campaign(day=4, days=2, lift=1.8),))
    assert [day.campaign for day in calendar.days(0, 7)] == [False] * 3 + [True] * 2 + [False] * 2
    day = calendar.day(4)
    assert day.factors.visits == pytest.approx(WEEKDAY_VISITS[day.weekday] * 1.8)
    customers, mood, visits = lived(day, 50_000)
    rate = customers.visit_rate * VISIT[mood] * WEEKDAY_VISITS[day.weekday]
    visit = np.minimum(0.9, 1.8 * rate)
    order = visit * np.minimum(0.95, customers.cart_share * CART[mood])
    order *= np.minimum(0.95, customers.order_share * ORDER[mood] * CAMPAIGN_ORDERS)
    for happened, chance in ((len(visits.user), visit), (visits.order.sum(), order)):
        assert abs(happened - chance.sum()) < 4 * np.sqrt((chance * (1 - chance)).sum())


def test_a_campaign_shows_in_the_log_on_its_days_and_on_no_other() -> None:
    campaign = Campaign(day=12, days=3, lift=2)
    log = log_of(
        SimulateOptions(users=USERS, days=DAYS, seed=2, rates=FAULTLESS, campaigns=(campaign,))
    )
    counts: dict[bool, Counter[str]] = {False: Counter(), True: Counter()}
    for message in log.messages():
        runs = campaign.covers((happened_at(message) - START_MS) // DAY_MS + 1)
        counts[runs][message.get("event", message["type"])] += 1
    plain, special = counts[False], counts[True]
    pages, orders = kinds_by_day()["page"][11:14], shop().days[11:14]
    assert 1.6 < special["page"] / sum(pages) < 2.1
    assert 2.0 < special["Order Completed"] / sum(day.orders for day in orders) < 3.5
    assert not {"Promotion Viewed", "Promotion Clicked"} & plain.keys()
    assert 0.2 < special["Promotion Clicked"] / special["Promotion Viewed"] < 0.4
    assert special["Coupon Entered"] == special["Coupon Applied"]
    assert 0.3 < special["Coupon Applied"] / special["Order Completed"] < 0.6
    assert 0.03 < plain["Coupon Applied"] / plain["Order Completed"] < 0.15


def test_bargain_hunters_use_coupons_again_and_most_customers_never_do() -> None:
    coupons: dict[str, set[str]] = {}
    orders: dict[str, dict[str, int]] = {}
    for message in shop().messages():
        if message.get("event") == "Order Completed":
            number = message["properties"]["order_id"]
            orders.setdefault(profile(message), {})[number] = happened_at(message)
        elif message.get("event") == "Coupon Applied":
            coupons.setdefault(profile(message), set()).add(message["properties"]["order_id"])
    assert all(used <= orders[user].keys() for user, used in coupons.items())
    often = {user: len(made) for user, made in orders.items() if len(made) > 2}
    share = [len(coupons[user]) / count for user, count in often.items() if user in coupons]
    assert 0.1 < len(share) / len(often) < 0.3
    assert np.mean(share) > 0.3


@pytest.mark.parametrize("what", ["prices", "competitor", "delivery"])
def test_until_the_day_of_a_change_the_log_is_the_same_and_then_another(what: str) -> None:
    plain, changed = shop(), shop(what)
    before = sum(day.messages for day in plain.days[: CHANGE_DAY - 1])
    assert changed.lines[:before] == plain.lines[:before]
    assert changed.days[: CHANGE_DAY - 1] == plain.days[: CHANGE_DAY - 1]
    assert changed.days[CHANGE_DAY - 1] != plain.days[CHANGE_DAY - 1]


def test_prices_leave_filled_carts_unordered() -> None:
    def ordered_share(what: str | None) -> float:
        return after_change(what, "Order Completed") / after_change(what, "Product Added")

    assert 0.5 < ordered_share("prices") / ordered_share(None) < 0.8


def test_a_competitor_takes_visits_at_once_and_customers_for_good() -> None:
    day = CHANGE_DAY - 1
    pages, plain = kinds_by_day("competitor")["page"], kinds_by_day()["page"]
    assert 0.6 < sum(pages[day : day + 3]) / sum(plain[day : day + 3]) < 0.9
    gone, gone_without = (
        sum(row["churned"] for row in shop(what).truth if row["at"].startswith("2026-01-29"))
        for what in ("competitor", None)
    )
    assert gone > 1.3 * gone_without


def test_bad_delivery_brings_orders_back() -> None:
    taken_back = [
        after_change(what, "Order Cancelled") / after_change(what, "Order Completed")
        for what in ("delivery", None)
    ]
    assert 2 < taken_back[0] / taken_back[1] < 5


def test_a_viral_day_brings_new_customers_from_then_on() -> None:
    arrivals, plain = kinds_by_day("viral")["Signed Up"], kinds_by_day()["Signed Up"]
    assert abs(sum(arrivals) - sum(plain)) < 20
    day = CHANGE_DAY - 1
    assert sum(arrivals[day : day + 7]) > 3.5 * sum(arrivals[day - 7 : day])
    assert sum(plain[day : day + 7]) < 1.2 * sum(plain[day - 7 : day])


def test_a_year_of_seasons_is_a_year_of_visits_moved_to_its_end() -> None:
    year = [season(date(2026, 1, 1) + timedelta(days=number)) for number in range(365)]
    visits = np.array([day.visits for day in year])
    assert abs(visits.mean() - 1) < 0.02
    assert visits[330:350].min() > 1.3 > 0.9 > visits[180:240].max()
    assert np.abs(np.diff(visits, append=visits[0])).max() < 0.02
    paid = [number for number, day in enumerate(year[:59], 1) if day.orders > 1]
    assert paid == [1, 2, 27, 28, 29, 30, 31, 32, 33, 58, 59]


def test_november_is_busier_than_july_with_seasons_and_not_without() -> None:
    def messages(start_ms: int, *, seasons: bool) -> int:
        options = SimulateOptions(
            users=1500, days=14, seed=2, rates=FAULTLESS, start_ms=start_ms, seasons=seasons
        )
        return log_of(options).counts["messages"]

    july_ms = NOVEMBER_MS - 126 * DAY_MS
    assert messages(NOVEMBER_MS, seasons=True) > 1.2 * messages(july_ms, seasons=True)
    assert messages(NOVEMBER_MS, seasons=False) == messages(july_ms, seasons=False)


def test_everything_that_special_days_write_is_usable() -> None:
    options = SimulateOptions(
        users=200,
        days=10,
        seed=2,
        rates=FAULTLESS,
        seasons=True,
        campaigns=(Campaign(day=2, days=8),),
        changes=tuple(Change(day=5, what=what) for what in CHANGES),
    )
    log = log_of(options)
    outcome = reference_decoder.decode(log.lines, load(None))
    assert not outcome.dead_letters
    assert len(outcome.events) == len(log.lines) == sum(day.messages for day in log.days)
    assert log_of(options) == log


def test_campaigns_and_changes_are_written_with_as_little_as_needed() -> None:
    assert campaign_of("20") == Campaign(day=20)
    assert campaign_of("20:5") == Campaign(day=20, days=5)
    assert campaign_of("20:5:0.5") == Campaign(day=20, days=5, lift=0.5)
    assert change_of("7:viral") == Change(day=7, what="viral")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--campaign 29:3", "campaign 29:3:1.5: expected days within 1 to 30"),
        ("--campaign 0:3", "campaign 0:3:1.5: expected days within 1 to 30"),
        ("--campaign 5:0", "campaign 5:0:1.5: expected at least one day, got 0"),
        ("--campaign 5:3:0", "expected a lift above 0 and up to 10"),
        ("--campaign 5:3:-1", "expected a lift above 0 and up to 10"),
        ("--campaign 5:3:11", "expected a lift above 0 and up to 10"),
        ("--campaign 5:3:much", "campaign 5:3:much: expected DAY, DAY:DAYS or DAY:DAYS:LIFT"),
        ("--campaign 7:2 --campaign 5:3", "campaign 7:2:1.5: expected days of its own"),
        ("--change 5:price", "change 5:price: expected one of prices, competitor, viral, delivery"),
        ("--change 31:prices", "change 31:prices: expected a day within 1 to 30"),
        ("--change 0:prices", "change 0:prices: expected a day within 1 to 30"),
        ("--change prices", "change prices: expected DAY:WHAT, like 30:competitor"),
        ("--change 2:prices --change 9:prices", "change prices: expected once, got it 2 times"),
    ],
)
def test_what_cannot_happen_is_refused_in_plain_words(
    run: Run, arguments: str, message: str
) -> None:
    refused = run("simulate", "--out", "-", "--days", 30, *arguments.split())
    assert refused.code == 2
    assert message in refused.err
    assert refused.out == ""


def test_more_campaigns_than_anybody_plans_are_refused() -> None:
    each_day = tuple(Campaign(day=day, days=1) for day in range(1, CAMPAIGNS_MAX + 2))
    SimulateOptions(users=1, days=90, seed=1, campaigns=each_day[:-1])
    with pytest.raises(ValueError, match=f"at most {CAMPAIGNS_MAX} campaigns"):
        SimulateOptions(users=1, days=90, seed=1, campaigns=each_day)
