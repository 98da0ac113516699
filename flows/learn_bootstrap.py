"""How sure a figure is: users are drawn again and again, with all their examples at once.

Examples of one user resemble each other, so that drawing examples would promise too narrow
intervals. Models that are compared are measured on the same draws: their difference is surer than
either figure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from flows.learn_quality import FIGURES, figures_of, rank

ROUNDS = 200
COVERED = 0.95


class Interval(Struct, frozen=True, kw_only=True):
    """Where a figure lies with a confidence of `COVERED`."""

    low: float
    high: float


class Examined(Struct, frozen=True, kw_only=True):
    """Examples whose outcomes are known: (n,) numbers of their users, (n,) what happened."""

    users: NDArray[np.int64]
    outcomes: NDArray[np.bool_]


Figures = dict[str, NDArray[np.float64]]
"""By name of a model: (rounds, `FIGURES`)."""


def resample(
    scores: Mapping[str, NDArray[np.float64]], examined: Examined, seed: int, rounds: int = ROUNDS
) -> Figures:
    """The figures of each model in each draw. All models must have scored all examples."""
    ranked = {name: rank(given, examined.outcomes) for name, given in scores.items()}
    figures: Figures = {name: np.empty((rounds, len(FIGURES))) for name in scores}
    for turn, weights in enumerate(_draws(examined.users, seed, rounds)):
        for name in scores:
            figures[name][turn] = figures_of(ranked[name], weights)
    return figures


def intervals(drawn: NDArray[np.float64]) -> dict[str, Interval]:
    """The interval of each figure: (rounds, `FIGURES`), of a model or a difference of two.

    >>> intervals(np.tile(np.linspace(0.0, 1.0, 201)[:, None], len(FIGURES)))["log_loss"]
    Interval(low=0.025, high=0.975)
    """
    outside = (1.0 - COVERED) / 2.0
    low, high = np.nanquantile(drawn, (outside, 1.0 - outside), axis=0).round(9).tolist()
    return {
        figure: Interval(low=low[index], high=high[index]) for index, figure in enumerate(FIGURES)
    }


def _draws(users: NDArray[np.int64], seed: int, rounds: int) -> Iterator[NDArray[np.float64]]:
    """How often each example counts: as often as its user is drawn, of as many draws."""
    chance = np.random.default_rng(seed)
    names, of_example = np.unique(users, return_inverse=True)
    for _ in range(rounds):
        drawn = np.bincount(chance.integers(0, len(names), len(names)), minlength=len(names))
        yield drawn[of_example].astype(np.float64)
