"""River's view of the learner: a transformer of terms, a scaler, a classifier, and their ensemble.

`river_pipeline` is the default model in River's parts; fed in batches of the learner's own size
(`learn_many`) it is the learner, to the same bits. Dictionaries cost tens of times what rows do,
so that the learner itself takes rows. `river_of` is a learner in those parts, to compare scores.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Iterator
from typing import Any

import numpy as np
from narwhals.stable.v2.typing import IntoDataFrame, IntoSeries
from numpy.typing import NDArray
from river import base, compose
from river.utils import dataframe

from config.terms import Step, TermProgram
from flows.learn_calibration import Line
from flows.learn_frames import (
    Named,
    Places,
    both_chances,
    both_of,
    likelier,
    meet,
    number,
    row_of,
    rows_of,
)
from flows.learn_loops import (
    TERM_MAX,
    Newton,
    fill_scaled,
    learn_batches,
    learn_moments,
)
from flows.learn_model import (
    BATCH,
    CLIP,
    MEMORY,
    Learner,
    Settings,
    kept_of,
    new_moments,
    new_newton,
)
from flows.learn_program import compiled_program, terms_of

PRIOR = 10.0
"""Of a regression that is told no other."""


class Terms(base.MiniBatchTransformer):
    """The terms of a program, computed from features; what is missing is left out.

    Parameters
    ----------
    program
        What is read, and what is computed of it.

    """

    def __init__(self, program: TermProgram) -> None:
        self.program = program
        self._compiled = compiled_program(program)

    def transform_one(self, x: Named) -> Named:
        """The terms of one row of features."""
        row = [[number(x.get(name)) for name in self.program.features]]
        (terms,) = terms_of(self._compiled, np.array(row)).tolist()
        named = zip(self.program.terms, terms, strict=True)
        return {name: term for name, term in named if -TERM_MAX <= term <= TERM_MAX}

    def transform_many(self, X: IntoDataFrame) -> IntoDataFrame:
        """The terms of each row; NaN where one is missing."""
        rows = rows_of(X, self.program.features, math.nan)
        terms = terms_of(self._compiled, rows)
        terms[~(np.abs(terms) <= TERM_MAX)] = math.nan
        frame = dataframe.into_frame(X)
        return dataframe.to_native_frame(terms, columns=self.program.terms, like=frame)

    @classmethod
    def _unit_test_params(cls) -> Iterator[dict[str, Any]]:
        """What River's checks make one of: a program over their data set."""
        yield {
            "program": TermProgram(
                features=("gallup", "ipsos"),
                steps=(Step(name="log", word="log1p", inputs=("gallup",)),),
                terms=("log", "ipsos"),
            )
        }


