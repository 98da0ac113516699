"""Propensities, scored anew from models.toml's own text and a user's events at each look."""

from __future__ import annotations

import math
import struct
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from config.schema import Config
from config.terms import TermProgram
from tests.oracle_features import DAY_MS, Reading
from tests.oracle_rules import (
    Names,
    Thresholds,
    Value,
    holds,
    names_read,
    propensities_read,
    tags_read,
    thresholds_of,
)
from tests.plain_terms import plain_value
from tests.reference_hash import murmur64a

FEATURE_MAX, TERM_MAX, LOGIT_MAX = 1e12, 1e6, 30.0
UNITS_MS = {"d": DAY_MS, "h": 3_600_000, "m": 60_000, "s": 1_000}
CART_EVENTS = {"Product Added", "Product Removed", "Cart Viewed", "Order Completed"}
BEHIND_ALL = 2**62
"""The offset of a moment behind all records of a log."""

Table = Mapping[str, Any]


class Version(NamedTuple):
    """A version: for which program, and per term the mean, the scale and the weight."""

    id: str
    shape: object
    terms: Mapping[str, tuple[float, float, float]]
    clip: float
    intercept: float


class Adoption(NamedTuple):
    """A `model` record: its log time, and the offset of the first event behind it."""

    log_ms: int
    before: int
    model: str
    version: Version


class Score(NamedTuple):
    """What a rule reads, and the version that it is of, if it is of one."""

    value: float | None
    version: Version | None = None


class Models:
    """models.toml as it stands there, and the `model` records of a log, in their order.

    Also the thresholds of all files.
    """

    def __init__(
        self,
        config: Config,
        thresholds: Thresholds,
        tables: Table,
        adoptions: Sequence[Adoption] = (),
    ) -> None:
        self.config = config
        self.thresholds = thresholds
        self.limits = {one: float(value) for one, value in thresholds.get("models", {}).items()}
        self.tables = tables
        self.adoptions = adoptions
        self.models: dict[str, Table] = dict(tables.get("model", {}))
        self.names = [*self.models]
        self.learned = [name for name in self.names if "complement" not in self.models[name]]
        self.terms = {name: self.terms_of(name) for name in self.learned}
        self.features = {name: self.features_of(name) for name in self.learned}
        self.events = {name: self.events_of(name) for name in self.learned}
        rules = [tag.rule.text for tag in config.tags if tag.rule]
        self.read_by_tags = any(propensities_read(rule) for rule in rules)

    def terms_of(self, name: str) -> dict[str, str]:
        """The terms of a model and those that they are made of, in the order of the file."""
        needed = {term for one in self.models[name]["sets"] for term in self.terms_of_set(one)}
        texts: dict[str, str] = self.tables["terms"]
        for term in reversed([*texts]):
            if term in needed:
                needed |= names_read(texts[term])
        return {term: text for term, text in texts.items() if term in needed}

    def terms_of_set(self, name: str) -> list[str]:
        """The terms of a set, with those of the set that it adds to."""
        table = self.tables["set"][name]
        above = self.terms_of_set(table["adds_to"]) if "adds_to" in table else []
        return [*above, *table["terms"]]

    def features_of(self, name: str) -> list[str]:
        """The features that a model's terms read."""
        read = {one for text in self.terms[name].values() for one in names_read(text)}
        return [one.name for one in self.config.features if one.name in read]

    def events_of(self, name: str) -> set[str]:
        """The names of the events that a model's score depends on."""
        read = {*self.features[name]} | names_read(self.models[name].get("eligible", "0"))
        found: set[str] = set()
        for feature in reversed(self.config.features):
            if feature.name in read:
                parts = feature.over if feature.kind == "ratio" else ()
                read |= {self.config.features[part].name for part in parts}
                found |= {*feature.events} | (CART_EVENTS if feature.kind == "cart" else set())
        return found

    def in_force(self, name: str, instant_ms: int, offset: int) -> Version | None:
        """The version at a deadline (offset -1), or when the event of that offset is applied."""
        known = [
            adoption.version
            for adoption in self.adoptions
            if adoption.model == name
            and (adoption.log_ms < instant_ms if offset < 0 else adoption.before <= offset)
        ]
        own = next(model for model in self.config.models if model.name == name)
        fits = known and known[-1].shape == shape_of(own.recipe.program)
        return known[-1] if fits else None

    def score(self, name: str, reading: Reading, offset: int) -> Score:
        """A model's score for the user and the instant of `reading`."""
        if name not in self.learned:
            score = self.score(self.models[name]["complement"], reading, offset)
            return score._replace(value=opposite(score.value))
        user = reading.of_cart(None)
        if not self.is_eligible(name, user):
            return Score(None)
        version = self.in_force(name, reading.instant_ms, offset)
        if version is None:
            return Score(float(self.models[name]["default"]))
        logit = version.intercept + math.fsum(self.parts(name, user, version).values())
        logit = min(max(logit, -LOGIT_MAX), LOGIT_MAX)
        return Score(1.0 / (1.0 + math.exp(-logit)), version)

    def is_eligible(self, name: str, reading: Reading) -> bool:
        """Whether the model's rule holds, if it has one."""
        rule = self.models[name].get("eligible")
        return rule is None or holds(rule, Names(reading.value, set(), {}, self.limits))

    def parts(self, name: str, reading: Reading, version: Version) -> dict[str, float]:
        """What each term adds to the logit."""
        named = self.limits | {"horizon_days": milliseconds(self.models[name]["within"]) / DAY_MS}
        for feature, value in self.raw(name, reading).items():
            named[feature] = math.nan if value is None or abs(value) > FEATURE_MAX else value
        for term, text in self.terms[name].items():
            named[term] = plain_value(text, named)
        return {term: part_of(named[term], version, term) for term in version.terms}

    def contributions(self, name: str, reading: Reading, offset: int) -> list[tuple[str, float]]:
        """What features add to the logit: the five that add or take most, these first."""
        if name not in self.learned:
            other = self.contributions(self.models[name]["complement"], reading, offset)
            return [(feature, -adds) for feature, adds in other]
        version = self.score(name, reading, offset).version
        if version is None:
            return []
        own = next(model for model in self.config.models if model.name == name)
        adds = dict.fromkeys(own.recipe.program.features, 0.0)
        for term, part in self.parts(name, reading.of_cart(None), version).items():
            read = self.features_in(name, term)
            for feature in read:
                adds[feature] += part / len(read)
        largest = sorted(adds.items(), key=lambda pair: -round(abs(pair[1]), 9))
        return [(feature, part) for feature, part in largest[:5] if part != 0.0]

    def features_in(self, name: str, term: str) -> set[str]:
        """The features that a term reads, itself or through other terms."""
        texts = self.terms[name]
        read = names_read(texts[term]) if term in texts else {term}
        inner = [self.features_in(name, one) for one in read if one in texts]
        return (read & {*self.features[name]}).union(*inner)

    def read_by(self, rule: str) -> set[str]:
        """The models whose scores a rule reads, itself or through tags."""
        tags = tags_read(rule)
        below = [
            self.read_by(tag.rule.text)
            for tag in self.config.tags
            if tag.rule and any(f"{tag.name}.".startswith(f"{one}.") for one in tags)
        ]
        return propensities_read(rule).union(*below)

    def raw(self, name: str, reading: Reading) -> dict[str, float | None]:
        """The features that a model's terms read, as float32; None is missing."""
        return {feature: float32_of(reading.value(feature)) for feature in self.features[name]}


