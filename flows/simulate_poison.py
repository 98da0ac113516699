"""Broken messages of every kind: each function takes a good line and returns one that is unusable.

Named after the reason of the dead letter that must come of it.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

TOO_LARGE_CHARACTERS = 66_000
TOO_DEEP_LEVELS = 40


def too_large(line: str) -> str:
    """A record of more than 65,536 bytes."""
    return _changed(line, context={"note": "x" * TOO_LARGE_CHARACTERS})


def bad_utf8(line: str) -> str:
    """A byte that is no UTF-8 (written as a lone surrogate, see `Messages.render`)."""
    return line.replace('"type":"', '"note":"\udcff","type":"', 1)


def bad_json(line: str) -> str:
    """A message that was cut off."""
    return line[: len(line) * 2 // 3]


def not_a_number(line: str) -> str:
    """NaN, which JSON does not know."""
    return line.replace('{"type":', '{"score":NaN,"type":', 1)


def too_deep(line: str) -> str:
    """More levels than anybody needs."""
    nested = "[" * TOO_DEEP_LEVELS + "]" * TOO_DEEP_LEVELS
    return line.replace('{"type":', f'{{"trail":{nested},"type":', 1)


def not_an_object(line: str) -> str:
    """A message in a list."""
    return f"[{line}]"


def wrong_type(line: str) -> str:
    """A price that is text."""
    properties = {"product_id": "p1", "price": "19.90", "currency": "EUR"}
    return _changed(line, type="track", event="Product Viewed", properties=properties)


def unknown_type(line: str) -> str:
    """A misspelt type."""
    return line.replace('"type":"', '"type":"un', 1)


def bad_control(line: str) -> str:
    """A control record of no kind that there is."""
    return _changed(line, type="beckon.control", control="tock")


def missing_id(line: str) -> str:
    """Nobody's event."""
    return _changed(line, userId=None, anonymousId="")


def missing_message_id(line: str) -> str:
    """An event that could not be told from its duplicate."""
    return _changed(line, messageId=None)


def no_timestamp(line: str) -> str:
    """A time that is none."""
    return _changed(line, timestamp="yesterday at noon")


def future(line: str) -> str:
    """An event of the next century."""
    return _changed(line, timestamp="2150-01-01T00:00:00.000Z")


def number_too_large(line: str) -> str:
    """A quantity beyond what a number can count exactly."""
    properties = {"product_id": "p1", "quantity": 10**17}
    return _changed(line, type="track", event="Product Added", properties=properties)


def missing_field(line: str) -> str:
    """A look at nothing."""
    return _changed(line, type="track", event="Product Viewed", properties={})


def unknown_currency(line: str) -> str:
    """Money that no table of rates knows (XTS is ISO 4217's code for tests)."""
    properties = {"order_id": "o", "total": 10, "currency": "XTS"}
    return _changed(line, type="track", event="Order Completed", properties=properties)


POISONS: tuple[Callable[[str], str], ...] = (
    *(too_large, bad_utf8, bad_json, not_a_number, too_deep, not_an_object, wrong_type),
    *(unknown_type, bad_control, missing_id, missing_message_id, no_timestamp, future),
    *(number_too_large, missing_field, unknown_currency),
)


def _changed(line: str, **changes: object) -> str:
    message = msgspec.json.decode(line, type=dict[str, object])
    return msgspec.json.encode(message | changes).decode()
