"""With models the engine tells what a recount tells: scores, what they turn, and examples.

`BECKON_SEEDS` says of which worlds, as in test_engine_against_oracle.py.
"""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from flows.learn_model import scores_by
from flows.learn_saved import Version
from tests import oracle
from tests.differences import first_difference
from tests.oracle_examples import examples
from tests.oracle_profile import Document
from tests.oracle_scores import BEHIND_ALL, Adoption
from tests.reference_decoder import decode
from tests.running_models import Oracular, Told, run_learning, run_models
from tests.simulated import milliseconds
from tests.test_engine_against_oracle import FEW, SEEDS, SOME, left_behind
from tests.world_versions import told_of
from tests.worlds import GivenModels, make_model_world, with_versions

PLANTED = (4, 50, 114, 119, 127)
"""Worlds that show what test_planted_faults.py plants."""

SLACK = 2e-6
"""Numbers are written with six decimals, and scores are alike to nine."""


@pytest.mark.parametrize("seed", dict.fromkeys((*SEEDS, *PLANTED)))
def test_with_models_the_engine_tells_what_the_oracle_tells(seed: int, tmp_path: Path) -> None:
    given = make_model_world(seed, tmp_path / "config")
    told = run_models(given, Random(f"pieces {seed}"))
    assert_same(told, given, seed)


@pytest.mark.parametrize("seed", FEW)
def test_with_models_four_partitions_tell_the_same_in_the_same_order(
    seed: int, tmp_path: Path
) -> None:
    given = make_model_world(seed, tmp_path / "config")
    told = run_models(given, Random(f"pieces {seed}"), partitions=4)
    assert_same(told, given, seed)


@pytest.mark.parametrize("seed", SOME)
def test_with_models_an_engine_that_takes_over_goes_on_the_same(seed: int, tmp_path: Path) -> None:
    given = make_model_world(seed, tmp_path / "config")
    told = run_models(given, Random(f"pieces {seed}"), resumed=True)
    told.world.counters.clear()  # sums are since an engine was made
    assert_same(told, given, seed)


@pytest.mark.parametrize("seed", SOME)
def test_what_is_learned_on_the_way_is_in_force_from_the_whole_hour_on(
    seed: int, tmp_path: Path
) -> None:
    given = make_model_world(seed, tmp_path / "config")
    learning = Oracular(given.given.config, Random(f"learned {seed}"))
    told = run_learning(given.given, learning, Random(f"pieces {seed}"))
    adopted = [(adoption_at(given, *one), one[2]) for one in learning.adopted]
    assert_same(told, with_versions(given.given, adopted), seed)


@pytest.mark.parametrize("seed", SOME)
def test_no_example_depends_on_a_record_at_its_instant_or_after(seed: int, tmp_path: Path) -> None:
    given = make_model_world(seed, tmp_path / "config")
    random = Random(f"ends {seed}")
    found = run_models(given, random).examples
    instants = sorted({time for one in found for time in (sampled_at(one), str(one["time"]))})
    for end in random.sample(instants, min(3, len(instants))):
        shorter = run_models(ended(given, end), random).examples
        known = [one for one in found if sampled_at(one) <= end]
        assert [past(one, end) for one in shorter if sampled_at(one) <= end] == [
            past(one, end) for one in known
        ]


@pytest.mark.parametrize("seed", SOME)
def test_the_score_of_an_example_is_told_again_from_its_features(seed: int, tmp_path: Path) -> None:
    given = make_model_world(seed, tmp_path / "config")
    versions = {version.id[:16]: version for _, version in given.adopted}
    features = {one.name: one.recipe.program.features for one in given.given.config.models}
    for one in run_models(given, Random(seed)).examples:
        data: Any = one["data"]
        if data["version"] is not None:
            version = versions[data["version"]]
            row = [data["features"][name] for name in features[data["model"]]]
            (score,) = scores_by(version.program, version.scorer, np.array([row], np.float64))
            assert data["score"] == float(np.float32(score))


def adoption_at(given: GivenModels, log_ms: int, model: str, version: Version) -> Adoption:
    """A version that is in force from an instant on, before the records of that instant."""
    events = decode(given.given.lines, given.given.config).events
    before = next((event.offset for event in events if event.log_ms >= log_ms), BEHIND_ALL)
    return Adoption(log_ms, before, model, told_of(version))


def ended(given: GivenModels, end: str) -> GivenModels:
    """The same world, of which nothing is known that was recorded at `end` or later."""
    return given._replace(before_ms=milliseconds(end))


def past(example: Document, end: str) -> Document:
    """What is known of an example at `end`: its outcome only if it has closed."""
    if str(example["time"]) <= end:
        return example
    return example | {"data": data_of(example) | {"outcome": None}}


def sampled_at(example: Document) -> str:
    return str(data_of(example)["sampled_at"])


def data_of(document: Document) -> Document:
    data = document["data"]
    assert isinstance(data, dict)
    return data


def assert_same(told: Told, given: GivenModels, seed: int) -> None:
    """Fails at the first difference between the engine and the oracle."""
    expected = expected_of(given)
    lists = [
        (kind, getattr(told.world, kind), getattr(expected.world, kind))
        for kind in ("transitions", "decisions", "profiles")
    ]
    for kind, found, wanted in (*lists, ("examples", told.examples, expected.examples)):
        if differs := first_difference(kind, found, wanted, SLACK):
            versions = "\n".join(f"{one[:3]} {one.version.id[:16]}" for one, _ in given.adopted)
            pytest.fail(f"{differs}\nversions: {versions}\n{left_behind(given.given, seed)}")
    if told.world.counters:
        assert told.world.counters == expected.world.counters


def expected_of(given: GivenModels) -> Told:
    """What the oracle tells."""
    world, models = given.given, given.models
    decoded = decode(world.lines, world.config)
    clock_ms = decoded.clock_ms + world.idle_ms
    played = oracle.run(
        world.config,
        decoded.events,
        clock_ms=clock_ms,
        models=models,
    )
    return Told(played, examples(models, decoded.events, played.transitions, clock_ms))
