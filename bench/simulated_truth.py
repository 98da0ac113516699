"""Examples of the simulated shop, as the engine closed them, each with its true probability.

The truth is known at midnights: an example has that of the nearest one to its instant.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from config.limits import DAY_MS, HOUR_MS
from config.schema import Model
from flows.learn_watch import Alarm, ModelLearner, ModelSettings


class ExampleData(Struct):
    """The part of an example's line that is read."""

    model: str
    sampled_at: datetime
    outcome: bool
    features: dict[str, float | None]


class ExampleLine(Struct):
    """A line of the output `examples`."""

    subject: str
    time: datetime
    data: ExampleData


class TruthLine(Struct):
    """A line of the simulator's truth."""

    user: str
    at: datetime
    purchase_7d: float
    purchase_30d: float


class Told(Struct, frozen=True, kw_only=True):
    """Closed examples in order of place, (n,) each, features (n, features), with the truth."""

    sampled_ms: NDArray[np.int64]
    closed_ms: NDArray[np.int64]
    features: NDArray[np.float64]
    outcomes: NDArray[np.bool_]
    truth: NDArray[np.float64]


class Run(Struct, frozen=True, kw_only=True):
    """What a model made of examples: a score for each (NaN before there was a version), alarms."""

    scores: NDArray[np.float64]
    alarms: list[Alarm]


Line = TypeVar("Line", bound=Struct)

Truth = dict[tuple[str, int], TruthLine]
"""By user and midnight, in ms."""


def read_truth(path: Path) -> Truth:
    """All that is true."""
    return {(line.user, _ms(line.at)): line for line in _lines(path, TruthLine)}


def read_examples(path: Path, model: Model, truth: Truth) -> Told:
    """The examples of a model, but for those of the last day, which has no truth after it."""
    found = [
        (line, known)
        for line in _lines(path, ExampleLine)
        if line.data.model == model.name
        for known in [truth.get((line.subject, _nearest_midnight(_ms(line.data.sampled_at))))]
        if known is not None
    ]
    names = model.recipe.program.features
    features = [[line.data.features[name] for name in names] for line, _ in found]
    return Told(
        sampled_ms=np.array([_ms(line.data.sampled_at) for line, _ in found], np.int64),
        closed_ms=np.array([_ms(line.time) for line, _ in found], np.int64),
        features=np.array(features, np.float64),
        outcomes=np.array([line.data.outcome for line, _ in found], np.bool_),
        truth=np.array([getattr(known, model.name) for _, known in found], np.float64),
    )


def run_hourly(settings: ModelSettings, told: Told) -> Run:
    """Score and learn as a replay does: versions come into force at whole hours of log time."""
    model, scores = ModelLearner(settings), np.full(len(told.outcomes), np.nan)
    order = np.argsort(told.sampled_ms, kind="stable")
    sampled_ms, taken, alarms = told.sampled_ms[order], 0, []
    last_ms = int(told.closed_ms[-1])
    for hour_ms in range(int(told.closed_ms[0]) // HOUR_MS * HOUR_MS, last_ms, HOUR_MS):
        closed = int(np.searchsorted(told.closed_ms, hour_ms, "right"))
        part = slice(taken, closed)
        alarms += model.take(
            told.features[part], told.outcomes[part], scores[part], told.closed_ms[part]
        )
        taken = closed
        rows = order[slice(*np.searchsorted(sampled_ms, (hour_ms, hour_ms + HOUR_MS)).tolist())]
        if len(rows) and model.is_enough:
            scores[rows] = model.scores(told.features[rows])
    return Run(scores=scores, alarms=alarms)


def _lines(path: Path, shape: type[Line]) -> Iterator[Line]:
    decoder = msgspec.json.Decoder(shape)
    with path.open("rb") as lines:
        for line in lines:
            yield decoder.decode(line)


def _nearest_midnight(at_ms: int) -> int:
    return (at_ms + DAY_MS // 2) // DAY_MS * DAY_MS


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)