class ClippedScaler(base.MiniBatchTransformer):
    """Scales by the running mean and deviation, and clips; nothing poisons it.

    River's own scaler is lost for good after one infinity or 1e300. Here what is not finite, or
    beyond 1e6, is missing: it teaches nothing, and is scaled to 0, the mean.

    Parameters
    ----------
    clip
        What is further from the mean than so many deviations is taken for that far.

    """

    def __init__(self, clip: float = CLIP) -> None:
        self.clip = clip
        self._places: Places = {}
        self._moments = new_moments(0)

    def learn_one(self, x: Named) -> None:
        """Take in one row."""
        self._meet(x)
        learn_moments(self._moments, row_of(x, self._places, math.nan))

    def transform_one(self, x: Named) -> Named:
        """The same names, scaled; 0 for one that was never met."""
        scaled = self._scaled(row_of(x, self._places, math.nan))[0].tolist()
        return {name: scaled[self._places[name]] if name in self._places else 0.0 for name in x}

    def learn_many(self, X: IntoDataFrame) -> None:
        """Take in rows: the same as one after the other."""
        self._meet(dataframe.into_frame(X).columns)
        learn_moments(self._moments, rows_of(X, self._places, math.nan))

    def transform_many(self, X: IntoDataFrame) -> IntoDataFrame:
        """The same columns, scaled."""
        frame = dataframe.into_frame(X)
        scaled = self._scaled(rows_of(X, self._places, math.nan))
        given = np.zeros((len(scaled), len(frame.columns)))
        for column, name in enumerate(frame.columns):
            if name in self._places:
                given[:, column] = scaled[:, self._places[name]]
        return dataframe.to_native_frame(given, columns=frame.columns, like=frame)

    def _meet(self, names: Iterable[Hashable]) -> None:
        new = meet(names, self._places)
        if new:
            self._moments = type(self._moments)(
                *(np.concatenate((known, np.zeros(new))) for known in self._moments)
            )

    def _scaled(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        scaled = np.empty_like(rows)
        fill_scaled(self._moments, self.clip, rows, scaled)
        return scaled


class NewtonLogistic(base.MiniBatchClassifier):
    """Logistic regression by mini-batch online Newton steps (`flows.learn_model`).

    Examples are learned from when as many wait as a batch holds; how they came, one by one or many
    at once, changes nothing.

    Parameters
    ----------
    prior
        How many examples' worth of evidence hold each weight at 0.
    batch
        How many examples make a step.
    memory
        After so many examples, 1/e of their weight is left.
    terms
        The features that are read, in this order; without: all, in the order in which they come.

    """

    def __init__(
        self,
        prior: float = PRIOR,
        batch: int = BATCH,
        memory: float = MEMORY,
        terms: tuple[str, ...] | None = None,
    ) -> None:
        self.prior = prior
        self.batch = batch
        self.memory = memory
        self.terms = terms
        self._places: Places = {}
        meet(terms or (), self._places)
        self._newton = new_newton([*range(len(self._places))], prior, batch)

    def learn_one(self, x: Named, y: base.typing.ClfTarget) -> None:
        """Take in one example."""
        self._meet(x)
        self._learn(row_of(x, self._places, 0.0), np.array([float(bool(y))]))

    def learn_many(self, X: IntoDataFrame, y: IntoSeries) -> None:
        """Take in examples: the same as one after the other."""
        self._meet(dataframe.into_frame(X).columns)
        outcomes = np.asarray(dataframe.into_series(y).to_numpy()).astype(np.bool_)
        self._learn(rows_of(X, self._places, 0.0), outcomes.astype(np.float64))

    def predict_proba_one(self, x: Named, **_: Any) -> dict[base.typing.ClfTarget, float]:
        """The probability of either outcome."""
        return both_of(self.logit_one(x))

    def predict_proba_many(self, X: IntoDataFrame) -> IntoDataFrame:
        """The probabilities of both outcomes for each row, as a frame of the same kind."""
        return both_chances(self.logit_many(X), X)

    def predict_many(self, X: IntoDataFrame) -> IntoSeries:
        """The likelier outcome of each row, as a series of the same kind."""
        return likelier(self.logit_many(X), X)

    def logit_one(self, x: Named) -> float:
        """The logit of the outcome, which no bound holds."""
        return float(self._logits(row_of(x, self._places, 0.0))[0])

    def logit_many(self, X: IntoDataFrame) -> NDArray[np.float64]:
        """(n,): the logit of each row."""
        return self._logits(rows_of(X, self._places, 0.0))

    def _learn(self, rows: NDArray[np.float64], outcomes: NDArray[np.float64]) -> None:
        learn_batches(self._newton, kept_of(self.memory, self.batch), rows, outcomes)

    def _logits(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        rows = np.where(np.abs(rows) <= TERM_MAX, rows, 0.0)
        logits: NDArray[np.float64] = self._newton.weights[0] + rows @ self._newton.weights[1:]
        return logits

    def _meet(self, names: Iterable[Hashable]) -> None:
        if self.terms is None and meet(names, self._places):
            self._newton = _grown(self._newton, len(self._places), self.prior)


class MeanOfLogits(base.MiniBatchClassifier):
    """Regressions that learn the same, and the mean of their logits, on a line: still linear.

    Parameters
    ----------
    models
        The regressions; they stay as they are, clones of them learn.
    intercept
        What is added to the mean, once it is taken times the slope.
    slope
        As said.

    """

    def __init__(
        self, models: tuple[NewtonLogistic, ...], intercept: float = 0.0, slope: float = 1.0
    ) -> None:
        self.models = models
        self.intercept = intercept
        self.slope = slope
        self._members = tuple(model.clone() for model in models)

    def learn_one(self, x: Named, y: base.typing.ClfTarget) -> None:
        """Take in one example."""
        for member in self._members:
            member.learn_one(x, y)

    def learn_many(self, X: IntoDataFrame, y: IntoSeries) -> None:
        """Take in examples: the same as one after the other."""
        for member in self._members:
            member.learn_many(X, y)

    def predict_proba_one(self, x: Named, **_: Any) -> dict[base.typing.ClfTarget, float]:
        """The probability of either outcome."""
        logits = [member.logit_one(x) for member in self._members]
        return both_of(self.intercept + self.slope * sum(logits) / len(logits))

    def predict_proba_many(self, X: IntoDataFrame) -> IntoDataFrame:
        """The probabilities of both outcomes for each row, as a frame of the same kind."""
        return both_chances(self._mean_logits(X), X)

    def predict_many(self, X: IntoDataFrame) -> IntoSeries:
        """The likelier outcome of each row, as a series of the same kind."""
        return likelier(self._mean_logits(X), X)

    def _mean_logits(self, X: IntoDataFrame) -> NDArray[np.float64]:
        logits = np.array([member.logit_many(X) for member in self._members])
        mean: NDArray[np.float64] = self.intercept + self.slope * logits.mean(axis=0)
        return mean

    @classmethod
    def _unit_test_params(cls) -> Iterator[dict[str, Any]]:
        """What River's checks make one of."""
        yield {"models": (NewtonLogistic(batch=8), NewtonLogistic(prior=1.0, batch=4))}


def river_pipeline(settings: Settings) -> compose.Pipeline:
    """The default model in River's parts."""
    regressions = tuple(
        NewtonLogistic(
            prior=chosen.prior, batch=settings.batch, memory=settings.memory, terms=chosen.terms
        )
        for chosen in settings.recipe.sets
    )
    scaler = ClippedScaler(settings.clip)
    return Terms(settings.recipe.program) | scaler | MeanOfLogits(regressions)


def river_of(learner: Learner, line: Line | None) -> compose.Pipeline:
    """What a learner knows, and the line that corrects its logits, in River's parts.

    They are the learner's own numbers: for scores only, and until the learner learns on.
    """
    pipeline = river_pipeline(learner.settings)
    _, scaler, ensemble = pipeline.steps.values()
    meet(learner.settings.recipe.program.terms, scaler._places)
    scaler._moments = learner.moments
    for member, regression in zip(ensemble._members, learner.regressions, strict=True):
        member._newton = regression
    if line is not None:
        ensemble.intercept, ensemble.slope = line.intercept, line.slope
    return pipeline


def _grown(newton: Newton, columns: int, prior: float) -> Newton:
    """The regression with more columns, of which nothing is known yet."""
    grown = new_newton([*range(columns)], prior, len(newton.rows))
    size = len(newton.weights)
    grown.precision[:size, :size] = newton.precision
    grown.weights[:size] = newton.weights
    grown.rows[:, :size] = newton.rows
    grown.outcomes[:] = newton.outcomes
    grown.waiting[:] = newton.waiting
    return grown
