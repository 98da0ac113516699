"""Figures of quality against scikit-learn's, and how sure they are."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import (  # type: ignore[import-untyped]  # it ships no types
    average_precision_score,
    brier_score_loss,
    log_loss,
    roc_auc_score,
)

from flows.learn_bootstrap import Examined, intervals, resample
from flows.learn_quality import (
    CALIBRATION_BINS,
    FIGURES,
    calibration_of,
    figures_of,
    months_of,
    quality_of,
    quality_per,
    rank,
)


def scored(seed: int, count: int = 2000) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Scores with many ties, and outcomes that come as often as they say."""
    chance = np.random.default_rng(seed)
    scores = chance.beta(1.0, 3.0, count).round(2).clip(0.01, 0.99)
    return scores, chance.random(count) < scores


@pytest.mark.parametrize("seed", range(5))
def test_figures_are_those_of_scikit_learn_also_with_weights_and_ties(seed: int) -> None:
    scores, outcomes = scored(seed)
    weights = np.random.default_rng(seed).integers(0, 4, len(scores)).astype(np.float64)
    figures = dict(zip(FIGURES, figures_of(rank(scores, outcomes), weights), strict=True))
    asked = {"sample_weight": weights}
    assert figures["roc_auc"] == pytest.approx(roc_auc_score(outcomes, scores, **asked))
    assert figures["pr_auc"] == pytest.approx(average_precision_score(outcomes, scores, **asked))
    assert figures["log_loss"] == pytest.approx(log_loss(outcomes, scores, **asked))
    assert figures["brier"] == pytest.approx(brier_score_loss(outcomes, scores, **asked))


def test_true_probabilities_are_calibrated_and_others_are_not() -> None:
    scores, outcomes = scored(1, 50_000)
    assert quality_of(scores, outcomes).calibration_error < 0.01
    assert quality_of(scores / 2.0, outcomes).calibration_error > 0.1
    bins = calibration_of(scores, outcomes)
    assert len(bins) == CALIBRATION_BINS
    assert sum(one.example_count for one in bins) == 50_000
    assert all(abs(one.score_mean - one.outcome_share) < 0.03 for one in bins)


def test_what_was_not_scored_is_left_out_and_one_outcome_alone_has_no_figures() -> None:
    scores, outcomes = np.array([np.nan, 0.2, 0.8]), np.array([True, False, True])
    assert quality_of(scores, outcomes).example_count == 2
    assert np.isnan(quality_of(scores[:2], outcomes[:2]).roc_auc)
    assert np.isnan(quality_of(scores[:1], outcomes[:1]).outcome_share)


def test_months_are_examined_one_by_one() -> None:
    scores, outcomes = scored(2)
    months = months_of(np.arange(len(scores), dtype=np.int64) * 86_400_000)
    per_month = dict(quality_per(months, scores, outcomes))
    assert list(per_month)[:2] == ["1970-01", "1970-02"]
    january = slice(0, 31)
    assert per_month["1970-01"] == quality_of(scores[january], outcomes[january])


def test_users_are_drawn_with_all_their_examples() -> None:
    """An example ten times over is one example: intervals must not get narrower by repeating."""
    scores, outcomes = scored(3, 400)
    users = np.arange(400)
    alone = resample({"it": scores}, Examined(users=users, outcomes=outcomes), seed=1)
    repeated = Examined(users=users.repeat(10), outcomes=outcomes.repeat(10))
    tenfold = resample({"it": scores.repeat(10)}, repeated, seed=1)
    for figure in ("roc_auc", "log_loss", "brier"):
        one, ten = intervals(alone["it"])[figure], intervals(tenfold["it"])[figure]
        assert (ten.low, ten.high) == pytest.approx((one.low, one.high))
        assert one.low < getattr(quality_of(scores, outcomes), figure) < one.high


def test_models_are_compared_on_the_same_draws() -> None:
    scores, outcomes = scored(4)
    examined = Examined(users=np.arange(len(scores)), outcomes=outcomes)
    drawn = resample({"it": scores, "again": scores.copy()}, examined, seed=2, rounds=20)
    assert (drawn["it"] == drawn["again"]).all()
    other = resample({"it": scores}, examined, seed=3, rounds=20)
    assert (drawn["it"] != other["it"]).any()
