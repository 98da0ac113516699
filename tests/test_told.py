"""Decisions told in words: each reason, the nearest miss, and what a rule's `not` turns around."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from config.load import load
from connectors.triggers import Compared
from flows.rule_facts import fact, nearest_miss, terms_of
from flows.told import read, told
from tests.config_folders import SHOP

CONFIG = load(SHOP)


def line(
    *, reason: str = "", rules: list[dict[str, Any]] | None = None, **changed: object
) -> bytes:
    """A decision of the reminder of an abandoned cart, as its line says it."""
    data: dict[str, object] = {
        "journey": "abandoned_cart",
        "version": "0",
        "stage": "reminder",
        "instance": {"key": "c1", "entry": "2026-01-03T12:40:00.000Z"},
        "deadline": "2026-01-03T13:02:10.000Z",
        "offset": -1,
        "send": "cart_reminder",
        "channel": "push",
        "purpose": "marketing",
        "lines": [],
        "features": {},
        "tags": [],
        "scores": {},
        "rules": rules or [],
    }
    if reason:
        data["reason"] = reason
    event = {
        "specversion": "1.0",
        "id": "0",
        "source": "beckon",
        "type": "beckon.suppressed" if reason else "beckon.trigger",
        "subject": "u000004711",
        "time": changed.pop("time", "2026-01-03T13:02:10.000Z"),
        "datacontenttype": "application/json",
        "data": data | changed,
    }
    return msgspec.json.encode(event)


def cart(value: float, *, low: float = 20) -> dict[str, Any]:
    rule = "cart_value >= min_cart_value"
    return {"rule": rule, "left": value, "right": low, "holds": value >= low}


def words(line: bytes, cause: str = "") -> str:
    return str(told(read(line), CONFIG, cause))


def test_what_is_sent_is_told_with_the_rule_s_values_and_what_has_not_come_since() -> None:
    sent = words(line(rules=[cart(64.9)]))
    assert sent == "sent cart_reminder by push: cart_value 64.90 >= 20, no order since 13:32:10"


def test_what_has_waited_for_days_is_told_with_its_day() -> None:
    offer: dict[str, Any] = {"stage": "offer", "send": "cart_offer"}
    at = "2026-01-04T13:02:10.000Z"
    sent = words(line(time=at, deadline=at, **offer))
    assert sent == "sent cart_offer by push: no order since 3 Jan 14:02:10"


def test_a_rule_that_does_not_hold_is_told_by_its_nearest_miss() -> None:
    assert words(line(reason="rule", rules=[cart(18.9)])) == (
        "not sent cart_reminder: cart_value 18.90 < 20"
    )


def test_a_rule_that_a_tag_keeps_from_holding_is_told_by_the_tag() -> None:
    offer: dict[str, Any] = {"stage": "offer", "send": "cart_offer", "tags": ["value", "value.vip"]}
    enough = cart(80, low=60) | {"rule": "cart_value >= offer_cart_value"}
    assert (
        words(line(reason="rule", rules=[enough], **offer)) == "not sent cart_offer: is value.vip"
    )


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("cooldown", "not sent cart_reminder: less than 3 days after the last message of"),
        ("consent", "not sent cart_reminder: said no to push and email"),
        ("holdout", "held out from cart_reminder: one of the 10% who never get abandoned_cart"),
        ("priority", "not sent cart_reminder: another journey came first"),
        ("replaced", "not sent cart_reminder: newer runs"),
        ("off", "not sent cart_reminder: abandoned_cart is switched off"),
        ("shadow", "not sent cart_reminder: abandoned_cart is in shadow; else by push"),
        ("before_live", "not sent cart_reminder: due before the shop went live"),
        ("too_late", "not sent cart_reminder: it was too late when it could have been sent"),
        ("quiet_hours", "not sent cart_reminder: quiet hours"),
    ],
)
def test_each_reason_has_its_words(reason: str, expected: str) -> None:
    assert words(line(reason=reason)).startswith(expected)


def test_what_came_too_late_says_by_how_much() -> None:
    late = line(reason="expired", time="2026-01-03T17:12:10.000Z")
    assert words(late) == "not sent cart_reminder: 4 h too late, ttl 2 h"


def test_an_exit_says_what_the_user_did_where_that_is_known() -> None:
    ended = line(reason="exit", offset=7)
    assert words(ended, "Order Completed") == "ordered; cart_reminder no longer needed"
    assert words(ended, "Product Removed") == "cart_items == 0; cart_reminder no longer needed"
    assert words(ended) == "cart_reminder no longer needed"


def test_a_miss_under_a_not_counts_the_other_way_round() -> None:
    terms = terms_of("spend >= enough and not returns >= many")
    spend = Compared(rule="spend >= enough", left=150.0, right=100.0, holds=True)
    returns = Compared(rule="returns >= many", left=0.9, right=0.8, holds=True)
    assert nearest_miss([spend, returns], terms) is returns
    assert fact(returns, ["returns"]) == "returns 0.90 >= 0.80"


def test_of_misses_the_one_with_a_missing_value_is_the_last_to_be_told() -> None:
    terms = terms_of("a >= 1 and b >= 100")
    unknown = Compared(rule="a >= 1", left=None, right=1.0, holds=False)
    far = Compared(rule="b >= 100", left=1.0, right=100.0, holds=False)
    assert nearest_miss([unknown, far], terms) is far
    assert fact(unknown, ["a"]) == "a is missing"


def test_every_rule_of_the_default_config_is_understood() -> None:
    for journey in load().journeys:
        for stage in journey.stages:
            if stage.when is not None:
                terms = terms_of(stage.when.text)
                assert len(terms.comparisons) == len(stage.when.comparisons), stage.when.text
