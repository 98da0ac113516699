"""Reading what engines keep in Redis, beside them and without being in their way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from state.keys import partition_keys, partitions_key, profile_start
from state.redis_client import Retrying, connect
from state.redis_settings import RedisSettings
from state.store import Checkpoint, StoreError, decode_checkpoint

READ_AT_ONCE = 1_000
SCAN_AT_ONCE = "5000"


def stored_models(redis: Retrying, key: bytes) -> dict[str, bytes]:
    """The records of models' versions that a partition keeps."""
    return {model.decode(): record for model, record in redis.call("HGETALL", key).items()}


class RedisReader:
    """A client that only reads."""

    def __init__(self, settings: RedisSettings) -> None:
        self._prefix = settings.prefix
        self._where = settings.url
        self._client = connect(settings)
        self._redis = Retrying(self._client, settings.url)

    def partitions(self) -> int:
        """How many partitions the users are divided into.

        Raises:
            StoreError: no engine has been at work here.
        """
        stored = self._redis.call("GET", partitions_key(self._prefix))
        if stored is None:
            raise StoreError(
                self._where,
                expected=f"profiles under the prefix {self._prefix}",
                got="none",
                fix="give the URL, with its database and ?prefix=, that beckon run was given",
            )
        return int(stored)

    def checkpoints(self) -> Iterator[Checkpoint]:
        """The checkpoint of each partition that has one."""
        for number in range(self.partitions()):
            checkpoint = self.checkpoint(number)
            if checkpoint is not None:
                yield checkpoint

    def checkpoint(self, partition: int) -> Checkpoint | None:
        """The checkpoint of a partition; None if it has none."""
        stored = self._redis.call("GET", partition_keys(self._prefix, partition).checkpoint)
        return decode_checkpoint(stored) if stored is not None else None

    def config(self, partition: int) -> bytes:
        """The record of the config in force in a partition; b"" where none is stored."""
        stored: bytes | None = self._redis.call(
            "GET", partition_keys(self._prefix, partition).config
        )
        return stored or b""

    def models(self, partition: int) -> dict[str, bytes]:
        """The record of the last version of each model in a partition."""
        return stored_models(self._redis, partition_keys(self._prefix, partition).models)

    def profile(self, user: bytes) -> bytes | None:
        """The readable profile of a user, JSON; None if there is none."""
        found: bytes | None = self._redis.call("GET", profile_start(self._prefix) + user)
        return found

    def profiles(self, users: Sequence[bytes]) -> Iterator[bytes | None]:
        """The readable profiles of many users, in their order."""
        start = profile_start(self._prefix)
        for first in range(0, len(users), READ_AT_ONCE):
            some = users[first : first + READ_AT_ONCE]
            yield from self._redis.call("MGET", *[start + user for user in some])

    def holders(self, tag: str) -> set[bytes]:
        """The ids of all who hold a tag; those who turn meanwhile may be in it or not."""
        found: set[bytes] = set()
        for number in range(self.partitions()):
            key = partition_keys(self._prefix, number).audience_start + tag.encode()
            cursor = b"0"
            while True:
                cursor, members = self._redis.call("SSCAN", key, cursor, "COUNT", SCAN_AT_ONCE)
                found.update(members)
                if int(cursor) == 0:
                    break
        return found

    def close(self) -> None:
        """Leave the server."""
        self._client.close()
