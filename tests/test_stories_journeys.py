"""Hand-computed stories of journeys: entries, resets, exits, gates and goals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.oracle_profile import World
from tests.running import RUNNERS
from tests.story import Story, open_story, told, turned

STAGE = """
[stage.reminder]
after = "30m"
send = "cart_reminder"
ttl = "2h"
"""
EXIT = '[exit]\nevents = ["Order Completed"]\n'
CART = '[entry]\nevent = "Product Added"\nkey = "cart_id"\n' + EXIT + STAGE
OFFER = '[stage.offer]\nafter = "1h"\nsend = "offer"\nttl = "2h"\n'
GOAL = '[goal]\nevent = "Order Completed"\nwithin = "1h"\n'


@pytest.fixture(params=RUNNERS)
def story(request: pytest.FixtureRequest, tmp_path: Path) -> Story:
    """A story without any journey yet."""
    return open_story(tmp_path, request.param)


def entry(reentry: str = "reset", cooldown: str = "1s") -> str:
    return (
        f'[entry]\nevent = "Product Added"\nkey = "cart_id"\n'
        f'reentry = "{reentry}"\ncooldown = "{cooldown}"\n'
    )


def add(story: Story, received: str, cart: str | None, **more: Any) -> None:
    values: dict[str, Any] = {"product_id": "a", "price": 10, "cart_id": cart} | more
    story.event(received, "Product Added", **values)


def data_of(world: World, index: int = 0) -> dict[str, Any]:
    data = world.decisions[index]["data"]
    assert isinstance(data, dict)
    return data


@pytest.mark.parametrize(("reentry", "sent"), [("reset", "02T10:40:00"), ("ignore", "02T10:30:00")])
def test_a_reset_moves_the_deadline_and_keeps_the_entry(
    story: Story, reentry: str, sent: str
) -> None:
    story.journey("cart", entry(reentry) + STAGE)
    add(story, "02T10:00:00", "c1")
    add(story, "02T10:10:00", "c1")
    world = story.run("02T12:00:00")
    assert told(world) == [f"{sent}.000 cart[c1].reminder sent"]
    assert data_of(world)["instance"] == {"key": "c1", "entry": "2026-03-02T10:00:00.000Z"}


def test_a_reset_never_moves_a_deadline_earlier(story: Story) -> None:
    story.journey("cart", entry() + STAGE)
    add(story, "02T10:00:00", "c1")
    add(story, "02T10:10:00", "c1", at="02T09:50:00")
    assert told(story.run("02T12:00:00")) == ["02T10:30:00.000 cart[c1].reminder sent"]


def test_a_reset_brings_back_no_earlier_stage(story: Story) -> None:
    story.journey("cart", entry() + STAGE + OFFER)
    add(story, "02T10:00:00", "c1")
    add(story, "02T10:45:00", "c1")
    assert told(story.run("02T15:00:00")) == [
        "02T10:30:00.000 cart[c1].reminder sent",
        "02T11:45:00.000 cart[c1].offer sent",
    ]


def test_an_order_of_another_cart_ends_nothing_and_empties_nothing(story: Story) -> None:
    story.journey("cart", CART)
    add(story, "02T10:00:00", "c1")
    story.event("02T10:10:00", "Order Completed", cart_id="c2")
    world = story.run("02T12:00:00")
    assert told(world) == ["02T10:30:00.000 cart[c1].reminder sent"]
    assert data_of(world)["features"] == {"cart_value": 10.0, "cart_items": 1.0}


def test_an_order_that_names_no_cart_ends_all(story: Story) -> None:
    story.journey("cart", CART)
    add(story, "02T10:00:00", "c1")
    add(story, "02T10:01:00", "c2")
    story.event("02T10:10:00", "Order Completed")
    assert told(story.run("02T12:00:00")) == [
        "02T10:10:00.000 cart[c1].reminder exit",
        "02T10:10:00.000 cart[c2].reminder exit",
    ]


def test_an_exit_rule_looks_at_the_cart_of_its_own_instance(story: Story) -> None:
    story.journey("cart", entry() + '[exit]\nwhen = "cart_items == 0"\n' + STAGE)
    add(story, "02T10:00:00", "c1")
    add(story, "02T10:00:00", "c2")
    story.event("02T10:10:00", "Product Removed", product_id="a", cart_id="c1")
    assert told(story.run("02T12:00:00")) == [
        "02T10:10:00.000 cart[c1].reminder exit",
        "02T10:30:00.000 cart[c2].reminder sent",
    ]


def test_an_exit_older_than_the_last_opening_ends_nothing(story: Story) -> None:
    story.journey("cart", CART)
    add(story, "02T10:00:00", "c1")
    story.event("02T10:10:00", "Order Completed", at="02T09:59:59.999", cart_id="c1")
    assert told(story.run("02T12:00:00")) == ["02T10:30:00.000 cart[c1].reminder sent"]


@pytest.mark.parametrize(("added_at", "outcomes"), [("02T09:59:59.999", 0), ("02T10:00:00", 1)])
def test_an_entry_older_than_the_last_exit_opens_nothing(
    story: Story, added_at: str, outcomes: int
) -> None:
    story.journey("cart", CART)
    story.event("02T10:00:00", "Order Completed", cart_id="c1")
    add(story, "02T10:00:01", "c1", at=added_at)
    assert len(told(story.run("02T12:00:00"))) == outcomes


def test_on_one_event_the_exit_comes_before_the_entry(story: Story) -> None:
    thanks = '[entry]\nevent = "Order Completed"\n'
    story.journey("thanks", thanks + EXIT + STAGE)
    story.event("02T10:00:00", "Order Completed")
    story.event("02T10:10:00", "Order Completed")
    assert told(story.run("02T12:00:00")) == [
        "02T10:10:00.000 thanks.reminder exit",
        "02T10:40:00.000 thanks.reminder sent",
    ]


@pytest.mark.parametrize(
    ("second", "outcome"), [("05T09:59:59", "cooldown"), ("05T10:00:00", "sent")]
)
def test_a_cooldown_is_over_at_exactly_its_end(story: Story, second: str, outcome: str) -> None:
    story.journey("cart", entry(cooldown="3d") + STAGE)
    add(story, "02T10:00:00", "c1")
    add(story, second, "c2")
    assert [line.split()[-1] for line in told(story.run("06T00:00:00"))] == ["sent", outcome]


def test_a_cooldown_does_not_hold_back_later_stages_of_the_same_instance(story: Story) -> None:
    story.journey("cart", entry(cooldown="3d") + STAGE + OFFER)
    add(story, "02T10:00:00", "c1")
    assert told(story.run("02T12:00:00")) == [
        "02T10:30:00.000 cart[c1].reminder sent",
        "02T11:00:00.000 cart[c1].offer sent",
    ]


def test_a_false_rule_skips_its_stage_and_says_why(story: Story) -> None:
    threshold = "[thresholds]\nenough = 20\n"
    rule = 'when = "cart_value >= enough"\n'
    story.journey("cart", threshold + entry() + STAGE + rule + OFFER)
    add(story, "02T10:00:00", "c1")
    world = story.run("02T12:00:00")
    assert told(world) == [
        "02T10:30:00.000 cart[c1].reminder rule",
        "02T11:00:00.000 cart[c1].offer sent",
    ]
    assert data_of(world)["rules"] == [
        {"rule": "cart_value >= enough", "left": 10.0, "right": 20.0, "holds": False}
    ]


def test_a_held_out_user_is_never_sent_to_but_counts_as_if(story: Story) -> None:
    story.journey("cart", entry(cooldown="3d") + STAGE, holdout=1.0)
    story.journey("other", entry() + STAGE, priority=1)
    add(story, "02T10:00:00", "c1")
    add(story, "02T10:01:00", "c2")
    assert told(story.run("02T12:00:00")) == [
        "02T10:30:00.000 cart[c1].reminder holdout",
        "02T10:30:00.000 other[c1].reminder priority",
        "02T10:31:00.000 cart[c2].reminder cooldown",
        "02T10:31:00.000 other[c2].reminder sent",
    ]


def test_a_shadow_journey_counts_for_its_own_cooldown_only(story: Story) -> None:
    story.journey("cart", entry(cooldown="3d") + STAGE, status="shadow")
    story.journey("other", entry() + STAGE, priority=1)
    add(story, "02T10:00:00", "c1")
    add(story, "02T10:01:00", "c2")
    world = story.run("02T12:00:00")
    assert told(world) == [
        "02T10:30:00.000 cart[c1].reminder shadow",
        "02T10:30:00.000 other[c1].reminder sent",
        "02T10:31:00.000 cart[c2].reminder cooldown",
        "02T10:31:00.000 other[c2].reminder sent",
    ]
    assert data_of(world)["channel"] == "push"


def test_a_profile_has_the_last_trigger_of_each_journey_the_newest_first(story: Story) -> None:
    story.journey("cart", entry() + STAGE + OFFER)
    story.journey("later", entry() + OFFER, status="shadow", priority=99)
    story.journey("never", entry() + STAGE, status="off")
    story.journey("once", entry() + STAGE, holdout=1.0, priority=90)
    add(story, "02T10:00:00", "c1")
    assert story.run("02T12:00:00").profiles[0]["triggers"] == [
        {
            "journey": journey,
            "stage": stage,
            "at": f"2026-03-02T{at}.000Z",
            "outcome": outcome,
        }
        for journey, stage, at, outcome in (
            ("cart", "offer", "11:00:00", "sent"),
            ("later", "offer", "11:00:00", "shadow"),
            ("once", "reminder", "10:30:00", "holdout"),
        )
    ]


def test_a_journey_that_is_off_says_so(story: Story) -> None:
    story.journey("cart", entry() + STAGE, status="off")
    add(story, "02T10:00:00", "c1")
    world = story.run("02T12:00:00")
    assert told(world) == ["02T10:30:00.000 cart[c1].reminder off"]
    assert data_of(world)["channel"] is None


def test_a_message_goes_by_the_first_channel_that_is_open(story: Story) -> None:
    story.journey("cart", entry() + STAGE + OFFER)
    add(story, "02T10:00:00", "c1")
    story.identify("02T10:01:00", push_unsubscribed=True)
    story.identify("02T10:45:00", push_unsubscribed=False)
    world = story.run("02T12:00:00")
    assert [data_of(world, index)["channel"] for index in (0, 1)] == ["email", "push"]


def test_nothing_is_sent_after_all_channels_were_closed(story: Story) -> None:
    story.journey("cart", entry() + STAGE)
    add(story, "02T10:00:00", "c1")
    story.event("02T10:10:00", "Unsubscribed", channel="push")
    story.event("02T10:20:00", "Unsubscribed", channel="fax")
    story.event("02T10:29:59.999", "Unsubscribed")
    world = story.run("02T12:00:00")
    assert told(world) == ["02T10:30:00.000 cart[c1].reminder consent"]
    assert world.profiles[0]["closed_channels"] == ["email", "push"]


def test_a_ninth_instance_replaces_the_one_opened_first(story: Story) -> None:
    story.journey("cart", entry() + STAGE)
    for index in range(1, 10):
        add(story, f"02T10:00:0{index}", f"c{10 - index}")
    world = story.run("02T10:05:00")
    assert told(world) == ["02T10:00:09.000 cart[c9].reminder replaced"]
    assert world.counters["journeys"] == {
        "cart": {
            "entered": 9,
            "scheduled": 9,
            "sent": 0,
            "suppressed": {"replaced": 1},
            "pending": 8,
            "goals": 0,
        }
    }


@pytest.mark.parametrize(
    ("bought", "goals"),
    [("02T10:29:59.999", 0), ("02T10:30:00", 1), ("02T11:29:59.999", 1), ("02T11:30:00", 0)],
)
def test_a_goal_is_reached_within_its_time_of_the_trigger(
    story: Story, bought: str, goals: int
) -> None:
    story.journey("cart", entry() + STAGE + GOAL)
    add(story, "02T10:00:00", "c1")
    story.event("02T12:00:00", "Order Completed", at=bought, cart_id="c1")
    expected = ["02T12:00:00.000 cart[c1].reminder goal"] * goals
    assert told(story.run())[1:] == expected


def test_a_goal_is_reached_once_and_also_by_the_held_out(story: Story) -> None:
    story.journey("cart", entry() + STAGE + GOAL, holdout=1.0)
    add(story, "02T10:00:00", "c1")
    story.event("02T10:40:00", "Order Completed")
    story.event("02T10:41:00", "Order Completed")
    world = story.run()
    assert told(world)[1:] == ["02T10:40:00.000 cart[c1].reminder goal"]
    assert data_of(world, 1)["held_out"] is True


def test_an_entry_rule_sees_the_event_and_the_profile_just_after_it(story: Story) -> None:
    rule = 'when = "event.price >= 10 and cart_items == 2"\n'
    story.journey("cart", entry() + rule + STAGE)
    add(story, "02T10:00:00", "c1")
    add(story, "02T10:01:00", "c1", price=9.99)
    add(story, "02T10:02:00", "c2", quantity=2)
    assert told(story.run("02T12:00:00")) == ["02T10:32:00.000 cart[c2].reminder sent"]


def test_a_journey_with_a_key_is_not_entered_without_one(story: Story) -> None:
    story.journey("cart", entry() + STAGE)
    add(story, "02T10:00:00", None)
    assert story.run("02T12:00:00").decisions == []


def test_a_journey_opened_by_a_tag_starts_at_the_instant_of_the_tag(story: Story) -> None:
    story.tags('[intent]\ncart = "cart_items > 0"\n')
    story.journey("by_tag", '[entry]\ntag = "intent.cart"\n' + EXIT + STAGE)
    add(story, "02T10:00:00.500", "c1", at="02T09:00:00")
    add(story, "02T10:10:00", "c1")
    world = story.run("02T12:00:00")
    assert turned(world) == ["02T10:00:00.500 +intent", "02T10:00:00.500 +intent.cart"]
    assert told(world) == ["02T10:30:01.000 by_tag.reminder sent"]


def test_a_late_exit_ends_an_instance_that_was_entered_by_tag(story: Story) -> None:
    story.tags('[intent]\ncart = "cart_items > 0"\n')
    story.journey("by_tag", '[entry]\ntag = "intent.cart"\n' + EXIT + STAGE)
    add(story, "02T10:00:00", "c1")
    story.event("02T10:10:00", "Order Completed", at="02T09:00:00", cart_id="c2")
    assert told(story.run("02T12:00:00")) == ["02T10:10:00.000 by_tag.reminder exit"]
