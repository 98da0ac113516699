"""What journeys/NAME.toml may hold: entry, exit, stages, goal, and how it is sent."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from config.limits import ABOUT_BYTES_MAX, PRIORITY_MAX, STAGES_MAX
from config.shape_values import (
    Duration,
    EventName,
    EventNames,
    Name,
    Rule,
    Schema,
    Shape,
    Share,
    Text,
    Texts,
    Thresholds,
    TimeSpan,
    choices_mean,
)


class Entry(Shape, frozen=True, kw_only=True):
    """What opens an instance: an event, or a tag that is gained."""

    event: Annotated[EventName, Meta(description="This event opens an instance.")] | UnsetType = (
        UNSET
    )
    tag: (
        Annotated[
            Text,
            Meta(
                title="tag",
                description="Gaining this tag opens an instance, one per user.",
                examples=["lifecycle.at_risk"],
            ),
        ]
        | UnsetType
    ) = UNSET
    when: (
        Annotated[
            Rule,
            Meta(
                description="Must hold just after the entry event; it also sees that event's "
                "fields, as `event.amount`."
            ),
        ]
        | UnsetType
    ) = UNSET
    key: (
        Annotated[
            Text,
            Meta(
                title="field",
                description="A text field of the entry event: one instance for each of its "
                "values; without it one per user.",
                examples=["cart_id"],
            ),
        ]
        | UnsetType
    ) = UNSET
    reentry: Annotated[
        Literal["ignore", "reset"],
        Meta(
            description="Entered again while the instance is running.",
            extra_json_schema=choices_mean(
                ignore="nothing changes", reset="the pending stage counts from the new entry"
            ),
        ),
    ] = "ignore"
    cooldown: Annotated[
        Duration, Meta(description="Silence after the last trigger of an earlier instance.")
    ] = "0s"


class Exit(Shape, frozen=True, kw_only=True):
    """What ends an instance before its last stage."""

    events: (
        Annotated[
            EventNames,
            Meta(
                description="Events that end the instances of their key, or all if they name none."
            ),
        ]
        | UnsetType
    ) = UNSET
    when: (
        Annotated[
            Rule,
            Meta(
                description="Ends the instance once it holds; it is tested after each event of "
                "the user and before each decision."
            ),
        ]
        | UnsetType
    ) = UNSET


class Stage(Shape, frozen=True, kw_only=True):
    """A message and its time."""

    after: Annotated[
        Duration, Meta(description="When it is due, since the entry or the last reset.")
    ]
    when: (
        Annotated[
            Rule,
            Meta(description="A false rule skips this stage, not those after it."),
        ]
        | UnsetType
    ) = UNSET
    send: Annotated[Text, Meta(description="What to send: your gateway's name for the message.")]
    ttl: Annotated[
        TimeSpan, Meta(description="How long after its time it may still be sent.", examples=["2h"])
    ]


class Goal(Shape, frozen=True, kw_only=True):
    """What counts as success, for reports and learning."""

    event: Annotated[EventName, Meta(description="The event that counts as success.")]
    within: Annotated[
        TimeSpan,
        Meta(description="How long after a trigger, or a held-out one.", examples=["3d"]),
    ]


class JourneyFile(Shape, frozen=True, kw_only=True):
    """A plan of messages. The file's name is the journey's name."""

    about: (
        Annotated[
            str,
            Meta(
                title="text",
                min_length=1,
                max_length=ABOUT_BYTES_MAX,
                description="What the journey is for, in a sentence.",
            ),
        ]
        | UnsetType
    ) = UNSET
    status: Annotated[
        Literal["live", "shadow", "off"],
        Meta(
            description="Whether it sends.",
            extra_json_schema=choices_mean(
                live="it does",
                shadow="it decides and records, but does not send",
                off="each stage that is due is suppressed",
            ),
        ),
    ]
    purpose: Annotated[Text, Meta(description="Whose consent applies.", examples=["marketing"])]
    channels: Annotated[
        Texts,
        Meta(
            title="list of channels",
            description="Of these channels of shop.toml the first that the user allows is used.",
            examples=[["push", "email"]],
        ),
    ]
    priority: Annotated[
        int,
        Meta(
            ge=-PRIORITY_MAX,
            le=PRIORITY_MAX,
            description="Of two journeys at the same instant the higher one sends.",
        ),
    ] = 0
    holdout: Annotated[
        Share,
        Meta(description="Share of users never sent to, so that the effect can be measured."),
    ] = 0.0
    thresholds: Thresholds | UnsetType = UNSET
    entry: Entry
    exit: Exit | UnsetType = UNSET
    stage: Annotated[
        dict[Name, Stage],
        Meta(min_length=1, max_length=STAGES_MAX, description="A stage, by its name."),
    ]
    goal: Goal | UnsetType = UNSET


BETWEEN_JOURNEY_KEYS: dict[type[Struct], Schema] = {
    Entry: {
        "oneOf": [
            {"required": ["event"], "properties": {"tag": False}},
            {"required": ["tag"], "properties": {"event": False, "key": False}},
        ]
    }
}
"""What one key of a table says about another."""
