"""Learning beside a replay: what closed up to a whole hour is learned, and in force from there on.

The examples of all partitions are learned in one order, (closed instant, user id), so that versions
depend on the log alone: on no batch, no number of partitions, and no pause between two runs.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from config.schema import Config, Model
from flows.examples import ClosedExamples
from flows.learn_saved import Version, version_id
from flows.learn_watch import ModelLearner, load_model, settings_of
from flows.model_records import encode_model
from flows.proving import Prover

log = logging.getLogger(__name__)


class Waiting(Struct, frozen=True, kw_only=True):
    """Examples of a model that closed since the last hour, a row each, in the order of a partition.

    features: (n, features) as the model's program reads them.
    """

    users: list[bytes]
    closed_ms: NDArray[np.int64]
    outcomes: NDArray[np.bool_]
    scores: NDArray[np.float64]
    features: NDArray[np.float64]


class SavedWaiting(Struct, frozen=True, kw_only=True):
    """The same as bytes; `features_read` are the names of the columns."""

    features_read: tuple[str, ...]
    users: list[bytes]
    closed_ms: bytes
    outcomes: bytes
    scores: bytes
    features: bytes


class SavedModels(Struct, frozen=True, kw_only=True):
    """What learns, by name of the model: `ModelLearner.save`, and what waits for the hour."""

    learners: dict[str, bytes]
    waiting: dict[str, SavedWaiting]


class InlineLearning:
    """The models of a config, learned as a replay goes on; `saved` is what an earlier run saved.

    What was learned with other terms, or of a model that the config has no more, is forgotten.

    Raises:
        UnreadableModelError, msgspec.DecodeError: what was saved is of another format.
    """

    def __init__(self, config: Config, saved: bytes = b"") -> None:
        held = msgspec.msgpack.decode(saved, type=SavedModels) if saved else _NOTHING
        prover = Prover(config)
        self._models = {
            index: _LearnedModel(index, model, held, prover)
            for index, model in enumerate(config.models)
            if not model.complement
        }

    @property
    def is_waiting(self) -> bool:
        """See `flows.decide.Learning`."""
        return any(model.waiting for model in self._models.values())

    def take(self, closed: Sequence[ClosedExamples]) -> None:
        """See `flows.decide.Learning`."""
        for examples in closed:
            for index in np.unique(examples.model).tolist():
                self._models[index].take(examples)

    def learn(self) -> list[tuple[str, Version]]:
        """See `flows.decide.Learning`."""
        learned = [(model.name, model.learn()) for model in self._models.values()]
        return [(name, version) for name, version in learned if version is not None]

    def records(self) -> dict[str, bytes]:
        """Of each model with a new version, the value of the last one's `model` record."""
        return {
            model.name: encode_model(model.name, model.published)
            for model in self._models.values()
            if model.published
        }

    def save(self) -> bytes:
        """All that a later run needs."""
        models = self._models.values()
        return msgspec.msgpack.encode(
            SavedModels(
                learners={model.name: model.learner.save() for model in models},
                waiting={model.name: model.saved_waiting() for model in models if model.waiting},
            )
        )


class _LearnedModel:
    """One model: its learner, and what it is to learn next."""

    def __init__(self, index: int, model: Model, held: SavedModels, prover: Prover) -> None:
        self.name = model.name
        self.waiting: list[Waiting] = []
        self.published = b""
        self._index = index
        self._prover = prover
        self._is_proved = False
        self._features_read = model.recipe.program.features
        settings = settings_of(model)
        data = held.learners.get(model.name)
        known = load_model(data, settings) if data is not None else None
        if data is not None and known is None:
            log.warning("model %s: it had other terms or settings; it learns anew", model.name)
        self.learner = known or ModelLearner(settings)
        self._published_count = self.learner.learned_count
        saved = held.waiting.get(model.name)
        if saved is not None and saved.features_read == self._features_read:
            self.waiting = [_waiting_of(saved)]

    def take(self, examples: ClosedExamples) -> None:
        rows = examples.rows_of(self._index)
        part = Waiting(
            users=[examples.user[row] for row in rows.tolist()],
            closed_ms=examples.closed_ms[rows],
            outcomes=examples.outcome[rows],
            scores=examples.score[rows],
            features=examples.features_of(self._index),
        )
        self.waiting.append(part)

    def learn(self) -> Version | None:
        """Learn what waits; the version to which that leads, if it leads to one."""
        if not self.waiting:
            return None
        ready, self.waiting = in_order(self.waiting), []
        self.learner.take(ready.features, ready.outcomes, ready.scores, ready.closed_ms)
        if self.learner.learned_count == self._published_count:
            return None
        data = self.learner.version()
        if data is None:
            return None
        self._prove(data)
        self.published, self._published_count = data, self.learner.learned_count
        return version_as_read(self.learner, data)

    def _prove(self, data: bytes) -> None:
        """Prove the first version of a run: a proof of each took as long as learning itself."""
        if not self._is_proved:
            fault = self._prover.fault_of(self.name, data, self.learner)
            assert not fault, f"model {self.name}: versions score as River's pipeline does: {fault}"
            self._is_proved = True

    def saved_waiting(self) -> SavedWaiting:
        waiting = in_order(self.waiting)
        return SavedWaiting(
            features_read=self._features_read,
            users=waiting.users,
            closed_ms=waiting.closed_ms.astype("<i8").tobytes(),
            outcomes=waiting.outcomes.tobytes(),
            scores=waiting.scores.astype("<f8").tobytes(),
            features=waiting.features.astype("<f8").tobytes(),
        )


def version_as_read(learner: ModelLearner, data: bytes) -> Version:
    """What `read_version` makes of what a learner has just published, without reading it."""
    return Version(
        id=version_id(data),
        learned_count=learner.learned_count,
        terms=learner.learner.settings.recipe.program,
        program=learner.learner.program,
        scorer=learner.scorer(),
    )


def in_order(parts: Sequence[Waiting]) -> Waiting:
    """All of them as one, by the instant at which they closed, then by user."""
    users = [user for part in parts for user in part.users]
    closed_ms = np.concatenate([part.closed_ms for part in parts])
    order = sorted(range(len(users)), key=lambda row: (closed_ms[row], users[row]))
    return Waiting(
        users=[users[row] for row in order],
        closed_ms=closed_ms[order],
        outcomes=np.concatenate([part.outcomes for part in parts])[order],
        scores=np.concatenate([part.scores for part in parts])[order],
        features=np.vstack([part.features for part in parts])[order],
    )


def _waiting_of(saved: SavedWaiting) -> Waiting:
    count, width = len(saved.users), len(saved.features_read)
    return Waiting(
        users=saved.users,
        closed_ms=np.frombuffer(saved.closed_ms, "<i8").astype(np.int64),
        outcomes=np.frombuffer(saved.outcomes, np.bool_),
        scores=np.frombuffer(saved.scores, "<f8").astype(np.float64),
        features=np.frombuffer(saved.features, "<f8").astype(np.float64).reshape(count, width),
    )


_NOTHING = SavedModels(learners={}, waiting={})
