"""River's own models, to be set against the learner: the same examples, terms and validation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from river import base, compose, ensemble, forest, linear_model, optim, preprocessing, tree

from config.terms import TermProgram
from flows.learn_frames import Named
from flows.learn_river import ClippedScaler, Terms

SEED = 1
"""Of the models that draw lots: the same examples make the same model."""

TREES = 10
BAGGED = 10
SGD_RATE = 0.01


class RiverModel:
    """A River classifier over terms, validated as our learner is: rows in, probabilities out."""

    def __init__(self, pipeline: compose.Pipeline, features: tuple[str, ...]) -> None:
        self._pipeline = pipeline
        self._features = features

    def learn(self, features: NDArray[np.float64], outcomes: NDArray[np.bool_]) -> None:
        """Take in examples in their order, one by one."""
        for row, outcome in zip(features.tolist(), outcomes.tolist(), strict=True):
            self._pipeline.learn_one(self._named(row), bool(outcome))

    def scores(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """The probability of the outcome for each row; a half where the model gives none."""
        given = [self._pipeline.predict_proba_one(self._named(row)) for row in features.tolist()]
        return np.array([chances.get(True, 0.0) if chances else 0.5 for chances in given])

    def _named(self, row: list[float]) -> Named:
        return dict(zip(self._features, row, strict=True))


def challenger(name: str, program: TermProgram) -> RiverModel:
    """A challenger that has learned nothing, over the terms of a program.

    Raises:
        KeyError: no challenger has this name; `CHALLENGERS` lists them.
    """
    return RiverModel(Terms(program) | CHALLENGERS[name](), program.features)


def _sgd() -> compose.Pipeline:
    """The textbook's: every step as long as the learning rate says."""
    return preprocessing.StandardScaler() | linear_model.LogisticRegression(optim.SGD(SGD_RATE))


def _ftrl() -> compose.Pipeline:
    return ClippedScaler() | linear_model.LogisticRegression(optim.FTRLProximal())


def _adaptive_tree() -> base.Classifier:
    return tree.HoeffdingAdaptiveTreeClassifier(seed=SEED)


def _adaptive_forest() -> base.Classifier:
    return forest.ARFClassifier(n_models=TREES, seed=SEED)


def _mondrian_forest() -> base.Classifier:
    return forest.AMFClassifier(n_estimators=TREES, seed=SEED)


def _bagging() -> compose.Pipeline:
    one = linear_model.LogisticRegression(optim.SGD(SGD_RATE))
    return ClippedScaler() | ensemble.BaggingClassifier(one, n_models=BAGGED, seed=SEED)


CHALLENGERS: Mapping[str, Callable[[], base.Estimator]] = MappingProxyType(
    {
        "sgd": _sgd,
        "ftrl": _ftrl,
        "hoeffding_adaptive_tree": _adaptive_tree,
        "adaptive_random_forest": _adaptive_forest,
        "mondrian_forest": _mondrian_forest,
        "bagging": _bagging,
    }
)
