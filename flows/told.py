"""A decision told in the shop's words, with the values that the rule saw."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec
from msgspec import Struct

from config.schema import Config, Journey, Stage
from connectors.triggers import (
    GOAL,
    TAG,
    TRIGGER,
    CloudEvent,
    Compared,
    Decided,
    GoalReached,
    Turned,
)
from flows.moments import Moments, span
from flows.rule_facts import Terms, fact, nearest_miss, supporting, terms_of

EVENT_WORDS = {
    "Order Completed": ("order", "ordered"),
    "Product Added": ("product added", "put something in the cart"),
    "Checkout Started": ("checkout", "went to the checkout"),
}
"""Of well-known events: what has not come yet, and what the user did."""


class Decision(CloudEvent, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True):
    """A trigger or a suppressed stage, read back from its line."""

    data: Decided


class GoalEvent(CloudEvent, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True):
    """A goal that was reached, read back from its line."""

    data: GoalReached


class Transition(CloudEvent, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True):
    """A tag gained or lost, read back from its line."""

    data: Turned


Happened = Decision | GoalEvent | Transition


class EventType(Struct):
    """The part of a line that says what kind of line it is."""

    type: str


class Told(NamedTuple):
    """What happened, and why ("" where there is no more to say)."""

    what: str
    why: str

    def __str__(self) -> str:
        return f"{self.what}: {self.why}" if self.why else self.what


event_type = msgspec.json.Decoder(EventType)
decision = msgspec.json.Decoder(Decision)
goal_event = msgspec.json.Decoder(GoalEvent)
transition = msgspec.json.Decoder(Transition)


def read(line: bytes) -> Happened:
    """What a line of the outputs `decisions` and `tags` says."""
    kind = event_type.decode(line).type
    if kind == GOAL:
        return goal_event.decode(line)
    return transition.decode(line) if kind == TAG else decision.decode(line)


def told(happened: Happened, config: Config, cause: str = "") -> Told:
    """What happened to a user, for a person.

    `config` is the one that decided. `cause` is the event that a decision came with, where that is
    known: its line has only the offset.
    """
    if isinstance(happened, Transition):
        turned = happened.data
        return Told(f"{'is now' if turned.held else 'is no longer'} {turned.tag}", "")
    journey = _journey(config, happened.data.journey)
    if isinstance(happened, GoalEvent):
        return _told_goal(happened.data, journey)
    if happened.type == TRIGGER:
        return _told_sent(happened, journey, config)
    return _told_suppressed(happened, journey, config, cause)


def missed(suppressed: Decision, config: Config) -> Compared | None:
    """The nearest miss of a stage that its rule held back, if a comparison is to blame."""
    stage = _stage(_journey(config, suppressed.data.journey), suppressed.data.stage)
    return nearest_miss(suppressed.data.rules, _terms(stage, suppressed.data.rules))


def _journey(config: Config, name: str) -> Journey:
    return next(journey for journey in config.journeys if journey.name == name)


def _told_goal(reached: GoalReached, journey: Journey) -> Told:
    assert journey.goal is not None, "only a journey with a goal reaches one"
    within = _span(journey.goal.within_ms)
    message = "being held out from" if reached.held_out else "the message of"
    return Told(f"{_done(reached.event)} within {within} of {message} {journey.name}", "")


def _told_sent(sent: Decision, journey: Journey, config: Config) -> Told:
    data = sent.data
    stage = _stage(journey, data.stage)
    features = _features(config)
    seen = supporting(data.rules, _terms(stage, data.rules))
    facts = [fact(one, features) for one in seen]
    if journey.exit_events:
        since = datetime.fromisoformat(data.deadline) - timedelta(milliseconds=stage.after_ms)
        moments = Moments(config.shop.zone, datetime.fromisoformat(sent.time))
        facts += [f"no {_undone(event)}" for event in journey.exit_events]
        facts[-1] += f" since {moments.at(since, seconds=True)}"
    return Told(f"sent {data.send} by {data.channel}", ", ".join(facts))


def _told_suppressed(suppressed: Decision, journey: Journey, config: Config, cause: str) -> Told:
    data = suppressed.data
    stage = _stage(journey, data.stage)
    match data.reason:
        case "exit":
            return Told(f"{_exit_cause(journey, cause)}{data.send} no longer needed", "")
        case "holdout":
            share = f"one of the {journey.holdout:.0%} who never get {journey.name}"
            return Told(f"held out from {data.send}", share)
        case "rule":
            return Told(f"not sent {data.send}", _why_not(suppressed, stage, config))
    return Told(f"not sent {data.send}", _why_suppressed(suppressed, journey, stage))


def _why_suppressed(suppressed: Decision, journey: Journey, stage: Stage) -> str:
    """The reasons that are neither the rule's nor the exit's nor the holdout's."""
    match suppressed.data.reason:
        case "cooldown":
            cooldown = _span(journey.cooldown_ms)
            return f"less than {cooldown} after the last message of {journey.name}"
        case "expired":
            instants = suppressed.time, suppressed.data.deadline
            decided, deadline = map(datetime.fromisoformat, instants)
            return f"{span(decided - deadline)} too late, ttl {_span(stage.ttl_ms)}"
        case "before_live":
            return "due before the shop went live"
        case "too_late":
            return "it was too late when it could have been sent"
        case "consent":
            return f"said no to {' and '.join(journey.channels)}"
        case "priority":
            return "another journey came first at this instant"
        case "replaced":
            return "newer runs of journeys took its place"
        case "off":
            return f"{journey.name} is switched off"
        case "shadow":
            return f"{journey.name} is in shadow; else by {suppressed.data.channel}"
    return str(suppressed.data.reason).replace("_", " ")


def _why_not(suppressed: Decision, stage: Stage, config: Config) -> str:
    """The nearest miss; where no comparison is to blame, the tag that is."""
    data = suppressed.data
    compared = missed(suppressed, config)
    if compared is not None:
        return fact(compared, _features(config))
    for tag, wanted in _terms(stage, data.rules).tags:
        if (tag in data.tags) != wanted:
            return f"{'is not' if wanted else 'is'} {tag}"
    return "its rule does not hold"


def _exit_cause(journey: Journey, cause: str) -> str:
    """What ended an instance, as far as it is known: an event, or what `exit.when` says."""
    if cause in journey.exit_events:
        return f"{_done(cause)}; "
    if not cause or journey.exit_when is None:
        return ""
    rule = journey.exit_when.text
    terms = terms_of(rule)
    if terms.comparisons or len(terms.tags) != 1:
        return f"{rule}; "
    ((tag, wanted),) = terms.tags
    return f"{'is now' if wanted else 'is no longer'} {tag}; "


def _stage(journey: Journey, name: str) -> Stage:
    return next(stage for stage in journey.stages if stage.name == name)


def _features(config: Config) -> list[str]:
    return [feature.name for feature in config.features]


def _terms(stage: Stage, compared: list[Compared]) -> Terms:
    """The terms of a stage's rule; all have to hold where it is another rule than that of then."""
    terms = terms_of(stage.when.text) if stage.when is not None else Terms((), ())
    if len(terms.comparisons) == len(compared):
        return terms
    return Terms((True,) * len(compared), ())


def _span(length_ms: int) -> str:
    return span(timedelta(milliseconds=length_ms))


def _done(event: str) -> str:
    return EVENT_WORDS[event][1] if event in EVENT_WORDS else event.lower()


def _undone(event: str) -> str:
    return EVENT_WORDS[event][0] if event in EVENT_WORDS else event.lower()
