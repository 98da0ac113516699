"""What the oracle says, as the JSON objects of docs/semantics.md, with their places."""

from __future__ import annotations

import math
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any

from tests.oracle_profile import Document, Instance, Moment, Place, Profile, Send
from tests.oracle_rules import comparisons, propensities_read
from tests.oracle_tags import since_when

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def text_of(instant_ms: int) -> str:
    """An instant as RFC 3339 text, in UTC, with milliseconds."""
    moment = EPOCH + timedelta(milliseconds=instant_ms)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def written(value: Any) -> Any:
    """A value as outputs write it: numbers with six decimals, from nine billions on with none."""
    if not isinstance(value, float):
        return value
    if not abs(value) <= 9e18:
        return None
    if abs(value) >= 9e9:
        return float(math.floor(value + 0.5))
    return math.floor(value * 1e6 + 0.5) / 1e6


def written_all(features: dict[str, Any]) -> dict[str, Any]:
    return {name: written(value) for name, value in features.items()}


def identity(*parts: str) -> str:
    """The id of a decision or transition."""
    return blake2b("\0".join(parts).encode(), digest_size=16).hexdigest()


def place_of(moment: Moment, instance: Instance, stage: int) -> Place:
    """Where a decision on an instance's stage stands in the order of its partition."""
    journey, key = instance.journey, instance.key
    when = (moment.instant_ms, moment.offset, moment.profile.user.encode())
    whose = (-journey.priority, journey.name, key is not None, (key or "").encode())
    return (*when, *whose, instance.entry_ms, stage)


def envelope(kind: str, identifier: str, moment: Moment, data: Document) -> Document:
    """The CloudEvents attributes around `data`."""
    return {
        "specversion": "1.0",
        "id": identifier,
        "source": "beckon",
        "type": kind,
        "subject": moment.profile.user,
        "time": text_of(moment.instant_ms),
        "datacontenttype": "application/json",
        "data": data,
    }


def instance_id(kind: str, user: str, instance: Instance, stage: int) -> str:
    entry, name = text_of(instance.entry_ms), instance.journey.stages[stage].name
    return identity(kind, user, instance.journey.name, instance.key or "", entry, name)


def instance_document(instance: Instance) -> Document:
    return {"key": instance.key, "entry": text_of(instance.entry_ms)}


def decision(moment: Moment, instance: Instance, reason: str | None) -> tuple[Place, Document]:
    """The trigger of the pending stage, or with a reason its suppression."""
    stage = instance.journey.stages[instance.stage]
    kind = "beckon.trigger" if reason is None else "beckon.suppressed"
    data = decision_data(moment, instance)
    if reason is not None:
        data["reason"] = reason
    elif explained := because(moment, instance):
        data["because"] = explained
    if reason not in (None, "shadow", "holdout"):
        data["channel"] = None
        data["scores"] = scores(moment, propensities_read(stage.when.text) if stage.when else ())
    identifier = instance_id(kind, moment.profile.user, instance, instance.stage)
    document = envelope(kind, identifier, moment, data)
    if reason is None:
        document["expirytime"] = text_of(moment.instant_ms + stage.ttl_ms)
    return place_of(moment, instance, instance.stage), document


def decision_data(moment: Moment, instance: Instance) -> Document:
    journey = instance.journey
    stage = journey.stages[instance.stage]
    held = moment.profile.tags.held
    cart = instance.key if journey.key == "cart_id" else None
    return {
        "journey": journey.name,
        "version": moment.config.version,
        "stage": stage.name,
        "instance": instance_document(instance),
        "deadline": text_of(instance.deadline_ms),
        "offset": moment.offset,
        "send": stage.send,
        "channel": open_channel(moment, instance),
        "purpose": journey.purpose,
        "lines": cart_lines(moment, cart),
        "features": written_all(moment.reading().of_cart(cart).all()),
        "tags": [tag.name for tag in moment.config.tags if tag.name in held],
        "scores": scores(moment),
        "rules": rules(moment, instance),
    }


def scores(moment: Moment, wanted: Collection[str] | None = None) -> Document:
    """The scores that are of a version; of these models, or of all."""
    reading, names = moment.reading(), moment.models.names
    found = {
        name: moment.models.score(name, reading, moment.offset)
        for name in names
        if wanted is None or name in wanted
    }
    return {
        name: {"value": written(score.value), "version": score.version.id[:16]}
        for name, score in found.items()
        if score.version
    }


