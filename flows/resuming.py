"""Where a replay of files goes on: its engines and learners, from nothing or from a state."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing, nullcontext
from pathlib import Path
from typing import NamedTuple

import msgspec

from config.schema import Config
from connectors.triggers import instant_text
from flows.inline_learning import InlineLearning
from flows.learn_sealed import UnreadableModelError
from flows.loading import load_engine, tell_conversions
from flows.model_versions import ModelVersions
from flows.partition import Engine
from state.file_store import FileStore
from state.store import Checkpoint, Snapshot, StoreError

LEARNER_PARTITION = 0
"""It has what is learned from all of them, and is committed last."""


class Begun(NamedTuple):
    """What a run begins with; `checkpoint` is None where it begins with nothing."""

    engines: list[Engine]
    learning: InlineLearning | None
    checkpoint: Checkpoint | None


def open_store(directory: Path | None, partitions: int) -> closing[FileStore] | nullcontext[None]:
    """The store in a directory, if there is to be one."""
    if directory is None:
        return nullcontext()
    return closing(FileStore(directory, partitions=partitions))


def begin(config: Config, store: FileStore | None, partitions: int, *, learns: bool) -> Begun:
    """Engines (and learners, if there are models) as of the state; without one, new ones.

    Raises:
        StoreError: the state is damaged, or cannot be used with this config.
    """
    if store is not None:
        undo_half_commits(store)
    numbers = range(partitions)
    snapshots = [store.load(number) if store is not None else None for number in numbers]
    engines = [
        Engine(config, partition=number)
        if snapshot is None
        else _resumed(config, number, snapshot, store)
        for number, snapshot in enumerate(snapshots)
    ]
    tell_conversions(str(store), [engine.conversion for engine in engines])
    first = snapshots[LEARNER_PARTITION]
    learning = None
    if learns and config.models:
        learning = learning_of(config, first.learner if first is not None else b"", str(store))
    return Begun(engines, learning, first.checkpoint if first is not None else None)


def undo_half_commits(store: FileStore, *, one_log: bool = True) -> None:
    """Undo what a run left that was killed between the commits of two partitions: it is repeated.

    `one_log`: its partitions are of one log, with one next offset; or each has a log of its own,
    and they end at one instant.

    Raises:
        StoreError: the partitions do not stand where one run ended.
    """
    last_two = [store.checkpoints(partition) for partition in range(store.partitions())]
    ends = [_position(checkpoints, one_log=one_log) for checkpoints in last_two]
    behind = min(ends)
    ahead = [partition for partition, end in enumerate(ends) if end != behind]
    for partition in ahead:
        if _position(last_two[partition][:-1], one_log=one_log) != behind:
            raise StoreError(
                f"{store}, partition {partition}",
                expected=f"to stand at {_told(behind, one_log=one_log)} of the log, as others",
                got=_told(ends[partition], one_log=one_log),
                fix="restore a copy, or replay the log into a new directory",
            )
    for partition in ahead:
        store.undo(partition)


def _position(checkpoints: Sequence[Checkpoint], *, one_log: bool) -> tuple[int, int]:
    """Where the last of them leads to; before all else where there is none."""
    if not checkpoints:
        return -1, -1
    last = checkpoints[-1]
    return last.next_offset if one_log else 0, last.clock_ms


def _told(position: tuple[int, int], *, one_log: bool) -> str:
    next_offset, clock_ms = position
    return f"offset {next_offset:,}" if one_log else f"the time {instant_text(clock_ms)}"


def _resumed(config: Config, number: int, snapshot: Snapshot, store: FileStore | None) -> Engine:
    engine = load_engine(str(store), config, number, snapshot)
    ModelVersions().resume(snapshot.models, config, engine)
    return engine


def learning_of(config: Config, saved: bytes, where: str) -> InlineLearning:
    """What goes on learning from what was saved; from nothing with b"".

    Raises:
        StoreError: it cannot be read.
    """
    try:
        return InlineLearning(config, saved)
    except (UnreadableModelError, msgspec.DecodeError) as error:
        raise StoreError(
            where,
            expected="models that this version of Beckon can read",
            got=f"others: {error}",
            fix="use the Beckon that wrote it, or replay the log into a new directory",
        ) from error
