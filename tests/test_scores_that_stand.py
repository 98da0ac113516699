"""Scores that stay as they were turn no tags; all else that an event changes does."""

from __future__ import annotations

from pathlib import Path

from tests.scores import Shop, version_of
from tests.test_propensity import data_of


def test_tags_that_read_what_an_event_changes_settle_though_the_score_stands(
    tmp_path: Path,
) -> None:
    shop = Shop(tmp_path)
    shop.tags(
        'none = "not has(propensity.buy) and spend_total < 0"\n'
        'low = "propensity.buy < 0.5"\n'
        'both = "propensity.buy < 0.5 and orders_total >= 2"\n'
        'through = "tags.low and tags.both and orders_total >= 3"\n'
        'three = "orders_total >= 3"'
    )
    shop.event("01T09:00:00", "Product Viewed", product_id="p")
    shop.event("01T09:30:00", "Order Refunded", order_id="0", total=10)
    for hour in (10, 11, 12):
        shop.event(f"01T{hour}:00:00", "Order Completed", order_id=str(hour), total=10)
    for version in (None, version_of(shop.model("buy"), intercept=-1.0)):
        turned = [
            (str(one["time"])[11:13], data_of(one)["tag"], data_of(one)["held"])
            for one in shop.run(version).transitions
        ]
        assert turned == [
            ("09", "none", True),
            ("10", "none", False),
            ("10", "low", True),
            ("11", "both", True),
            ("12", "through", True),
            ("12", "three", True),
        ]
