"""Loading a config folder: what the defaults hold, and what becomes of each setting."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from config.fields import field_names
from config.load import PACKAGED, load
from config.schema import Config, Feature, Field, Journey, Tag
from tests.config_folders import copy_defaults, edit, problems_of, write_minimal

DAY_MS = 86_400_000
HOUR_MS = 3_600_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return copy_defaults(tmp_path)


@pytest.fixture
def minimal(tmp_path: Path) -> Path:
    return write_minimal(tmp_path)


def feature(config: Config, name: str) -> Feature:
    (found,) = (one for one in config.features if one.name == name)
    return found


def tag(config: Config, name: str) -> Tag:
    (found,) = (one for one in config.tags if one.name == name)
    return found


def journey(config: Config, name: str) -> Journey:
    (found,) = (one for one in config.journeys if one.name == name)
    return found


def fields(config: Config, name: str) -> dict[str, Field]:
    (event,) = (event for event in config.events if event.name == name)
    return {field.name: field for field in event.fields}


def test_the_defaults_have_what_a_shop_needs() -> None:
    config = load()
    assert len(config.features) >= 24
    assert len({one.kind for one in config.features}) >= 8
    windows = {one.window_ms for one in config.features}
    assert min(windows - {0}) == HOUR_MS
    assert max(windows) == 365 * DAY_MS
    assert [(one.name, len(one.stages)) for one in config.journeys] == [
        ("abandoned_browse", 2),
        ("abandoned_cart", 2),
        ("abandoned_checkout", 2),
        ("post_purchase", 2),
        ("replenishment", 2),
        ("welcome", 2),
        ("win_back", 2),
    ]
    assert sum(one.rule is not None for one in config.tags) >= 12
    assert problems_of(PACKAGED) == ()


def test_the_defaults_keep_a_user_small() -> None:
    config = load()
    counts = [one for one in config.features if one.kind in ("count", "sessions") and one.window_ms]
    sums = [one for one in config.features if one.kind == "sum" and one.window_ms]
    assert sum(-(-one.window_ms // one.tile_ms) for one in counts) <= 220
    assert sum(-(-one.window_ms // one.tile_ms) for one in sums) <= 40


def test_the_defaults_know_the_events_of_segments_specs() -> None:
    names = {event.name for event in load().events}
    assert names >= {
        *("Products Searched", "Product List Viewed", "Product List Filtered", "Promotion Viewed"),
        *("Promotion Clicked", "Product Clicked", "Product Viewed", "Product Added"),
        *("Product Removed", "Cart Viewed", "Checkout Started", "Checkout Step Viewed"),
        *("Checkout Step Completed", "Payment Info Entered", "Order Updated", "Order Completed"),
        *("Order Refunded", "Order Cancelled", "Coupon Entered", "Coupon Applied", "Coupon Denied"),
        *("Coupon Removed", "Product Added to Wishlist", "Product Removed from Wishlist"),
        *("Wishlist Product Added to Cart", "Product Shared", "Cart Shared", "Product Reviewed"),
        *("Email Delivered", "Email Opened", "Email Link Clicked", "Email Bounced"),
        *("Email Marked as Spam", "Unsubscribed", "Push Notification Received"),
        *("Push Notification Tapped", "Push Notification Bounced", "identify", "page", "screen"),
    }


def test_a_copy_of_the_defaults_is_the_same_version(folder: Path) -> None:
    assert load(folder).version == load().version
    assert len(load().version) == 12


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("tags.toml", "at_risk_days      = 45", "at_risk_days      = 46"),
        ("journeys/win_back.toml", "priority = 40", "priority = 41"),
        ("features.toml", 'tile   = "5m"', 'tile   = "6m"'),
        ("shop.toml", "USD = 0.92", "USD = 0.93"),
        ("shop.toml", "strict ", "live_from = 2026-11-21T00:00:00Z\nstrict "),
    ],
)
def test_whatever_decides_changes_the_version(folder: Path, file: str, old: str, new: str) -> None:
    edit(folder, file, old, new)
    assert load(folder).version != load().version


def test_live_from_is_an_instant_with_a_zone(folder: Path) -> None:
    edit(folder, "shop.toml", "strict ", "live_from = 2026-11-21 01:00:00.5004+01:00\nstrict ")
    assert load(folder).shop.live_from_ms == 1_795_219_200_500


@pytest.mark.parametrize(
    ("value", "fix"),
    [
        ("2026-11-21", "write 2026-11-21T00:00:00Z"),
        ("2026-11-21T09:30:00", "write 2026-11-21T09:30:00Z"),
        ("1969-12-31T23:59:59Z", "write one such as 2026-11-21T00:00:00Z, without quotes"),
        ('"2026-11-21T00:00:00Z"', "write one such as 2026-11-21T00:00:00Z, without quotes"),
    ],
)
def test_live_from_as_anything_else_is_told_how_to_write_it(
    folder: Path, value: str, fix: str
) -> None:
    edit(folder, "shop.toml", "strict ", f"live_from = {value}\nstrict ")
    (problem,) = problems_of(folder)
    assert problem.message.startswith("expected a date and time with its zone, got ")
    assert (problem.path, problem.fix) == ("$.live_from", fix)


def test_comments_and_blanks_do_not_change_the_version(folder: Path) -> None:
    edit(folder, "tags.toml", "[value]\n", "\n# a comment\n[value]\n\n")
    assert load(folder).version == load().version


def test_a_path_is_below_properties_unless_it_says_otherwise(minimal: Path) -> None:
    (minimal / "events.toml").write_text(
        '[page]\nfields = { a = "a", b = "x.y", c = "traits.c", d = "properties.d", price = "p",'
        ' e = { path = "e", type = "flag" } }\nrequire = ["a", "price"]\n'
    )
    config = load(minimal)
    found = fields(config, "page")
    assert {name: field.path for name, field in found.items()} == {
        "a": ("properties", "a"),
        "b": ("properties", "x", "y"),
        "c": ("traits", "c"),
        "d": ("properties", "d"),
        "price": ("properties", "p"),
        "e": ("properties", "e"),
    }
    assert [found[name].type for name in "abcde"] == ["text", "text", "text", "text", "flag"]
    assert found["price"].type == "money"
    assert config.events[0].require == ("a", "price")


def test_an_event_with_lines_has_the_fields_of_its_lines() -> None:
    found = fields(load(), "Order Completed")
    lines = {name: (field.path, field.type) for name, field in found.items() if field.line}
    assert lines == {
        "item": (("product_id",), "text"),
        "price": (("price",), "money"),
        "quantity": (("quantity",), "number"),
        "category": (("category",), "text"),
    }
    assert found["lines"] == Field(name="lines", path=("properties", "products"), type="lines")


def test_an_events_own_field_stands_before_that_of_its_lines(minimal: Path) -> None:
    (minimal / "events.toml").write_text('[Sold]\nfields = { lines = "ls", item = "top" }\n')
    item = fields(load(minimal), "Sold")["item"]
    assert (item.line, item.path) == (False, ("properties", "top"))


def test_value_columns_are_the_fields_with_one_value_in_order_of_name() -> None:
    names = field_names(load().events)
    assert names == tuple(sorted(set(names)))
    assert {"amount", "item", "price", "traits.country", "traits.email_unsubscribed"} <= set(names)
    assert "lines" not in names


def test_identify_and_unsubscribed_are_always_known(minimal: Path) -> None:
    config = load(minimal)
    assert [event.name for event in config.events] == ["Product Viewed", "Unsubscribed", "identify"]
    assert fields(config, "Unsubscribed")["channel"].type == "text"


def test_unsubscribed_keeps_its_channel_when_the_file_gives_it_other_fields(minimal: Path) -> None:
    (minimal / "events.toml").write_text('[Unsubscribed]\nfields = { why = "reason" }\n')
    assert list(fields(load(minimal), "Unsubscribed")) == ["why", "channel"]


def test_a_message_type_is_known_and_added_when_a_feature_names_it(minimal: Path) -> None:
    (minimal / "features.toml").write_text('[visits]\nkind = "count"\nevents = ["page"]\n')
    config = load(minimal)
    assert config.events[-1].name == "page"
    assert config.events[-1].fields == ()


def test_a_trait_becomes_a_field_of_identify(minimal: Path) -> None:
    (minimal / "features.toml").write_text(
        '[age]\nkind = "last"\nof = "traits.age"\ntype = "number"\n'
        '[city]\nkind = "first"\nof = "traits.address.city"\n'
    )
    config = load(minimal)
    found = fields(config, "identify")
    assert found["traits.age"].type == "number"
    assert found["traits.address.city"].path == ("traits", "address", "city")
    assert [(one.value, one.events) for one in config.features] == [
        ("number", {"identify": 1}),
        ("text", {"identify": 1}),
    ]


def test_traits_that_close_channels_are_flags_of_identify(folder: Path) -> None:
    edit(folder, "features.toml", '"traits.country"', '"traits.push_unsubscribed"')
    edit(folder, "tags.toml", "[care]", '[care]\nno_push = "country == 1"')
    config = load(folder)
    assert fields(config, "identify")["traits.email_unsubscribed"].type == "flag"
    assert feature(config, "country").value == "number"


def test_weights_windows_and_tiles_are_as_written() -> None:
    config = load()
    spend = feature(config, "spend_365d")
    assert spend.events == {"Order Completed": 1, "Order Refunded": -1, "Order Cancelled": -1}
    assert (spend.window_ms, spend.tile_ms) == (365 * DAY_MS, 30 * DAY_MS)
    assert isinstance(spend.of, Field)
    assert (spend.of.name, spend.of.type) == ("amount", "money")
    assert feature(config, "views_24h").events == {"Product Viewed": 1}


def test_without_a_window_a_feature_counts_since_ever() -> None:
    orders = feature(load(), "orders_total")
    assert (orders.window_ms, orders.tile_ms) == (0, 0)


@pytest.mark.parametrize(
    ("window", "tile_ms"),
    [("1d", HOUR_MS), ("1h", 120_000), ("90m", 180_000), ("5m", 60_000), ("1m", 60_000)],
)
def test_a_tile_is_by_default_a_24th_of_the_window_in_whole_minutes(
    minimal: Path, window: str, tile_ms: int
) -> None:
    (minimal / "features.toml").write_text(
        f'[views]\nkind = "count"\nevents = ["Product Viewed"]\nwindow = "{window}"\n'
    )
    assert load(minimal).features[0].tile_ms == tile_ms


def test_each_kind_has_its_value() -> None:
    config = load()
    texts = {one.name for one in config.features if one.value == "text"}
    assert texts == {"top_category", "first_category", "last_category", "country"}
    assert feature(config, "recent_items").value == "texts"
    ratio = feature(config, "spend_per_order")
    assert [config.features[index].name for index in ratio.over] == ["spend_365d", "orders_365d"]
    assert feature(config, "sessions_30d").gap_ms == 1_800_000
    assert feature(config, "top_category").half_life_ms == 14 * DAY_MS
    assert feature(config, "usual_gap_days").of == "mean"


def test_groups_stand_before_their_tags_and_nest(minimal: Path) -> None:
    (minimal / "features.toml").write_text('[v]\nkind = "count"\nevents = ["Product Viewed"]\n')
    (minimal / "tags.toml").write_text(
        'top = "v > 9"\n[a]\npick = "first"\nx = "v > 1"\n'
        '[a.b]\ny = { when = "v > 2", keep = "2h" }\n'
        'z = "tags.a.b.y and tags.a.x and tags.top"\n[c]\nw = "tags.a"\n'
    )
    tags = load(minimal).tags
    assert [(one.name, one.parent) for one in tags] == [
        ("top", -1),
        ("a", -1),
        ("a.x", 1),
        ("a.b", 1),
        ("a.b.y", 3),
        ("a.b.z", 3),
        ("c", -1),
        ("c.w", 6),
    ]
    assert [one.pick_first for one in tags] == [False, True] + [False] * 6
    assert tags[4].keep_ms == 2 * HOUR_MS
    assert [one.name for one in tags if one.rule is None] == ["a", "a.b", "c"]
    assert tags[5].rule is not None
    assert tags[5].rule.tags == (0, 2, 4)


def test_a_threshold_stands_as_a_constant_in_its_rule() -> None:
    rule = tag(load(), "value.vip").rule
    assert rule is not None
    assert rule.constants == (500.0,)
    assert rule.comparisons[0].text == "spend_365d >= vip_spend"


def test_a_journey_is_as_its_file_says() -> None:
    config = load()
    cart = journey(config, "abandoned_cart")
    assert (cart.status, cart.purpose, cart.priority, cart.holdout) == (
        "live",
        "marketing",
        70,
        0.1,
    )
    assert (cart.channels, cart.reentry, cart.key) == (("push", "email"), "reset", "cart_id")
    assert (cart.entry_event, cart.entry_tag, cart.cooldown_ms) == (
        "Product Added",
        None,
        3 * DAY_MS,
    )
    assert cart.exit_events == ("Order Completed", "Checkout Started")
    assert cart.exit_when is not None
    assert cart.goal is not None
    assert (cart.goal.event, cart.goal.within_ms) == ("Order Completed", 3 * DAY_MS)
    assert [(one.name, one.after_ms, one.ttl_ms, one.send) for one in cart.stages] == [
        ("reminder", 1_800_000, 2 * HOUR_MS, "cart_reminder"),
        ("offer", 24 * HOUR_MS, 12 * HOUR_MS, "cart_offer"),
    ]


def test_a_journey_by_tag_names_the_tag_by_its_place() -> None:
    config = load()
    win_back = journey(config, "win_back")
    assert win_back.entry_event is None
    assert win_back.entry_tag is not None
    assert config.tags[win_back.entry_tag].name == "lifecycle.at_risk"


def test_stages_are_sorted_by_after_and_journeys_by_name(folder: Path) -> None:
    edit(folder, "journeys/abandoned_cart.toml", 'after = "30m"', 'after = "25h"')
    (folder / "journeys/win_back.toml").rename(folder / "journeys/a_win_back.toml")
    config = load(folder)
    names = [one.name for one in config.journeys]
    assert names[0] == "a_win_back"
    assert names == sorted(names)
    stages = journey(config, "abandoned_cart").stages
    assert [one.name for one in stages] == ["offer", "reminder"]


def test_an_entry_rule_sees_the_columns_of_the_entry_event(folder: Path) -> None:
    edit(
        folder,
        "journeys/abandoned_cart.toml",
        'key      = "cart_id"',
        'key = "cart_id"\nwhen = "event.price > 5 and event.category != \'gift\'"',
    )
    config = load(folder)
    rule = journey(config, "abandoned_cart").entry_when
    assert rule is not None
    names = field_names(config.events)
    events = [names[operand] for opcode, operand in rule.code if opcode == 4]
    assert events == ["price", "category"]


def test_a_folder_without_journeys_is_enough(minimal: Path) -> None:
    assert load(minimal).journeys == ()


def test_files_may_begin_with_a_byte_order_mark_and_end_lines_as_windows_does(
    minimal: Path,
) -> None:
    (minimal / "shop.toml").write_bytes(b'\xef\xbb\xbfcurrency = "EUR"\r\nzone = "UTC"\r\n')
    assert load(minimal).shop.zone == "UTC"


def test_other_files_of_the_folder_are_left_alone(minimal: Path) -> None:
    (minimal / "README.md").write_text("notes")
    (minimal / ".tags.toml.swp").write_bytes(b"\0")
    (minimal / ".#tags.toml").write_bytes(b"\0")
    (minimal / "journeys").mkdir()
    (minimal / "journeys" / "notes.txt").write_text("notes")
    assert load(minimal).journeys == ()


def test_every_default_file_is_plain_toml_of_lines_that_fit_a_screen() -> None:
    for path in PACKAGED.rglob("*.toml"):
        text = path.read_text("utf-8")
        tomllib.loads(text)
        assert max(map(len, text.split("\n"))) <= 120, path
