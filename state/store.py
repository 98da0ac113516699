"""What a store promises: commits whole or absent, and the snapshot that a run resumes from.

A commit names the checkpoint it builds on; a store takes it only if that is what it holds, so that
two runs that both believe they own a partition cannot mix their rows. `MemoryStore` is the
reference; `tests/test_store_contract.py` holds every implementation to the same promises.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Protocol

import msgspec
from msgspec import Struct

PIECE_ROWS = 1000
"""Rows (and outbox entries) that are encoded at a time: about 1 MB, however large the commit."""

DIGEST_BYTES = 16


class StoreError(Exception):
    """A store that cannot be used as asked: where, expected what, got what, and what to do."""

    def __init__(self, where: str, *, expected: str, got: str, fix: str) -> None:
        super().__init__(f"{where}: expected {expected}, got {got}; {fix}")


class StoreConflict(StoreError):  # noqa: N818  (an event of normal life, not a fault)
    """A commit that does not build on what is stored: another run has written since."""


class StoreFellBack(StoreError):  # noqa: N818  (as above)
    """What is stored is older than what this owner has committed: memory is worth nothing now."""


class SourcePosition(Struct, frozen=True, kw_only=True):
    """How far one input file was consumed; `identity` tells the file apart, whatever its name."""

    identity: str
    line_count: int


class Checkpoint(Struct, frozen=True, kw_only=True):
    """Where a partition stands in the log, and what its rows are worth.

    `commit_number` counts the partition's commits from 1: it makes each checkpoint differ from the
    one before even when a commit moves nothing else. `layout` is a digest of the rows' layout.
    Live, `owner` is the token of who commits, `last_place` that of the last trigger decided (""
    before one).
    """

    partition: int
    next_offset: int
    clock_ms: int
    user_count: int
    config_version: str
    layout: str
    commit_number: int = 1
    sources: tuple[SourcePosition, ...] = ()
    owner: str = ""
    last_place: str = ""


class AudienceChange(Struct, frozen=True, array_like=True):
    """Who gained and who lost a tag (the net of a commit)."""

    tag: str
    gained: list[bytes]
    lost: list[bytes]


class Commit(Struct, frozen=True, kw_only=True):
    """What changed since the checkpoint `previous` (encoded; None: since nothing).

    `rows` are (user id, packed row); of a user named twice the last row counts. `deadlines`,
    parallel to them, are for stores that keep an index of deadlines (a row holds its own). `outbox`
    is what was decided and is still to be handed on; `relayed_count` how many of the entries that
    the store has, from the oldest on, were handed on since the last commit, and leave it.
    `audiences` and `profiles` (user id, JSON) are for stores that others read, too. `shape` tells
    how rows of the checkpoint's layout are read (`state.row_shape`), `config` is the record of the
    log's config that is in force; each is b"" where it is stored already and stays as it is.
    `models` are the log's records of models' versions, by model, that are new; others stay.
    `learner` is what learns beside a replay (of all partitions: partition 0 has it); b"" leaves it.
    """

    checkpoint: Checkpoint
    previous: bytes | None
    rows: list[tuple[bytes, bytes]]
    deadlines: list[int]
    outbox: list[bytes]
    relayed_count: int = 0
    audiences: list[AudienceChange] = []
    profiles: list[tuple[bytes, bytes]] = []
    shape: bytes = b""
    config: bytes = b""
    models: dict[str, bytes] = {}
    learner: bytes = b""


class Snapshot(Struct, frozen=True, kw_only=True):
    """A partition as of its checkpoint: every user's row, in no particular order.

    `outbox` holds what commits stored and no later one noted as handed on. `shape`, `config`,
    `learner` and each of `models` are the last that a commit had. `encoded` is the checkpoint byte
    for byte as it is stored, which the next commit has to build on: another version may have
    encoded it in other words.
    """

    checkpoint: Checkpoint
    rows: list[tuple[bytes, bytes]]
    outbox: list[bytes] = []
    shape: bytes = b""
    config: bytes = b""
    models: dict[str, bytes] = {}
    learner: bytes = b""
    encoded: bytes = b""


class Loading(Struct, frozen=True, kw_only=True):
    """As `Snapshot`, with the rows in pieces that are read as they are asked for.

    The last piece is followed by the check that the partition was whole and stood still; it raises
    what `Store.load` raises, or StoreConflict where a commit came in between.
    """

    checkpoint: Checkpoint
    encoded: bytes
    outbox: list[bytes]
    shape: bytes
    config: bytes
    models: dict[str, bytes]
    pieces: Iterator[list[tuple[bytes, bytes]]]


class Store(Protocol):
    """The durable home of partitions, made for one number of them and refused for another."""

    def partitions(self) -> int:
        """How many partitions the stored profiles are divided into."""
        ...

    def load(self, partition: int) -> Snapshot | None:
        """The partition as of its last whole commit; None if there was none.

        Raises:
            StoreError: what is stored is damaged, or has other users than its checkpoint counts.
        """
        ...

    def commit(self, commit: Commit) -> None:
        """Store all of `commit` or nothing of it. Given the last one again, do nothing: it is done.

        Raises:
            StoreConflict: `commit.previous` is not the checkpoint that is stored. Nothing changed.
            StoreFellBack: what is stored is an earlier commit of this owner, or gone. Likewise.
        """
        ...

    def close(self) -> None:
        """Give up what is held (locks, files); closing twice does no harm."""
        ...


class LastCommit(Struct, frozen=True, kw_only=True):
    """What a store remembers of the last commit to judge the next: its checkpoint and a digest."""

    checkpoint: bytes
    digest: bytes


class Piece(Struct, frozen=True, array_like=True):
    """A part of a commit, small enough to encode and decode in one go."""

    rows: list[tuple[bytes, bytes]]
    outbox: list[bytes]
    shape: bytes = b""
    config: bytes = b""
    models: dict[str, bytes] = {}
    learner: bytes = b""


class MemoryStore:
    """The store that forgets when its process ends: for tests, and replays that resume nothing."""

    def __init__(self, *, partitions: int = 1) -> None:
        self._partitions = partitions
        self._rows: dict[int, dict[bytes, bytes]] = {}
        self._outbox: dict[int, list[bytes]] = {}
        self._audiences: dict[tuple[int, str], set[bytes]] = {}
        self._profiles: dict[bytes, bytes] = {}
        self._shapes: dict[int, bytes] = {}
        self._configs: dict[int, bytes] = {}
        self._models: dict[int, dict[str, bytes]] = {}
        self._learners: dict[int, bytes] = {}
        self._last: dict[int, LastCommit] = {}

    def partitions(self) -> int:
        """See `Store.partitions`."""
        return self._partitions

    def load(self, partition: int) -> Snapshot | None:
        """See `Store.load`."""
        check_partition("memory", partition, self._partitions)
        last = self._last.get(partition)
        if last is None:
            return None
        checkpoint = decode_checkpoint(last.checkpoint)
        rows = list(self._rows[partition].items())
        check_user_count(f"memory partition {partition}", checkpoint, len(rows))
        return Snapshot(
            checkpoint=checkpoint,
            rows=rows,
            outbox=list(self._outbox[partition]),
            shape=self._shapes.get(partition, b""),
            config=self._configs.get(partition, b""),
            models=dict(self._models.get(partition, {})),
            learner=self._learners.get(partition, b""),
            encoded=last.checkpoint,
        )

    def commit(self, commit: Commit) -> None:
        """See `Store.commit`."""
        partition = commit.checkpoint.partition
        check_partition("memory", partition, self._partitions)
        if not must_write(f"memory partition {partition}", commit, self._last.get(partition)):
            return
        self._rows.setdefault(partition, {}).update(commit.rows)
        waiting = self._outbox.get(partition, [])
        self._outbox[partition] = [*waiting[commit.relayed_count :], *commit.outbox]
        for change in commit.audiences:
            members = self._audiences.setdefault((partition, change.tag), set())
            members -= set(change.lost)
            members |= set(change.gained)
        self._profiles.update(commit.profiles)
        self._shapes[partition] = commit.shape or self._shapes.get(partition, b"")
        self._configs[partition] = commit.config or self._configs.get(partition, b"")
        self._models.setdefault(partition, {}).update(commit.models)
        self._learners[partition] = commit.learner or self._learners.get(partition, b"")
        self._last[partition] = last_commit(commit)

    def audience(self, partition: int, tag: str) -> set[bytes]:
        """Who holds a tag."""
        return set(self._audiences.get((partition, tag), ()))

    def profile(self, user: bytes) -> bytes | None:
        """The readable profile of a user, as last written."""
        return self._profiles.get(user)

    def close(self) -> None:
        """See `Store.close`."""


def encode_checkpoint(checkpoint: Checkpoint) -> bytes:
    """The bytes that commits are compared by; JSON, so that a person can read what is stored.

    >>> checkpoint = Checkpoint(
    ...     partition=0, next_offset=7, clock_ms=0, user_count=1, config_version="c", layout="l"
    ... )
    >>> decode_checkpoint(encode_checkpoint(checkpoint)) == checkpoint
    True
    """
    return msgspec.json.encode(checkpoint)


def decode_checkpoint(encoded: bytes) -> Checkpoint:
    """The checkpoint that `encode_checkpoint` encoded."""
    return msgspec.json.decode(encoded, type=Checkpoint)


def pieces_of(commit: Commit) -> Iterator[Piece]:
    """What a commit has, cut into pieces of bounded size: rows and outbox last."""
    if commit.shape or commit.config or commit.models or commit.learner:
        yield Piece([], [], commit.shape, commit.config, commit.models, commit.learner)
    for start in range(0, max(len(commit.rows), len(commit.outbox)), PIECE_ROWS):
        end = start + PIECE_ROWS
        yield Piece(commit.rows[start:end], commit.outbox[start:end])


def last_commit(commit: Commit) -> LastCommit:
    """What a store has to remember once `commit` is stored."""
    digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
    for piece in pieces_of(commit):
        digest.update(msgspec.msgpack.encode(piece))
    return LastCommit(checkpoint=encode_checkpoint(commit.checkpoint), digest=digest.digest())


def must_write(where: str, commit: Commit, last: LastCommit | None) -> bool:
    """Whether `commit` is to be written after `last` (True) or is stored already (False).

    Raises:
        StoreConflict, StoreFellBack: it does neither build on what is stored, nor is it that.
    """
    encoded = encoded_anew(commit)
    stored = last.checkpoint if last else None
    if commit.previous == stored:
        return True
    if stored == encoded and last == last_commit(commit):
        return False
    raise refusal(where, commit, stored)


def encoded_anew(commit: Commit) -> bytes:
    """The checkpoint of a commit, encoded; asserts that the commit is sound."""
    encoded = encode_checkpoint(commit.checkpoint)
    assert encoded != commit.previous, "a commit must have a commit_number of its own"
    assert len(commit.rows) == len(commit.deadlines), "each row of a commit must have its deadline"
    return encoded


def refusal(where: str, commit: Commit, stored: bytes | None) -> StoreConflict | StoreFellBack:
    """Why a commit that does not build on what is stored is refused."""
    checkpoint = commit.checkpoint
    got = f"one on {describe(commit.previous)} up to offset {checkpoint.next_offset}"
    before = decode_checkpoint(stored) if stored is not None else None
    # Numbers only grow: one below that of the commit this one builds on is from before it, be it
    # another owner's.
    built_on = checkpoint.commit_number - 1
    if checkpoint.owner and (
        before is None
        or before.commit_number < built_on
        or (before.owner == checkpoint.owner and before.commit_number == built_on)
    ):
        return StoreFellBack(
            where,
            expected="what this run has committed to be stored still",
            got=describe(stored),
            fix="the store fell back to an older state: load what it has, and go on from there",
        )
    return StoreConflict(
        where,
        expected=f"a commit on what is stored ({describe(stored)})",
        got=got,
        fix="another run has written here since: stop this one, and resume from what is stored",
    )


def check_user_count(where: str, checkpoint: Checkpoint, loaded_count: int) -> None:
    """Refuse rows that are fewer or more than the checkpoint says: decisions would be wrong."""
    if loaded_count != checkpoint.user_count:
        raise StoreError(
            where,
            expected=f"the rows of {checkpoint.user_count} users, as its checkpoint says",
            got=f"those of {loaded_count}",
            fix="rows are lost or foreign: restore a copy, or replay the log into a new store",
        )


def check_partition(where: str, partition: int, partitions: int) -> None:
    """Refuse a partition that a store of this many partitions cannot have."""
    if not 0 <= partition < partitions:
        raise StoreError(
            where,
            expected=f"a partition from 0 to {partitions - 1}",
            got=f"{partition}",
            fix=f"run with --partitions {partitions}, or with a new store",
        )


def check_partitions(where: str, *, stored: int, asked: int) -> None:
    """Refuse state made for another number of partitions: users would be looked for elsewhere."""
    if stored != asked:
        raise StoreError(
            where,
            expected=f"--partitions {stored}, which this state was made with",
            got=f"--partitions {asked}",
            fix=f"run with --partitions {stored}, or replay the log into a new store",
        )


def describe(encoded: bytes | None) -> str:
    """A stored checkpoint in words, for messages.

    >>> describe(None)
    'nothing'
    """
    if encoded is None:
        return "nothing"
    checkpoint = decode_checkpoint(encoded)
    return f"commit {checkpoint.commit_number} up to offset {checkpoint.next_offset}"
