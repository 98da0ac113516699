"""Features, counted again from all the events a user ever had, each time one is asked for."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from statistics import mean, pvariance
from typing import NamedTuple, Protocol

from config.schema import Config, Feature, Field
from tests.oracle_carts import Carts
from tests.oracle_rules import Value
from tests.reference_decoder import Event

DAY_MS = 86_400_000
SECOND_MS = 1_000
DISTINCT_MAX = 32
WINDOWED = ("count", "sum", "distinct", "sessions")
PROPENSITY = "propensity."


class Fact(NamedTuple):
    """What an event (or one of its lines) says to a feature. `value`: text, or a whole number."""

    at_ms: int
    log_ms: int
    weight: int
    value: int | str | None


Facts = dict[str, list[Fact]]


class Remembered(Protocol):
    """What features are counted from."""

    facts: Facts
    carts: Carts


Scoring = Callable[[str, "Reading"], Value]


def ceil_second(instant_ms: int) -> int:
    """The instant, rounded up to a whole second."""
    return -(-instant_ms // SECOND_MS) * SECOND_MS


def facts_of(config: Config, feature: Feature, event: Event) -> list[Fact]:
    """What `event` says to `feature`: nothing if it is none of its events or lacks the field."""
    if event.name not in feature.events:
        return []
    values: list[int | str | None] = [None]
    if isinstance(feature.of, Field):
        values = field_values(config, feature.of, event)
    weight = feature.events[event.name]
    return [Fact(event.at_ms, event.log_ms, weight, value) for value in values]


def field_values(config: Config, field: Field, event: Event) -> list[int | str | None]:
    """The event's own field, or the field of each line; those that are missing are left out."""
    own = {
        one.name
        for known in config.events
        if known.name == event.name
        for one in known.fields
        if not one.line
    }
    if field.name in own:
        found = [event.fields.get(field.name)]
    else:
        found = [line.get(field.name) for line in event.lines]
    return [value for value in found if value is not None]


def leaves_at_ms(feature: Feature, at_ms: int) -> int:
    """The first instant at which an event of `at_ms` is out of the feature's window."""
    return (at_ms // feature.tile_ms + 1) * feature.tile_ms + feature.window_ms


def in_window(feature: Feature, at_ms: int, instant_ms: int) -> bool:
    """Whether an event of `at_ms` counts at `instant_ms`."""
    return feature.window_ms == 0 or instant_ms < leaves_at_ms(feature, at_ms)


class Reading:
    """A user's features at one instant; `cart` picks a cart by key, None the one last touched.

    `score` is asked for propensities.
    """

    def __init__(
        self, config: Config, profile: Remembered, instant_ms: int, score: Scoring | None = None
    ) -> None:
        self.config = config
        self.profile = profile
        self.instant_ms = instant_ms
        self.score = score
        self.cart: str | None = None
        self.known: dict[str, Value] = {}

    def of_cart(self, key: str | None) -> Reading:
        """The same instant, read by the rules of an instance with this cart."""
        other = Reading(self.config, self.profile, self.instant_ms, self.score)
        other.cart = key
        return other

    def value(self, name: str) -> Value:
        """The feature's value; None when it is missing."""
        if name not in self.known:
            self.known[name] = self.counted(name)
        return self.known[name]

    def counted(self, name: str) -> Value:
        """The feature's value, counted from the events."""
        if name.startswith(PROPENSITY):
            assert self.score is not None, "asked for no score"
            return self.score(name.removeprefix(PROPENSITY), self)
        feature = next(one for one in self.config.features if one.name == name)
        digits = self.config.shop.minor_digits
        if feature.kind == "cart":
            assert isinstance(feature.of, str)
            return self.profile.carts.measure(feature.of, self.cart, digits)
        if feature.kind == "ratio":
            above, below = (self.value(self.config.features[one].name) for one in feature.over)
            return divided(above, below)
        facts = self.profile.facts.get(name, [])
        if feature.kind in WINDOWED:
            return COUNTS[feature.kind](feature, facts, self.instant_ms, digits)
        if feature.kind == "days_since":
            return days_since(facts, self.instant_ms)
        return SINCE_EVER[feature.kind](feature, facts, digits)

    def all(self) -> dict[str, object]:
        """All features that are not missing, in the order of the file."""
        values = {one.name: self.value(one.name) for one in self.config.profile_features}
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in values.items()
            if value is not None
        }


def readable(field: Field, value: int | str, digits: int) -> Value:
    """As rules see it: money in major units, numbers as they are, flags 1 or 0, texts."""
    if isinstance(value, str):
        return value
    scale = {"money": 10.0**digits, "number": 1000.0}.get(field.type, 1.0)
    return float(value) / scale


def divided(above: Value, below: Value) -> Value:
    if not isinstance(above, float) or not isinstance(below, float) or below == 0:
        return None
    return above / below


def count(feature: Feature, facts: list[Fact], instant_ms: int, _digits: int) -> Value:
    return float(sum(fact.weight for fact in facts if in_window(feature, fact.at_ms, instant_ms)))


