"""The store in Redis. `state.keys` says what each key holds.

A commit is a MULTI/EXEC behind a WATCH of checkpoint and lease. A script in Redis would do, too,
but was measured to hold up other clients 2.5 times as long for the same rows, and a restarted Redis
has forgotten it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

import msgspec

from state.keys import LEASE_MS, PartitionKeys, partition_keys, partitions_key, profile_start
from state.redis_client import Retrying, Transaction, complaints, connect
from state.redis_lease import give_up_lease, take_lease
from state.redis_reading import stored_models
from state.redis_settings import RedisSettings
from state.store import (
    Checkpoint,
    Commit,
    Loading,
    Snapshot,
    StoreConflict,
    StoreError,
    check_partition,
    check_partitions,
    check_user_count,
    decode_checkpoint,
    encoded_anew,
    refusal,
)

DEADLINE_STEP_MS = 86_400_000
"""Deadlines are indexed by the day: among a million users moving one in the index takes Redis 6 us,
three times as long as replacing a row; leaving one in place takes 1 us."""

COMMIT_ROWS, ROWS_PER_MS = 5_000, 10
"""Rows that a commit should have at most: Redis serves nobody else while it takes them. One of more
(another config is in force: all rows) takes Redis so long, a slow one, and must not lose its lease.
"""

CHUNK = 1_000
"""Keys or members of one command."""

LOAD_ROWS = 1_000
"""Rows that are read at a time; 5,000 were measured to take a third longer."""


class RedisStore:
    """Profiles in a Redis server that several processes may use, each with partitions of its own.

    Commits must name an owner, whose token no other run has, nor this one after a load: it tells a
    commit that was done, but whose answer was lost, from the commit of somebody else.
    """

    def __init__(
        self, settings: RedisSettings, *, partitions: int, lease_ms: int = LEASE_MS
    ) -> None:
        """Connect, and settle the number of partitions where nobody did before.

        Raises:
            RedisUnreachableError: nobody answers. StoreError: the number of partitions is another.
        """
        self._settings = settings
        self._partitions = partitions
        self._lease_ms = lease_ms
        self._client = connect(settings)
        self._redis = Retrying(self._client, settings.url)
        self._profile_start = profile_start(settings.prefix)
        self._keys = [partition_keys(settings.prefix, number) for number in range(partitions)]
        self._check_partitions()

    def partitions(self) -> int:
        """See `Store.partitions`."""
        return self._partitions

    def complaints(self) -> list[str]:
        """What of the server's settings would lose profiles."""
        return complaints(self._client, self._settings.url)

    def acquire(self, partition: int, owner: str) -> int:
        """Take a partition's lease, or renew it.

        It lasts three seconds by the clock of Redis, and each commit renews it. The next commit of
        whoever had it before is refused.

        Returns:
            0 if `owner` has it now; else the ms after which it is worth asking again.
        """
        return self._take(partition, owner, self._lease_ms)

    def release(self, partition: int, owner: str) -> None:
        """Give the lease up, if `owner` has it, so that the next owner need not wait."""
        give_up_lease(self._redis, self._keys_of(partition).lease, owner)

    def checkpoint(self, partition: int) -> Checkpoint | None:
        """The checkpoint of a partition; None if there is none."""
        encoded = self._redis.call("GET", self._keys_of(partition).checkpoint)
        return self._decoded(partition, encoded) if encoded is not None else None

    def load(self, partition: int) -> Snapshot | None:
        """See `Store.load`."""
        loading = self.load_pieces(partition)
        if loading is None:
            return None
        return Snapshot(
            checkpoint=loading.checkpoint,
            rows=list(chain.from_iterable(loading.pieces)),
            outbox=loading.outbox,
            shape=loading.shape,
            config=loading.config,
            models=loading.models,
            encoded=loading.encoded,
        )

    def load_pieces(self, partition: int) -> Loading | None:
        """As `load`, with rows that are read as they are asked for."""
        keys = self._keys_of(partition)
        self._check_partitions()
        encoded = self._redis.call("GET", keys.checkpoint)
        if encoded is None:
            return None
        return Loading(
            checkpoint=self._decoded(partition, encoded),
            encoded=encoded,
            outbox=self._redis.call("LRANGE", keys.outbox, 0, -1),
            shape=self._redis.call("GET", keys.shape) or b"",
            config=self._redis.call("GET", keys.config) or b"",
            models=stored_models(self._redis, keys.models),
            pieces=self._pieces(partition, encoded),
        )

    def commit(self, commit: Commit) -> None:
        """See `Store.commit`. On return Redis has it in memory, and soon in its append-only file.

        Raises:
            RedisUnreachableError: it may be stored or not; the very same commit finds out.
        """
        checkpoint = commit.checkpoint
        assert checkpoint.owner, "a commit to Redis must have an owner"
        keys = self._keys_of(checkpoint.partition)
        encoded = encoded_anew(commit)

        def write(pipe: Transaction) -> int:
            stored, holder = pipe.execute_command("MGET", keys.checkpoint, keys.lease)
            if stored == encoded:
                return 0
            if stored != commit.previous:
                raise refusal(self._where(checkpoint.partition), commit, stored)
            if holder not in (None, checkpoint.owner.encode()):
                raise self._taken(commit)
            pipe.multi()
            _write(pipe, keys, commit, self._profile_start)
            pipe.execute_command("SET", keys.checkpoint, encoded)
            pipe.execute_command("SET", keys.lease, checkpoint.owner, "PX", self._lease_ms)
            pipe.execute()
            return 0

        if len(commit.rows) > COMMIT_ROWS:
            long_ms = self._lease_ms + len(commit.rows) // ROWS_PER_MS
            self._take(checkpoint.partition, checkpoint.owner, long_ms)
        self._redis.watching([keys.checkpoint, keys.lease], write)

    def close(self) -> None:
        """See `Store.close`."""
        self._client.close()

    def _keys_of(self, partition: int) -> PartitionKeys:
        check_partition(self._settings.url, partition, self._partitions)
        return self._keys[partition]

    def _where(self, partition: int) -> str:
        return f"{self._settings.url} partition {partition}"

    def _check_partitions(self) -> None:
        key = partitions_key(self._settings.prefix)
        self._redis.call("SET", key, self._partitions, "NX")
        stored = int(self._redis.call("GET", key))
        check_partitions(self._settings.url, stored=stored, asked=self._partitions)

    def _decoded(self, partition: int, encoded: bytes) -> Checkpoint:
        try:
            return decode_checkpoint(encoded)
        except msgspec.DecodeError as error:
            raise StoreError(
                self._where(partition),
                expected="a checkpoint of Beckon's",
                got=f"something else ({error})",
                fix="restore a copy, or use another ?prefix= in the URL",
            ) from None

    def _take(self, partition: int, owner: str, lease_ms: int) -> int:
        return take_lease(self._redis, self._keys_of(partition).lease, owner, lease_ms)

    def _taken(self, commit: Commit) -> StoreConflict:
        return StoreConflict(
            self._where(commit.checkpoint.partition),
            expected="to own the partition",
            got="a lease that another run has taken",
            fix="another run has written here since, or is about to: stop this one",
        )

    def _pieces(self, partition: int, encoded: bytes) -> Iterator[list[tuple[bytes, bytes]]]:
        """All rows; they cannot change as long as the checkpoint does not."""
        keys = self._keys[partition]
        start, count = keys.row_start, 0
        while users := self._redis.call("ZRANGE", keys.deadlines, count, count + LOAD_ROWS - 1):
            rows = self._redis.call("MGET", *[start + user for user in users])
            count += len(users)
            missing = rows.count(None)
            if missing:
                count -= missing
                break
            yield list(zip(users, rows, strict=True))
        if self._redis.call("GET", keys.checkpoint) != encoded:
            raise StoreConflict(
                self._where(partition),
                expected="a partition that stands still while it is read",
                got="a commit in between",
                fix="read it while no engine runs on it",
            )
        check_user_count(self._where(partition), decode_checkpoint(encoded), count)


