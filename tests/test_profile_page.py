"""The page of a profile: words, times and money as the shop says them."""

from __future__ import annotations

import json
from typing import Any

from msgspec.structs import replace

from config.load import load
from flows.audience_page import ROWS_SHOWN, count_sentence, first_rows
from flows.feature_words import in_words, subject
from flows.lookup import Audience
from flows.plain_text import columns, folded
from flows.profile_page import profile_page
from tests.conftest import ROOT

CONFIG = load()
FEATURES = {feature.name: feature for feature in CONFIG.features}
PROFILE: dict[str, Any] = {
    "user": "u000004711",
    "at": "2026-01-14T12:50:02.000Z",
    "features": {
        "country": "DE",
        "views_1h": 0,
        "views_30d": 41,
        "recent_items": ["p1", "p2"],
        "cart_value": 64.9,
        "cart_items": 3,
        "spend_365d": 1312.4,
        "days_since_order": 1,
        "order_gap_days": 34.5,
    },
    "tags": {"intent": "2026-01-02T09:00:00.000Z", "intent.cart": "2026-01-14T12:32:10.000Z"},
    "instances": [
        {
            "journey": "abandoned_cart",
            "key": "c4711-2",
            "entry": "2026-01-14T12:32:10.000Z",
            "stage": "reminder",
            "due": "2026-01-14T13:02:10.000Z",
        }
    ],
    "triggers": [
        {
            "journey": "win_back",
            "stage": "offer",
            "at": "2025-12-31T22:30:00.000Z",
            "outcome": "sent",
        }
    ],
    "closed_channels": ["email"],
}


def page(**changed: object) -> list[str]:
    return profile_page(json.dumps(PROFILE | changed).encode(), CONFIG)


def test_a_message_that_was_withheld_is_told_as_such() -> None:
    (trigger,) = PROFILE["triggers"]
    told = page(triggers=[trigger | {"outcome": "too_late"}])
    assert (
        "  win_back                 offer withheld as too late 31 Dec 2025 23:30, 13 days"
    ) in told


def test_a_page_reads_as_one_would_tell_it() -> None:
    assert page() == [
        "u000004711",
        "as of Wed 14 Jan 2026, 13:50:02, Europe/Berlin",
        "channels open: push; closed: email",
        "",
        "Tags",
        "  intent.cart              since 13:32, 17 min",
        "",
        "Journeys under way",
        "  abandoned_cart, cart c4711-2",
        "    reminder due 14:02:10, in 12 min; entered 13:32",
        "",
        "Last triggers",
        "  win_back                 offer sent 31 Dec 2025 23:30, 13 days ago",
        "",
        "Person",
        "  country                  DE",
        "",
        "Browsing",
        "  views_30d                41             recent_items             p1, p2",
        "  0: views_1h",
        "",
        "Cart",
        "  cart_value               64.90 EUR      cart_items               3",
        "",
        "Orders",
        "  spend_365d               1,312.40 EUR   days_since_order         1 day",
        "  order_gap_days           34.5 days",
    ]


def test_the_page_in_the_docs_is_this_page() -> None:
    shown = "\n".join(f"    {line}".rstrip() for line in page())
    assert f"\n{shown}\n" in (ROOT / "docs" / "operations.md").read_text()


def test_of_a_user_of_whom_nothing_is_known_the_page_says_so() -> None:
    nothing = page(features={}, tags={}, instances=[], triggers=[], closed_channels=[])
    assert nothing[2] == "channels open: email, push"
    assert nothing.count("  none") == 3
    assert "Browsing" not in nothing


def test_the_stage_that_is_due_first_stands_first_and_a_journey_in_shadow_says_so() -> None:
    (running,) = PROFILE["instances"]
    later = running | {"journey": "win_back", "key": None, "due": "2026-01-15T08:00:00.000Z"}
    journeys = tuple(
        replace(journey, status="shadow" if journey.name == "win_back" else "live")
        for journey in CONFIG.journeys
    )
    line = json.dumps(PROFILE | {"instances": [later, running]}).encode()
    lines = profile_page(line, replace(CONFIG, journeys=journeys))
    first = lines.index("  abandoned_cart, cart c4711-2")
    assert lines[first + 2] == "  win_back (shadow)"
    assert lines[first + 3].startswith("    reminder due 15 Jan 09:00:00, in 19 h; entered 13:32")


def test_features_are_told_with_their_units() -> None:
    words: dict[tuple[str, float | str | None], str] = {
        ("cart_value", 64.9): "64.90 EUR",
        ("spend_365d", -5.0): "-5.00 EUR",
        ("spend_per_order", 31.2): "31.20 EUR",
        ("refund_share", 1 / 3): "0.333",
        ("orders_total", 12_000.0): "12,000",
        ("days_since_order", 0.0): "today",
        ("days_since_order", 12.0): "12 days",
        ("order_gap_days", 0.0): "0 days",
        ("usual_gap_days", 7.25): "7.2 days",
        ("country", "D\nE"): "D\\nE",
        ("views_1h", None): "beyond all numbers",
    }
    for (name, value), expected in words.items():
        assert in_words(CONFIG, FEATURES[name], value) == expected
    varies = replace(FEATURES["usual_gap_days"], of="variation")
    assert in_words(CONFIG, varies, 0.5) == "0.5"
    yen = replace(CONFIG, shop=replace(CONFIG.shop, currency="JPY"))
    assert in_words(yen, FEATURES["spend_365d"], 1200.0) == "1,200 JPY"


def test_every_default_feature_is_about_something() -> None:
    assert {subject(CONFIG, feature) for feature in CONFIG.profile_features} == {
        *("person", "browsing", "cart", "orders", "messages")
    }


def test_no_line_is_wider_than_a_terminal_whatever_it_says() -> None:
    wide = "東京" * 40
    lines = page(user=wide, features=PROFILE["features"] | {"country": wide, "top_category": wide})
    assert max(map(columns, lines)) <= 80
    assert "".join(lines[:3]).startswith(wide[:40])
    for text in ("a" * 200, "ab " * 70, wide, " " * 90):
        parts = folded(text, indent=6)
        assert all(columns(part) <= 80 for part in parts)
        assert "".join(parts).replace(" ", "") == text.replace(" ", "")


def test_an_audience_says_how_many_there_are_and_shows_the_first() -> None:
    at_ms = 1_768_395_002_000
    holders = [(f"u{number:03}".encode(), at_ms - 60_000 * number) for number in range(25)]
    audience = Audience(holders=holders, clock_ms=at_ms)
    rows = first_rows(audience, "Europe/Berlin")
    assert len(rows) == ROWS_SHOWN
    assert rows[3].split() == ["u003", "since", "13:47,", "3", "min"]
    sentence = count_sentence(audience, "intent", "Europe/Berlin", shown=True)
    assert sentence.startswith("25 users hold intent as of Wed 14 Jan 2026, 13:50:02, Europe/Berl")
    assert sentence.endswith("These are the first 20; --out FILE writes them all.")
    one = replace(audience, holders=holders[:1])
    assert count_sentence(one, "intent", "UTC", shown=True).startswith("1 user holds intent as of")
    assert first_rows(replace(audience, holders=[]), "UTC") == []
