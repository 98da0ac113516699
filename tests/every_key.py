"""A config folder that uses every key of the language, and every choice of the shapes of tables."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from pathlib import Path

from tests.world_configs import Table, write

EVENTS: Table = {"Order Completed": 1, "Order Refunded": -1}
TRAIT: Table = {"of": "traits.country"}
NUMBER_TRAIT: Table = {"of": "traits.visits", "type": "number"}
WINDOW: Table = {"window": "30d", "tile": "2d"}

FEATURES: Table = {
    "orders": {"kind": "count", "events": ["Order Completed"]},
    "orders_30d": {"kind": "count", "events": EVENTS, **WINDOW},
    "spend": {"kind": "sum", "of": "amount", "events": EVENTS, **WINDOW},
    "visits": {"kind": "sum", **NUMBER_TRAIT, **WINDOW},
    "items": {"kind": "distinct", "of": "item", "events": ["Product Added"], **WINDOW},
    "countries": {"kind": "distinct", **TRAIT, "type": "text", **WINDOW},
    "days_since_order": {"kind": "days_since", "events": ["Order Completed"]},
    "last_item": {"kind": "last", "of": "item", "events": ["Product Added"]},
    "country": {"kind": "last", **TRAIT, "type": "text"},
    "first_item": {"kind": "first", "of": "item", "events": ["Product Added"]},
    "first_country": {"kind": "first", **TRAIT, "type": "text"},
    "spend_per_order": {"kind": "ratio", "of": ["spend", "orders"]},
    "gap_days": {"kind": "gap", "of": "last", "events": ["Order Completed"]},
    "usual_gap_days": {"kind": "gap", "of": "mean", "events": ["Order Completed"]},
    "gap_variation": {"kind": "gap", "of": "variation", "events": ["Order Completed"]},
    "cart_value": {"kind": "cart", "of": "value"},
    "top_item": {
        "kind": "affinity",
        "of": "item",
        "events": ["Product Added"],
        "half_life": "14d",
        "keep": 3,
    },
    "top_country": {"kind": "affinity", **TRAIT, "type": "text", "half_life": "1m", "keep": 8},
    "sessions": {"kind": "sessions", "events": ["page", "Product Added"], "gap": "30m", **WINDOW},
    "recent_items": {"kind": "recent", "of": "item", "events": ["Product Added"], "keep": 16},
    "recent_countries": {"kind": "recent", **TRAIT, "type": "text", "keep": 1},
}
FILES: dict[str, Table] = {
    "shop.toml": {
        "currency": "EUR",
        "zone": "Europe/Berlin",
        "strict": True,
        "live_from": datetime(2026, 11, 21, tzinfo=UTC),
        "rates": {"USD": 0.92, "JPY": 1},
        "channels": {"email": "email_unsubscribed", "push": "settings.no_push"},
        "vocabulary": {"order_paid": "Order Completed"},
    },
    "events.toml": {
        "Product Added": {
            "fields": {
                "item": "product_id",
                "cart_id": "cart_id",
                "rating": {"path": "review.rating", "type": "number"},
                "shop": {"path": "shop"},
            },
            "require": ["item", "cart_id"],
        },
        "Order Completed": {"fields": {"amount": "total", "lines": "products"}},
        "Order Refunded": {"fields": {"amount": "total"}},
        "Wishlist Viewed": {},
        "Email Opened": {"fields": {"trigger": "trigger_id"}},
        "Email Link Clicked": {"fields": {"trigger": "trigger_id"}},
    },
    "features.toml": FEATURES,
    "tags.toml": {
        "thresholds": {"many": 3, "share": -0.5},
        "buyer": "orders > 0",
        "regular": {"when": "orders_30d >= many", "keep": "2d"},
        "value": {
            "pick": "first",
            "vip": "spend > 500 or spend_per_order > share",
            "more": {"pick": "all", "big": {"when": "cart_value > 50"}},
        },
    },
    "models.toml": {
        "thresholds": {"least": 1},
        "terms": {"recency": "log1p(days_since_order)", "many": "orders - least"},
        "set": {
            "rates": {"terms": ["recency"], "prior": 10},
            "slopes": {"adds_to": "rates", "terms": ["many"], "prior": 30},
        },
        "model": {
            "purchase": {
                "about": "Orders again.",
                "outcome": ["Order Completed"],
                "within": "30d",
                "eligible": "orders >= least",
                "every": "7d",
                "default": 0.2,
                "sets": ["rates", "slopes"],
                "memory": 5000,
                "drift": "faster",
                "calibrate": True,
            },
            "churn": {"about": "Orders no more.", "complement": "purchase"},
            "response": {
                "outcome": ["Email Opened", "Email Link Clicked"],
                "within": "3d",
                "channel": "email",
                "default": 0,
                "sets": ["rates"],
            },
        },
    },
    "journeys/cart.toml": {
        "about": "Reminds of a cart.",
        "status": "live",
        "purpose": "marketing",
        "channels": ["push", "email"],
        "priority": -10,
        "holdout": 0.1,
        "thresholds": {"least": 20},
        "entry": {
            "event": "Product Added",
            "key": "cart_id",
            "when": "has(event.item)",
            "reentry": "reset",
            "cooldown": "3d",
        },
        "exit": {"events": ["Order Completed"], "when": "cart_value < least"},
        "stage": {
            "one": {"after": "0s", "when": "orders > 0", "send": "first", "ttl": "2h"},
            "two": {"after": "30m", "send": "second", "ttl": "1s"},
        },
        "goal": {"event": "Order Completed", "within": "3d"},
    },
    "journeys/vip.toml": {
        "status": "shadow",
        "purpose": "service",
        "channels": ["email"],
        "entry": {"tag": "value.vip"},
        "stage": {"thanks": {"after": "1d", "send": "thanks", "ttl": "1d"}},
    },
}


def every_key() -> dict[str, Table]:
    """The files, to be changed at will."""
    return copy.deepcopy(FILES)


def write_files(files: dict[str, Table], directory: Path) -> Path:
    """Write the files as a config folder."""
    (directory / "journeys").mkdir(parents=True, exist_ok=True)
    for name, table in files.items():
        write(directory / name, table)
    return directory
