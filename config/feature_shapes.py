"""What features.toml may hold: the keys of each kind of feature."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

from config.limits import AFFINITY_KEEP_MAX, FEATURES_MAX, RECENT_KEEP_MAX
from config.shape_values import (
    ANY_NAME,
    EventNames,
    Name,
    Schema,
    Shape,
    Text,
    TimeSpan,
    Weights,
    choices_mean,
)

Window = Annotated[
    TimeSpan,
    Meta(
        description="How far back, by event time, from 1m to 366d; without it since ever.",
        examples=["1h", "30d"],
    ),
]
Tile = Annotated[
    TimeSpan,
    Meta(
        description="Accuracy: a value leaves the window at most this late; from 1m, at most 400 "
        "in a window, without it a 24th of the window.",
        examples=["5m", "1d"],
    ),
]
Events = Annotated[EventNames, Meta(description="The events that it is made from.")]
WeightedEvents = Annotated[
    EventNames | Weights,
    Meta(
        description="The events that count, each as 1, or each with a weight of its own, which "
        'may be negative: `{ "Order Completed" = 1, "Order Refunded" = -1 }`.'
    ),
]
Of = Annotated[
    Text,
    Meta(
        title="field or trait",
        description="What is read: a field of events.toml that all `events` have, or a trait, "
        "such as `traits.country`, which has no `events`.",
        examples=["amount", "category", "traits.country"],
    ),
]
TraitType = Annotated[
    Literal["text", "number", "money", "flag"],
    Meta(
        description="Of a trait only: what it is; without it text, or as where it was read before."
    ),
]


class Kind(Shape, frozen=True, tag_field="kind"):
    """What all features have: the kind, which decides about the other keys."""


class WindowedKind(Kind, frozen=True, kw_only=True):
    """A kind that may look back over a window only."""

    window: Window | UnsetType = UNSET
    tile: Tile | UnsetType = UNSET


class Count(WindowedKind, frozen=True, kw_only=True, tag="count"):
    """How many events."""

    events: WeightedEvents


class Sum(WindowedKind, frozen=True, kw_only=True, tag="sum"):
    """A number or an amount of money, added up."""

    of: Of
    events: WeightedEvents | UnsetType = UNSET
    type: TraitType | UnsetType = UNSET


class Distinct(WindowedKind, frozen=True, kw_only=True, tag="distinct"):
    """How many different texts, up to 32."""

    of: Of
    events: Events | UnsetType = UNSET
    type: TraitType | UnsetType = UNSET


class DaysSince(Kind, frozen=True, kw_only=True, tag="days_since"):
    """Whole days since the latest event; missing before the first."""

    events: Events


class Last(Kind, frozen=True, kw_only=True, tag="last"):
    """A field of the latest event; a text or a number, as the field is."""

    of: Of
    events: Events | UnsetType = UNSET
    type: TraitType | UnsetType = UNSET


class First(Kind, frozen=True, kw_only=True, tag="first"):
    """A field of the earliest event; a text or a number, as the field is."""

    of: Of
    events: Events | UnsetType = UNSET
    type: TraitType | UnsetType = UNSET


class Ratio(Kind, frozen=True, kw_only=True, tag="ratio"):
    """One feature divided by another; missing when the second is 0."""

    of: Annotated[
        list[Text],
        Meta(
            title="two features",
            min_length=2,
            max_length=2,
            description="The feature that is divided and the one that divides it, both numbers "
            "and both above this one.",
            examples=[["spend_365d", "orders_365d"]],
            extra_json_schema={"uniqueItems": True},
        ),
    ]


class Gap(Kind, frozen=True, kw_only=True, tag="gap"):
    """Days between two events, missing before the second; or how these vary, before the third."""

    events: Events
    of: Annotated[
        Literal["last", "mean", "variation"],
        Meta(
            description="Which gap.",
            extra_json_schema=choices_mean(
                last="between the last two",
                mean="on average, over all",
                variation="deviation of all by their mean, 0 where all are equal",
            ),
        ),
    ]


class Cart(Kind, frozen=True, kw_only=True, tag="cart"):
    """In a journey keyed by `cart_id`: that cart; elsewhere the one last touched."""

    of: Annotated[
        Literal["value", "items", "lines"],
        Meta(
            description="What of the cart.",
            extra_json_schema=choices_mean(
                value="its worth", items="how many pieces", lines="how many products"
            ),
        ),
    ]


class Affinity(Kind, frozen=True, kw_only=True, tag="affinity"):
    """The text that weighs most, older events weighing less."""

    of: Of
    half_life: Annotated[
        TimeSpan,
        Meta(description="After this time, from 1m, an event weighs half.", examples=["14d"]),
    ]
    keep: Annotated[
        int, Meta(ge=1, le=AFFINITY_KEEP_MAX, description="How many texts are weighed.")
    ]
    events: WeightedEvents | UnsetType = UNSET
    type: TraitType | UnsetType = UNSET


class Sessions(WindowedKind, frozen=True, kw_only=True, tag="sessions"):
    """Visits to the shop."""

    events: Events
    gap: Annotated[TimeSpan, Meta(description="The silence that ends a visit.")] = "30m"


class Recent(Kind, frozen=True, kw_only=True, tag="recent"):
    """The latest different texts, newest first; rules know only `has(...)` of them."""

    of: Of
    keep: Annotated[
        int, Meta(ge=1, le=RECENT_KEEP_MAX, description="How many texts are remembered.")
    ]
    events: Events | UnsetType = UNSET
    type: TraitType | UnsetType = UNSET


class FeaturesFile(Shape, frozen=True, kw_only=True):
    """What is known about each user. A table's name is the feature's name in rules."""

    features: Annotated[
        dict[
            Name,
            Count
            | Sum
            | Distinct
            | DaysSince
            | Last
            | First
            | Ratio
            | Gap
            | Cart
            | Affinity
            | Sessions
            | Recent,
        ],
        Meta(max_length=FEATURES_MAX, description="A feature, by its name."),
    ] = field(name=ANY_NAME)


_OPEN: Schema = {"additionalProperties": True}
_TILE_NEEDS_WINDOW: Schema = {"dependencies": {"tile": ["window"]}}
_EVENTS_OR_TRAIT: Schema = {
    # All keys are allowed again: language servers ask each table of a schema whether it knows them.
    "if": _OPEN | {"properties": {"of": {"type": "string", "pattern": r"^traits\."}}},
    "then": _OPEN | {"properties": {"events": False}},
    "else": _OPEN | {"required": ["events"], "properties": {"type": False}},
}
BETWEEN_FEATURE_KEYS: dict[type[Struct], Schema] = {
    Count: _TILE_NEEDS_WINDOW,
    Sum: _TILE_NEEDS_WINDOW | _EVENTS_OR_TRAIT,
    Distinct: _TILE_NEEDS_WINDOW | _EVENTS_OR_TRAIT,
    Last: _EVENTS_OR_TRAIT,
    First: _EVENTS_OR_TRAIT,
    Affinity: _EVENTS_OR_TRAIT,
    Sessions: _TILE_NEEDS_WINDOW,
    Recent: _EVENTS_OR_TRAIT,
}
"""What one key of a table says about another."""
