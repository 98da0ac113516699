"""Calibration: the line that a plain fit finds, used only while it helps, and still linear."""

from __future__ import annotations

import numpy as np
import pytest

from flows.learn_calibration import Line, calibrated, is_used, learn, log_loss, logit_of
from flows.learn_model import BATCH, Learner, Settings, scores_by
from tests.learning import RECIPE, Rows, made_up

COUNT = 200 * BATCH


def bent(intercept: float, slope: float, seed: int = 1) -> tuple[Rows, list[bool]]:
    """Logits, and outcomes as likely as those on a line over them."""
    chance = np.random.default_rng(seed)
    logits = chance.normal(-1.0, 1.2, COUNT)
    share = 1.0 / (1.0 + np.exp(-(intercept + slope * logits)))
    return logits, (chance.random(COUNT) < share).tolist()


def learned(logits: Rows, outcomes: list[bool]) -> Line:
    line = Line()
    for start in range(0, len(logits), BATCH):
        batch = slice(start, start + BATCH)
        learn(line, logits[batch].tolist(), outcomes[batch])
    return line


def test_the_line_is_about_that_of_a_fit_of_all_at_once() -> None:
    logits, outcomes = bent(0.5, 0.6)
    rows, fitted = np.column_stack([np.ones(COUNT), logits]), np.array([0.0, 1.0])
    for _ in range(10):
        share = 1.0 / (1.0 + np.exp(-rows @ fitted))
        curvature = (rows * (share * (1.0 - share))[:, None]).T @ rows
        fitted += np.linalg.solve(curvature, rows.T @ (np.array(outcomes) - share))
    line = learned(logits, outcomes)
    assert line.intercept == pytest.approx(fitted[0], abs=0.06)
    assert line.slope == pytest.approx(fitted[1], abs=0.06)


def test_it_is_used_where_it_lowers_the_log_loss_and_only_there() -> None:
    assert is_used(learned(*bent(0.5, 0.6)))
    assert not is_used(Line())
    assert not any(is_used(learned(*bent(0.0, 1.0, seed=seed))) for seed in range(3, 6))


def test_scores_on_a_line_never_turn_their_order_around() -> None:
    line = learned(*bent(0.0, -1.0))
    assert line.line_loss < line.plain_loss
    assert not is_used(line)


def test_calibrated_scores_are_on_the_line() -> None:
    features, outcomes = made_up(1000)
    learner, line = Learner(Settings(recipe=RECIPE)), Line(intercept=-0.3, slope=0.7)
    learner.learn(features, outcomes)
    plain = learner.scores(features)
    scores = scores_by(learner.program, calibrated(learner.scorer(), line), features)
    logits = np.log(plain / (1.0 - plain))
    np.testing.assert_allclose(scores, 1.0 / (1.0 + np.exp(0.3 - 0.7 * logits)), rtol=1e-12)


def test_logits_and_losses_are_finite_for_every_score() -> None:
    for score in (0.0, 5e-324, 1e-17, 0.5, 1.0 - 1e-16, 1.0):
        assert abs(logit_of(score)) <= 30.0
        assert 0.0 <= log_loss(logit_of(score), True) <= 30.1
