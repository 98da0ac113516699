"""Features as a person reads them: what they are about, and their values with units."""

from __future__ import annotations

from config.places import printable
from config.schema import Config, Feature, Field

SUBJECTS = (
    ("messages", ("Email ", "Push ", "SMS ", "Unsubscribed")),
    ("orders", ("Order ",)),
    ("cart", ("Product Added", "Product Removed", "Cart ", "Checkout ", "Payment ", "Coupon ")),
    ("browsing", ("Product", "Promotion ", "page", "screen", "Wishlist ")),
    ("person", ("identify", "group", "alias", "Signed ")),
)
"""What events are about, by how their names begin: those of Segment's specs."""

OTHER = "other"
ORDER = ("person", "browsing", "cart", "orders", "messages", OTHER)
TIMES = ("days_since", "gap")
Value = float | str | list[str] | None


def subject(config: Config, feature: Feature) -> str:
    """What a feature is about: one of ORDER, told by the first event that it reads."""
    if feature.kind == "cart":
        return "cart"
    if feature.kind == "ratio":
        return subject(config, config.features[feature.over[0]])
    if isinstance(feature.of, Field) and feature.of.path[0] == "traits":
        return "person"
    first = next(iter(feature.events), "")
    for about, beginnings in SUBJECTS:
        if first.startswith(beginnings):
            return about
    return OTHER


def in_words(config: Config, feature: Feature, value: Value) -> str:
    """A value as it is read: money with its currency, days as days, counts as whole numbers."""
    if value is None:
        return "beyond all numbers"
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, list):
        return ", ".join(map(printable, value))
    if feature.kind in TIMES and feature.of != "variation":
        return _days(value, since=feature.kind == "days_since")
    if _is_money(config, feature):
        return f"{value:,.{config.shop.minor_digits}f} {config.shop.currency}"
    if isinstance(feature.of, Field) and feature.of.type == "flag":
        return "yes" if value else "no"
    if value == int(value):
        return f"{value:,.0f}"
    return f"{value:,.2f}" if abs(value) >= 1 else f"{value:.3g}"


def is_nothing(feature: Feature, value: Value) -> bool:
    """Whether a value says no more than that nothing happened."""
    return value == 0 and feature.kind not in TIMES


def _days(value: float, *, since: bool) -> str:
    if since and value == 0:
        return "today"
    number = f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"
    return f"{number} day" if number == "1" else f"{number} days"


def _is_money(config: Config, feature: Feature) -> bool:
    if feature.kind == "ratio":
        above, below = (config.features[index] for index in feature.over)
        return _is_money(config, above) and not _is_money(config, below)
    if feature.kind == "cart":
        return feature.of == "value"
    return isinstance(feature.of, Field) and feature.of.type == "money"
