"""Hand-computed stories of the log's clock: records out of order, silences beyond windows."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.running import RUNNERS
from tests.story import Story, features, open_story, told
from tests.test_stories import CART

WINDOW = 'window = "10m"\ntile = "1m"'


@pytest.fixture(params=RUNNERS)
def story(request: pytest.FixtureRequest, tmp_path: Path) -> Story:
    """A story with a reminder half an hour after the last product went into a cart."""
    story = open_story(tmp_path, request.param)
    story.journey("cart", CART)
    return story


def test_what_a_file_holds_behind_a_later_record_was_not_known_before_it(story: Story) -> None:
    story.event("02T10:00:00", "Product Added", product_id="a", cart_id="c1")
    story.event("02T10:30:00", "Email Opened", user="bob")
    story.event("02T10:29:59", "Order Completed", cart_id="c1")
    assert told(story.run("02T12:00:00")) == ["02T10:30:00.000 cart[c1].reminder sent"]


@pytest.mark.parametrize("minutes", range(10, 60, 7))
def test_after_a_silence_longer_than_its_window_a_count_starts_from_nothing(
    story: Story, minutes: int
) -> None:
    story.feature("views", f'kind = "count"\nevents = ["Product Viewed"]\n{WINDOW}')
    story.feature("sum", f'kind = "sum"\nof = "price"\nevents = ["Product Viewed"]\n{WINDOW}')
    story.event("02T10:00:00", "Product Viewed", product_id="a", price=1)
    story.event(f"02T11:{minutes}:00", "Product Viewed", product_id="a", price=1)
    assert (features(story.run())["views"], features(story.run())["sum"]) == (1.0, 1.0)
