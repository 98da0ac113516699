"""What each field of the messages that leave Beckon means: the one place for their descriptions."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from connectors.dead_letters import DeadLetterLine
from connectors.reasons import MEANINGS as DEAD_LETTER_MEANINGS
from connectors.triggers import (
    CloudEvent,
    Compared,
    Decided,
    Example,
    GoalReached,
    Instance,
    Line,
    Reason,
    Score,
    Turned,
)

SUPPRESSION_MEANINGS = {
    "exit": "the journey's exit came first",
    "replaced": "the user had too many instances, and this was the oldest",
    "off": "the journey is switched off",
    "before_live": "it was due before the config's `live_from`",
    "expired": "it was decided more than `ttl` after its deadline",
    "rule": "the stage's `when` is false",
    "cooldown": "the journey's last trigger of an earlier instance is too recent",
    "consent": "the user has closed all of the journey's channels",
    "priority": "another journey reached the user at the same instant",
    "shadow": "the journey decides without sending",
    "holdout": "the user belongs to the share that is never sent to",
    "too_late": "it met its `expirytime` before it could be sent, as after an outage",
}
"""Why a stage was suppressed; the first that applies, in this order."""


class Field(Struct, frozen=True, kw_only=True):
    """A sentence about a field, and what JSON Schema can say beyond its type."""

    about: str
    more: dict[str, Any] = {}


def _field(about: str, **more: Any) -> Field:
    return Field(about=about, more=more)


_INSTANT = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"


def _instant(about: str) -> Field:
    """An instant; all are written alike, so they compare as texts."""
    return _field(about, format="date-time", pattern=_INSTANT)


def _name(about: str) -> Field:
    return _field(about, minLength=1)


def _offset(about: str) -> Field:
    return _field(about, minimum=-1)


_RECORD_OFFSET = (
    "Offset in the log of the record that brought it about; -1: the passing of time alone did."
)

_ENVELOPE = {
    "specversion": _field("Version of the CloudEvents specification.", const="1.0"),
    "id": _field(
        "A hash of what it is about, so it is the same in each delivery and in each replay: what "
        "to deduplicate by.",
        pattern="^[0-9a-f]{32}$",
    ),
    "source": _field(
        "Who tells it: Beckon.", minLength=1, format="uri-reference", examples=["beckon"]
    ),
    "type": _name("Which message this is; `data` follows from it."),
    "subject": _field(
        "The user: the `userId` of their events, else the `anonymousId`. Also the record's key in "
        "a topic.",
        minLength=1,
    ),
    "time": _instant("When it was decided or happened, by the clock of the log."),
    "expirytime": _instant("After this it is too late to send: `time` plus the stage's `ttl`."),
    "datacontenttype": _field("Media type of `data`.", const="application/json"),
    "data": _field("What was decided, or what happened."),
}

_DECIDED = {
    "journey": _name("The journey: its file's name in `journeys/`."),
    "version": _field(
        "Digest of the config that decided; another one after each edit that decides. Not the "
        "version of this contract.",
        minLength=1,
    ),
    "stage": _name("The stage of the journey."),
    "instance": _field("Which run of the journey it is."),
    "deadline": _instant("When the stage was due: entry, or the last reset, plus its `after`."),
    "reason": _field(
        "Why it was not sent: the first of the reasons that applies.",
        enum=list(SUPPRESSION_MEANINGS),
    ),
    "offset": _offset(_RECORD_OFFSET),
    "send": _name("What to send: the stage's `send`, a name that your templates know."),
    "channel": _field(
        "By which channel: the first of the journey's that the user allows. Never null in a "
        "trigger; in a suppressed one null, unless its reason is `shadow` or `holdout`."
    ),
    "purpose": _name("For which purpose, as in your consent records."),
    "lines": _field(
        "The cart that it is about, line by line: the instance's, if the journey is keyed by "
        "`cart_id`, else the one touched last. Empty without a cart."
    ),
    "features": _field(
        "The user's features at that instant, by name: numbers, texts or lists of texts. What is "
        "not known is left out."
    ),
    "tags": _field("The tags that the user held, each with the groups it belongs to."),
    "scores": _field(
        "Propensities by model, where one has been learned and the user is eligible. In a "
        "suppressed one only those that the stage's `when` names, unless its reason is `shadow`, "
        "`holdout` or `too_late`."
    ),
    "because": _field(
        "What adds most to the propensities that the stage's `when` reads, itself or through tags: "
        "up to five features of each, the largest first. Only in triggers, and only where there is "
        "any."
    ),
    "rules": _field(
        "Each comparison of the stage's `when` with the values it saw; empty without a `when`. "
        "Tags that the rule reads are in `tags`."
    ),
}

FIELDS: dict[type[Struct], dict[str, Field]] = {
    CloudEvent: _ENVELOPE,
    Decided: _DECIDED,
    Score: {
        "value": _field("How likely it is, from 0 to 1.", minimum=0, maximum=1),
        "version": _field(
            "By which version: the first digits of its id.", pattern="^[0-9a-f]{16}$"
        ),
    },
    Reason: {
        "score": _name("The model."),
        "feature": _name("The feature."),
        "adds": _field(
            "What it adds to the propensity, in logits, or takes away where it is less than 0. "
            "What several features bring about together counts for each in equal parts."
        ),
    },
    Instance: {
        "key": _field(
            "Value of the journey's key field, such as the cart's id; null: the journey has none."
        ),
        "entry": _instant("When the run was entered; a reset does not change it."),
    },
    Line: {
        "item": _field("Id of the item."),
        "quantity": _field("How many."),
        "price": _field("Price of one, in the shop's currency."),
        "category": _field("Category of the item; null: not known."),
    },
    Compared: {
        "rule": _name("The comparison, as the config writes it."),
        "left": _field("Value of its left side; null: not known."),
        "right": _field("Value of its right side; null: not known."),
        "holds": _field("Whether it holds; with a side that is not known it does not."),
    },
    GoalReached: {
        "journey": _name("The journey whose goal was reached."),
        "stage": _name("The stage that is credited: the last one sent or held out."),
        "instance": _field("Which run of the journey that stage belongs to."),
        "offset": _offset("Offset in the log of the event that reached the goal."),
        "event": _name("Name of that event."),
        "held_out": _field("Whether the stage was held out, and not sent: the control group."),
    },
    Turned: {
        "tag": _name("The tag, or the group of tags."),
        "held": _field("true: gained; false: lost."),
        "offset": _offset(_RECORD_OFFSET),
    },
    Example: {
        "model": _name("The model of models.toml that learns from it."),
        "sampled_at": _instant(
            "When the user was sampled; `time` is when the example closed: the model's `within` "
            "later."
        ),
        "trigger": _field(
            "Of a model with a `channel`: the trigger at which the user was sampled.",
            pattern="^[0-9a-f]{32}$",
        ),
        "outcome": _field(
            "Whether an outcome of the model happened after `sampled_at` and was recorded before "
            "the example closed."
        ),
        "score": _field(
            "The propensity at `sampled_at`, from 0 to 1; null: no version was in force.",
            minimum=0,
            maximum=1,
        ),
        "version": _field("The version that gave the score: 16 hex digits; null: none did."),
        "tags": _field("The tags that the user held, each with the groups it belongs to."),
        "features": _field(
            "What the model reads, as it was just before `sampled_at`, in 32-bit precision; null: "
            "not known."
        ),
    },
    DeadLetterLine: {
        "reason": _field("Why the record cannot be used.", enum=list(DEAD_LETTER_MEANINGS)),
        "detail": _field("Where in the record, what was expected there, and what came."),
        "partition": _field(
            "Partition of the log that holds the record. Only in the topic.", minimum=0
        ),
        "offset": _field("Offset of the record in the log.", minimum=0),
        "time": _instant("When the broker took the record. Only in the topic."),
        "version": _name("Digest of the config by which it cannot be used. Only in the topic."),
        "value": _field("The record as it came, when it is UTF-8."),
        "value_base64": _field(
            "The record as it came, in base64, when it is not UTF-8.", contentEncoding="base64"
        ),
    },
}
"""Of each type, all fields in order."""
