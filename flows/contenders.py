"""What could have scored: models of other settings, and River's own, taught by the same examples.

Each scores every example by what it could know when the example was taken, as a replay's models do:
by the version of the last whole hour before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from config.limits import HOUR_MS
from config.schema import Model
from config.terms import Recipe, TermProgram, TermSet
from flows.learn_challengers import RiverModel, challenger
from flows.learn_loops import Scorer
from flows.learn_model import scores_by
from flows.learn_progress import is_enough_of
from flows.learn_watch import ModelLearner, settings_of


class Examples(Struct, frozen=True, kw_only=True):
    """Closed examples of a model, in the order in which they closed.

    users: (n,) numbers. sampled_ms, closed_ms: (n,). outcomes: (n,) bool. features: (n, features),
    NaN where missing.
    """

    users: NDArray[np.int64]
    sampled_ms: NDArray[np.int64]
    closed_ms: NDArray[np.int64]
    outcomes: NDArray[np.bool_]
    features: NDArray[np.float32]


class Contender(Protocol):
    """What is taught, hour by hour, and asked for scores in between."""

    def take(
        self,
        features: NDArray[np.float64],
        outcomes: NDArray[np.bool_],
        scores: NDArray[np.float64],
        closed_ms: NDArray[np.int64],
    ) -> None:
        """Learn from the examples of an hour, which it has scored before."""
        ...

    def scores(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n,) probabilities; NaN while it knows too little."""
        ...


class Configured:
    """A model as the engine would run it."""

    def __init__(self, model: Model) -> None:
        self._learner = ModelLearner(settings_of(model))
        self._in_force: Scorer | None = None
        self._published_count = 0

    def take(
        self,
        features: NDArray[np.float64],
        outcomes: NDArray[np.bool_],
        scores: NDArray[np.float64],
        closed_ms: NDArray[np.int64],
    ) -> None:
        """See `Contender`."""
        learner = self._learner
        learner.take(features, outcomes, scores, closed_ms)
        if learner.is_enough and learner.learned_count != self._published_count:
            self._in_force, self._published_count = learner.scorer(), learner.learned_count

    def scores(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """See `Contender`."""
        if self._in_force is None:
            return np.full(len(features), np.nan)
        return scores_by(self._learner.learner.program, self._in_force, features)


class Challenger:
    """A model of River's, over the same terms."""

    def __init__(self, model: RiverModel) -> None:
        self._model = model
        self._taken_count = self._happened_count = 0

    def take(
        self,
        features: NDArray[np.float64],
        outcomes: NDArray[np.bool_],
        scores: NDArray[np.float64],
        closed_ms: NDArray[np.int64],
    ) -> None:
        """See `Contender`."""
        self._taken_count += len(outcomes)
        self._happened_count += int(np.count_nonzero(outcomes))
        self._model.learn(features, outcomes)

    def scores(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """See `Contender`."""
        if not is_enough_of(self._taken_count, self._happened_count):
            return np.full(len(features), np.nan)
        return self._model.scores(features)


def of_river(name: str, model: Model) -> Contender:
    """A challenger that reads the terms of a model."""
    return Challenger(challenger(name, model.recipe.program))


def scores_in_turn(
    contender: Contender, examples: Examples, columns: Sequence[int]
) -> NDArray[np.float64]:
    """(n,) what a contender says of each example; it reads these columns of the features.

    Both instants grow with the examples: all are open for the same time.
    """
    scores = np.full(len(examples.users), np.nan)
    hours_closed = -(-examples.closed_ms // HOUR_MS)
    hours_sampled = -(-examples.sampled_ms // HOUR_MS)
    for hour in np.union1d(hours_closed, hours_sampled - 1).tolist():
        for part in _rows_at(hours_closed, hour):
            contender.take(
                examples.features[part][:, columns].astype(np.float64),
                examples.outcomes[part],
                scores[part],
                examples.closed_ms[part],
            )
        # What is taken within an hour, or at its end, is scored by the version of its beginning.
        for part in _rows_at(hours_sampled, hour + 1):
            rows = examples.features[part][:, columns].astype(np.float64)
            scores[part] = contender.scores(rows)
    return scores


def _rows_at(hours: NDArray[np.int64], hour: int) -> list[slice]:
    """The rows of an hour, if there are any."""
    begin, end = np.searchsorted(hours, (hour, hour + 1)).tolist()
    return [slice(begin, end)] if begin < end else []


def carrier(model: Model, reads: Sequence[str], features: Sequence[int]) -> Model:
    """The model with examples that have all of these features: it is not to learn itself."""
    names = tuple(reads)
    program = TermProgram(features=names, steps=(), terms=names)
    recipe = Recipe(program=program, sets=(TermSet(terms=names, prior=1.0),))
    return replace(model, recipe=recipe, features=tuple(features))
