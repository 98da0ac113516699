"""What each config file may hold: every key, with its type, its limits, its default and meaning.

Made from these types: the JSON Schemas by which editors complete and check (`config.json_schemas`)
and the tables of docs/config.md. The files are read by the modules named after them; tests hold the
two together. Keys that this version does not carry out yet are not here.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

from config.feature_shapes import BETWEEN_FEATURE_KEYS, FeaturesFile
from config.journey_shapes import BETWEEN_JOURNEY_KEYS, JourneyFile
from config.limits import (
    CHANNELS_MAX,
    EVENTS_MAX,
    FIELDS_MAX,
    NUMBER_MAX,
    RATES_MAX,
    VOCABULARY_MAX,
)
from config.model_shapes import BETWEEN_MODEL_KEYS, ModelsFile
from config.shape_values import (
    ANY_NAME,
    UNWRITTEN,
    EventName,
    Name,
    Path,
    Rule,
    Schema,
    Shape,
    Text,
    Texts,
    Thresholds,
    TimeSpan,
    choices_mean,
)
from config.tags import TAG_KEYS

Currency = Annotated[str, Meta(title="currency", pattern="^[A-Z]{3}$", examples=["EUR", "USD"])]


class ShopFile(Shape, frozen=True, kw_only=True):
    """What holds for the whole shop."""

    currency: Annotated[
        Currency, Meta(description="ISO code; amounts are kept in its minor units.")
    ]
    zone: Annotated[
        Text,
        Meta(
            title="time zone",
            description="Whose days and hours count, by its name in the time zone database.",
            examples=["Europe/Berlin", "America/New_York"],
        ),
    ]
    strict: Annotated[
        bool, Meta(description="True: an event that events.toml does not name is a dead letter.")
    ] = False
    live_from: (
        Annotated[
            datetime,
            Meta(
                tz=True,
                title="date and time",
                description="Stages due earlier are suppressed, as `before_live`: for a first "
                "start on an old log. A replay that is given this config passes over it.",
                examples=["2026-11-21T00:00:00Z"],
            ),
        ]
        | UnsetType
    ) = UNSET
    rates: (
        Annotated[
            dict[Currency, Annotated[float, Meta(title="number", gt=0, le=NUMBER_MAX)]],
            Meta(
                max_length=RATES_MAX,
                title="numbers by currency",
                description="Other currencies: what one unit is worth in the shop's. Amounts in a "
                "currency without a rate are dead letters.",
            ),
        ]
        | UnsetType
    ) = UNSET
    channels: (
        Annotated[
            dict[Name, Text],
            Meta(
                max_length=CHANNELS_MAX,
                title="traits by channel",
                description="Each channel, with the trait that closes it when true.",
            ),
        ]
        | UnsetType
    ) = UNSET
    vocabulary: (
        Annotated[
            dict[Text, EventName],
            Meta(
                max_length=VOCABULARY_MAX,
                title="events by your name",
                description="Your event names, each with the name used everywhere else.",
            ),
        ]
        | UnsetType
    ) = UNSET


class EventField(Shape, frozen=True, kw_only=True):
    """A field whose type does not follow from its name."""

    path: Annotated[Path, Meta(description="Where the field stands in the message.")]
    type: (
        Annotated[
            Literal["text", "number", "money", "flag", "lines"],
            Meta(
                description="What the field is; without it `price` and `amount` are money, "
                "`quantity` is a number, `lines` are lines, all else is text.",
                extra_json_schema=choices_mean(
                    text="up to 256 bytes",
                    number="kept to a thousandth",
                    money="an amount in the event's currency",
                    flag="true or false",
                    lines="the lines of an order or cart, each with an `item`, `price`, "
                    "`quantity` and `category`",
                ),
            ),
        ]
        | UnsetType
    ) = UNSET


class Event(Shape, frozen=True, kw_only=True):
    """An event, by its name or its message type (`page`, `screen`, `identify`)."""

    fields: (
        Annotated[
            dict[Name, Path | EventField],
            Meta(
                max_length=FIELDS_MAX,
                title="places by field",
                description="Our name of each field, with where it stands below the message's "
                "`properties`; dots nest, `traits.` reads the traits.",
                examples=[{"item": "product_id", "price": "price"}],
            ),
        ]
        | UnsetType
    ) = UNSET
    require: (
        Annotated[
            Texts,
            Meta(
                title="list of fields",
                description="Fields without which the event is a dead letter.",
                examples=[["order", "amount"]],
            ),
        ]
        | UnsetType
    ) = UNSET


class EventsFile(Shape, frozen=True, kw_only=True):
    """Which events exist, which of their fields count, which must be there."""

    events: Annotated[
        dict[Text, Event],
        Meta(max_length=EVENTS_MAX, description="An event, by its name."),
    ] = field(name=ANY_NAME)


TagRule = Annotated[
    Rule, Meta(description="The rule: whoever it holds for has the tag.", title="rule")
]
TagName = Annotated[Name, Meta(extra_json_schema={"not": {"enum": list(TAG_KEYS)}})]


class KeptTag(Shape, frozen=True, kw_only=True, tag_field=UNWRITTEN):
    """A tag that stays a while."""

    when: TagRule
    keep: (
        Annotated[
            TimeSpan,
            Meta(
                description="How long the tag stays after its rule has failed.",
                examples=["2h", "7d"],
            ),
        ]
        | UnsetType
    ) = UNSET


class TagGroup(Shape, frozen=True, kw_only=True, tag_field=UNWRITTEN):
    """A group: who holds `lifecycle.at_risk` holds `lifecycle`."""

    pick: Annotated[
        Literal["all", "first"],
        Meta(
            description="Which tags of the group a user may hold.",
            extra_json_schema=choices_mean(
                all="each whose rule holds", first="only the first whose rule holds, from the top"
            ),
        ),
    ] = "all"
    tags: Annotated[
        dict[TagName, TagRule | KeptTag | TagGroup],
        Meta(description="A tag, by its name: its rule, a table with rule and `keep`, or a group."),
    ] = field(name=ANY_NAME)


class TagsFile(Shape, frozen=True, kw_only=True):
    """Facts about a user: name = rule. Rules see features, thresholds and the tags above them."""

    thresholds: Thresholds | UnsetType = UNSET
    tags: Annotated[
        dict[TagName, TagRule | KeptTag | TagGroup],
        Meta(description="A tag, by its name: its rule, a table with rule and `keep`, or a group."),
    ] = field(name=ANY_NAME)


FILES: dict[str, type[Struct]] = {
    "shop": ShopFile,
    "events": EventsFile,
    "features": FeaturesFile,
    "tags": TagsFile,
    "models": ModelsFile,
    "journey": JourneyFile,
}
"""By the name of their schema."""

BETWEEN_KEYS: dict[type[Struct], Schema] = (
    BETWEEN_FEATURE_KEYS
    | BETWEEN_JOURNEY_KEYS
    | BETWEEN_MODEL_KEYS
    | {TagGroup: {"minProperties": 1, "dependencies": {"pick": {"minProperties": 2}}}}
)
"""What one key of a table says about another, which types cannot say."""
