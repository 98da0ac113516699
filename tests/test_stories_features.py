"""Hand-computed stories of features, carts and tags."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from tests.running import RUNNERS
from tests.story import Story, features, open_story, turned

WINDOW = 'window = "10m"\ntile = "1m"'
ORDERS = 'events = { "Order Completed" = 1, "Order Refunded" = -1 }'


@pytest.fixture(params=RUNNERS)
def story(request: pytest.FixtureRequest, tmp_path: Path) -> Story:
    """A story whose shop has the cart features only."""
    return open_story(tmp_path, request.param)


def view(story: Story, received: str, item: str, **more: Any) -> None:
    story.event(received, "Product Viewed", product_id=item, **more)


def test_a_refund_is_negative_at_its_own_time(story: Story) -> None:
    story.feature("spend", f'kind = "sum"\nof = "amount"\n{ORDERS}')
    story.tags('[value]\nvip = "spend >= 50"\n')
    story.event("02T10:00:00", "Order Completed", order_id="1", total=80.005)
    story.event("03T10:00:00", "Order Refunded", order_id="1", total=30.5)
    world = story.run()
    assert features(world)["spend"] == 49.51
    assert turned(world)[-2:] == ["03T10:00:00.000 -value", "03T10:00:00.000 -value.vip"]


@pytest.mark.parametrize(("until", "count"), [("02T10:10:59.999", 2.0), ("02T10:11:00", 1.0)])
def test_an_event_leaves_the_window_with_its_whole_tile(
    story: Story, until: str, count: float
) -> None:
    story.feature("views", f'kind = "count"\nevents = ["Product Viewed"]\n{WINDOW}')
    view(story, "02T10:00:59.999", "a")
    view(story, "02T10:01:00.000", "a")
    assert features(story.run(until))["views"] == count


@pytest.mark.parametrize(("at", "late"), [("02T10:01:00", 0), ("02T10:00:59.999", 1)])
def test_an_event_too_old_for_a_window_is_late_but_counts_since_ever(
    story: Story, at: str, late: int
) -> None:
    story.feature("views", f'kind = "count"\nevents = ["Product Viewed"]\n{WINDOW}')
    story.feature("views_ever", 'kind = "count"\nevents = ["Product Viewed"]')
    view(story, "02T10:11:00", "a", at=at)
    world = story.run()
    assert (features(world)["views"], features(world)["views_ever"]) == (1.0 - late, 1.0)
    assert world.counters["late"] == late


def test_distinct_takes_in_at_most_32_texts(story: Story) -> None:
    story.feature("items", f'kind = "distinct"\nof = "item"\nevents = ["Product Viewed"]\n{WINDOW}')
    for index in range(33):
        view(story, "02T10:00:00", f"item {index}")
    view(story, "02T10:05:00", "item 0")
    view(story, "02T10:11:00", "item 32")
    view(story, "02T10:11:00", "item 33")
    assert features(story.run())["items"] == 3.0


def test_whole_days_count_from_the_latest_event_rounded_up(story: Story) -> None:
    story.feature("days", 'kind = "days_since"\nevents = ["Product Viewed"]')
    view(story, "02T10:00:00.001", "a")
    view(story, "02T10:05:00", "a", at="01T10:00:00")
    assert features(story.run("04T10:00:00.999"))["days"] == 1.0
    assert features(story.run("04T10:00:01"))["days"] == 2.0


def test_last_and_first_go_by_event_time(story: Story) -> None:
    story.feature("last", 'kind = "last"\nof = "category"\nevents = ["Product Viewed"]')
    story.feature("first", 'kind = "first"\nof = "category"\nevents = ["Product Viewed"]')
    view(story, "02T10:00:00", "a", category="one")
    view(story, "02T10:00:00", "a", category="two")
    view(story, "02T10:01:00", "a", category="three", at="02T09:00:00")
    view(story, "02T10:02:00", "a", category="four", at="02T09:00:00")
    view(story, "02T10:03:00", "a")
    world = story.run()
    assert (features(world)["last"], features(world)["first"]) == ("two", "three")


def test_the_last_of_an_order_is_its_last_line(story: Story) -> None:
    story.feature("last", 'kind = "last"\nof = "item"\nevents = ["Order Completed"]')
    story.feature("first", 'kind = "first"\nof = "item"\nevents = ["Order Completed"]')
    lines = [{"product_id": "a"}, {"product_id": "b"}, {"price": 1}]
    story.event("02T10:00:00", "Order Completed", products=lines)
    world = story.run()
    assert (features(world)["last"], features(world)["first"]) == ("b", "a")


def test_gaps_are_days_between_events_in_the_order_of_their_times(story: Story) -> None:
    story.feature("last", 'kind = "gap"\nof = "last"\nevents = ["Product Viewed"]')
    story.feature("mean", 'kind = "gap"\nof = "mean"\nevents = ["Product Viewed"]')
    view(story, "01T00:00:00", "a")
    assert set(features(story.run())) == {"cart_value", "cart_items"}
    view(story, "05T00:00:00", "a")
    view(story, "05T01:00:00", "a", at="03T12:00:00")
    world = story.run()
    assert (features(world)["last"], features(world)["mean"]) == (1.5, 2.0)


VARIATION = 'kind = "gap"\nof = "variation"\nevents = ["Product Viewed"]'


def varies(story: Story) -> Any:
    return features(story.run()).get("varies")


def as_told(value: float) -> Any:
    """As profiles tell it, with six digits."""
    return pytest.approx(value, abs=5e-7)


def test_the_variation_of_gaps_is_their_deviation_by_their_mean(story: Story) -> None:
    story.feature("varies", VARIATION)
    view(story, "01T00:00:00", "a")
    view(story, "02T00:00:00", "a")
    assert varies(story) is None, "one gap does not vary"
    view(story, "03T00:00:00", "a")
    assert varies(story) == 0.0
    view(story, "09T00:00:00", "a", at="03T00:00:00")
    assert varies(story) == as_told(math.sqrt(2 / 9) / (2 / 3))
    view(story, "10T00:00:00", "a")
    assert varies(story) == as_told(math.sqrt(51 / 4 - 81 / 16) / (9 / 4))


def test_events_at_one_instant_do_not_vary(story: Story) -> None:
    story.feature("varies", VARIATION)
    for _ in range(3):
        view(story, "01T00:00:00", "a")
    assert varies(story) == 0.0


def test_a_late_event_divides_a_gap_that_is_remembered(story: Story) -> None:
    story.feature("varies", VARIATION)
    for day in ("03", "04", "08"):
        view(story, f"{day}T00:00:00", "a")
    view(story, "08T01:00:00", "a", at="06T00:00:00")
    assert varies(story) == as_told(math.sqrt(2 / 9) / (5 / 3))
    view(story, "08T02:00:00", "a", at="03T12:00:00")
    assert varies(story) == as_told(math.sqrt(2 / 9) / (5 / 3)), "passed over"
    view(story, "08T03:00:00", "a", at="01T00:00:00")
    assert varies(story) == as_told(math.sqrt(3 / 16) / (7 / 4)), "before the earliest"


def test_a_ratio_by_nothing_is_missing(story: Story) -> None:
    story.feature("views", f'kind = "count"\nevents = ["Product Viewed"]\n{WINDOW}')
    story.feature("added", f'kind = "count"\nevents = ["Product Added"]\n{WINDOW}')
    story.feature("share", 'kind = "ratio"\nof = ["added", "views"]')
    story.tags('[mood]\nkeen = "share > 0.4"\nnot_keen = "not share > 0.4"\n')
    view(story, "02T10:00:00", "a")
    story.event("02T10:05:00", "Product Added", product_id="a", cart_id="c1")
    view(story, "02T10:06:00", "a")
    world = story.run("02T10:11:00")
    assert features(world)["share"] == 1.0
    assert "share" not in features(story.run("02T10:20:00"))
    assert turned(world)[-2:] == ["02T10:05:00.000 +mood.keen", "02T10:05:00.000 -mood.not_keen"]


def test_affinity_fades_by_half_lives(story: Story) -> None:
    weights = 'events = { "Product Viewed" = 1, "Product Added" = 4 }'
    story.feature(
        "top", f'kind = "affinity"\nof = "category"\n{weights}\nhalf_life = "1h"\nkeep = 2'
    )
    story.event("02T10:00:00", "Product Added", product_id="a", category="old", cart_id="c")
    for _ in range(3):
        view(story, "02T11:00:00", "b", category="new")
    assert features(story.run("02T11:00:00"))["top"] == "new"
    view(story, "02T11:01:00", "c", category="other", at="02T10:00:00")
    view(story, "02T11:01:00", "a", category="old", at="02T10:00:00")
    assert features(story.run())["top"] == "new"
    view(story, "02T11:01:00", "a", category="old", at="02T10:00:00")
    assert features(story.run())["top"] == "old"  # equal scores: the one stored first


def test_a_session_begins_after_more_than_the_gap_of_silence(story: Story) -> None:
    text = 'kind = "sessions"\nevents = ["Product Viewed"]\ngap = "30m"\nwindow = "2h"\ntile = "1h"'
    story.feature("visits", text)
    view(story, "02T10:00:00.000", "a")
    view(story, "02T10:30:00.000", "a")
    view(story, "02T11:00:00.001", "a")
    view(story, "02T11:10:00.000", "a", at="02T09:00:00")
    assert features(story.run("02T12:59:59.999"))["visits"] == 2.0
    assert features(story.run("02T13:00:00"))["visits"] == 1.0


def test_recent_lists_different_texts_newest_first(story: Story) -> None:
    story.feature("items", 'kind = "recent"\nof = "item"\nevents = ["Product Viewed"]\nkeep = 3')
    for second, item in enumerate("abcad"):
        view(story, f"02T10:00:0{second}", item)
    assert features(story.run())["items"] == ["d", "a", "c"]


def test_a_cart_holds_what_was_added_and_not_removed(story: Story) -> None:
    story.event(
        "02T10:00:00", "Product Added", product_id="a", price=19.99, quantity=3, cart_id="c"
    )
    story.event("02T10:00:01", "Product Added", product_id="b", price=5, cart_id="c")
    story.event("02T10:00:02", "Product Removed", product_id="a", quantity=1, cart_id="c")
    story.event("02T10:00:03", "Product Removed", product_id="b", cart_id="c")
    assert features(story.run()) == {"cart_value": 39.98, "cart_items": 2.0}
    lines = [{"product_id": "x", "price": 1.5, "quantity": 0.5}, {"product_id": "y"}]
    story.event("02T10:00:04", "Cart Viewed", products=lines, cart_id="c")
    assert features(story.run()) == {"cart_value": 0.75, "cart_items": 1.5}


def test_a_cart_takes_in_at_most_50_lines(story: Story) -> None:
    story.feature("cart_lines", 'kind = "cart"\nof = "lines"')
    lines = [{"product_id": f"i{index}", "price": 1} for index in range(60)]
    story.event("02T10:00:00", "Cart Viewed", products=lines, cart_id="c")
    story.event("02T10:00:01", "Product Added", product_id="one more", price=1, cart_id="c")
    story.event("02T10:00:02", "Product Added", product_id="i49", price=5, cart_id="c")
    assert features(story.run()) == {"cart_value": 59.0, "cart_items": 51.0, "cart_lines": 50.0}


def test_items_older_than_the_emptying_of_their_cart_are_passed_over(story: Story) -> None:
    story.event("02T10:00:00", "Order Completed")
    story.event("02T10:00:01", "Product Added", at="02T09:59:59.999", product_id="a", cart_id="c")
    assert features(story.run())["cart_items"] == 0.0
    story.event("02T10:00:02", "Product Added", at="02T10:00:00", product_id="a", cart_id="c")
    assert features(story.run())["cart_items"] == 1.0


def test_a_fifth_cart_makes_the_least_recently_touched_one_go(story: Story) -> None:
    story.feature("cart_lines", 'kind = "cart"\nof = "lines"')
    for second, cart in enumerate(("c1", "c2", "c3", "c4", "c1", "c5")):
        story.event(f"02T10:00:0{second}", "Product Added", product_id=f"i{second}", cart_id=cart)
    story.event("02T10:01:00", "Product Added", product_id="again", cart_id="c1")
    assert features(story.run())["cart_lines"] == 3.0
    story.event("02T10:02:00", "Product Added", product_id="again", cart_id="c2")
    assert features(story.run())["cart_lines"] == 1.0


@pytest.mark.parametrize(("until", "held"), [("02T12:10:59.999", True), ("02T12:11:00", False)])
def test_a_kept_tag_stays_for_its_time_after_the_rule_failed(
    story: Story, until: str, held: bool
) -> None:
    story.feature("views", f'kind = "count"\nevents = ["Product Viewed"]\n{WINDOW}')
    story.tags('[mood]\nhot = { when = "views > 0", keep = "2h" }\n')
    view(story, "02T10:00:30", "a")
    since = "2026-03-02T10:00:30.000Z"
    expected = {"mood": since, "mood.hot": since} if held else {}
    assert story.run(until).profiles[0]["tags"] == expected


def test_a_rule_that_holds_again_keeps_its_tag_anew(story: Story) -> None:
    story.feature("views", f'kind = "count"\nevents = ["Product Viewed"]\n{WINDOW}')
    story.tags('[mood]\nhot = { when = "views > 0", keep = "1h" }\n')
    view(story, "02T10:00:30", "a")
    view(story, "02T11:00:30", "a")
    assert turned(story.run("02T13:00:00"))[-1] == "02T12:11:00.000 -mood.hot"


def test_the_first_tag_that_holds_shuts_out_those_after_it(story: Story) -> None:
    story.feature("views", f'kind = "count"\nevents = ["Product Viewed"]\n{WINDOW}')
    keen = 'keen = { when = "views >= 2", keep = "5m" }'
    story.tags(f'[mood]\npick = "first"\n{keen}\nmild = "views >= 1"\n')
    view(story, "02T10:00:00", "a")
    view(story, "02T10:01:00", "a")
    assert turned(story.run("02T11:00:00")) == [
        "02T10:00:00.000 +mood",
        "02T10:00:00.000 +mood.mild",
        "02T10:01:00.000 +mood.keen",
        "02T10:01:00.000 -mood.mild",
        "02T10:16:00.000 -mood",
        "02T10:16:00.000 -mood.keen",
    ]


def test_a_group_holds_when_any_tag_below_it_does(story: Story) -> None:
    story.tags('[a]\nnear = "cart_items > 5"\n[a.b]\ndeep = "cart_items > 0"\n')
    story.event("02T10:00:00", "Product Added", product_id="a", cart_id="c")
    assert held(story) == ["a 10:00:00", "a.b 10:00:00", "a.b.deep 10:00:00"]


def test_a_tag_says_since_when_it_is_held_and_a_group_since_the_earliest_of_those(
    story: Story,
) -> None:
    story.tags('[a]\none = "cart_items > 0"\ntwo = "cart_items > 1"\n')
    story.event("02T10:00:00.900", "Product Added", product_id="a", cart_id="c")
    story.event("02T10:00:05", "Product Removed", product_id="a", cart_id="c")
    story.event("02T10:00:07.100", "Product Added", product_id="a", cart_id="c")
    story.event("02T10:00:09", "Product Added", product_id="b", cart_id="c")
    assert held(story) == ["a 10:00:07", "a.one 10:00:07", "a.two 10:00:09"]


def test_of_a_group_that_picks_one_the_tag_held_now_says_since_when(story: Story) -> None:
    story.tags('[a]\npick = "first"\nmany = "cart_items > 1"\nsome = "cart_items > 0"\n')
    story.event("02T10:00:00", "Product Added", product_id="a", cart_id="c")
    story.event("02T10:00:05", "Product Added", product_id="b", cart_id="c")
    assert held(story) == ["a 10:00:05", "a.many 10:00:05"]
    story.event("02T10:00:08", "Product Removed", product_id="b", cart_id="c")
    assert held(story) == ["a 10:00:08", "a.some 10:00:08"]


def held(story: Story) -> list[str]:
    """The tags that the user holds at the end, each with the time since when."""
    tags = story.run().profiles[0]["tags"]
    assert isinstance(tags, dict)
    return [f"{name} {since[11:19]}" for name, since in tags.items()]
