"""The proof of a version before it is published: the engine scores by it as River's pipeline does.

The version is read back from its bytes and put in force in a plan of an engine's own; the engine's
compiled code scores rows by it, and River's `predict_proba_one` scores them by what the learner
knows. So it is not only the formula that is proved, but this version on this machine.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from config.schema import Config, Model
from flows.learn_river import river_of
from flows.learn_saved import read_version
from flows.learn_sealed import UnreadableModelError
from flows.learn_watch import ModelLearner
from flows.machine import VALUES, new_scratch
from flows.plan import make_plan
from flows.plan_words import ALL_SCORES
from flows.propensity import score
from flows.versions import Versions

APART_MAX = 1e-9
HOSTILE = (math.nan, math.inf, -math.inf, 1e300, -1e300, 1e12, -1.0, 0.0)
"""What features do not come as, or should not."""


class Prover:
    """Proves versions of the models of a config."""

    def __init__(self, config: Config) -> None:
        """Make the plan that an engine would have."""
        made = make_plan(config)
        self._plan, self._scratch = made.plan, new_scratch(made.registers)
        self._versions = Versions(config, made.plan)
        self._models = {model.name: model for model in config.models}
        self._scores_at = {
            model.name: VALUES + made.counts.features + index
            for index, model in enumerate(config.models)
        }

    def fault_of(self, name: str, data: bytes, learner: ModelLearner) -> str:
        """What is wrong with the version that a learner is about to publish; "" if nothing is."""
        try:
            version = read_version(data)
        except UnreadableModelError as error:
            return f"it cannot be read back: {error}"
        if not all(np.isfinite(numbers).all() for numbers in version.scorer):
            return "some of its numbers are not finite"
        if not self._versions.adopt(name, version):
            return "it does not fit its own config"
        model, rows = self._models[name], rows_to_try(learner.recent)
        apart = np.abs(self._engine_scores(model, rows) - river_scores(learner, rows)).max()
        if apart <= APART_MAX:
            return ""
        return f"its scores are up to {apart:.2g} from those of River's pipeline"

    def _engine_scores(self, model: Model, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """What an engine would make of rows of features, by the version in force."""
        at, scratch = self._scores_at[model.name], self._scratch
        features_at = VALUES + np.array(model.features)
        scores = np.zeros(len(rows))
        scratch[VALUES:] = 0.0
        for index, row in enumerate(rows):
            scratch[features_at] = row
            score(self._plan, scratch, int(self._plan.ints[ALL_SCORES]))
            scores[index] = scratch[at]
        return scores


def rows_to_try(recent: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows of features: the last examples, and hostile ones, whole or by one feature.

    They are rounded to float32, as the engine reads and examples tell them.
    """
    width = recent.shape[1]
    usual = recent[-1] if len(recent) else np.ones(width)
    spoilt = np.tile(usual, (width, 1))
    np.fill_diagonal(spoilt, np.resize(HOSTILE, width))
    hostile = np.repeat(np.array(HOSTILE), width).reshape(-1, width)
    with np.errstate(over="ignore"):
        return np.vstack((recent, spoilt, hostile)).astype(np.float32).astype(np.float64)


def river_scores(learner: ModelLearner, rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """What River makes of rows of features, by what a learner knows."""
    pipeline = river_of(learner.learner, learner.line)
    names = learner.settings.learner.recipe.program.features
    given = [dict(zip(names, row, strict=True)) for row in rows.tolist()]
    return np.array([pipeline.predict_proba_one(x)[True] for x in given])
