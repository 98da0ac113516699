"""A user's profile as a page for a terminal: what they hold, what is pending, what was sent."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import msgspec
from msgspec import Struct

from config.places import printable
from config.schema import Config, Journey
from connectors.triggers import Score
from flows.feature_words import ORDER, Value, in_words, is_nothing, subject
from flows.moments import Moments
from flows.plain_text import COLUMNS, columns, folded

NAME_COLUMNS = 24
CELL_COLUMNS = COLUMNS // 2
"""Features stand two to a line."""

OUTCOMES = {
    "holdout": "held out",
    "shadow": "in shadow, not sent",
    "too_late": "withheld as too late",
}


class RunningInstance(Struct, frozen=True, kw_only=True):
    """An instance under way, and its pending stage."""

    journey: str
    key: str | None
    entry: datetime
    stage: str
    due: datetime


class LastTrigger(Struct, frozen=True, kw_only=True):
    """The last stage of a journey that was sent, held out, withheld or decided in shadow.

    `stage` is None where the journey does not have it any more.
    """

    journey: str
    stage: str | None
    at: datetime
    outcome: str


class Profile(Struct, frozen=True, kw_only=True):
    """A line of `beckon replay --profiles`. `tags` gives each tag's since."""

    user: str
    at: datetime
    features: dict[str, Value]
    scores: dict[str, Score] = {}
    tags: dict[str, datetime]
    instances: list[RunningInstance]
    triggers: list[LastTrigger]
    closed_channels: list[str]


_decoder = msgspec.json.Decoder(Profile)


def profile_page(line: bytes, config: Config) -> list[str]:
    """The page of one profile, given as its JSON line: lines of at most 80 columns.

    Times are in the shop's zone, and told from the profile's clock.
    """
    profile = _decoder.decode(line)
    moments = Moments(config.shop.zone, profile.at)
    pages = {
        "": _head(profile, config, moments),
        "Tags": _tags(profile, config, moments),
        "Journeys under way": _instances(profile, config, moments),
        "Last triggers": _triggers(profile, moments),
        **_scores(profile),
        **_features(profile, config),
    }
    lines: list[str] = []
    for heading, texts in pages.items():
        lines += ["", heading] if heading else []
        for text in texts or ["  none"]:
            lines += folded(text, indent=6)
    return lines


def _head(profile: Profile, config: Config, moments: Moments) -> list[str]:
    open_channels = [name for name in config.shop.channels if name not in profile.closed_channels]
    channels = ", ".join(open_channels) or "none"
    if profile.closed_channels:
        channels += "; closed: " + ", ".join(profile.closed_channels)
    return [
        printable(profile.user),
        f"as of {moments.now()}",
        f"channels open: {channels}",
    ]


def _tags(profile: Profile, config: Config, moments: Moments) -> list[str]:
    """The tags held; a group is held by whoever holds one of its tags, so it is not told."""
    groups = {tag.name for tag in config.tags if tag.rule is None}
    since = {name: at for name, at in profile.tags.items() if name not in groups}
    return [
        f"{_named(name)}since {moments.at(at)}, {moments.ago(at)}" for name, at in since.items()
    ]


def _instances(profile: Profile, config: Config, moments: Moments) -> list[str]:
    journeys = {journey.name: journey for journey in config.journeys}
    texts = []
    for instance in sorted(profile.instances, key=lambda instance: instance.due):
        journey = journeys[instance.journey]
        due = f"{moments.at(instance.due, seconds=True)}, in {moments.ahead(instance.due)}"
        texts += [
            f"  {_instance_name(instance, journey)}",
            f"    {instance.stage} due {due}; entered {moments.at(instance.entry)}",
        ]
    return texts


def _instance_name(instance: RunningInstance, journey: Journey) -> str:
    """The journey, and of a keyed one which cart (or whatever its key names) it is about."""
    name = instance.journey
    if journey.key is not None and instance.key is not None:
        name += f", {journey.key.removesuffix('_id')} {printable(instance.key)}"
    return name if journey.status == "live" else f"{name} ({journey.status})"


def _triggers(profile: Profile, moments: Moments) -> list[str]:
    texts = []
    for trigger in profile.triggers:
        outcome = OUTCOMES.get(trigger.outcome, trigger.outcome)
        when = f"{moments.at(trigger.at)}, {moments.ago(trigger.at)} ago"
        stage = trigger.stage or "a stage that is gone"
        texts.append(f"{_named(trigger.journey)}{stage} {outcome} {when}")
    return texts


def _scores(profile: Profile) -> dict[str, list[str]]:
    """How likely what is; nothing where nothing has been learned."""
    told = [f"{_named(name)}{score.value:.0%}" for name, score in profile.scores.items()]
    return {"Propensities": told} if told else {}


def _features(profile: Profile, config: Config) -> dict[str, list[str]]:
    """What is known about each subject; what is missing is left out."""
    cells: dict[str, list[str]] = {about: [] for about in ORDER}
    nothing: dict[str, list[str]] = {about: [] for about in ORDER}
    for feature in config.profile_features:
        if feature.name not in profile.features:
            continue
        value = profile.features[feature.name]
        about = subject(config, feature)
        if is_nothing(feature, value):
            nothing[about].append(feature.name)
        else:
            cells[about].append(_named(feature.name) + in_words(config, feature, value))
    pages = {}
    for about in ORDER:
        zeros = folded(f"  0: {', '.join(nothing[about])}", indent=5) if nothing[about] else []
        if cells[about] or zeros:
            pages[about.capitalize()] = [*_side_by_side(cells[about]), *zeros]
    return pages


def _side_by_side(cells: list[str]) -> Iterator[str]:
    """Two cells to a line where both are narrow enough."""
    waiting = ""
    for cell in cells:
        if waiting and max(columns(waiting), columns(cell)) <= CELL_COLUMNS:
            yield waiting + " " * (CELL_COLUMNS - columns(waiting)) + cell
            waiting = ""
        else:
            if waiting:
                yield waiting
            waiting = cell
    if waiting:
        yield waiting


def _named(name: str) -> str:
    return f"  {name:<{NAME_COLUMNS}} "
