"""A state directory read as of its last commits: without a lock, and without writing to it.

A run may go on meanwhile: a file only grows, or gives way whole to a new one while the open one
stays readable. So a reader sees a commit or does not, and is never in a run's way.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import reduce
from pathlib import Path
from typing import BinaryIO

from state.frames import Tail, find_tail, read_file_header, read_pieces
from state.store import (
    Checkpoint,
    Piece,
    Snapshot,
    StoreError,
    check_partitions,
    check_user_count,
    decode_checkpoint,
)


class StoredPartition:
    """A partition as of its last whole commit, readable as long as its file is open."""

    def __init__(self, file: BinaryIO, tail: Tail) -> None:
        self._file = file
        self._tail = tail
        self.checkpoint: Checkpoint = decode_checkpoint(tail.seal.last.checkpoint)

    def snapshot(self) -> Snapshot:
        """Every user's row.

        Raises:
            StoreError: there are other users than the checkpoint counts.
        """
        rows: dict[bytes, bytes] = {}
        models: dict[str, bytes] = {}
        shape = config = learner = b""
        for piece in self.pieces():
            rows.update(piece.rows)
            models.update(piece.models)
            shape, config = piece.shape or shape, piece.config or config
            learner = piece.learner or learner
        check_user_count(self._file.name, self.checkpoint, len(rows))
        return Snapshot(
            checkpoint=self.checkpoint,
            rows=list(rows.items()),
            outbox=self.outbox(),
            shape=shape,
            config=config,
            models=models,
            learner=learner,
            encoded=self._tail.seal.last.checkpoint,
        )

    def outbox(self) -> list[bytes]:
        """What commits stored and no later one noted as handed on: all of it is in the last one."""
        pieces = read_pieces(self._file, start=self._tail.seal.start, end=self._tail.end)
        return [entry for piece in pieces for entry in piece.outbox]

    def snapshot_of(self, user: bytes) -> Snapshot | None:
        """The same with the row of one user only; None if there is none."""
        found = None
        models: dict[str, bytes] = {}
        shape = b""
        for piece in self.pieces():
            models.update(piece.models)
            found = next((row for name, row in reversed(piece.rows) if name == user), found)
            shape = piece.shape or shape
        if found is None:
            return None
        return Snapshot(
            checkpoint=self.checkpoint, rows=[(user, found)], shape=shape, models=models
        )

    def learner(self) -> bytes:
        """What was learned on the way to it; b"" where nothing learns."""
        return reduce(lambda last, piece: piece.learner or last, self.pieces(), b"")

    def entries(self) -> Iterator[tuple[bytes, bytes]]:
        """(user, row) in the order of their commits; of a user's rows the last one counts."""
        for piece in self.pieces():
            yield from piece.rows

    def pieces(self) -> Iterator[Piece]:
        """All that was committed, commit by commit; of shapes, configs, models the last counts."""
        return read_pieces(self._file, end=self._tail.end)


@contextmanager
def open_partition(
    directory: Path, partition: int, *, partitions: int
) -> Iterator[StoredPartition | None]:
    """A partition's last commit; None where nothing was committed yet.

    Raises:
        StoreError: the file is damaged, or was made for another number of partitions.
    """
    path = partition_path(directory, partition)
    try:
        file = path.open("rb")
    except FileNotFoundError:
        yield None
        return
    with file:
        check_partitions(str(path), stored=read_file_header(path)[1], asked=partitions)
        yield StoredPartition(file, find_tail(file))


def stored_partitions(directory: Path) -> int | None:
    """How many partitions the state in `directory` was made for; None if there is no state.

    Raises:
        StoreError: a file there is damaged.
    """
    for path in sorted(directory.glob("partition-*.state")):
        return read_file_header(path)[1]
    return None


def partitions_of(directory: Path) -> int:
    """How many partitions the state in `directory` was made for.

    Raises:
        StoreError: there is no state, or a file there is damaged.
    """
    partitions = stored_partitions(directory)
    if partitions is None:
        raise StoreError(
            str(directory),
            expected="a state directory",
            got="no state in it" if directory.is_dir() else "no such directory",
            fix="give the one that was saved with: beckon replay EVENTS... --state DIR",
        )
    return partitions


def partition_path(directory: Path, partition: int) -> Path:
    """Where a partition's commits are."""
    return directory / f"partition-{partition}.state"
