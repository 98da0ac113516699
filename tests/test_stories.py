"""Hand-computed stories of deadlines and the order of time, told to oracle and engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.running import RUNNERS
from tests.story import Story, open_story, told, turned

CART = """
[entry]
event = "Product Added"
key = "cart_id"
reentry = "reset"
[exit]
events = ["Order Completed"]
[stage.reminder]
after = "30m"
send = "cart_reminder"
ttl = "2h"
"""
TWO_STAGES = (
    CART
    + """
[stage.offer]
after = "31m"
send = "cart_offer"
ttl = "2h"
"""
)
LAPSED_TAG = '[life]\nlapsed = "days_since_order >= 2"\n'
LAPSED_JOURNEY = """
[entry]
tag = "life.lapsed"
[stage.hello]
after = "1s"
send = "hello"
ttl = "1h"
"""


@pytest.fixture(params=RUNNERS)
def story(request: pytest.FixtureRequest, tmp_path: Path) -> Story:
    """A story with a reminder half an hour after the last product went into a cart."""
    story = open_story(tmp_path, request.param)
    story.journey("cart", CART)
    return story


def test_a_purchase_one_millisecond_before_the_deadline_prevents_the_trigger(story: Story) -> None:
    story.event("02T10:00:00.000", "Product Added", product_id="a", cart_id="c1")
    story.event("02T10:29:59.999", "Order Completed", cart_id="c1")
    assert told(story.run("02T12:00:00")) == ["02T10:29:59.999 cart[c1].reminder exit"]


@pytest.mark.parametrize("purchase", ["02T10:30:00.000", "02T10:30:00.001"])
def test_a_purchase_at_the_deadline_or_after_it_is_too_late(story: Story, purchase: str) -> None:
    story.event("02T10:00:00.000", "Product Added", product_id="a", cart_id="c1")
    story.event(purchase, "Order Completed", cart_id="c1")
    assert told(story.run("02T12:00:00")) == ["02T10:30:00.000 cart[c1].reminder sent"]


def test_deadlines_are_rounded_up_to_whole_seconds(story: Story) -> None:
    story.event("02T10:00:00.001", "Product Added", product_id="a", cart_id="c1")
    story.event("02T10:00:00.001", "Product Added", product_id="a", cart_id="c2")
    story.event("02T10:30:00.999", "Order Completed", cart_id="c1")
    assert told(story.run("02T12:00:00")) == [
        "02T10:30:00.999 cart[c1].reminder exit",
        "02T10:30:01.000 cart[c2].reminder sent",
    ]


def test_nothing_is_decided_before_the_log_has_reached_the_deadline(story: Story) -> None:
    story.event("02T10:00:00", "Product Added", product_id="a", cart_id="c1")
    world = story.run("02T10:29:59.999")
    assert told(world) == []
    assert world.profiles[0]["instances"] == [
        {
            "journey": "cart",
            "key": "c1",
            "entry": "2026-03-02T10:00:00.000Z",
            "stage": "reminder",
            "due": "2026-03-02T10:30:00.000Z",
        }
    ]


def test_of_two_journeys_due_in_the_same_second_the_higher_priority_wins(story: Story) -> None:
    story.journey("second", CART, priority=90)
    story.journey("third", CART, priority=90)
    story.event("02T10:00:00.250", "Product Added", product_id="a", cart_id="c1")
    assert told(story.run("02T12:00:00")) == [
        "02T10:30:01.000 second[c1].reminder sent",
        "02T10:30:01.000 third[c1].reminder priority",
        "02T10:30:01.000 cart[c1].reminder priority",
    ]


def test_users_due_in_the_same_second_come_in_the_order_of_their_ids(story: Story) -> None:
    for user in ("zoe", "Zoe", "ben"):
        story.event("02T10:00:00", "Product Added", product_id="a", cart_id="c1", user=user)
    world = story.run("02T10:30:00")
    assert [decision["subject"] for decision in world.decisions] == ["Zoe", "ben", "zoe"]


def test_a_window_empties_to_the_second_without_any_event(story: Story) -> None:
    story.feature("views", 'kind="count"\nevents=["Product Viewed"]\nwindow="10m"\ntile="1m"')
    story.tags('[mood]\nhot = "views > 0"\n')
    story.event("02T10:00:30.500", "Product Viewed", product_id="a")
    story.event("02T10:10:59.999", "Email Opened")
    assert turned(story.run("02T12:00:00")) == [
        "02T10:00:30.500 +mood",
        "02T10:00:30.500 +mood.hot",
        "02T10:11:00.000 -mood",
        "02T10:11:00.000 -mood.hot",
    ]


def test_a_tag_that_turns_by_time_alone_opens_a_journey(story: Story) -> None:
    story.feature("days_since_order", 'kind = "days_since"\nevents = ["Order Completed"]')
    story.tags(LAPSED_TAG)
    story.journey("back", LAPSED_JOURNEY)
    story.event("02T10:00:00.001", "Order Completed", order_id="1", total=10)
    world = story.run("05T00:00:00")
    assert turned(world) == ["04T10:00:01.000 +life", "04T10:00:01.000 +life.lapsed"]
    assert told(world) == ["04T10:00:02.000 back.hello sent"]


def test_an_event_at_the_turning_second_comes_after_the_turn(story: Story) -> None:
    story.feature("days_since_order", 'kind = "days_since"\nevents = ["Order Completed"]')
    story.tags(LAPSED_TAG)
    story.event("02T10:00:00", "Order Completed", order_id="1", total=10)
    story.event("04T10:00:00", "Order Completed", order_id="2", total=10)
    assert turned(story.run()) == [
        "04T10:00:00.000 +life",
        "04T10:00:00.000 +life.lapsed",
        "04T10:00:00.000 -life",
        "04T10:00:00.000 -life.lapsed",
    ]


def test_a_late_event_whose_deadline_has_passed_is_decided_at_once(story: Story) -> None:
    story.event("02T11:00:00.500", "Product Added", at="02T10:00:00", product_id="a", cart_id="c1")
    world = story.run("02T12:00:00")
    assert told(world) == ["02T11:00:00.500 cart[c1].reminder sent"]
    data = world.decisions[0]["data"]
    assert isinstance(data, dict)
    assert (data["deadline"], data["offset"]) == ("2026-03-02T10:30:00.000Z", 0)
    assert world.decisions[0]["expirytime"] == "2026-03-02T13:00:00.500Z"


@pytest.mark.parametrize(
    ("received", "outcome"), [("02T12:30:00.000", "sent"), ("02T12:30:00.001", "expired")]
)
def test_a_late_event_expires_just_after_its_deadline_and_ttl(
    story: Story, received: str, outcome: str
) -> None:
    story.event(received, "Product Added", at="02T10:00:00", product_id="a", cart_id="c1")
    assert told(story.run("02T15:00:00")) == [f"{received} cart[c1].reminder {outcome}"]


def test_the_stage_after_one_decided_at_once_waits_for_the_next_second(story: Story) -> None:
    story.journey("cart", TWO_STAGES)
    story.event("02T11:00:00.500", "Product Added", at="02T10:00:00", product_id="a", cart_id="c1")
    assert told(story.run("02T12:00:00")) == [
        "02T11:00:00.500 cart[c1].reminder sent",
        "02T11:00:01.000 cart[c1].offer sent",
    ]


def test_a_reset_never_brings_a_decision_forward(story: Story) -> None:
    story.journey("cart", TWO_STAGES)
    story.event("02T11:00:00.500", "Product Added", at="02T10:00:00", product_id="a", cart_id="c1")
    story.event("02T11:00:00.700", "Product Added", at="02T10:10:00", product_id="a", cart_id="c1")
    world = story.run("02T12:00:00")
    assert told(world)[1:] == ["02T11:00:01.000 cart[c1].offer sent"]
    data = world.decisions[1]["data"]
    assert isinstance(data, dict) and data["deadline"] == "2026-03-02T10:41:00.000Z"


@pytest.mark.parametrize("batch", [1, 2, 1000])
def test_equal_log_times_across_a_batch_boundary_change_nothing(story: Story, batch: int) -> None:
    story.event("02T10:00:00", "Product Added", product_id="a", cart_id="c1")
    story.event("02T10:30:00", "Product Added", at="02T09:00:00", product_id="a", cart_id="c2")
    story.event("02T10:30:00", "Order Completed")
    story.event("02T10:30:00", "Product Added", product_id="a", cart_id="c3")
    assert told(story.run("02T11:00:00", batch=batch)) == [
        "02T10:30:00.000 cart[c1].reminder sent",
        "02T10:30:00.000 cart[c2].reminder priority",
        "02T11:00:00.000 cart[c3].reminder sent",
    ]


@pytest.mark.parametrize("batch", [1, 1000])
def test_a_tick_between_an_idle_deadline_and_the_next_event_changes_nothing(
    story: Story, batch: int
) -> None:
    story.event("02T10:00:00", "Product Added", product_id="a", cart_id="c1")
    story.tick("02T10:29:59.999")
    story.tick("02T10:30:00")
    story.tick("02T10:45:00")
    story.event("02T11:00:00", "Order Completed", cart_id="c1")
    assert told(story.run("02T12:00:00", batch=batch)) == ["02T10:30:00.000 cart[c1].reminder sent"]


def test_a_message_that_comes_twice_counts_once(story: Story) -> None:
    story.event("02T10:00:00", "Product Added", product_id="a", cart_id="c1", message="same")
    story.event("02T10:10:00", "Product Added", product_id="a", cart_id="c1", message="same")
    world = story.run("02T12:00:00")
    assert told(world) == ["02T10:30:00.000 cart[c1].reminder sent"]
    assert (world.counters["events"], world.counters["duplicates"]) == (1, 1)


@pytest.mark.parametrize(("others", "duplicates"), [(31, 1), (32, 0)])
def test_only_the_last_32_messages_of_a_user_are_remembered(
    story: Story, others: int, duplicates: int
) -> None:
    story.event("02T10:00:00", "Email Opened", message="same")
    for index in range(others):
        story.event("02T10:00:01", "Email Opened", message=f"other {index}")
    story.event("02T10:00:02", "Email Opened", message="same")
    assert story.run().counters["duplicates"] == duplicates
