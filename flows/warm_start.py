"""What a replay has learned, given to the live learner: it goes on from there.

Nothing has to be stopped. Who learns meanwhile finds that another value is stored than it saved,
and goes on from that one. Of the topic of examples each model then learns what closed after the
last example that the replay has learned, whichever log that one came from: none is learned twice.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from config.limits import HOUR_MS
from config.schema import Config
from connectors.triggers import instant_text
from flows.inline_learning import saved_models
from flows.learn_figures import Figures
from flows.learn_sealed import UnreadableModelError
from flows.learn_watch import figures_of, load_model, settings_of
from flows.learner import check_saved, saved_of
from flows.learning import SavedLearning, SavedModel, sealed_learning
from flows.model_definition import definition
from flows.resuming import LEARNER_PARTITION
from state.learner_store import LearnerStore
from state.store import StoreConflict, StoreError
from state.stored import open_partition, stored_partitions

TRIES = 20
"""A learner that is busy saves once a second; in between there is time for what is done here."""


class Replayed(Struct, frozen=True, kw_only=True):
    """A model as a replay has learned it; see `flows.inline_learning.SavedLearned`."""

    name: str
    definition: str
    learner: bytes
    learned_to_ms: int
    figures: Figures


class Warmed(Struct, frozen=True, kw_only=True):
    """What a warm start gives a model, and what the live learner knew of it before.

    taken: whether it does; if not, what the live learner knows is kept. fits: whether the config in
    force has the model so; if not, it waits for a config that has.
    """

    model: str
    learned_to_ms: int
    taken: bool
    fits: bool
    replayed: Figures
    known: Figures


class Topic(Struct, frozen=True, kw_only=True):
    """What a warm start must know of the live log: its partitions, and of the topic of examples.

    first, end: the first offset and the next one. begin: behind it is all that closed after what
    the replay has learned.
    """

    partitions: int
    first: int
    end: int
    begin: int


def replayed_models(directory: Path) -> list[Replayed]:
    """The models that a replay has learned, as its state has them.

    Raises:
        StoreError: nothing was learned, or it cannot be read.
    """
    partitions = stored_partitions(directory)
    learned = b""
    if partitions is not None:
        with open_partition(directory, LEARNER_PARTITION, partitions=partitions) as stored:
            learned = stored.learner() if stored is not None else b""
    try:
        models = [
            Replayed(
                name=name,
                definition=saved.definition,
                learner=saved.learner,
                learned_to_ms=saved.learned_to_ms,
                figures=figures_of(saved.learner),
            )
            for name, saved in saved_models(learned).learners.items()
        ]
    except (msgspec.DecodeError, UnreadableModelError) as error:
        raise StoreError(
            str(directory),
            expected="models that this version of Beckon can read",
            got=f"others: {error}",
            fix="use the Beckon that wrote it, or replay the log into a new directory",
        ) from error
    learned_models = [model for model in models if model.figures.taken_count]
    if not learned_models:
        raise StoreError(
            str(directory),
            expected="what a replay has learned",
            got="none of it",
            fix="fill it with `beckon replay EVENTS --state DIR`, of a range of the log with "
            "--learn, and with a history longer than the horizon of a model",
        )
    return learned_models


def check_replayed(replayed: Sequence[Replayed], config: Config, now_ms: int) -> None:
    """Refuse what the live learner could not go on from.

    Raises:
        StoreError: it was learned from what is still to come, or by another version of Beckon.
    """
    settings = {
        (model.name, definition(config, model)): settings_of(model) for model in config.models
    }
    for model in replayed:
        if model.learned_to_ms > now_ms:
            raise StoreError(
                f"model {model.name}",
                expected=f"a history that ended before now, {instant_text(now_ms)}",
                got=f"examples that closed up to {instant_text(model.learned_to_ms)}",
                fix="replay it up to now, with --until TIME: live examples up to there would all "
                "be passed over",
            )
        wanted = settings.get(key_of(model))
        if wanted is not None and load_model(model.learner, wanted) is None:
            raise StoreError(
                f"model {model.name}",
                expected="what was learned as this version of Beckon learns",
                got="other settings",
                fix="replay the log into a new directory",
            )


def warm_start(
    store: LearnerStore,
    replayed: Sequence[Replayed],
    config: Config,
    topic: Topic,
    *,
    replaced: Collection[str],
) -> list[Warmed]:
    """Have the live learner go on from what was replayed; what that gave and took.

    It keeps what it knows of a model by itself, but for those that are to be `replaced`.

    Raises:
        StoreConflict: it saved something else each time that this was tried.
        StoreError: what it has saved cannot be read, or is of another log.
    """
    for left in reversed(range(TRIES)):
        previous = store.load()
        saved = saved_or_new(previous, topic)
        found = found_in(saved, replayed, config, replaced)
        taken = [model for model, one in zip(replayed, found, strict=True) if one.taken]
        if not taken:
            return found
        try:
            store.replace(previous, sealed_learning(warmed(saved, taken, topic)))
        except StoreConflict:
            if not left:
                raise
        else:
            return found
    raise AssertionError("the last try returns or raises")


def saved_or_new(value: bytes | None, topic: Topic) -> SavedLearning:
    """What the live learner has saved; nothing learned where there is nothing."""
    if value is None:
        return SavedLearning(
            next_offset=topic.first, partitions=topic.partitions, models=[], parked=[]
        )
    saved = saved_of(value)
    check_saved(saved, topic.partitions, topic.end)
    return saved


def begin_ms(replayed: Sequence[Replayed]) -> int:
    """An instant before which nothing came to the topic that a model has not learned yet.

    What closes comes later than it closed, by a clock that is off by less than an hour.
    """
    return max(min(model.learned_to_ms for model in replayed) - HOUR_MS, 0)


def found_in(
    saved: SavedLearning,
    replayed: Sequence[Replayed],
    config: Config,
    replaced: Collection[str],
) -> list[Warmed]:
    """What is there to be told of each model."""
    known = {key_of(model): figures_of(model.learner) for model in (*saved.parked, *saved.models)}
    in_force = {(model.name, definition(config, model)) for model in config.models}
    nothing = Figures()
    return [
        Warmed(
            model=model.name,
            learned_to_ms=model.learned_to_ms,
            taken=model.name in replaced or not known.get(key_of(model), nothing).taken_count,
            fits=key_of(model) in in_force,
            replayed=model.figures,
            known=known.get(key_of(model), nothing),
        )
        for model in replayed
    ]


def warmed(saved: SavedLearning, replayed: Sequence[Replayed], topic: Topic) -> SavedLearning:
    """What the learner is to go on from; its config finds the models among those that are parked.

    It reads again what closed after what was replayed: the other models have had that.
    """
    given = {key_of(model) for model in replayed}
    return replace(
        saved,
        next_offset=min(saved.next_offset, max(topic.begin, topic.first)),
        models=[model for model in saved.models if key_of(model) not in given],
        parked=[
            *(model for model in saved.parked if key_of(model) not in given),
            *(parked_of(model, topic.partitions) for model in replayed),
        ],
    )


def parked_of(model: Replayed, partitions: int) -> SavedModel:
    """A model that has learned all that closed up to an instant, in each partition."""
    return SavedModel(
        name=model.name,
        definition=model.definition,
        learner=model.learner,
        places=dict.fromkeys(range(partitions), (model.learned_to_ms + 1, "", 0)),
    )


def key_of(model: Replayed | SavedModel) -> tuple[str, str]:
    """What a model is found by."""
    return model.name, model.definition
