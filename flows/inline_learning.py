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
from flows.model_definition import definition
from flows.model_records import encode_model

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


class SavedLearned(Struct, frozen=True, kw_only=True):
    """A model's learner, as `ModelLearner.save` has it, and what its examples and terms are.

    learned_to_ms: all that it learned closed by then, and all that closed by then it has learned.
    """

    definition: str
    learner: bytes
    learned_to_ms: int


class SavedModels(Struct, frozen=True, kw_only=True):
    """What learns, by name of the model, and what waits for the hour."""

    learners: dict[str, SavedLearned]
    waiting: dict[str, SavedWaiting]


class InlineLearning:
    """The models of a config, learned as a replay goes on; `saved` is what an earlier run saved.

    What was learned of other examples or by other terms, or of a model that the config has no
    more, is forgotten.

    Raises:
        UnreadableModelError, msgspec.DecodeError: what was saved is of another format.
    """

    def __init__(self, config: Config, saved: bytes = b"") -> None:
        held = saved_models(saved)
        self._config = config
        self._proved: set[str] = set()
        self._models = {
            index: _LearnedModel(index, definition(config, model), model, held)
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
        learned = [(model, model.learn()) for model in self._models.values()]
        self._prove([model for model, version in learned if version is not None])
        return [(model.name, version) for model, version in learned if version is not None]

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
                learners={model.name: model.saved() for model in models},
                waiting={model.name: model.saved_waiting() for model in models if model.waiting},
            )
        )

    def _prove(self, published: list[_LearnedModel]) -> None:
        """Prove each model's first version of a run: all of them took as long as learning itself.

        River is imported only where there is something to prove.
        """
        for model in published:
            if model.name not in self._proved:
                from flows.proving import Prover

                fault = Prover(self._config).fault_of(model.name, model.published, model.learner)
                assert not fault, f"model {model.name}: versions score as River's do: {fault}"
                self._proved.add(model.name)


class _LearnedModel:
    """One model: its learner, and what it is to learn next."""

    def __init__(self, index: int, definition: str, model: Model, held: SavedModels) -> None:
        self.name = model.name
        self.waiting: list[Waiting] = []
        self.published = b""
        self._index = index
        self._features_read = model.recipe.program.features
        self._definition = definition
        self._learned_to_ms = 0
        self.learner = ModelLearner(settings_of(model))
        if model.name in held.learners:
            self._resume(held.learners[model.name], held.waiting.get(model.name))
        self._published_count = self.learner.learned_count

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
        self._learned_to_ms = int(ready.closed_ms[-1])
        if self.learner.learned_count == self._published_count:
            return None
        data = self.learner.version()
        if data is None:
            return None
        self.published, self._published_count = data, self.learner.learned_count
        return version_as_read(self.learner, data)

    def saved(self) -> SavedLearned:
        return SavedLearned(
            definition=self._definition,
            learner=self.learner.save(),
            learned_to_ms=self._learned_to_ms,
        )

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

    def _resume(self, saved: SavedLearned, waiting: SavedWaiting | None) -> None:
        """Go on from what an earlier run saved, if that is of the same examples and terms."""
        known = load_model(saved.learner, self.learner.settings)
        if known is None or saved.definition != self._definition:
            log.warning("model %s: it had other examples or terms; it learns anew", self.name)
            return
        self.learner, self._learned_to_ms = known, saved.learned_to_ms
        if waiting is not None:
            self.waiting = [_waiting_of(waiting)]


def saved_models(saved: bytes) -> SavedModels:
    """What `InlineLearning.save` saved; nothing of b"".

    Raises:
        msgspec.DecodeError: it is of another format.
    """
    return msgspec.msgpack.decode(saved, type=SavedModels) if saved else _NOTHING


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
    places = list(zip(closed_ms.tolist(), users, strict=True))
    order = sorted(range(len(places)), key=places.__getitem__)
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