def _write(pipe: Transaction, keys: PartitionKeys, commit: Commit, profile_start: bytes) -> None:
    """Queue what a commit changes beside the checkpoint."""
    row_start, audience_start = keys.row_start, keys.audience_start
    for rows in _chunks(commit.rows):
        pipe.execute_command("MSET", *_flat((row_start + user, row) for user, row in rows))
    days = (deadline // DEADLINE_STEP_MS * DEADLINE_STEP_MS for deadline in commit.deadlines)
    users = (user for user, _ in commit.rows)
    for scored in _chunks(list(zip(days, users, strict=True))):
        pipe.execute_command("ZADD", keys.deadlines, *_flat(scored))
    for change in commit.audiences:
        key = audience_start + change.tag.encode()
        for command, members in (("SREM", change.lost), ("SADD", change.gained)):
            for some in _chunks(members):
                pipe.execute_command(command, key, *some)
    if commit.relayed_count:
        pipe.execute_command("LTRIM", keys.outbox, commit.relayed_count, -1)
    for entries in _chunks(commit.outbox):
        pipe.execute_command("RPUSH", keys.outbox, *entries)
    for profiles in _chunks(commit.profiles):
        named = ((profile_start + user, profile) for user, profile in profiles)
        pipe.execute_command("MSET", *_flat(named))
    for key, value in ((keys.shape, commit.shape), (keys.config, commit.config)):
        if value:
            pipe.execute_command("SET", key, value)
    for model, record in commit.models.items():
        pipe.execute_command("HSET", keys.models, model, record)


def _chunks(whole: Sequence[Any]) -> Iterator[Sequence[Any]]:
    return (whole[at : at + CHUNK] for at in range(0, len(whole), CHUNK))


def _flat(pairs: Any) -> Iterator[Any]:
    return chain.from_iterable(pairs)
