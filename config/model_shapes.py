"""What models.toml may hold: terms, sets of them, and the models that read those."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from config.limits import (
    ABOUT_BYTES_MAX,
    LIST_LENGTH_MAX,
    MEMORY_MAX,
    MEMORY_MIN,
    MODELS_MAX,
    PRIOR_MAX,
    RULE_LENGTH_MAX,
    SETS_MAX,
)
from config.names import RESERVED_IN_TERMS
from config.shape_values import (
    UNWRITTEN,
    EventNames,
    Name,
    Rule,
    Schema,
    Shape,
    Share,
    Text,
    Thresholds,
    TimeSpan,
    choices_mean,
)

Term = Annotated[
    str,
    Meta(
        title="term",
        max_length=RULE_LENGTH_MAX,
        pattern=r"\S",
        examples=["log1p(first_of(days_since_order, days_known))"],
    ),
]
TermName = Annotated[Name, Meta(extra_json_schema={"not": {"enum": sorted(RESERVED_IN_TERMS)}})]
_NAMES = Meta(min_length=1, max_length=LIST_LENGTH_MAX, extra_json_schema={"uniqueItems": True})
About = Annotated[
    str,
    Meta(
        title="text",
        min_length=1,
        max_length=ABOUT_BYTES_MAX,
        description="What is foretold, in a sentence.",
    ),
]


class TermSet(Shape, frozen=True, kw_only=True):
    """Terms with a regression of their own."""

    terms: Annotated[
        list[Name],
        _NAMES,
        Meta(
            title="list of terms",
            description="The terms that its regression reads.",
            examples=[["recency", "orders"]],
        ),
    ]
    adds_to: (
        Annotated[
            Name,
            Meta(description="A set above, whose terms this one has too.", examples=["rates"]),
        ]
        | UnsetType
    ) = UNSET
    prior: Annotated[
        int,
        Meta(
            ge=1,
            le=PRIOR_MAX,
            description="How many examples' worth of evidence hold each weight at 0.",
        ),
    ]


class Model(Shape, frozen=True, kw_only=True, tag_field=UNWRITTEN):
    """A model that learns."""

    about: About | UnsetType = UNSET
    outcome: Annotated[
        EventNames, Meta(description="What is foretold: that one of these events comes.")
    ]
    within: Annotated[
        TimeSpan,
        Meta(
            description="How soon, by event time, from 1h to 366d; in terms, `horizon_days`.",
            examples=["30d"],
        ),
    ]
    eligible: (
        Annotated[
            Rule,
            Meta(
                description="Who is sampled and has a score; without it everybody. It sees "
                "features and thresholds."
            ),
        ]
        | UnsetType
    ) = UNSET
    every: (
        Annotated[
            TimeSpan,
            Meta(
                description="How often a user is sampled, at times that follow from the id: from "
                "1h, and at least a fifth of `within`.",
                examples=["7d"],
            ),
        ]
        | UnsetType
    ) = UNSET
    channel: (
        Annotated[
            Name,
            Meta(
                title="channel",
                description="Instead of `every`: a user is sampled at each trigger sent by this "
                "channel, and outcomes are those that name it, in their field `trigger`.",
                examples=["email"],
            ),
        ]
        | UnsetType
    ) = UNSET
    default: Annotated[
        Share, Meta(description="What rules see until there is a version of the model.")
    ]
    sets: Annotated[
        list[Name],
        Meta(
            min_length=1,
            max_length=SETS_MAX,
            title="list of sets",
            description="The sets of terms that it reads; the logits of their regressions are "
            "averaged.",
            examples=[["rates", "slopes"]],
            extra_json_schema={"uniqueItems": True},
        ),
    ]
    memory: Annotated[
        int,
        Meta(
            ge=MEMORY_MIN,
            le=MEMORY_MAX,
            description="After so many examples, 1/e of the weight of an older one is left.",
        ),
    ] = 10_000
    drift: Annotated[
        Literal["note", "faster", "reset"],
        Meta(
            description="What is done, beside the alarm, when the log loss of scores has grown.",
            extra_json_schema=choices_mean(
                note="nothing more",
                faster="`memory` is a tenth for a while",
                reset="the weights are learned anew; until that is enough the last version stays",
            ),
        ),
    ] = "note"
    calibrate: Annotated[
        bool,
        Meta(
            description="Whether logits are corrected by a straight line, learned from past "
            "scores, while that lowers their log loss."
        ),
    ] = False


class Complement(Shape, frozen=True, kw_only=True, tag_field=UNWRITTEN):
    """A model that is one minus another."""

    about: (
        Annotated[About, Meta(description="Of one minus another: what that means, in a sentence.")]
        | UnsetType
    ) = UNSET
    complement: Annotated[
        Text,
        Meta(
            title="model",
            description="The model above that this one is one minus of.",
            examples=["purchase_30d"],
        ),
    ]


class ModelsFile(Shape, frozen=True, kw_only=True):
    """Propensities: how likely an outcome is, learned from what came of users like this one."""

    thresholds: Thresholds | UnsetType = UNSET
    terms: (
        Annotated[
            dict[TermName, Term],
            Meta(
                title="terms by name",
                max_length=LIST_LENGTH_MAX,
                description="What models read: calculated from features, thresholds and the terms "
                "above.",
            ),
        ]
        | UnsetType
    ) = UNSET
    set: (
        Annotated[
            dict[Name, TermSet],
            Meta(max_length=SETS_MAX, description="A set of terms, by its name."),
        ]
        | UnsetType
    ) = UNSET
    model: (
        Annotated[
            dict[Name, Model | Complement],
            Meta(
                title="models by name",
                max_length=MODELS_MAX,
                description="A model, by its name: rules read it as `propensity.NAME`.",
            ),
        ]
        | UnsetType
    ) = UNSET


BETWEEN_MODEL_KEYS: dict[type[Struct], Schema] = {
    Model: {
        "oneOf": [
            {"required": ["every"], "properties": {"channel": False}},
            {"required": ["channel"], "properties": {"every": False}},
        ]
    }
}
"""What one key of a table says about another."""
