"""What is learned from the topic of examples: a learner per model, and how far each partition came.

All of it depends on the topic's records and their order alone, never on how they were polled: so
whoever goes on from what was saved learns the same. Examples come at least once, each partition's
in order of their places; a model has learned those at or before its last place in their partition.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import msgspec
import numpy as np
from msgspec import Struct

from config.schema import Config, Model
from connectors.events import RawBatch
from connectors.log import Polled
from flows.example_records import Sample, partitions_of, row_of, samples_in
from flows.learn_figures import Figures
from flows.learn_sealed import opened, sealed
from flows.learn_watch import Alarm, ModelLearner, load_model, settings_of
from flows.model_definition import definition
from flows.model_records import version_name
from flows.proving import Prover

PARKED_MAX = 8
"""How many models that the config has no more are kept, for a config that has them again."""

Place = tuple[int, str, int]
"""Of an example in its partition, among those of its model: closed, user, sampled."""


class SavedModel(Struct, frozen=True, kw_only=True):
    """A model's learner, what makes its examples and terms what they are, and what was published.

    `places`: the last of each partition that has had an example. `published` names the version, ""
    before one; the learner had `published_count` examples then.
    """

    name: str
    definition: str
    learner: bytes
    places: dict[int, Place]
    published: str = ""
    published_count: int = 0


class SavedLearning(Struct, frozen=True, kw_only=True):
    """All of it; `partitions` are those of the log."""

    next_offset: int
    partitions: int
    models: list[SavedModel]
    parked: list[SavedModel]


class LearnedModel(Struct, kw_only=True):
    """A model that the config has; see `SavedModel`."""

    model: Model
    definition: str
    learner: ModelLearner
    places: dict[int, Place] = {}
    published: str = ""
    published_count: int = 0


class Taken(Struct, kw_only=True):
    """What became of examples: learned, by model; `repeated`: come before; of no use to any model.

    alarms: of models, that their scores have got worse.
    """

    learned: Counter[str] = msgspec.field(default_factory=Counter)
    repeated: int = 0
    passed_over: int = 0
    alarms: list[tuple[str, Alarm]] = []


class Learning:
    """The learners of a config's models, for a log of so many partitions."""

    def __init__(self, config: Config, partitions: int) -> None:
        self.next_offset = 0
        self._partitions = partitions
        self._models: dict[str, LearnedModel] = {}
        self._parked: list[SavedModel] = []
        self.change(config)

    @property
    def names(self) -> list[str]:
        """The models that are learned."""
        return list(self._models)

    def change(self, config: Config) -> list[str]:
        """Another config is in force: models that it has as they were learn on.

        The others are kept for a while. Returns the names of those that begin anew.
        """
        parked = [*self._parked, *(saved_model(one) for one in self._models.values())]
        models = [model for model in config.models if not model.complement]
        self._prover = Prover(config)
        self._models = {}
        anew = []
        for model in models:
            learned = LearnedModel(
                model=model,
                definition=definition(config, model),
                learner=ModelLearner(settings_of(model)),
            )
            found = next((one for one in parked if is_of(one, learned)), None)
            if found is None or not resume(learned, found):
                anew.append(model.name)
            parked = [one for one in parked if one is not found]
            self._models[model.name] = learned
        self._parked = parked[-PARKED_MAX:]
        return anew

    def take(self, polled: Polled) -> Taken:
        """Learn from what a poll of the topic brought, each example once."""
        taken = Taken()
        for piece in polled.pieces:
            if isinstance(piece, RawBatch):
                self._take(piece, taken)
        self.next_offset = polled.next_offset
        return taken

    def unpublished(self) -> Iterator[tuple[str, bytes]]:
        """The versions that know more than those that were published last: (model, version)."""
        for name, learned in self._models.items():
            if learned.learner.learned_count != learned.published_count:
                version = learned.learner.version()
                if version is not None:
                    yield name, version

    def fault_of(self, name: str, version: bytes) -> str:
        """What is wrong with the present version of a model; "" if it may be published."""
        return self._prover.fault_of(name, version, self._models[name].learner)

    def note_published(self, name: str, version: bytes) -> None:
        """The present version of a model is in the log."""
        learned = self._models[name]
        learned.published = version_name(version)
        learned.published_count = learned.learner.learned_count

    def note_overruled(self, name: str) -> bool:
        """Another version than the last published is in force; whether that was news."""
        learned = self._models[name]
        was_published = bool(learned.published)
        learned.published, learned.published_count = "", 0
        return was_published

    def figures(self) -> dict[str, Figures]:
        """How good the scores were that users were given, by model."""
        return {name: learned.learner.figures for name, learned in self._models.items()}

    def save(self) -> bytes:
        """All of it, for `load_saved`."""
        saved = SavedLearning(
            next_offset=self.next_offset,
            partitions=self._partitions,
            models=[saved_model(learned) for learned in self._models.values()],
            parked=self._parked,
        )
        return sealed_learning(saved)

    def resume(self, saved: SavedLearning, config: Config) -> list[str]:
        """Go on from what was saved; the names of the models that begin anew, as of `change`."""
        self.next_offset = saved.next_offset
        self._models, self._parked = {}, [*saved.parked, *saved.models]
        return self.change(config)

    def _take(self, batch: RawBatch, taken: Taken) -> None:
        samples = [sample for sample in samples_in(batch) if sample is not None]
        taken.passed_over += len(batch.offset) - len(samples)
        new: dict[str, list[Sample]] = {}
        partitions = partitions_of([sample.user for sample in samples], self._partitions)
        for sample, partition in zip(samples, partitions, strict=True):
            learned = self._models.get(sample.model)
            if learned is None:
                taken.passed_over += 1
            elif is_new(learned, sample, partition):
                new.setdefault(sample.model, []).append(sample)
            else:
                taken.repeated += 1
        for name, some in new.items():
            learn(self._models[name], some, taken)


