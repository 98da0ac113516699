"""The kinds of value that stand in config files: durations, rules, names, numbers, choices."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct

from config.limits import (
    LIST_LENGTH_MAX,
    NAME_LENGTH_MAX,
    NUMBER_MAX,
    PATH_DEPTH_MAX,
    RULE_LENGTH_MAX,
    TEXT_BYTES_MAX,
    WEIGHT_MAX,
)

Schema = dict[str, Any]
"""A JSON Schema, or a part of one."""

ANY_NAME = "*"
"""As a key of a shape: stands for all keys that the shape does not name itself."""

UNWRITTEN = "-"
"""The key that tells shapes of a union apart for msgspec; files tell them by their other keys."""

CHOICES = "choices"
"""Where `choices_mean` keeps the meanings, for `config.json_schemas` to put in their places."""


class Shape(Struct, frozen=True, forbid_unknown_fields=True):
    """A table of a config file. Nothing is read by it: it declares what `config.tables` reads."""


def choices_mean(**meanings: str) -> Schema:
    """What each choice of a `Literal` means, in the order in which they are to be shown."""
    return {CHOICES: meanings}


NAME_PATTERN = rf"^[A-Za-z_][A-Za-z0-9_]{{0,{NAME_LENGTH_MAX - 1}}}$"
_PART = r"[^.]+"

Name = Annotated[str, Meta(title="name", pattern=NAME_PATTERN)]
Text = Annotated[str, Meta(title="text", min_length=1, max_length=TEXT_BYTES_MAX)]
EventName = Annotated[Text, Meta(title="event", examples=["Order Completed", "page"])]
Path = Annotated[
    Text,
    Meta(
        title="place in the message",
        pattern=rf"^{_PART}(\.{_PART}){{0,{PATH_DEPTH_MAX - 1}}}$",
        examples=["product_id", "shipping.method", "traits.country"],
    ),
]
Rule = Annotated[
    str,
    Meta(
        title="rule",
        max_length=RULE_LENGTH_MAX,
        pattern=r"\S",
        examples=["orders_total >= 2 and not tags.value.vip"],
    ),
]
Duration = Annotated[
    str, Meta(title="duration", pattern="^[0-9]{1,9}[smhd]$", examples=["30m", "24h", "7d"])
]
"""May be "0s"; `TimeSpan` may not."""

TimeSpan = Annotated[
    str,
    Meta(
        title="duration",
        pattern="^[0-9]*[1-9][0-9]*[smhd]$",
        max_length=10,
        examples=["30m", "24h", "7d"],
    ),
]
Number = Annotated[float, Meta(title="number", ge=-NUMBER_MAX, le=NUMBER_MAX)]
Share = Annotated[float, Meta(title="share", ge=0, le=1)]

_LIST = Meta(min_length=1, max_length=LIST_LENGTH_MAX, extra_json_schema={"uniqueItems": True})
Texts = Annotated[list[Text], _LIST, Meta(title="list of texts")]
EventNames = Annotated[list[EventName], _LIST, Meta(title="list of events")]
Weight = Annotated[
    int,
    Meta(title="weight", ge=-WEIGHT_MAX, le=WEIGHT_MAX, extra_json_schema={"not": {"const": 0}}),
]
Weights = Annotated[
    dict[EventName, Weight],
    Meta(title="events with weights", min_length=1, max_length=LIST_LENGTH_MAX),
]
Thresholds = Annotated[
    dict[Name, Number],
    Meta(
        title="numbers by name",
        max_length=LIST_LENGTH_MAX,
        description="The numbers to tune, by name; each is used by a rule of this file.",
    ),
]
