"""What the learner is measured against: models fitted anew at every date on all that is known.

Their settings are those that did best on this very data, among a dozen tried.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol, cast

import numpy as np
from lightgbm import LGBMClassifier
from msgspec import Struct
from numpy.typing import NDArray
from sklearn.ensemble import (  # type: ignore[import-untyped]  # it ships no types
    HistGradientBoostingClassifier,
)
from sklearn.linear_model import (  # type: ignore[import-untyped]  # it ships no types
    LogisticRegression,
)
from sklearn.pipeline import make_pipeline  # type: ignore[import-untyped]  # it ships no types
from sklearn.preprocessing import StandardScaler  # type: ignore[import-untyped]  # it ships no types

from config.terms import Recipe
from flows.learn_program import compiled_program, terms_of
from flows.learn_progress import Examples, is_enough

SEED = 1
RFM = ("days_since_order", "orders_total", "spend_total")

Rows = NDArray[np.float64]


class Fitted(Protocol):
    """What scikit-learn's classifiers and LightGBM's can do."""

    def fit(self, rows: Rows, outcomes: NDArray[np.bool_]) -> Fitted:
        """Learn from all examples at once."""
        ...

    def predict_proba(self, rows: Rows) -> NDArray[np.float64]:
        """(n, 2): the probabilities of both outcomes."""
        ...


class Rival(Struct, frozen=True, kw_only=True):
    """A model and what it reads: columns that are computed from features once."""

    make: Callable[[], Fitted]
    columns: Callable[[Rows], Rows]


def rivals(recipe: Recipe) -> Mapping[str, Rival]:
    """The rivals by name, the rate terms being those of a recipe."""
    return {
        "logistic regression, RFM": Rival(make=_logistic, columns=_rfm(recipe)),
        "logistic regression, our terms": Rival(make=_logistic, columns=_rate_terms(recipe)),
        "LightGBM": Rival(make=_lightgbm, columns=_with_tenure(recipe)),
        "scikit-learn boosting": Rival(make=_boosting, columns=_with_tenure(recipe)),
    }


def score_refitted(
    rival: Rival, examples: Examples, grid: Examples, horizon_ms: int
) -> NDArray[np.float64]:
    """The score of each row of the grid by a fit on all that had matured; NaN while too little."""
    scores = np.full(len(grid.at_ms), np.nan)
    known, asked = rival.columns(examples.features), rival.columns(grid.features)
    for at_ms in np.unique(grid.at_ms):
        ready = int(np.searchsorted(examples.at_ms + horizon_ms, at_ms, "right"))
        if is_enough(examples.outcomes[:ready]):
            rows = grid.at_ms == at_ms
            fitted = rival.make().fit(known[:ready], examples.outcomes[:ready])
            scores[rows] = fitted.predict_proba(asked[rows])[:, 1]
    return scores


def _logistic() -> Fitted:
    return cast(Fitted, make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=500)))


def _lightgbm() -> Fitted:
    return cast(
        Fitted,
        LGBMClassifier(
            n_estimators=150,
            learning_rate=0.03,
            num_leaves=7,
            min_child_samples=100,
            subsample=0.7,
            subsample_freq=1,
            colsample_bytree=0.6,
            reg_lambda=10.0,
            n_jobs=1,
            random_state=SEED,
            verbose=-1,
        ),
    )


def _boosting() -> Fitted:
    return cast(
        Fitted,
        HistGradientBoostingClassifier(
            max_iter=150,
            learning_rate=0.03,
            max_leaf_nodes=7,
            min_samples_leaf=100,
            l2_regularization=10.0,
            max_features=0.6,
            random_state=SEED,
        ),
    )


def _rfm(recipe: Recipe) -> Callable[[Rows], Rows]:
    """The logarithms of recency, frequency and monetary value."""
    columns = [recipe.program.features.index(name) for name in RFM]
    return lambda features: cast(Rows, np.log1p(np.maximum(features[:, columns], 0.0)))


def _rate_terms(recipe: Recipe) -> Callable[[Rows], Rows]:
    program = compiled_program(recipe.program)
    count = len(recipe.sets[0].terms)
    return lambda features: terms_of(program, features)[:, :count]


def _with_tenure(recipe: Recipe) -> Callable[[Rows], Rows]:
    """All features, and what trees could not make of them: the time since the first order."""
    program, tenure = compiled_program(recipe.program), recipe.program.terms.index("tenure")

    def columns(features: Rows) -> Rows:
        return np.column_stack([np.nan_to_num(features), terms_of(program, features)[:, tenure]])

    return columns
