"""The simulated shop: the same bytes for a seed, believable, as faulty as asked, and honest."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from config.load import load
from flows.simulate import START_MS, SimulateOptions
from flows.simulate_days import Campaign, Change
from flows.simulate_delivery import Rates
from flows.simulate_events import DAY_MS, Kind, line_of, unpacked, with_line
from flows.simulate_names import first_name
from flows.simulate_poison import POISONS
from tests import reference_decoder
from tests.simulated import (
    FAULTLESS,
    Log,
    happened_at,
    log_of,
    milliseconds,
    profile,
    simulated,
)

EVERYTHING = {
    "seasons": True,
    "campaigns": (Campaign(day=9, days=4, lift=2.5),),
    "changes": (Change(day=8, what="competitor"), Change(day=10, what="prices")),
}


@pytest.fixture(scope="module")
def faultless() -> Log:
    return simulated()


@pytest.fixture(scope="module")
def faulty() -> Log:
    return simulated(rates=Rates(late=0.05, duplicate=0.03, reordered=0.04, broken=0.02))


def digest(log: Log) -> str:
    return hashlib.sha256(b"\n".join(log.lines) + repr(log.truth).encode()).hexdigest()


def test_a_seed_gives_the_same_bytes_and_another_seed_gives_others() -> None:
    first, again, other = (simulated(60, 8, seed, Rates()) for seed in (1, 1, 2))
    assert digest(first) == digest(again) != digest(other)


def test_every_message_of_a_faultless_log_is_usable_and_every_user_is_in_it(
    faultless: Log,
) -> None:
    outcome = reference_decoder.decode(faultless.lines, load(None))
    assert not outcome.dead_letters
    assert len(outcome.events) == faultless.counts["messages"] == len(faultless.lines)
    assert len({event.user for event in outcome.events}) == 400
    assert len({event.message_id for event in outcome.events}) == len(outcome.events)


def test_a_log_is_in_order_of_receipt_and_within_its_days(faulty: Log) -> None:
    broken = (b"tock", b"yesterday", b"2150-")
    lines = [line for line in faulty.lines if line.startswith(b'{"type"')]
    messages = [parsed(line) for line in lines if not any(mark in line for mark in broken)]
    received = [milliseconds(message["receivedAt"]) for message in messages if message]
    assert all(first <= second for first, second in pairwise(received))
    assert received[0] >= START_MS
    assert received[-1] < START_MS + 20 * DAY_MS


def parsed(line: bytes) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None


def test_events_have_the_weight_and_the_mix_of_a_shop(faultless: Log) -> None:
    messages = faultless.messages()
    size = sum(map(len, faultless.lines)) / len(faultless.lines)
    assert 320 < size < 390
    names = Counter(message.get("event", message["type"]) for message in messages)
    assert set(names) >= {
        *("page", "identify", "Product List Viewed", "Products Searched", "Product Viewed"),
        *("Product Added", "Product Removed", "Cart Viewed", "Checkout Started"),
        *("Order Completed", "Order Refunded", "Order Cancelled", "Unsubscribed"),
        *("Email Delivered", "Email Opened", "Email Link Clicked"),
        *("Signed Up", "Coupon Entered", "Coupon Applied"),
        *("Push Notification Received", "Push Notification Tapped"),
    }
    assert names["Product Viewed"] > names["Product Added"] > 3 * names["Order Completed"]
    assert 20 < len(messages) / 400 < 40


def test_customers_sign_up_just_before_they_are_first_identified_by_their_first_name(
    faultless: Log,
) -> None:
    signed_up: dict[str, int] = {}
    named: dict[str, int] = {}
    for message in faultless.messages():
        if message.get("event") == "Signed Up":
            assert profile(message) not in signed_up | named
            signed_up[profile(message)] = happened_at(message)
        elif message["type"] == "identify":
            named.setdefault(profile(message), happened_at(message))
            assert message["traits"]["first_name"] == first_name(int(profile(message)[1:]))
    assert signed_up.keys() == named.keys()
    assert len(named) > 300
    assert all(0 < named[user] - at < 600_000 for user, at in signed_up.items())


def test_most_carts_are_left_behind_and_each_order_empties_one_cart(faultless: Log) -> None:
    added, ordered = set(), []
    for message in faultless.messages():
        if message.get("event") == "Product Added":
            added.add(message["properties"]["cart_id"])
        elif message.get("event") == "Order Completed":
            ordered.append(message["properties"]["cart_id"])
    assert len(set(ordered)) == len(ordered)
    assert set(ordered) <= added
    assert 0.05 < len(ordered) / len(added) < 0.4
    assert len(added) > len(faultless.lines) / 40


def test_an_order_holds_what_its_cart_held_and_totals_its_lines(faultless: Log) -> None:
    carts: dict[str, Counter[str]] = defaultdict(Counter)
    orders = 0
    for message in sorted(faultless.messages(), key=happened_at):
        properties = message.get("properties", {})
        cart = carts[properties.get("cart_id", "")]
        sign = {"Product Added": 1, "Product Removed": -1}.get(message.get("event"))
        if sign:
            cart[properties["product_id"]] += sign * properties["quantity"]
        elif message.get("event") in ("Order Completed", "Cart Viewed"):
            lines = properties["products"]
            assert +cart == Counter({line["product_id"]: line["quantity"] for line in lines})
            value = sum(round(line["price"] * 100) * line["quantity"] for line in lines)
            if message["event"] == "Order Completed":
                assert round(properties["total"] * 100) == value
                orders += 1
    assert orders == faultless.counts["orders"] > 50


def test_refunds_and_cancellations_follow_their_order_and_take_back_no_more(
    faultless: Log,
) -> None:
    orders: dict[str, Any] = {}
    taken_back = 0
    for message in faultless.messages():
        properties = message.get("properties", {})
        if message.get("event") == "Order Completed":
            orders[properties["order_id"]] = message
        elif message.get("event") in ("Order Refunded", "Order Cancelled"):
            order = orders.pop(properties["order_id"])
            assert happened_at(message) > happened_at(order)
            assert profile(message) == profile(order)
            assert 0 < properties["total"] <= order["properties"]["total"]
            taken_back += 1
    assert taken_back > 3


def test_nobody_gets_a_mail_after_unsubscribing(faultless: Log) -> None:
    left: dict[str, int] = {}
    for message in sorted(faultless.messages(), key=happened_at):
        if message.get("event") == "Unsubscribed":
            left[profile(message)] = happened_at(message)
        elif message.get("event") == "Email Delivered":
            assert profile(message) not in left
    assert left
    traits = [m["traits"] for m in faultless.messages() if m["type"] == "identify"]
    assert sum(trait["email_unsubscribed"] for trait in traits) == len(left)


def test_visits_follow_the_hours_of_the_day(faultless: Log) -> None:
    hours = Counter(
        happened_at(message) // 3_600_000 % 24
        for message in faultless.messages()
        if message["type"] == "page"
    )
    night, evening = sum(hours[hour] for hour in (2, 3, 4)), sum(hours[h] for h in (19, 20, 21))
    assert evening > 8 * night


def test_popularity_is_uneven_and_users_have_favourites(faultless: Log) -> None:
    items: Counter[str] = Counter()
    categories: dict[str, Counter[str]] = defaultdict(Counter)
    for message in faultless.messages():
        if message.get("event") == "Product Viewed":
            items[message["properties"]["product_id"]] += 1
            categories[profile(message)][message["properties"]["category"]] += 1
    top_tenth = items.most_common(len(items) // 10)
    assert sum(count for _, count in top_tenth) > 0.3 * items.total()
    often = [counts for counts in categories.values() if counts.total() >= 20]
    shares = [counts.most_common(1)[0][1] / counts.total() for counts in often]
    assert np.mean(shares) > 0.35


def test_faults_come_at_the_given_rates(faulty: Log) -> None:
    messages = [message for line in faulty.lines if isinstance(message := parsed(line), dict)]
    whole = [message for message in messages if message.get("messageId") and profile(message)]
    ids = Counter(message["messageId"] for message in whole)
    again = sum(count - 1 for count in ids.values()) / len(whole)
    assert 0.02 < again < 0.04
    delays = [
        milliseconds(message["receivedAt"]) - happened_at(message)
        for message in whole
        if message.get("timestamp", "").startswith("2026-")
    ]
    assert 0.03 < sum(delay > 3_600_000 for delay in delays) / len(delays) < 0.07
    received: dict[str, int] = {}
    overtaken = 0
    for message in whole:
        if message.get("timestamp", "").startswith("2026-"):
            at = happened_at(message)
            overtaken += at < received.get(profile(message), 0)
            received[profile(message)] = max(at, received.get(profile(message), 0))
    assert overtaken / len(whole) > 0.02


def test_clocks_that_are_wrong_are_put_right_by_when_a_message_was_sent(faultless: Log) -> None:
    wrong = 0
    for message in faultless.messages():
        at = happened_at(message)
        assert 0 < milliseconds(message["receivedAt"]) - at < 1000
        wrong += abs(milliseconds(message["timestamp"]) - at) > 60_000
    assert 0.005 < wrong / len(faultless.lines) < 0.1


def test_each_poison_is_a_dead_letter_of_the_reason_it_is_named_after() -> None:
    good = simulated(10, 3).lines
    lines, reasons = [], []
    for number, poison in enumerate(POISONS * 3):
        line = poison(good[number % len(good)].decode())
        lines += [line.encode(errors="surrogateescape"), good[number % len(good)]]
        reasons.append(poison.__name__)
    outcome = reference_decoder.decode(lines, load(None))
    assert [reason for _, reason in outcome.dead_letters] == reasons
    assert [offset for offset, _ in outcome.dead_letters] == list(range(0, len(lines), 2))


def test_broken_messages_are_of_every_kind_and_as_many_as_counted(faulty: Log) -> None:
    outcome = reference_decoder.decode(faulty.lines, load(None))
    assert {reason for _, reason in outcome.dead_letters} == {p.__name__ for p in POISONS}
    share = len(outcome.dead_letters) / len(faulty.lines)
    assert 0.015 < share < 0.025
    assert len(outcome.dead_letters) <= faulty.counts["broken"]


@pytest.mark.parametrize("special", [{}, EVERYTHING], ids=["plain", "everything"])
def test_the_truth_is_calibrated_and_tells_buyers_from_others(special: Any) -> None:
    log = log_of(SimulateOptions(users=6000, days=14, seed=9, rates=FAULTLESS, **special))
    week_end = START_MS + 7 * DAY_MS
    rows = [row for row in log.truth if milliseconds(row["at"]) == week_end]
    buyers = {
        profile(message)
        for message in log.messages()
        if message.get("event") == "Order Completed" and happened_at(message) >= week_end
    }
    assert len(rows) > 1000
    chance = np.array([row["purchase_7d"] for row in rows])
    bought = np.array([row["user"] in buyers for row in rows])
    spread = np.sqrt((chance * (1 - chance)).sum())
    assert abs(bought.sum() - chance.sum()) < 4 * spread
    likely = chance >= np.quantile(chance, 0.8)
    assert bought[likely].mean() > 3 * bought[~likely].mean()
    known = {row["user"]: row for row in rows}
    for row in log.truth[len(rows) :]:
        if row["user"] in known and known[row["user"]]["churned"]:
            assert row["churned"]


def test_who_has_churned_never_visits_again(faultless: Log) -> None:
    gone: dict[str, int] = {}
    for row in faultless.truth:
        if row["churned"]:
            assert (row["purchase_7d"], row["purchase_30d"], row["churn_30d"]) == (0, 0, 1)
            gone.setdefault(row["user"], milliseconds(row["at"]))
    assert len(gone) > 20
    for message in faultless.messages():
        if message["type"] == "page":
            assert happened_at(message) < gone.get(profile(message), 2**62) + 1000


def test_a_cart_takes_four_lines_and_adds_to_those_it_holds() -> None:
    lines = np.zeros(1, np.int64)
    for item in (5, 6, 5, 7, 8):
        taken, lines = with_line(lines, np.array([item]), np.array([1]))
        assert taken[0]
    assert unpacked(int(lines[0])) == [(5, 2), (6, 1), (7, 1), (8, 1)]
    refused, lines = with_line(lines, np.array([9]), np.array([1]))
    assert not refused[0]
    taken, lines = with_line(lines, np.array([8]), np.array([2]))
    assert unpacked(int(lines[0]))[-1] == (8, 3)
    assert int(line_of(np.array([8]), 3)[0]) == int(lines[0]) >> 45


def test_options_that_make_no_sense_are_refused() -> None:
    for wrong in (
        {"users": 0},
        {"days": 0},
        {"seed": -1},
        {"seed": 2**64},
        {"start_ms": START_MS + 1},
        {"rates": Rates(late=0.6, reordered=0.6)},
        {"rates": Rates(broken=-0.1)},
        {"currency": 'E"R'},
    ):
        with pytest.raises(ValueError, match="expected"):
            SimulateOptions(**({"users": 1, "days": 1, "seed": 1} | wrong))


def test_kinds_fit_their_column() -> None:
    assert max(Kind) < 127
