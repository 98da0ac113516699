"""The learner: equal to its formulas, to itself in any batches, to River; never poisoned; saved."""

from __future__ import annotations

import numpy as np
import pandas as pd  # type: ignore[import-untyped]  # its types are a package of their own
import pytest

from flows.learn_model import BATCH, Learner, Settings, scores_by
from flows.learn_program import terms_of
from flows.learn_river import river_pipeline
from flows.learn_saved import load, publish, read_version, save, version_id
from flows.learn_sealed import UnreadableModelError
from tests.learning import FEATURES, POISON, RECIPE, PlainNewton, made_up, scaled_by

SETTINGS = Settings(recipe=RECIPE)


def learned(count: int = 1000) -> Learner:
    learner = Learner(SETTINGS)
    learner.learn(*made_up(count))
    return learner


def test_the_learner_does_what_its_formulas_say() -> None:
    features, outcomes = made_up(20 * BATCH)
    learner = Learner(SETTINGS)
    terms = terms_of(learner.program, features)
    sets = SETTINGS.recipe.sets
    plain = [PlainNewton(len(chosen.terms), chosen.prior) for chosen in sets]
    for start in range(0, len(terms), BATCH):
        batch = slice(start, start + BATCH)
        scaled = scaled_by(terms[: start + BATCH], terms[batch])
        for newton in plain:
            newton.learn(scaled[:, : len(newton.weights) - 1], outcomes[batch])
    learner.learn(features, outcomes)
    for regression, newton in zip(learner.regressions, plain, strict=True):
        np.testing.assert_allclose(regression.weights, newton.weights, rtol=1e-6, atol=1e-9)


def test_the_model_is_the_same_however_its_examples_were_batched() -> None:
    features, outcomes = made_up(1000)
    whole = learned()
    for sizes in (1, 63, 64, 65, 999):
        parts = Learner(SETTINGS)
        for start in range(0, len(features), sizes):
            parts.learn(features[start : start + sizes], outcomes[start : start + sizes])
        assert save(parts) == save(whole)


def test_learning_makes_scores_that_tell_outcomes_apart() -> None:
    features, outcomes = made_up(2000, seed=2)
    scores = learned(4000).scores(features)
    assert scores[outcomes].mean() > scores[~outcomes].mean() + 0.05
    assert abs(scores.mean() - outcomes.mean()) < 0.03


def test_a_row_alone_has_the_same_score_as_in_a_batch_bit_by_bit() -> None:
    learner, (features, _) = learned(), made_up(100, seed=3)
    alone = np.concatenate([learner.scores(row[None, :]) for row in features])
    assert alone.tobytes() == learner.scores(features).tobytes()


@pytest.mark.parametrize("poison", POISON)
def test_no_poison_moves_what_other_features_mean(poison: float) -> None:
    features, outcomes = made_up(3 * BATCH)
    poisoned, clean = features.copy(), features.copy()
    poisoned[::7, 2], clean[::7, 2] = poison, np.nan
    learner, other = Learner(SETTINGS), Learner(SETTINGS)
    learner.learn(poisoned, outcomes)
    other.learn(clean, outcomes)
    assert save(learner) == save(other)
    assert np.isfinite(learner.scores(poisoned)).all()


def test_scores_stay_probabilities_however_wild_the_features_are() -> None:
    learner, chance = Learner(SETTINGS), np.random.default_rng(5)
    wild = 10.0 ** chance.uniform(-300.0, 300.0, (50 * BATCH, len(FEATURES)))
    learner.learn(wild, chance.random(len(wild)) < 0.5)
    scores = learner.scores(wild)
    assert ((scores > 0.0) & (scores < 1.0)).all()


def test_scores_are_those_of_rivers_pipeline_fed_the_same_batches() -> None:
    features, outcomes = made_up(5 * BATCH)
    pipeline, learner = river_pipeline(SETTINGS), Learner(SETTINGS)
    learner.learn(features, outcomes)
    for start in range(0, len(features), BATCH):
        batch = slice(start, start + BATCH)
        frame = pd.DataFrame(features[batch], columns=list(FEATURES))
        pipeline.learn_many(frame, pd.Series(outcomes[batch]))
    asked, _ = made_up(50, seed=4)
    rivers = [
        pipeline.predict_proba_one(dict(zip(FEATURES, row, strict=True)))[True]
        for row in asked.tolist()
    ]
    np.testing.assert_allclose(learner.scores(asked), rivers, rtol=0.0, atol=1e-12)


def test_a_saved_learner_goes_on_to_the_same_bits() -> None:
    features, outcomes = made_up(1000)
    again = Learner(SETTINGS)
    again.learn(features[:333], outcomes[:333])
    again = load(save(again))
    again.learn(features[333:], outcomes[333:])
    assert save(again) == save(learned())


def test_a_version_scores_as_the_learner_did_when_it_was_published() -> None:
    learner, (asked, _) = learned(), made_up(100, seed=6)
    data, then = publish(learner), learner.scores(asked)
    learner.learn(*made_up(500, seed=7))
    version = read_version(data)
    assert scores_by(version.program, version.scorer, asked).tobytes() == then.tobytes()
    assert version.id == version_id(data) != version_id(publish(learner))
    assert len(data) < 10_000


def test_bytes_that_are_damaged_or_of_another_kind_are_refused() -> None:
    data = save(learned(100))
    for start in (0, 17, 60, len(data) // 2, len(data) - 1):
        damaged = bytearray(data)
        damaged[start] ^= 1
        with pytest.raises(UnreadableModelError, match="learner: expected"):
            load(bytes(damaged))
    for wrong in (b"", data[:-1], data + b"\0", publish(learned(100))):
        with pytest.raises(UnreadableModelError, match="learner: expected"):
            load(wrong)
    with pytest.raises(UnreadableModelError, match="version: expected"):
        read_version(data)
