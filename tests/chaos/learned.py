"""What should have come of a topic of examples: learned in one go, without an interruption."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from itertools import pairwise

from msgspec import Struct

from config.schema import Config
from connectors.log import EXAMPLES_TOPIC, ControlRecord
from connectors.memory_broker import MemoryBroker
from flows.learning import Learning, SavedLearning, load_saved
from flows.model_definition import definition
from flows.model_records import ModelRecordError, model_of, record_of, version_name
from state.learner_store import RedisLearnerStore
from state.redis_settings import RedisSettings

POLL_EXAMPLES = 32
"""So few that no version that a learner could publish is passed over."""

Published = list[tuple[str, str]]
"""(model, version) of each that a learner has put into a partition of the log, in its order."""


class Uninterrupted(Struct, frozen=True, kw_only=True):
    """The versions that a learner had, by model in order of time, and its end."""

    versions: dict[str, list[str]]
    saved: SavedLearning


def saved_in(redis: RedisSettings) -> SavedLearning | None:
    """What the learner has saved; None if there was no example."""
    store = RedisLearnerStore(redis)
    value = store.load()
    store.close()
    return load_saved(value) if value is not None else None


def uninterrupted(config: Config, examples: Sequence[bytes], partitions: int) -> Uninterrupted:
    """One learner, from the first example to the last."""
    topic = MemoryBroker(partitions)
    topic.topics[EXAMPLES_TOPIC] = [(None, example) for example in examples]
    reader = topic.examples(0)
    learning = Learning(config, partitions)
    versions: dict[str, list[str]] = {name: [] for name in learning.names}
    while learning.next_offset < len(examples):
        learning.take(reader.poll(POLL_EXAMPLES))
        for model, version in list(learning.unpublished()):
            versions[model].append(version_name(version))
            learning.note_published(model, version)
    return Uninterrupted(versions=versions, saved=load_saved(learning.save()))


def judged_learning(
    configs: Sequence[Config],
    saved: SavedLearning | None,
    examples: Sequence[bytes],
    logs: Sequence[Sequence[ControlRecord]],
) -> dict[str, int]:
    """The learner's end, and the versions in each partition of the log, against such a learner.

    Models are left out whose examples or terms another config has made others: a learner is told of
    it by the clock. places_differing, models_differing: of what was learned. versions_foreign: that
    no such learner has had; versions_back: that came behind a newer one; versions_uneven: whose
    last in a partition is not the last of all.
    """
    if saved is None:
        return {"examples_missing": len(examples)}
    wanted = uninterrupted(configs[0], examples[: saved.next_offset], len(logs))
    kept = kept_models(configs)
    learned = {one.name: one for one in saved.models}
    pairs = [(one, learned.get(one.name)) for one in wanted.saved.models if one.name in kept]
    return {
        "examples": saved.next_offset,
        "places_differing": sum(had is None or had.places != one.places for one, had in pairs),
        "models_differing": sum(had is None or had.learner != one.learner for one, had in pairs),
        **judged_versions(wanted, saved, [published_in(log) for log in logs], kept),
    }


def judged_versions(
    wanted: Uninterrupted, saved: SavedLearning, logs: Sequence[Published], models: AbstractSet[str]
) -> dict[str, int]:
    """What was published of some models, in each partition of the log."""
    logs = [[one for one in log if one[0] in models] for log in logs]
    last = [(one.name, one.published) for one in saved.models if one.name in models]
    return {
        "versions": len({one for log in logs for one in log}),
        "versions_foreign": sum(
            version not in wanted.versions[model] for log in logs for model, version in log
        ),
        "versions_back": sum(
            one > other
            for log in logs
            for model in models
            for one, other in pairwise(order_of(model, log, wanted.versions[model]))
        ),
        "versions_uneven": sum(
            dict(log).get(model, "") != version for log in logs for model, version in last
        ),
    }


def kept_models(configs: Sequence[Config]) -> set[str]:
    """The models that all configs have, as they are in the first."""
    found = [
        {(model.name, definition(config, model)) for model in config.models if not model.complement}
        for config in configs
    ]
    return {name for name, _ in set.intersection(*found)}


def published_in(log: Sequence[ControlRecord]) -> Published:
    """What learners published, among the versions of a partition: no rollback, none broken."""
    found = []
    for one in log:
        record = record_of(one.value)
        if record is not None and not record.rollback and is_whole(one):
            found.append((record.model, record.version))
    return found


def is_whole(record: ControlRecord) -> bool:
    """Whether a version can be read."""
    try:
        model_of(record.value, record.offset)
    except ModelRecordError:
        return False
    return True


def order_of(model: str, published: Published, had: Sequence[str]) -> Iterator[int]:
    """The numbers of a model's published versions in the order in which a learner had them."""
    return (had.index(version) for name, version in published if name == model and version in had)
