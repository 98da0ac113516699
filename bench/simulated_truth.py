"""Examples of the simulated shop, as the engine closed them, each with its true probability.

The truth is known at midnights: an example has that of the nearest one to its instant, or of the
next one where the customer arrived on that day. That of an answer is known of each trigger.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TypeVar, cast

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from config.limits import DAY_MS, HOUR_MS
from config.schema import Model
from connectors.triggers import instant_ms
from flows.example_records import Example, Learnable
from flows.learn_model import scores_by
from flows.learn_watch import Alarm, ModelLearner, ModelSettings


class Answered(Learnable, frozen=True, gc=False):
    """The part that is judged here: `trigger` is the one that the example is of, where it is."""

    trigger: str = ""


class TruthLine(Struct):
    """A line of the simulator's truth: of a customer at a midnight, or of a trigger."""

    user: str
    at: datetime
    purchase_7d: float = np.nan
    purchase_30d: float = np.nan
    trigger: str = ""
    answered: float = np.nan


class Told(Struct, frozen=True, kw_only=True):
    """Closed examples in order of place: (n,) each, features (n, features), with the truth.

    scores: those that the engine gave, NaN where there was no version yet.
    """

    sampled_ms: NDArray[np.int64]
    closed_ms: NDArray[np.int64]
    features: NDArray[np.float64]
    outcomes: NDArray[np.bool_]
    scores: NDArray[np.float64]
    truth: NDArray[np.float64]

    def since(self, at_ms: int) -> Told:
        """Those that were sampled at an instant or later."""
        chosen = self.sampled_ms >= at_ms
        return Told(**{name: getattr(self, name)[chosen] for name in self.__struct_fields__})


class Run(Struct, frozen=True, kw_only=True):
    """What a model made of examples: a score for each (NaN before there was a version), alarms."""

    scores: NDArray[np.float64]
    alarms: list[Alarm]


Line = TypeVar("Line", bound=Struct)
Place = tuple[str, int]
"""A user and a midnight in ms, or a trigger and 0."""


def read_told(examples: Path, truth: Path, models: Sequence[Model]) -> dict[str, Told]:
    """The examples of each of these models, with the truth."""
    lines = [*_lines(examples, Example[Answered])]
    places = {place for line in lines for place in _places_of(line)}
    known = {
        place: line
        for line in _lines(truth, TruthLine)
        for place in [(line.trigger, 0) if line.trigger else (line.user, _ms(line.at))]
        if place in places
    }
    return {model.name: _told(lines, model, known) for model in models}


def run_hourly(settings: ModelSettings, told: Told) -> Run:
    """Score and learn as a replay does: versions come into force at whole hours of log time."""
    model, scores = ModelLearner(settings), np.full(len(told.outcomes), np.nan)
    order = np.argsort(told.sampled_ms, kind="stable")
    sampled_ms, taken, alarms, in_force = told.sampled_ms[order], 0, [], None
    for hour_ms in range(_hour_of(told.closed_ms[0]), int(told.closed_ms[-1]), HOUR_MS):
        closed = int(np.searchsorted(told.closed_ms, hour_ms, "right"))
        part = slice(taken, closed)
        alarms += model.take(
            told.features[part], told.outcomes[part], scores[part], told.closed_ms[part]
        )
        taken = closed
        if model.is_enough:
            in_force = model.scorer()
        # Who is sampled at the very hour is scored before the version that comes into force there.
        within = np.searchsorted(sampled_ms, (hour_ms, hour_ms + HOUR_MS), "right").tolist()
        rows = order[slice(*within)]
        if in_force is not None and len(rows):
            scores[rows] = scores_by(model.learner.program, in_force, told.features[rows])
    return Run(scores=scores, alarms=alarms)


def _told(
    lines: Sequence[Example[Answered]], model: Model, known: Mapping[Place, TruthLine]
) -> Told:
    found = [line for line in lines if line.data.model == model.name]
    names = model.recipe.program.features
    return Told(
        sampled_ms=np.array([instant_ms(line.data.sampled_at) for line in found], np.int64),
        closed_ms=np.array([instant_ms(line.time) for line in found], np.int64),
        features=np.array(
            [[line.data.features[name] for name in names] for line in found], np.float64
        ),
        outcomes=np.array([line.data.outcome for line in found], np.bool_),
        scores=np.array([line.data.score for line in found], np.float64),
        truth=np.array([_truth_of(line, known) for line in found], np.float64),
    )


def _lines(path: Path, shape: type[Line]) -> Iterator[Line]:
    decoder = msgspec.json.Decoder(shape)
    with path.open("rb") as lines:
        for line in lines:
            yield decoder.decode(line)


def _truth_of(line: Example[Answered], known: Mapping[Place, TruthLine]) -> float:
    """The true probability of an example's outcome.

    No customer answers a trigger of which there is no truth: it went to a guest, or to who wants no
    mail, or was not sent when the log was simulated.
    """
    told = next((known[place] for place in _places_of(line) if place in known), None)
    if line.data.trigger:
        return told.answered if told else 0.0
    assert told is not None, "whoever is sampled has arrived"
    return cast(float, getattr(told, line.data.model))


def _places_of(line: Example[Answered]) -> tuple[Place, ...]:
    """Where the truth of an example may stand, the best place first.

    Its trigger; or who it is about, at the midnight that is nearest to its instant and the next.
    """
    if line.data.trigger:
        return ((line.data.trigger, 0),)
    at_ms = instant_ms(line.data.sampled_at)
    nearest_ms = (at_ms + DAY_MS // 2) // DAY_MS * DAY_MS
    return (line.subject, nearest_ms), (line.subject, at_ms // DAY_MS * DAY_MS + DAY_MS)


def _hour_of(at_ms: int) -> int:
    return int(at_ms) // HOUR_MS * HOUR_MS


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)
