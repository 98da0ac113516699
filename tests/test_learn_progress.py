"""Progressive validation: nothing is learned before its horizon is over, nobody scored after."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flows.learn_progress import (
    LEARNED_MIN,
    Examples,
    in_order,
    matured,
    score_progressively,
)


class Witness:
    """A model that says how many examples it has learned from, and keeps what they were."""

    def __init__(self) -> None:
        self.learned: list[float] = []

    def learn(self, features: NDArray[np.float64], outcomes: NDArray[np.bool_]) -> None:
        assert len(features) == len(outcomes)
        self.learned += features[:, 0].tolist()

    def scores(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.full(len(features), float(len(self.learned)))


def examples_at(at_ms: NDArray[np.int64]) -> Examples:
    """One of each instant, whose only feature is its instant."""
    count = len(at_ms)
    return Examples(
        users=np.arange(count),
        at_ms=at_ms,
        features=at_ms.astype(np.float64)[:, None],
        outcomes=np.arange(count) % 2 == 0,
    )


def test_each_score_knows_exactly_the_examples_whose_horizon_is_over() -> None:
    examples = examples_at(np.arange(0, 5000, 5))
    grid = in_order(examples_at(np.array([6000, 2000, 4000, 3000, 2000])))
    witness = Witness()
    scores = score_progressively(witness, examples, grid, 700)
    known = [int((examples.at_ms + 700 <= at_ms).sum()) for at_ms in grid.at_ms]
    assert scores.tolist() == known
    assert witness.learned == examples.at_ms.tolist()


def test_there_is_no_score_until_enough_is_known() -> None:
    examples = examples_at(np.arange(0, 1000))
    grid = examples_at(np.array([LEARNED_MIN + 98, LEARNED_MIN + 99]))
    scores = score_progressively(Witness(), examples, grid, 100)
    assert np.isnan(scores[0])
    assert scores[1] == LEARNED_MIN


def test_examples_whose_horizon_is_not_over_at_the_end_are_dropped() -> None:
    assert matured(examples_at(np.array([1, 5, 6, 9])), 5, 10).at_ms.tolist() == [1, 5]
