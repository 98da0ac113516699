"""Progressive validation: every score is given before anything of its outcome can be known.

At each date of a calendar grid the model has learned from exactly those examples whose horizon is
over, and then scores everybody. Dates whose horizon is not over at the end are dropped: their
outcomes are still to come, and days that are half over look better than they are.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

LEARNED_MIN = 200
EITHER_MIN = 20
"""Scores are absent until so many examples were learned from, and so many of either outcome."""


class Examples(Struct, frozen=True, kw_only=True):
    """Users at instants: (n,) number of the user, (n,) instant, (n, features), (n,) what came."""

    users: NDArray[np.int64]
    at_ms: NDArray[np.int64]
    features: NDArray[np.float64]
    outcomes: NDArray[np.bool_]

    def chosen(self, which: NDArray[np.bool_] | NDArray[np.int64] | slice) -> Examples:
        """Some of them."""
        return Examples(
            users=self.users[which],
            at_ms=self.at_ms[which],
            features=self.features[which],
            outcomes=self.outcomes[which],
        )


class Model(Protocol):
    """What can be validated: a learner of ours, or a challenger."""

    def learn(self, features: NDArray[np.float64], outcomes: NDArray[np.bool_]) -> None:
        """Take in examples in their order."""
        ...

    def scores(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """The probability of the outcome for each row."""
        ...


def in_order(examples: Examples) -> Examples:
    """By instant, then user: the order in which examples close, all horizons being equal."""
    return examples.chosen(np.lexsort((examples.users, examples.at_ms)))


def matured(examples: Examples, horizon_ms: int, end_ms: int) -> Examples:
    """Those whose horizon is over at the end."""
    return examples.chosen(examples.at_ms + horizon_ms <= end_ms)


def score_progressively(
    model: Model, examples: Examples, grid: Examples, horizon_ms: int
) -> NDArray[np.float64]:
    """The score of each row of the grid by what was known then; NaN while that was too little.

    `examples` and `grid` are in order (`in_order`); the model learns from the former alone.
    """
    scores = np.full(len(grid.at_ms), np.nan)
    closes_at_ms = examples.at_ms + horizon_ms
    learned = 0
    for at_ms in np.unique(grid.at_ms):
        ready = int(np.searchsorted(closes_at_ms, at_ms, "right"))
        model.learn(examples.features[learned:ready], examples.outcomes[learned:ready])
        learned = ready
        if is_enough(examples.outcomes[:ready]):
            rows = slice(*np.searchsorted(grid.at_ms, (at_ms, at_ms + 1)).tolist())
            scores[rows] = model.scores(grid.features[rows])
    return scores


def is_enough(outcomes: NDArray[np.bool_]) -> bool:
    """Whether so much was learned from that scores say something.

    >>> is_enough(np.arange(500) < 20), is_enough(np.arange(500) < 19)
    (True, False)
    """
    return is_enough_of(len(outcomes), int(np.count_nonzero(outcomes)))


def is_enough_of(count: int, happened: int) -> bool:
    """Whether so many examples, and so many of them with the outcome, are enough for scores."""
    return count >= LEARNED_MIN and min(happened, count - happened) >= EITHER_MIN
