"""Hand-computed stories of what is not sent after all: too late, or from before going live."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.running import RUNNERS
from tests.story import SHOP, Story, open_story, told
from tests.test_stories_journeys import GOAL, OFFER, STAGE, add, data_of, entry


@pytest.fixture(params=RUNNERS)
def story(request: pytest.FixtureRequest, tmp_path: Path) -> Story:
    """A story without any journey yet."""
    return open_story(tmp_path, request.param)


REMINDED = "02T10:30:00.000 cart[c1].reminder sent"
TOO_LATE = "02T10:30:00 cart[c1].reminder too_late"


def test_a_withheld_trigger_leaves_its_cooldown_free(story: Story) -> None:
    story.journey("cart", entry(cooldown="3d") + STAGE)
    add(story, "02T10:00:00", "c1")
    story.withheld("02T13:00:00", "02T10:30:00", "reminder")
    add(story, "02T14:00:00", "c2")
    world = story.run("02T16:00:00")
    assert told(world) == [REMINDED, TOO_LATE, "02T14:30:00.000 cart[c2].reminder sent"]
    assert world.counters["journeys"] == {
        "cart": {
            "entered": 2,
            "scheduled": 2,
            "sent": 1,
            "suppressed": {"too_late": 1},
            "pending": 0,
            "goals": 0,
        }
    }


@pytest.mark.parametrize(("added", "outcome"), [("11:50", "cooldown"), ("12:01", "sent")])
def test_the_stage_before_one_that_was_withheld_keeps_its_cooldown(
    story: Story, added: str, outcome: str
) -> None:
    story.journey("cart", entry(cooldown="2h") + STAGE + OFFER)
    add(story, "02T10:00:00", "c1")
    story.withheld("02T11:45:00", "02T11:00:00", "offer")
    add(story, f"02T{added}:00", "c2")
    assert told(story.run("02T12:45:00"))[3].endswith(f"cart[c2].reminder {outcome}")


@pytest.mark.parametrize(("cooldown", "outcome"), [("45m", "sent"), ("46m", "cooldown")])
def test_an_instance_under_way_counts_from_the_stage_before(
    story: Story, cooldown: str, outcome: str
) -> None:
    story.journey("cart", entry(cooldown=cooldown) + STAGE + OFFER)
    add(story, "02T10:00:00", "c1")
    add(story, "02T10:45:00", "c2")
    story.withheld("02T11:05:00", "02T11:00:00", "offer")
    assert told(story.run("02T11:20:00"))[3] == f"02T11:15:00.000 cart[c2].reminder {outcome}"


def test_two_stages_that_were_withheld_leave_nothing_to_cool_down(story: Story) -> None:
    story.journey("cart", entry(cooldown="3d") + STAGE + OFFER)
    add(story, "02T10:00:00", "c1")
    story.withheld("02T15:00:00", "02T10:30:00", "reminder")
    story.withheld("02T15:00:00", "02T11:00:00", "offer")
    add(story, "02T16:00:00", "c2")
    assert told(story.run("02T16:30:00"))[4:] == ["02T16:30:00.000 cart[c2].reminder sent"]


def test_what_is_due_up_to_a_withheld_record_is_decided_before_it(story: Story) -> None:
    story.journey("cart", entry(cooldown="3d") + STAGE)
    add(story, "02T10:00:00", "c1")
    for minute in ("10", "30"):
        add(story, f"02T11:{minute}:00", f"c{minute}")
    story.withheld("02T11:40:00", "02T10:30:00", "reminder")
    assert told(story.run("02T12:30:00")) == [
        REMINDED,
        "02T11:40:00.000 cart[c10].reminder cooldown",
        TOO_LATE,
        "02T12:00:00.000 cart[c30].reminder sent",
    ]


def test_no_goal_is_credited_to_a_withheld_trigger(story: Story) -> None:
    story.journey("cart", entry() + STAGE + GOAL)
    add(story, "02T10:00:00", "c1")
    story.withheld("02T10:40:00", "02T10:30:00", "reminder")
    story.event("02T10:41:00", "Order Completed", cart_id="c1")
    assert told(story.run()) == [REMINDED, TOO_LATE]


def test_a_profile_says_of_a_withheld_trigger_that_it_was_too_late(story: Story) -> None:
    story.journey("cart", entry() + STAGE)
    add(story, "02T10:00:00", "c1")
    story.withheld("02T13:00:00", "02T10:30:00", "reminder")
    assert story.run().profiles[0]["triggers"] == [
        {
            "journey": "cart",
            "stage": "reminder",
            "at": "2026-03-02T10:30:00.000Z",
            "outcome": "too_late",
        }
    ]


def test_the_same_record_twice_has_the_effect_of_one(story: Story) -> None:
    story.journey("cart", entry(cooldown="1h") + STAGE)
    add(story, "02T10:00:00", "c1")
    story.withheld("02T13:00:00", "02T10:30:00", "reminder")
    add(story, "02T13:00:00", "c2")
    add(story, "02T13:10:00", "c3")
    story.withheld("02T13:35:00", "02T10:30:00", "reminder")
    world = story.run("02T14:00:00")
    assert [line.split()[-1] for line in told(world)] == ["sent", "too_late", "sent", "cooldown"]


@pytest.mark.parametrize(
    ("received", "at", "more"),
    [
        ("02T13:00:00", "02T10:30:00.001", {}),
        ("02T10:30:00", "02T10:30:00", {}),
        ("02T13:00:00", "02T10:30:00", {"user": "bob"}),
        ("02T13:00:00", "02T10:30:00", {"journey": "card"}),
    ],
)
def test_a_record_about_no_trigger_that_is_known_is_passed_over(
    story: Story, received: str, at: str, more: dict[str, str]
) -> None:
    story.journey("cart", entry(cooldown="3d") + STAGE)
    add(story, "02T10:00:00", "c1")
    story.withheld(received, at, "reminder", **more)
    add(story, "02T14:00:00", "c2")
    assert told(story.run("02T16:00:00")) == [
        REMINDED,
        "02T14:30:00.000 cart[c2].reminder cooldown",
    ]


@pytest.mark.parametrize(("status", "holdout"), [("live", 1.0), ("shadow", 0.0)])
def test_what_was_never_to_be_sent_is_not_withheld(
    story: Story, status: str, holdout: float
) -> None:
    story.journey("cart", entry(cooldown="3d") + STAGE, status=status, holdout=holdout)
    add(story, "02T10:00:00", "c1")
    story.withheld("02T13:00:00", "02T10:30:00", "reminder")
    add(story, "02T14:00:00", "c2")
    world = story.run("02T16:00:00")
    assert told(world)[1:] == ["02T14:30:00.000 cart[c2].reminder cooldown"]


def test_stages_due_before_the_shop_is_live_are_not_sent_and_count_for_nothing(
    story: Story,
) -> None:
    shop = story.directory / "shop.toml"
    shop.write_text(f"live_from = 2026-03-02T10:30:01Z\n{SHOP}")
    story.journey("cart", entry(cooldown="3d") + STAGE + OFFER)
    add(story, "02T10:00:00", "c1")
    add(story, "02T10:00:00.001", "c2")
    world = story.run("02T10:40:00")
    assert told(world) == [
        "02T10:30:00.000 cart[c1].reminder before_live",
        "02T10:30:01.000 cart[c2].reminder sent",
    ]
    assert data_of(world)["channel"] is None


def test_a_late_event_s_stage_is_before_live_by_its_deadline(story: Story) -> None:
    shop = story.directory / "shop.toml"
    shop.write_text(f"live_from = 2026-03-02T12:00:00+01:00\n{SHOP}")
    story.journey("cart", entry() + STAGE)
    add(story, "02T14:00:00", "c1", at="02T10:00:00")
    add(story, "02T14:00:00", "c2", at="02T10:30:00")
    outcomes = [line.split()[-1] for line in told(story.run())]
    assert outcomes == ["before_live", "expired"]