def total(feature: Feature, facts: list[Fact], instant_ms: int, digits: int) -> Value:
    assert isinstance(feature.of, Field)
    inside = [fact for fact in facts if in_window(feature, fact.at_ms, instant_ms)]
    whole = sum(fact.weight * fact.value for fact in inside if isinstance(fact.value, int))
    return readable(feature.of, whole, digits)


def distinct(feature: Feature, facts: list[Fact], instant_ms: int, _digits: int) -> Value:
    """Who is remembered depends on what was full when: so the arrivals are gone through again."""
    latest: dict[int | str | None, int] = {}
    for fact in facts:
        latest = {value: at for value, at in latest.items() if in_window(feature, at, fact.log_ms)}
        if not in_window(feature, fact.at_ms, fact.log_ms):
            continue
        if fact.value in latest or len(latest) < DISTINCT_MAX:
            latest[fact.value] = max(fact.at_ms, latest.get(fact.value, fact.at_ms))
    return float(sum(in_window(feature, at, instant_ms) for at in latest.values()))


def sessions(feature: Feature, facts: list[Fact], instant_ms: int, _digits: int) -> Value:
    starts = [
        fact.at_ms
        for index, fact in enumerate(facts)
        if all(fact.at_ms - before.at_ms > feature.gap_ms for before in facts[:index])
    ]
    return float(sum(in_window(feature, at, instant_ms) for at in starts))


def days_since(facts: list[Fact], instant_ms: int) -> Value:
    if not facts:
        return None
    latest = max(ceil_second(fact.at_ms) for fact in facts)
    return float(max(0, (instant_ms - latest) // DAY_MS))


def last(feature: Feature, facts: list[Fact], digits: int) -> Value:
    if not facts:
        return None
    _, newest = max(enumerate(facts), key=lambda pair: (pair[1].at_ms, pair[0]))
    assert isinstance(feature.of, Field) and newest.value is not None
    return readable(feature.of, newest.value, digits)


def first(feature: Feature, facts: list[Fact], digits: int) -> Value:
    if not facts:
        return None
    oldest = min(facts, key=lambda fact: fact.at_ms)  # of equals, the one that came first
    assert isinstance(feature.of, Field) and oldest.value is not None
    return readable(feature.of, oldest.value, digits)


def gap(feature: Feature, facts: list[Fact], _digits: int) -> Value:
    if feature.of == "variation":
        return variation(facts)
    instants = sorted(ceil_second(fact.at_ms) for fact in facts)
    if len(instants) < 2:
        return None
    if feature.of == "last":
        return (instants[-1] - instants[-2]) // SECOND_MS / 86400.0
    return (instants[-1] - instants[0]) // SECOND_MS / 86400.0 / (len(instants) - 1)


def variation(facts: list[Fact]) -> Value:
    """Arrivals one by one: which are passed over depends on their order. Of fractions, so exact."""
    instants: list[int] = []
    for fact in facts:
        instant = ceil_second(fact.at_ms)
        if not instants or instant <= instants[0] or instant >= instants[-2:][0]:
            instants = sorted([*instants, instant])
    if len(instants) < 3:
        return None
    gaps = [Fraction(after - before) for before, after in pairwise(instants)]
    if len(set(gaps)) == 1:
        return 0.0
    return math.sqrt(pvariance(gaps) / mean(gaps) ** 2)


def affinity(feature: Feature, facts: list[Fact], _digits: int) -> Value:
    """Arrivals one by one: which texts are remembered depends on their order."""
    scores: dict[str, float] = {}
    reference_ms = facts[0].at_ms if facts else 0
    for fact in facts:
        assert isinstance(fact.value, str)
        age_ms = abs(fact.at_ms - reference_ms)
        faded = 2.0 ** (-age_ms / feature.half_life_ms)
        added = float(fact.weight)
        if fact.at_ms > reference_ms:
            scores = {text: score * faded for text, score in scores.items()}
            reference_ms = fact.at_ms
        elif fact.at_ms < reference_ms:
            added *= faded
        scores = with_score(scores, fact.value, added, feature.keep)
    return max(scores, key=lambda text: scores[text]) if scores else None


def with_score(scores: dict[str, float], text: str, added: float, keep: int) -> dict[str, float]:
    """The scores after one of them changed; a replacement stands where the replaced one stood.

    Only the score that changed is looked at: one that faded to nothing stays until it is replaced.
    """
    items = list(scores.items())
    if text in scores or len(items) < keep:
        items = list((scores | {text: scores.get(text, 0.0) + added}).items())
    else:
        lowest = min(range(keep), key=lambda index: items[index][1])
        if added > items[lowest][1]:
            items[lowest] = (text, added)
    return {one: score for one, score in items if one != text or score > 0}


def recent(feature: Feature, facts: list[Fact], _digits: int) -> Value:
    newest_first = dict.fromkeys(str(fact.value) for fact in reversed(facts))
    return tuple(newest_first)[: feature.keep] or None


COUNTS: dict[str, Callable[[Feature, list[Fact], int, int], Value]] = {
    "count": count,
    "sum": total,
    "distinct": distinct,
    "sessions": sessions,
}
SINCE_EVER: dict[str, Callable[[Feature, list[Fact], int], Value]] = {
    "last": last,
    "first": first,
    "gap": gap,
    "affinity": affinity,
    "recent": recent,
}
