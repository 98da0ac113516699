"""A snapshot of what is in Redis, as a state directory that a replay can start from."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path

from msgspec.structs import replace

from state.file_store import FileStore
from state.redis_reading import RedisReader
from state.redis_settings import RedisSettings
from state.redis_store import RedisStore
from state.store import Checkpoint, Commit, Snapshot, Store, StoreConflict

TRIES_MAX = 5
"""How often a partition is read before it counts as one that does not stand still."""


def export(settings: RedisSettings, directory: Path) -> list[Checkpoint]:
    """Write each partition as of one of its commits; the directory appears whole or not at all.

    One partition at a time is in memory. What is still to be relayed is left out: it was decided
    before the snapshot.

    Returns:
        The checkpoints of the partitions that have one, as they were stored.

    Raises:
        StoreError: there is nothing, or a partition was committed to whenever it was read.
        OSError: Redis cannot be reached, or the directory not be written.
    """
    with closing(RedisReader(settings)) as reader:
        partitions = reader.partitions()
    new = directory.with_name(f"{directory.name}.part")
    shutil.rmtree(new, ignore_errors=True)
    try:
        with (
            closing(RedisStore(settings, partitions=partitions)) as source,
            closing(FileStore(new, partitions=partitions)) as target,
        ):
            found = [_copy(source, target, number) for number in range(partitions)]
        new.replace(directory)
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise
    return [checkpoint for checkpoint in found if checkpoint is not None]


def _copy(source: Store, target: Store, partition: int) -> Checkpoint | None:
    snapshot = _still(source, partition)
    if snapshot is None:
        return None
    target.commit(
        Commit(
            checkpoint=replace(snapshot.checkpoint, commit_number=1, owner=""),
            previous=None,
            rows=snapshot.rows,
            deadlines=[0] * len(snapshot.rows),
            outbox=[],
            shape=snapshot.shape,
            config=snapshot.config,
            models=snapshot.models,
        )
    )
    return snapshot.checkpoint


def _still(source: Store, partition: int) -> Snapshot | None:
    """A partition as of one commit: read again where another commit came in between."""
    for _ in range(TRIES_MAX - 1):
        try:
            return source.load(partition)
        except StoreConflict:
            continue
    return source.load(partition)
