"""Examples of messages, counted again one by one from all events and all triggers of a log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from config.schema import Model
from tests.oracle_examples import History, history_of
from tests.oracle_features import Reading, ceil_second, facts_of
from tests.oracle_outputs import identity, text_of
from tests.oracle_profile import Document, Profile, World
from tests.oracle_scores import Models, float32_of
from tests.reference_decoder import Event, Withheld
from tests.simulated import milliseconds

OPEN_MAX = 5


class Sent(NamedTuple):
    """A trigger: its id and channel, and when it was decided; `offset` -1: by time alone."""

    id: str
    channel: str
    instant_ms: int
    offset: int


def answer_examples(
    models: Models,
    events: Sequence[Event],
    world: World,
    clock_ms: int,
    withheld: Sequence[Withheld] = (),
) -> list[Document]:
    """The examples of models with a channel that have closed by `clock_ms`, in no order."""
    found: list[Document] = []
    for user in sorted({event.user for event in events}):
        own = [event for event in events if event.user == user]
        turned = [one for one in world.transitions if one["subject"] == user]
        history = history_of(models, user, own, turned)
        sent = [sent_of(one) for one in world.decisions if is_trigger(one, user)]
        notices = [notice for notice in withheld if notice.user == user]
        for model in models.config.models:
            if model.channel and not model.complement:
                taken = taken_of(models, model, history, sent, notices)
                found += [
                    example(models, model, history, one)
                    for one in taken
                    if closes_ms(model, one) <= clock_ms
                    and not is_dropped(model, one, notices, clock_ms)
                ]
    return found


def is_trigger(document: Document, user: str) -> bool:
    return document["type"] == "beckon.trigger" and document["subject"] == user


def sent_of(document: Document) -> Sent:
    data: Any = document["data"]
    instant_ms = milliseconds(str(document["time"]))
    return Sent(str(document["id"]), data["channel"], instant_ms, data["offset"])


def taken_of(
    models: Models,
    model: Model,
    history: History,
    sent: Sequence[Sent],
    notices: Sequence[Withheld],
) -> list[Sent]:
    """The triggers at which the user was sampled: not while five were open."""
    taken: list[Sent] = []
    for one in sent:
        still_open = [
            other
            for other in taken
            if closes_ms(model, other) > one.instant_ms
            and not is_dropped(model, other, notices, one.instant_ms, one.offset)
        ]
        eligible = models.is_eligible(model.name, reading_at(models, history, one))
        if one.channel == model.channel and eligible and len(still_open) < OPEN_MAX:
            taken.append(one)
    return taken


def closes_ms(model: Model, sent: Sent) -> int:
    return ceil_second(sent.instant_ms + model.within_ms)


def is_dropped(
    model: Model, sent: Sent, notices: Sequence[Withheld], until_ms: int, offset: int = 2**62
) -> bool:
    """Whether the log has said, up to a record, that a trigger with an open example was not sent.

    What is due up to such a record is decided before it.
    """
    return any(
        notice.trigger == sent.id
        and (sent.instant_ms, sent.offset) < (notice.log_ms, notice.offset)
        and notice.log_ms < closes_ms(model, sent)
        and (notice.log_ms < until_ms or (notice.log_ms == until_ms and notice.offset < offset))
        for notice in notices
    )


def example(models: Models, model: Model, history: History, sent: Sent) -> Document:
    """What a user was when a trigger was decided, and whether it was answered."""
    reading = reading_at(models, history, sent)
    score = models.score(model.name, reading, sent.offset)
    sampled_at = text_of(sent.instant_ms)
    return {
        "specversion": "1.0",
        "id": identity("beckon.example", history.user, model.name, sampled_at),
        "source": "beckon",
        "type": "beckon.example",
        "subject": history.user,
        "time": text_of(closes_ms(model, sent)),
        "datacontenttype": "application/json",
        "data": {
            "model": model.name,
            "sampled_at": sampled_at,
            "trigger": sent.id,
            "outcome": is_answered(model, history, sent),
            "score": float32_of(score.value) if score.version else None,
            "version": score.version.id[:16] if score.version else None,
            "tags": tags_at(models, history, sent),
            "features": models.raw(model.name, reading),
        },
    }


def is_answered(model: Model, history: History, sent: Sent) -> bool:
    """Whether something in time names the trigger, and was recorded in time."""
    return any(
        event.name in model.outcome
        and event.fields.get("trigger") == sent.id
        and sent.instant_ms < event.at_ms <= sent.instant_ms + model.within_ms
        and event.log_ms < closes_ms(model, sent)
        for event in history.applied
    )


def reading_at(models: Models, history: History, sent: Sent) -> Reading:
    """The user's features when a trigger was decided: by its record, or by what was before it."""
    known = [
        event
        for event in history.applied
        if (event.offset <= sent.offset if sent.offset >= 0 else event.log_ms < sent.instant_ms)
    ]
    profile = Profile(history.user)
    for feature in models.config.features:
        profile.facts[feature.name] = [
            fact for event in known for fact in facts_of(models.config, feature, event)
        ]
    for event in known:
        profile.carts.take(event)
    return Reading(models.config, profile, sent.instant_ms)


def tags_at(models: Models, history: History, sent: Sent) -> list[str]:
    """The tags held when a trigger was decided."""
    held: dict[str, bool] = {}
    for document in history.transitions:
        data: Any = document["data"]
        if (str(document["time"]), data["offset"]) <= (text_of(sent.instant_ms), sent.offset):
            held[data["tag"]] = data["held"]
    return [tag.name for tag in models.config.tags if held.get(tag.name)]
