"""The oracle and its random worlds: that they cover the language, and what must always hold."""

from __future__ import annotations

import json
from collections import Counter
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from config.schema import Config
from tests import oracle
from tests.oracle_profile import World
from tests.oracle_rules import Names, comparisons, holds
from tests.reference_decoder import Outcome, decode
from tests.worlds import make_world

SEEDS = range(1, 41)


class Played:
    """A seed's world as the reference decoder and the oracle see it."""

    def __init__(self, seed: int, directory: Path) -> None:
        self.given = make_world(seed, directory)
        self.config: Config = self.given.config
        self.decoded: Outcome = decode(self.given.lines, self.config)
        self.clock_ms = self.decoded.clock_ms + self.given.idle_ms
        self.world: World = self.run(self.clock_ms)

    def run(self, clock_ms: int) -> World:
        return oracle.run(
            self.config,
            self.decoded.events,
            clock_ms=clock_ms,
            models=self.given.models,
            withheld=self.decoded.withheld,
        )


@cache
def play(seed: int) -> Played:
    with TemporaryDirectory() as folder:
        return Played(seed, Path(folder) / "config")


def data_of(document: dict[str, object]) -> dict[str, Any]:
    data = document["data"]
    assert isinstance(data, dict)
    return data


def test_a_seed_always_makes_the_same_world(tmp_path: Path) -> None:
    first, second = (make_world(7, tmp_path / name) for name in ("first", "second"))
    assert (first.lines, first.config, first.idle_ms) == (
        second.lines,
        second.config,
        second.idle_ms,
    )
    assert make_world(8, tmp_path / "third").lines != first.lines


def test_the_worlds_meet_every_outcome_of_a_stage() -> None:
    outcomes = Counter(
        data_of(document).get("reason", str(document["type"]))
        for seed in SEEDS
        for document in play(seed).world.decisions
    )
    expected = {
        "beckon.trigger",
        "beckon.goal",
        "exit",
        "replaced",
        "off",
        "before_live",
        "expired",
        "rule",
        "cooldown",
        "consent",
        "priority",
        "shadow",
        "holdout",
    }
    assert set(outcomes) == expected


def test_the_worlds_meet_every_reason_of_a_dead_letter() -> None:
    reasons = {reason for seed in SEEDS for _, reason in play(seed).decoded.dead_letters}
    assert reasons == {
        "too_large", "bad_utf8", "bad_json", "not_a_number", "too_deep", "not_an_object",
        "wrong_type", "unknown_type", "bad_control", "missing_id", "missing_message_id",
        "no_timestamp", "future", "unknown_event", "number_too_large", "missing_field",
        "unknown_currency",
    }  # fmt: skip


def test_the_worlds_meet_late_events_duplicates_and_turns_by_time_alone() -> None:
    worlds = [play(seed).world for seed in SEEDS]
    assert sum(int(str(world.counters["duplicates"])) for world in worlds) > 50
    assert sum(int(str(world.counters["late"])) for world in worlds) > 50
    offsets = [data_of(document)["offset"] for world in worlds for document in world.transitions]
    assert offsets.count(-1) > 100
    at_once = [data_of(one)["offset"] for world in worlds for one in world.decisions]
    assert sum(offset >= 0 for offset in at_once) > 100


def test_the_worlds_fill_sets_of_texts_to_their_limit() -> None:
    texts_max = 0
    for seed in SEEDS:
        names = [one.name for one in play(seed).config.features if one.kind == "distinct"]
        for document in play(seed).world.decisions:
            features = data_of(document).get("features", {})
            texts_max = max(texts_max, *(features.get(name, 0) for name in names))
    assert texts_max == 32


def test_the_worlds_have_features_of_every_kind_with_values() -> None:
    seen: set[str] = set()
    for seed in SEEDS:
        kinds = {feature.name: feature.kind for feature in play(seed).config.features}
        for profile in play(seed).world.profiles:
            values = profile["features"]
            assert isinstance(values, dict)
            seen |= {kinds[name] for name, value in values.items() if value}
    assert len(seen) == 12


@pytest.mark.parametrize("seed", SEEDS)
def test_every_scheduled_stage_has_one_outcome_and_the_sums_add_up(seed: int) -> None:
    played = play(seed)
    ids = [document["id"] for document in played.world.decisions if data_of(document)["instance"]]
    assert len(ids) >= len(set(ids))
    journeys = played.world.counters["journeys"]
    assert isinstance(journeys, dict)
    for counts in journeys.values():
        assert counts["scheduled"] == (
            counts["sent"] + sum(counts["suppressed"].values()) + counts["pending"]
        )
        assert counts["scheduled"] >= counts["entered"]


@pytest.mark.parametrize("seed", SEEDS)
def test_later_time_only_adds_decisions_at_the_end(seed: int) -> None:
    played = play(seed)
    early = played.run(played.decoded.clock_ms)
    assert played.world.decisions[: len(early.decisions)] == early.decisions
    assert played.world.transitions[: len(early.transitions)] == early.transitions


@pytest.mark.parametrize("seed", SEEDS)
def test_what_comes_out_is_json_and_reads_back_the_same(seed: int) -> None:
    world = play(seed).world
    for document in (*world.decisions, *world.transitions, *world.profiles):
        assert json.loads(json.dumps(document, allow_nan=False)) == document


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("one < two <= 2", True),
        ("one in (3, two)", False),
        ("one / 0 == 1 or nothing != 1", False),
        ("not nothing == nothing", True),
        ("has(one) and not has(nothing)", True),
        ("min(one, nothing) < 5", False),
        ("max(one, two) == 2 and abs(-two) == limit", True),
        ("tags.a.b and not tags.a.c", True),
        ("event.traits.country in ('AT', 'DE')", True),
        ("-one + two * 2 == 3", True),
    ],
)
def test_rules_mean_what_the_language_says(rule: str, expected: bool) -> None:
    assert holds(rule, NAMES) is expected


def test_comparisons_are_told_from_left_to_right_with_what_they_compared() -> None:
    found = comparisons("one < two < nothing or one in (1, 2)", NAMES)
    assert [tuple(one) for one in found] == [
        (1.0, 2.0, True),
        (2.0, None, False),
        (1.0, 1.0, True),
        (1.0, 2.0, False),
    ]


NAMES = Names(
    feature={"one": 1.0, "two": 2.0, "nothing": None}.__getitem__,
    tags={"a", "a.b"},
    event={"traits.country": "DE"},
    thresholds={"limit": 2},
)