def because(moment: Moment, instance: Instance) -> list[Document]:
    """What each feature adds to the scores that the pending stage's `when` reads."""
    when = instance.journey.stages[instance.stage].when
    read = moment.models.read_by(when.text) if when is not None else set()
    user = moment.reading()
    return [
        {"score": name, "feature": feature, "adds": written(adds)}
        for name in moment.models.names
        if name in read
        for feature, adds in moment.models.contributions(name, user, moment.offset)
    ]


def open_channel(moment: Moment, instance: Instance) -> str | None:
    """The first of the journey's channels that the user has not closed."""
    channels = instance.journey.channels
    return next((one for one in channels if one not in moment.profile.closed), None)


def cart_lines(moment: Moment, cart: str | None) -> list[Document]:
    scale = 10.0**moment.config.shop.minor_digits
    return [
        {
            "item": item,
            "quantity": line.quantity / 1000.0,
            "price": line.price / scale,
            "category": line.category,
        }
        for item, line in moment.profile.carts.lines(cart).items()
    ]


def rules(moment: Moment, instance: Instance) -> list[Document]:
    """Each comparison of the pending stage's `when`, with what was compared."""
    when = instance.journey.stages[instance.stage].when
    if when is None:
        return []
    found = comparisons(when.text, moment.names(instance.journey, instance.key))
    return [
        {
            "rule": known.text,
            "left": written(one.left),
            "right": written(one.right),
            "holds": one.holds,
        }
        for known, one in zip(when.comparisons, found, strict=True)
    ]


def goal(moment: Moment, send: Send) -> tuple[Place, Document]:
    """The success of an earlier decision."""
    assert moment.event is not None
    instance = send.instance
    identifier = instance_id("beckon.goal", moment.profile.user, instance, send.stage)
    data: Document = {
        "journey": instance.journey.name,
        "stage": instance.journey.stages[send.stage].name,
        "instance": instance_document(instance),
        "offset": moment.offset,
        "event": moment.event.name,
        "held_out": send.outcome == "holdout",
    }
    document = envelope("beckon.goal", identifier, moment, data)
    return place_of(moment, instance, send.stage), document


def transition(moment: Moment, index: int, gained: bool) -> tuple[Place, Document]:
    """A tag gained or lost."""
    user, tag = moment.profile.user, moment.config.tags[index].name
    instant, held = text_of(moment.instant_ms), "true" if gained else "false"
    identifier = identity("beckon.tag", user, tag, instant, held, str(moment.offset))
    data: Document = {"tag": tag, "held": gained, "offset": moment.offset}
    place = (moment.instant_ms, moment.offset, user.encode(), index)
    return place, envelope("beckon.tag", identifier, moment, data)


def profile_document(moment: Moment) -> Document:
    """The readable profile as of the final clock."""
    profile: Profile = moment.profile
    instances = [
        {
            "journey": one.journey.name,
            "key": one.key,
            "entry": text_of(one.entry_ms),
            "stage": one.journey.stages[one.stage].name,
            "due": text_of(one.due_ms or 0),
        }
        for one in profile.instances
    ]
    return {
        "user": profile.user,
        "at": text_of(moment.instant_ms),
        "features": written_all(moment.reading().all()),
        **({"scores": scores(moment)} if moment.models.names else {}),
        "tags": {
            name: text_of(at_ms) for name, at_ms in since_when(moment.config, profile.tags).items()
        },
        "instances": instances,
        "triggers": last_triggers(profile),
        "closed_channels": [one for one in moment.config.shop.channels if one in profile.closed],
    }


def last_triggers(profile: Profile) -> list[Document]:
    """The last decision of each journey that counts, the newest first."""
    last = {send.instance.journey.name: send for send in profile.sends}
    newest_first = sorted(last.items(), key=lambda pair: (-pair[1].instant_ms, pair[0]))
    return [
        {
            "journey": name,
            "stage": send.instance.journey.stages[send.stage].name,
            "at": text_of(send.instant_ms),
            "outcome": "too_late" if send.withheld else send.outcome,
        }
        for name, send in newest_first
    ]
