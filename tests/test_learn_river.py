"""River's own checks over our estimators, and River's models as challengers."""

from __future__ import annotations

import numpy as np
import pytest
from river import base
from river.checks import yield_checks

from config.terms import TermProgram
from flows.learn_challengers import CHALLENGERS, challenger
from flows.learn_river import ClippedScaler, MeanOfLogits, NewtonLogistic, Terms
from tests.learning import POISON

ESTIMATORS = (Terms, ClippedScaler, NewtonLogistic, MeanOfLogits)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_our_estimators_pass_rivers_own_checks(estimator: type[base.Estimator]) -> None:
    for parameters in estimator._unit_test_params():
        model = estimator(**parameters)
        checks = [*yield_checks(model)]
        assert len(checks) > 25
        for check in checks:
            check(model.clone())


@pytest.mark.parametrize("poison", POISON)
def test_one_poisoned_value_leaves_the_scaler_as_it_was(poison: float) -> None:
    scaler = ClippedScaler()
    for value in (1.0, 2.0, 3.0):
        scaler.learn_one({"a": value})
    before = scaler.transform_one({"a": 2.5})
    scaler.learn_one({"a": poison})
    assert scaler.transform_one({"a": 2.5}) == before
    assert abs(scaler.transform_one({"a": poison})["a"]) <= scaler.clip


@pytest.mark.parametrize("name", CHALLENGERS)
def test_every_challenger_learns_and_gives_probabilities(name: str) -> None:
    chance = np.random.default_rng(1)
    features = chance.standard_normal((300, 2))
    outcomes = features[:, 0] + 0.3 * chance.standard_normal(300) > 0.0
    features[::10, 1] = np.resize(POISON, 30)
    program = TermProgram(features=("a", "b"), steps=(), terms=("a", "b"))
    model = challenger(name, program)
    model.learn(features, outcomes)
    scores = model.scores(features)
    assert ((scores >= 0.0) & (scores <= 1.0)).all()
    assert scores[outcomes].mean() > scores[~outcomes].mean() + 0.1
