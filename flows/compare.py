"""`beckon models compare`: what other settings would have reached on the same recorded events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from config.schema import Config, Model
from flows.contenders import Contender, Examples, carrier, scores_in_turn
from flows.evaluate import says_something
from flows.examples import ClosedExamples
from flows.judged import Numbers, check_count
from flows.learn_bootstrap import Examined, Figures, Interval, intervals, resample
from flows.learn_quality import Quality, quality_of

SEED = 1
COMPARED = ("roc_auc", "log_loss")
"""The figures whose differences are told."""


class Entry(NamedTuple):
    """Who takes part, for one model: `reads` are the features, by name."""

    name: str
    reads: tuple[str, ...]
    contender: Contender


class Standing(Struct, frozen=True, kw_only=True):
    """How good a contender was, and by how much its figures are above those of the first.

    The differences of the first are those from itself.
    """

    name: str
    quality: Quality
    more: dict[str, float]
    intervals: dict[str, Interval]


class Contest(Struct, frozen=True, kw_only=True):
    """A model's contenders, on the examples that all of them had a score for."""

    model: str
    within_ms: int
    example_count: int
    compared_count: int
    user_count: int
    standings: list[Standing]


class Comparison(Struct, frozen=True, kw_only=True):
    """The JSON of a comparison. docs/operations.md says what its keys mean."""

    config_version: str
    contests: list[Contest]


def carrying(config: Config, entries: Mapping[str, Sequence[Entry]]) -> Config:
    """A config whose examples have what all contenders read; it decides nothing else."""
    index = {feature.name: at for at, feature in enumerate(config.features)}
    carriers = []
    for name, entered in entries.items():
        (model,) = (one for one in config.models if one.name == name)
        reads = tuple(dict.fromkeys(read for entry in entered for read in entry.reads))
        carriers.append(carrier(model, reads, [index[read] for read in reads]))
    return replace(config, tags=(), journeys=(), models=tuple(carriers))


class Collected:
    """Collects the closed examples of the models of a carrying config."""

    def __init__(self, models: Sequence[Model]) -> None:
        self._models = models
        self._users = Numbers()
        self._parts: list[list[Examples]] = [[] for _ in models]
        self._counts = [0] * len(models)

    def take(self, closed: Sequence[ClosedExamples]) -> None:
        """Take in examples in the order in which they closed.

        Raises:
            OSError: there are more than `EXAMPLES_MAX` of a model.
        """
        for examples in closed:
            for index in np.unique(examples.model).tolist():
                self._counts[index] += len(examples.rows_of(index))
                check_count(self._models[index].name, self._counts[index])
                self._parts[index].append(self._part(examples, index))

    def examples(self, index: int) -> Examples:
        """All examples of a model that has some."""
        parts = self._parts[index]
        return Examples(
            users=np.concatenate([part.users for part in parts]),
            sampled_ms=np.concatenate([part.sampled_ms for part in parts]),
            closed_ms=np.concatenate([part.closed_ms for part in parts]),
            outcomes=np.concatenate([part.outcomes for part in parts]),
            features=np.vstack([part.features for part in parts]),
        )

    def has(self, index: int) -> bool:
        """Whether a model has any."""
        return bool(self._parts[index])

    def _part(self, examples: ClosedExamples, index: int) -> Examples:
        rows = examples.rows_of(index)
        return Examples(
            users=self._users.of(examples.user[row].decode() for row in rows.tolist()),
            sampled_ms=examples.sampled_ms[rows],
            closed_ms=examples.closed_ms[rows],
            outcomes=examples.outcome[rows],
            features=examples.features_of(index).astype(np.float32),
        )


def contest_of(model: Model, entries: Sequence[Entry], examples: Examples) -> Contest:
    """Let the contenders score and learn the examples of a model, and set them side by side."""
    reads = model.recipe.program.features
    scores: dict[str, NDArray[np.float64]] = {}
    for entry in entries:
        columns = [reads.index(read) for read in entry.reads]
        scores[entry.name] = scores_in_turn(entry.contender, examples, columns)
    known = ~np.isnan(np.column_stack([*scores.values()])).any(axis=1)
    scores = {name: given[known] for name, given in scores.items()}
    examined = Examined(users=examples.users[known], outcomes=examples.outcomes[known])
    return Contest(
        model=model.name,
        within_ms=model.within_ms,
        example_count=len(examples.users),
        compared_count=int(np.count_nonzero(known)),
        user_count=len(np.unique(examined.users)),
        standings=standings_of(scores, examined),
    )


def no_contest(model: Model) -> Contest:
    """Of a model that no example has closed of: there is nothing to compare by."""
    return Contest(
        model=model.name,
        within_ms=model.within_ms,
        example_count=0,
        compared_count=0,
        user_count=0,
        standings=[],
    )


def standings_of(scores: Mapping[str, NDArray[np.float64]], examined: Examined) -> list[Standing]:
    """How good each was, and its differences from the first, on the same draws of users."""
    quality = {name: quality_of(given, examined.outcomes) for name, given in scores.items()}
    drawn: Figures = {}
    if says_something(examined.outcomes):
        drawn = resample(scores, examined, SEED)
    first = next(iter(scores))
    return [
        Standing(
            name=name,
            quality=known,
            more={
                figure: getattr(known, figure) - getattr(quality[first], figure)
                for figure in COMPARED
            },
            intervals=_of_compared(intervals(drawn[name] - drawn[first])) if drawn else {},
        )
        for name, known in quality.items()
    ]


def _of_compared(found: Mapping[str, Interval]) -> dict[str, Interval]:
    return {figure: found[figure] for figure in COMPARED}
