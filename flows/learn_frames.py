"""Named values and data frames, as River's estimators are given them, to rows and back."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping
from typing import Any

import numpy as np
from narwhals.stable.v2.typing import IntoDataFrame, IntoSeries
from numpy.typing import NDArray
from river import base
from river.utils import dataframe

from flows.learn_loops import probability

NAMES_MAX = 1000
"""Different features that an estimator meets; further ones are left out."""

Named = dict[Hashable, Any]
"""What River calls x: values by the name of their feature."""

Places = dict[Hashable, int]
"""Which column a name has."""


def number(value: object) -> float:
    """A value as a number; NaN for what is none."""
    return float(value) if isinstance(value, int | float | np.number | np.bool_) else math.nan


def meet(names: Iterable[Hashable], places: Places) -> int:
    """Give new names a place, up to the limit; how many got one."""
    known = len(places)
    for name in names:
        if name not in places and len(places) < NAMES_MAX:
            places[name] = len(places)
    return len(places) - known


def row_of(
    x: Mapping[Hashable, Any], places: Mapping[Hashable, int], absent: float
) -> NDArray[np.float64]:
    """(1, names): the values of known names, in their places."""
    row = np.full((1, len(places)), absent)
    for name, value in x.items():
        if name in places:
            row[0, places[name]] = number(value)
    return row


def rows_of(frame: IntoDataFrame, places: Iterable[Hashable], absent: float) -> NDArray[np.float64]:
    """(n, names): the columns of known names, in their order."""
    given = dataframe.into_frame(frame)
    values = dataframe.to_numpy(given)
    column_of = {name: column for column, name in enumerate(given.columns)}
    names = [*places]
    rows = np.full((len(values), len(names)), absent)
    for place, name in enumerate(names):
        if name in column_of:
            rows[:, place] = values[:, column_of[name]]
    return rows


def both_of(logit: float) -> dict[base.typing.ClfTarget, float]:
    """The probability of either outcome.

    >>> both_of(0.0)
    {False: 0.5, True: 0.5}
    """
    chance = probability(logit)
    return {False: 1.0 - chance, True: chance}


def both_chances(logits: NDArray[np.float64], like: IntoDataFrame) -> IntoDataFrame:
    """Probabilities of both outcomes, as a frame of the kind that was given."""
    chances = np.array([probability(logit) for logit in logits.tolist()])
    return dataframe.to_native_frame(
        {False: 1.0 - chances, True: chances}, like=dataframe.into_frame(like)
    )


def likelier(logits: NDArray[np.float64], like: IntoDataFrame) -> IntoSeries:
    """The likelier outcome of each row."""
    return dataframe.to_native_series(logits > 0.0, name=None, like=dataframe.into_frame(like))