def is_new(learned: LearnedModel, sample: Sample, partition: int) -> bool:
    """Whether a model has not had an example before; it has from now on."""
    place = (sample.closed_ms, sample.user, sample.sampled_ms)
    last = learned.places.get(partition)
    if last is not None and place <= last:
        return False
    learned.places[partition] = place
    return True


def learn(learned: LearnedModel, samples: list[Sample], taken: Taken) -> None:
    """Have a model learn from its examples; those that lack one of its features are passed over."""
    names = learned.model.recipe.program.features
    rows = [row_of(sample.features, names) for sample in samples]
    whole = [(row, one) for row, one in zip(rows, samples, strict=True) if row is not None]
    taken.passed_over += len(rows) - len(whole)
    if not whole:
        return
    name = learned.model.name
    alarms = learned.learner.take(
        np.array([row for row, _ in whole], np.float64),
        np.array([one.outcome for _, one in whole], np.bool_),
        np.array([one.score for _, one in whole], np.float64),
        np.array([one.closed_ms for _, one in whole], np.int64),
    )
    taken.learned[name] += len(whole)
    taken.alarms += [(name, alarm) for alarm in alarms]


def sealed_learning(saved: SavedLearning) -> bytes:
    """It as bytes, for `load_saved`."""
    return sealed("learning", saved)


def load_saved(data: bytes) -> SavedLearning:
    """What `Learning.save` saved.

    Raises:
        UnreadableModelError: the bytes are damaged, of another kind, or of another format.
    """
    return opened("learning", data, SavedLearning)


def saved_model(learned: LearnedModel) -> SavedModel:
    """A model as it is saved."""
    return SavedModel(
        name=learned.model.name,
        definition=learned.definition,
        learner=learned.learner.save(),
        places=learned.places,
        published=learned.published,
        published_count=learned.published_count,
    )


def is_of(saved: SavedModel, learned: LearnedModel) -> bool:
    """Whether what was saved has learned from the same examples, by the same terms."""
    return (saved.name, saved.definition) == (learned.model.name, learned.definition)


def resume(learned: LearnedModel, saved: SavedModel) -> bool:
    """Have a model go on from what was saved, with the settings of now; whether it can."""
    learner = load_model(saved.learner, learned.learner.settings)
    if learner is None:
        return False
    learned.learner, learned.places = learner, dict(saved.places)
    learned.published, learned.published_count = saved.published, saved.published_count
    return True
