"""What to write for a key or table that is missing: the fixes that name an example."""

from __future__ import annotations

from collections.abc import Mapping

KEY_EXAMPLES: Mapping[str, str] = {
    "currency": '"EUR"',
    "zone": '"Europe/Berlin"',
    "path": '"rating"',
    "of": '"amount"',
    "events": '["Order Completed"]',
    "purpose": '"marketing"',
    "channels": '["email"]',
    "send": '"cart_reminder"',
    "after": '"30m"',
    "ttl": '"2h"',
    "event": '"Order Completed"',
    "within": '"3d"',
    "half_life": '"14d"',
    "keep": "5",
    "when": '"orders_total > 0"',
    "outcome": '["Order Completed"]',
    "default": "0.2",
    "prior": "10",
}
TABLE_EXAMPLES: Mapping[str, str] = {
    "entry": '[entry] with event = "Product Added"',
    "stage": '[stage.reminder] with after = "30m", send = "cart_reminder" and ttl = "2h"',
}


def fix_missing(key: str, example: str | None = None) -> str:
    """How to add a key or table that must be there.

    >>> print(fix_missing("ttl"))
    add it, such as ttl = "2h"
    """
    if key in TABLE_EXAMPLES:
        return f"add {TABLE_EXAMPLES[key]}"
    return f"add it, such as {key} = {example or KEY_EXAMPLES[key]}"
