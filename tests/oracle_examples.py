"""Examples, counted again one by one from the list of all events: nothing is carried along.

The features of an example are those of a user of whom no event is known from its instant on; its
outcome is looked up in the events that were recorded before it closed.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

from config.schema import Model
from tests.oracle import MESSAGE_IDS_MAX
from tests.oracle_features import Facts, Reading, facts_of
from tests.oracle_outputs import identity, text_of
from tests.oracle_profile import Document, Place, Profile
from tests.oracle_scores import Models, float32_of, instants_of
from tests.reference_decoder import Event


class History(NamedTuple):
    """All that is ever known of a user: the events applied, what they say to features, and tags."""

    user: str
    applied: Sequence[Event]
    facts: Facts
    transitions: Sequence[Document]


def examples(
    models: Models, events: Sequence[Event], transitions: Sequence[Document], clock_ms: int
) -> list[Document]:
    """The examples closed by `clock_ms`, in order of their places.

    `transitions` are those of all users' tags, in their order.
    """
    found: list[tuple[Place, Document]] = []
    for user, own in groupby(sorted(events, key=user_of), key=user_of):
        turned = [one for one in transitions if one["subject"] == user]
        history = history_of(models, user, [*own], turned)
        for index, model in enumerate(models.config.models):
            for sampled_ms in sampled(model, history, clock_ms):
                document = example(models, model, history, sampled_ms)
                if document is not None:
                    place = (sampled_ms + model.within_ms, user.encode(), index, sampled_ms)
                    found.append((place, document))
    return [document for _, document in sorted(found, key=lambda pair: pair[0])]


def user_of(event: Event) -> str:
    return event.user


def history_of(
    models: Models, user: str, own: Sequence[Event], turned: Sequence[Document]
) -> History:
    """A user's history, without the messages that came again."""
    applied: list[Event] = []
    for event in own:
        if event.message_id not in [known.message_id for known in applied[-MESSAGE_IDS_MAX:]]:
            applied.append(event)
    facts = {
        feature.name: [
            fact for event in applied for fact in facts_of(models.config, feature, event)
        ]
        for feature in models.config.features
    }
    return History(user, applied, facts, turned)


def sampled(model: Model, history: History, clock_ms: int) -> Sequence[int]:
    """The instants of a model's examples of a user that have closed by `clock_ms`."""
    if model.every_ms == 0 or model.complement:
        return ()
    since_ms = history.applied[0].log_ms
    return instants_of(history.user, model.every_ms, since_ms, clock_ms - model.within_ms)


def example(models: Models, model: Model, history: History, sampled_ms: int) -> Document | None:
    """What a user was at an instant, and what came of it; None if the model was not for them."""
    reading = reading_before(models, history, sampled_ms)
    if not models.is_eligible(model.name, reading):
        return None
    score = models.score(model.name, reading, -1)
    sampled_at = text_of(sampled_ms)
    return {
        "specversion": "1.0",
        "id": identity("beckon.example", history.user, model.name, sampled_at),
        "source": "beckon",
        "type": "beckon.example",
        "subject": history.user,
        "time": text_of(sampled_ms + model.within_ms),
        "datacontenttype": "application/json",
        "data": {
            "model": model.name,
            "sampled_at": sampled_at,
            "outcome": outcome(model, history, sampled_ms),
            "score": float32_of(score.value) if score.version else None,
            "version": score.version.id[:16] if score.version else None,
            "tags": tags_at(models, history, sampled_ms),
            "features": models.raw(model.name, reading),
        },
    }


def outcome(model: Model, history: History, sampled_ms: int) -> bool:
    """Whether an outcome happened in time and was recorded in time."""
    closed_ms = sampled_ms + model.within_ms
    return any(
        event.name in model.outcome
        and sampled_ms < event.at_ms <= closed_ms
        and event.log_ms < closed_ms
        for event in history.applied
    )


def reading_before(models: Models, history: History, instant_ms: int) -> Reading:
    """The user's features at an instant, counted from the events recorded before it."""
    profile = Profile(history.user)
    for name, facts in history.facts.items():
        profile.facts[name] = [fact for fact in facts if fact.log_ms < instant_ms]
    for event in history.applied:
        if event.log_ms < instant_ms:
            profile.carts.take(event)
    return Reading(models.config, profile, instant_ms)


def tags_at(models: Models, history: History, instant_ms: int) -> list[str]:
    """The tags held at an instant, before the records of that instant."""
    held: dict[str, bool] = {}
    for document in history.transitions:
        data = document["data"]
        assert isinstance(data, dict)
        is_record = data["offset"] >= 0
        if (str(document["time"]), is_record) < (text_of(instant_ms), True):
            held[data["tag"]] = data["held"]
    return [tag.name for tag in models.config.tags if held.get(tag.name)]
