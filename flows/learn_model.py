"""The learner: features in, probabilities out, and each outcome taken in as it is known.

Features become terms (`flows.learn_program`), terms are scaled by their running mean and deviation
and clipped, and one logistic regression per set of terms learns by mini-batch online Newton steps.
The score is the mean of their logits: linear behind the clip, so that a version is three numbers a
term. No learning rate is to be tuned: a step is as long as the evidence so far says.

With A the precision of the weights theta, A0 its prior and f what a batch of m leaves of older
evidence, f = (1 - 1/memory)^m, a batch does

    A     <- f A + (1 - f) A0 + sum w x x'          w = max(p (1 - p), 0.01)
    theta <- theta + A^-1 (sum x (y - p) - (1 - f) A0 theta)

which is a Newton step on the log loss of the batch and a quadratic that stands for all before it;
evidence fades towards the prior and not towards nothing, so that A always has an inverse.
"""

from __future__ import annotations

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from config.terms import Recipe
from flows.learn_loops import (
    Moments,
    Newton,
    Program,
    Scorer,
    fill_scaled,
    fill_scales,
    fill_scores,
    learn_batches,
    learn_moments,
)
from flows.learn_program import compiled_program, rows_for, terms_of

BATCH = 64
MEMORY = 10_000.0
CLIP = 4.0
INTERCEPT_PRIOR = 1.0
BLOCK_ROWS = 4096
"""Examples taken in at once; more come in blocks of this."""


class Settings(Struct, frozen=True, kw_only=True):
    """What a learner is made of. `memory`: after so many examples, 1/e of the weight is left."""

    recipe: Recipe
    batch: int = BATCH
    memory: float = MEMORY
    clip: float = CLIP


class Learner:
    """One model. What it knows depends on the examples and their order, never on their batches.

    `memory` is that of the settings, or what it is changed to.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.memory = settings.memory
        recipe = settings.recipe
        self.program = compiled_program(recipe.program)
        self.moments = new_moments(len(recipe.program.terms))
        self.learned_count = 0
        self.waiting_terms = np.zeros((0, len(recipe.program.terms)))
        self.waiting_outcomes = np.zeros(0)
        self.regressions = new_regressions(settings)

    def learn(self, features: NDArray[np.float64], outcomes: NDArray[np.bool_]) -> None:
        """Take in examples in their order: (n, features) as they were, (n,) what happened.

        They are learned from in batches; those that do not fill one wait.
        """
        for start in range(0, len(features), BLOCK_ROWS):
            block = slice(start, start + BLOCK_ROWS)
            terms = np.vstack((self.waiting_terms, terms_of(self.program, features[block])))
            happened = np.asarray(outcomes[block], np.float64)
            happened = np.concatenate((self.waiting_outcomes, happened))
            learned = len(terms) - len(terms) % self.settings.batch
            self._learn_batches(terms[:learned], happened[:learned])
            self.waiting_terms, self.waiting_outcomes = terms[learned:], happened[learned:]

    def _learn_batches(self, terms: NDArray[np.float64], outcomes: NDArray[np.float64]) -> None:
        """Learn from full batches: each is scaled by the moments that it already moved."""
        size, kept = self.settings.batch, kept_of(self.memory, self.settings.batch)
        scaled = np.empty((size, terms.shape[1]))
        for start in range(0, len(terms), size):
            batch = terms[start : start + size]
            learn_moments(self.moments, batch)
            fill_scaled(self.moments, self.settings.clip, batch, scaled)
            for regression in self.regressions:
                learn_batches(regression, kept, scaled, outcomes[start : start + size])
        self.learned_count += len(terms)

    def forget(self) -> None:
        """Begin anew with the weights; what terms are like is kept, and what waits."""
        self.regressions = new_regressions(self.settings)

    def scorer(self) -> Scorer:
        """What scores need, as it is now; later learning does not change it."""
        means = self.moments.means.copy()
        scales = np.empty_like(means)
        fill_scales(self.moments, scales)
        weights, intercept = np.zeros_like(means), 0.0
        for regression in self.regressions:
            weights[regression.columns] += regression.weights[1:] / len(self.regressions)
            intercept += float(regression.weights[0]) / len(self.regressions)
        bounds = np.array([self.settings.clip, intercept])
        return Scorer(means=means, scales=scales, weights=weights, bounds=bounds)

    def scores(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """The probability of the outcome for each row of features, as the model is now."""
        return scores_by(self.program, self.scorer(), features)


def scores_by(
    program: Program, scorer: Scorer, features: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The probability of the outcome for each row: (n, features) -> (n,)."""
    rows = rows_for(program, features)
    scores = np.empty(len(rows))
    fill_scores(program, scorer, rows, scores)
    return scores


def kept_of(memory: float, batch: int) -> float:
    """What a batch leaves of the evidence before it.

    >>> round(kept_of(10_000.0, 64), 4)
    0.9936
    """
    return float((1.0 - 1.0 / memory) ** batch)


def new_moments(terms: int) -> Moments:
    """Nothing seen of so many terms."""
    return Moments(counts=np.zeros(terms), means=np.zeros(terms), squares=np.zeros(terms))


def new_regressions(settings: Settings) -> list[Newton]:
    """A regression for each set of terms, that has learned nothing."""
    place = {name: index for index, name in enumerate(settings.recipe.program.terms)}
    return [
        new_newton([place[name] for name in chosen.terms], chosen.prior, settings.batch)
        for chosen in settings.recipe.sets
    ]


def new_newton(columns: list[int], prior: float, batch: int) -> Newton:
    """A regression on these columns that has learned nothing: all weights are 0."""
    size = len(columns) + 1
    diagonal = np.full(size, prior)
    diagonal[0] = INTERCEPT_PRIOR
    return Newton(
        columns=np.array(columns, np.int64),
        prior=diagonal,
        precision=np.diag(diagonal),
        weights=np.zeros(size),
        rows=np.zeros((batch, size)),
        outcomes=np.zeros(batch),
        waiting=np.zeros(1, np.int64),
        factor=np.zeros((size, size)),
        gradient=np.zeros(size),
    )