def models_of(config: Config, directory: Path, adoptions: Sequence[Adoption] = ()) -> Models:
    """The models of a config folder; none where it has no models.toml."""
    path = directory / "models.toml"
    tables = tomllib.loads(path.read_text()) if path.is_file() else {}
    return Models(config, thresholds_of(directory), tables, adoptions)


def part_of(term: float, version: Version, name: str) -> float:
    """Weight x scaled term."""
    mean, scale, weight = version.terms[name]
    if math.isnan(term) or abs(term) > TERM_MAX or scale == 0.0:
        return 0.0
    return weight * min(max((term - mean) * scale, -version.clip), version.clip)


def opposite(value: Value) -> float | None:
    """One minus a score, if there is one."""
    return 1.0 - value if isinstance(value, float) else None


def float32_of(value: Value) -> float | None:
    """The nearest float32, as a double; None where there is no number."""
    if not isinstance(value, float):
        return None
    rounded: float = struct.unpack("<f", struct.pack("<f", value))[0]
    return rounded


def shape_of(program: TermProgram) -> object:
    """What a program computes of which features, whatever its steps are called."""
    place = {name: name for name in program.features}
    steps = []
    for number, step in enumerate(program.steps):
        steps.append((step.word, [place[name] for name in step.inputs], step.constants))
        place[step.name] = str(number)
    return program.features, steps, [place[name] for name in program.terms]


def milliseconds(duration: str) -> int:
    return int(duration[:-1]) * UNITS_MS[duration[-1]]


def instants_of(user: str, every_ms: int, since_ms: int, until_ms: int) -> range:
    """The user's own whole seconds, one in each `every_ms`, after `since_ms` up to `until_ms`."""
    phase_ms = (murmur64a(user.encode()) & 0x7FFFFFFF) * 1_000 % every_ms
    first_ms = (since_ms - phase_ms) // every_ms * every_ms + phase_ms + every_ms
    return range(first_ms, until_ms + 1, every_ms)
