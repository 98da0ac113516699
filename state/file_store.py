"""The store in a directory: one file per partition, to which commits are appended.

    DIR/lock               held while a run uses the directory
    DIR/partition-0.state  see `state.frames`

A commit is durable when `FileStore.commit` returns. A file that holds mostly superseded rows is
written anew before the next commit, beside itself, and takes its place whole: so the last commit
can always be undone.
"""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from msgspec.structs import replace

from state.frames import (
    Tail,
    file_header,
    find_tail,
    last_tails,
    read_file_header,
    read_pieces,
    write_commit,
)
from state.store import (
    PIECE_ROWS,
    Checkpoint,
    Commit,
    LastCommit,
    Piece,
    Snapshot,
    StoreError,
    check_partition,
    check_partitions,
    decode_checkpoint,
    last_commit,
    must_write,
    pieces_of,
)
from state.stored import StoredPartition, partition_path, stored_partitions

SPARE_ENTRIES = 10_000
"""A file is written anew once it holds more than two entries per user and these."""

log = logging.getLogger(__name__)


class FileStore:
    """Profiles in the files of one directory, which one run at a time may use.

    Rows pass through: between calls nothing of them stays in memory. A load needs about 100 bytes a
    user for a while beside the rows it returns, writing a file anew about 200 bytes a user.
    """

    def __init__(self, directory: Path, *, partitions: int = 1) -> None:
        """Lock `directory`, made if missing, for this run.

        Raises:
            StoreError: another run holds it, or it was made for another number of partitions.
            OSError: the directory cannot be made or read.
        """
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._partitions = partitions
        self._tails: dict[int, Tail] = {}
        self._outboxes: dict[int, list[bytes]] = {}
        self._lock = _lock(directory)
        try:
            stored = stored_partitions(directory)
            check_partitions(str(directory), stored=stored or partitions, asked=partitions)
        except BaseException:
            self.close()
            raise

    def __str__(self) -> str:
        return str(self._directory)

    def partitions(self) -> int:
        """See `Store.partitions`."""
        return self._partitions

    def load(self, partition: int) -> Snapshot | None:
        """See `Store.load`."""
        tail = self._find_tail(partition)
        if tail is None:
            return None
        with self._path(partition).open("rb") as file:
            snapshot = StoredPartition(file, tail).snapshot()
        self._outboxes[partition] = snapshot.outbox
        return snapshot

    def commit(self, commit: Commit) -> None:
        """See `Store.commit`. On return the commit is on disk.

        Raises:
            OSError: it could not be written; whether it is stored, the next call finds out.
        """
        partition = commit.checkpoint.partition
        path = self._path(partition)
        tail = self._find_tail(partition)
        if not must_write(str(path), commit, tail.seal.last if tail else None):
            return
        # If anything fails from here, what is stored has to be read from the file again.
        self._tails.pop(partition, None)
        waiting = self._outboxes.pop(partition, None)
        last = last_commit(commit)
        if tail is None:
            outbox = commit.outbox
            tail = self._write_anew(partition, pieces_of(commit), last)
        else:
            waiting = _outbox(path, tail) if waiting is None else waiting
            outbox = [*waiting[commit.relayed_count :], *commit.outbox]
            if tail.seal.entry_count > 2 * commit.checkpoint.user_count + SPARE_ENTRIES:
                tail = self._write_anew(partition, _current_pieces(path, tail), tail.seal.last)
            tail = _append(path, tail, pieces_of(replace(commit, outbox=outbox)), last)
        self._tails[partition], self._outboxes[partition] = tail, outbox

    def checkpoints(self, partition: int) -> list[Checkpoint]:
        """Where the last two commits that are stored lead to, the older one first; or fewer."""
        if self._find_tail(partition) is None:
            return []
        with self._path(partition).open("rb") as file:
            tails = last_tails(file)
        return [decode_checkpoint(tail.seal.last.checkpoint) for tail in tails]

    def undo(self, partition: int) -> None:
        """Forget the last commit of a partition, as if it had never been made. There must be one.

        Raises:
            OSError: the file cannot be written.
        """
        path = self._path(partition)
        self._tails.pop(partition, None)
        self._outboxes.pop(partition, None)
        with path.open("r+b") as file:
            *before, _ = last_tails(file)
            for tail in before:
                file.truncate(tail.end)
                os.fsync(file.fileno())
        if not before:
            path.unlink()
            _sync_directory(self._directory)

    def close(self) -> None:
        """See `Store.close`."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _path(self, partition: int) -> Path:
        assert self._lock >= 0, "a closed store must not be used"
        check_partition(str(self._directory), partition, self._partitions)
        return partition_path(self._directory, partition)

    def _find_tail(self, partition: int) -> Tail | None:
        """The last commit, from memory, or where this is the first question, from the file."""
        path = self._path(partition)
        if partition not in self._tails and path.exists():
            check_partitions(str(path), stored=read_file_header(path)[1], asked=self._partitions)
            with path.open("rb") as file:
                tail = find_tail(file)
            unfinished = path.stat().st_size - tail.end
            if unfinished:
                log.warning("%s: passing over %d bytes of an unfinished commit", path, unfinished)
            self._tails[partition] = tail
        return self._tails.get(partition)

    def _write_anew(self, partition: int, pieces: Iterable[Piece], last: LastCommit) -> Tail:
        """Write a file that holds one commit; it appears whole, in the place of any earlier one."""
        path = self._path(partition)
        new_path = path.with_suffix(".new")
        try:
            with new_path.open("wb") as file:
                file.write(file_header(partition, self._partitions))
                tail = write_commit(file, pieces, last)
            new_path.replace(path)
        except BaseException:
            new_path.unlink(missing_ok=True)
            raise
        _sync_directory(self._directory)
        return tail


def _append(path: Path, tail: Tail, pieces: Iterable[Piece], last: LastCommit) -> Tail:
    """Write a commit behind `tail`, in the place of anything unfinished that lies there."""
    with path.open("r+b") as file:
        file.truncate(tail.end)
        file.seek(tail.end)
        return write_commit(file, pieces, last, entries_before=tail.seal.entry_count)


def _outbox(path: Path, tail: Tail) -> list[bytes]:
    """What the last commit left to be handed on."""
    with path.open("rb") as file:
        return StoredPartition(file, tail).outbox()


def _current_pieces(path: Path, tail: Tail) -> Iterator[Piece]:
    """What is in force of all that the file holds: the last row of each user, the last outbox."""
    with path.open("rb") as file:
        stored = StoredPartition(file, tail)
        latest: dict[bytes, int] = {}
        models: dict[str, bytes] = {}
        shape = config = learner = b""
        count = 0
        for piece in stored.pieces():
            latest.update((user, number) for number, (user, _) in enumerate(piece.rows, count))
            count += len(piece.rows)
            models.update(piece.models)
            shape, config = piece.shape or shape, piece.config or config
            learner = piece.learner or learner
        yield Piece([], [], shape, config, models, learner)
        entries = enumerate(stored.entries())
        rows = (row for number, row in entries if latest[row[0]] == number)
        while group := list(islice(rows, PIECE_ROWS)):
            yield Piece(group, [])
        for piece in read_pieces(file, start=tail.seal.start, end=tail.end):
            yield Piece([], piece.outbox)


def _lock(directory: Path) -> int:
    """A descriptor that holds the directory's lock until it is closed, or its process ends.

    Raises:
        StoreError: another run holds it.
    """
    descriptor = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.read(descriptor, 32).decode("ascii", "replace").strip()
        os.close(descriptor)
        raise StoreError(
            str(directory),
            expected="to be the only run on this state",
            got=f"a lock held by process {owner or 'unknown'}",
            fix="wait for that run or stop it, or use another directory",
        ) from None
    os.truncate(descriptor, 0)
    os.write(descriptor, f"{os.getpid()}\n".encode())
    return descriptor


def _sync_directory(directory: Path) -> None:
    """Make a rename in `directory` durable."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
