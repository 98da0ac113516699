"""Versions are proved before they are published; faults planted in them are found."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from msgspec.structs import replace

from config.load import load
from flows.learn_loops import Scorer
from flows.learn_river import river_of
from flows.learn_saved import publish
from flows.learn_watch import RECENT_MAX, ModelLearner, settings_of
from flows.proving import APART_MAX, HOSTILE, Prover, river_scores, rows_to_try
from tests.learning import made_up

CONFIG = load()
MODEL = next(model for model in CONFIG.models if model.name == "purchase_30d")


def learned(*, calibrate: bool = False) -> ModelLearner:
    """A learner that knows something, with examples that wait for their batch."""
    learner = ModelLearner(replace(settings_of(MODEL), calibrate=calibrate))
    features, outcomes = made_up(1_000)
    nothing = np.full(len(outcomes), np.nan)
    learner.take(features, outcomes, nothing, np.zeros(len(outcomes), np.int64))
    return learner


@pytest.fixture(scope="module")
def prover() -> Prover:
    return Prover(CONFIG)


def spoilt(learner: ModelLearner, change: Callable[[Scorer], None]) -> bytes:
    """A learner's version with other numbers than its own."""
    scorer = learner.scorer()
    change(scorer)
    return publish(learner.learner, scorer)


def weigh(scorer: Scorer) -> None:
    scorer.weights[2] += 1e-7


def move(scorer: Scorer) -> None:
    scorer.means[0] += 1e-6


def clip(scorer: Scorer) -> None:
    scorer.bounds[0] = 3.99


def lose(scorer: Scorer) -> None:
    scorer.scales[0] = np.inf


@pytest.mark.parametrize("calibrate", [False, True])
def test_what_a_learner_publishes_scores_as_river_does(prover: Prover, calibrate: bool) -> None:
    learner = learned(calibrate=calibrate)
    if calibrate:
        line = learner.watched.line
        line.intercept, line.slope, line.plain_loss = 0.4, 0.7, 1e6
        assert learner.line is line
    version = learner.version()
    assert version is not None
    assert prover.fault_of(MODEL.name, version, learner) == ""


@pytest.mark.parametrize("change", [weigh, move, clip])
def test_a_version_that_scores_otherwise_is_found(
    prover: Prover, change: Callable[[Scorer], None]
) -> None:
    learner = learned()
    fault = prover.fault_of(MODEL.name, spoilt(learner, change), learner)
    assert fault.startswith("its scores are up to ")
    assert fault.endswith(" from those of River's pipeline")


def test_a_version_that_cannot_be_read_or_used_is_found(prover: Prover) -> None:
    learner = learned()
    version = publish(learner.learner)
    damaged = version[:-1] + bytes([version[-1] ^ 1])
    assert prover.fault_of(MODEL.name, damaged, learner).startswith("it cannot be read back: ")
    assert prover.fault_of("purchase_7d", version, learner) == "it does not fit its own config"
    lost = prover.fault_of(MODEL.name, spoilt(learner, lose), learner)
    assert lost == "some of its numbers are not finite"


def test_models_are_proved_one_after_the_other_with_nothing_learned_too(prover: Prover) -> None:
    for model in CONFIG.models:
        if not model.complement:
            learner = ModelLearner(settings_of(model))
            assert prover.fault_of(model.name, publish(learner.learner), learner) == ""


def test_logits_beyond_all_bounds_are_proved_too(prover: Prover) -> None:
    learner = learned()
    one, other = learner.learner.regressions
    one.weights[:], other.weights[:] = 40.0, -10.0
    one.weights[::3] = -55.0
    version = learner.version()
    assert version is not None
    assert prover.fault_of(MODEL.name, version, learner) == ""


def test_the_last_examples_and_each_feature_spoilt_are_tried() -> None:
    learner = learned()
    rows = rows_to_try(learner.recent)
    width = len(MODEL.features)
    assert rows.shape == (RECENT_MAX + width + len(HOSTILE), width)
    expected = made_up(1_000)[0][-RECENT_MAX:].astype(np.float32)
    np.testing.assert_array_equal(rows[:RECENT_MAX], expected)
    for feature in range(width):
        others = np.arange(width) != feature
        row = rows[RECENT_MAX + feature]
        np.testing.assert_array_equal(row[others], expected[-1][others])
    assert rows_to_try(np.zeros((0, width))).shape == (width + len(HOSTILE), width)


def test_a_learner_in_rivers_parts_scores_as_it_does() -> None:
    learner = learned()
    rows, _ = made_up(50, seed=2)
    apart = np.abs(river_scores(learner, rows) - learner.scores(rows))
    assert apart.max() <= APART_MAX
    assert list(river_of(learner.learner, None).steps) == ["Terms", "ClippedScaler", "MeanOfLogits"]
