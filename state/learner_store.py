"""Where the learner keeps all that it knows: one value, and a lease that says whose it is.

The value begins with a heading that no other value has. Whoever saves says on which heading the new
value builds; so two learners that both believe they are the one cannot both write.
"""

from __future__ import annotations

from typing import Protocol

from state.keys import LEASE_MS, learner_keys
from state.redis_client import Retrying, Transaction, connect
from state.redis_lease import give_up_lease, take_lease
from state.redis_settings import RedisSettings
from state.store import StoreConflict

HEADING_BYTES = 64


class LearnerStore(Protocol):
    """The durable home of the learner."""

    def acquire(self, owner: str) -> int:
        """Take the lease, or renew it: 0, or the ms after which it is worth asking again."""
        ...

    def release(self, owner: str) -> None:
        """Give the lease up, if `owner` has it."""
        ...

    def load(self) -> bytes | None:
        """What was saved last; None if nothing was."""
        ...

    def save(self, owner: str, previous: bytes | None, value: bytes) -> None:
        """Replace the value `previous` (None: nothing); the very same value again is done already.

        Raises:
            StoreConflict: another value is stored, or another owner has the lease. Nothing changed.
        """
        ...

    def replace(self, previous: bytes | None, value: bytes) -> None:
        """Replace the value `previous`, whoever has the lease: who learns meanwhile notices.

        Raises:
            StoreConflict: another value is stored. Nothing changed.
        """
        ...

    def check(self, value: bytes | None) -> None:
        """See that this is what was saved last (None: nothing).

        Raises:
            StoreConflict: another value is stored.
        """
        ...

    def held(self) -> dict[str, str]:
        """The models whose learner must not publish, with the version that an operator chose."""
        ...

    def hold(self, model: str, version: str) -> None:
        """Have the learner of a model publish no more: an operator chose a version."""
        ...

    def resume(self, model: str) -> bool:
        """Have the learner of a model publish again; whether it was held."""
        ...


class MemoryLearnerStore:
    """The learner's store that forgets when its process ends; leases last until they are given."""

    def __init__(self) -> None:
        self._owner = ""
        self._value: bytes | None = None
        self._held: dict[str, str] = {}

    def acquire(self, owner: str) -> int:
        """See `LearnerStore.acquire`."""
        if self._owner not in ("", owner):
            return LEASE_MS
        self._owner = owner
        return 0

    def release(self, owner: str) -> None:
        """See `LearnerStore.release`."""
        if self._owner == owner:
            self._owner = ""

    def load(self) -> bytes | None:
        """See `LearnerStore.load`."""
        return self._value

    def save(self, owner: str, previous: bytes | None, value: bytes) -> None:
        """See `LearnerStore.save`."""
        if heading(self._value) != heading(value):
            check_save("memory", heading(self._value), previous)
            check_owner("memory", self._owner.encode() or None, owner)
            self._value, self._owner = value, owner

    def replace(self, previous: bytes | None, value: bytes) -> None:
        """See `LearnerStore.replace`."""
        self.check(previous)
        self._value = value

    def check(self, value: bytes | None) -> None:
        """See `LearnerStore.check`."""
        check_save("memory", heading(self._value), value)

    def held(self) -> dict[str, str]:
        """See `LearnerStore.held`."""
        return dict(self._held)

    def hold(self, model: str, version: str) -> None:
        """See `LearnerStore.hold`."""
        self._held[model] = version

    def resume(self, model: str) -> bool:
        """See `LearnerStore.resume`."""
        return self._held.pop(model, None) is not None


class RedisLearnerStore:
    """The learner's store in the Redis of the profiles."""

    def __init__(self, settings: RedisSettings, *, lease_ms: int = LEASE_MS) -> None:
        self._where = f"{settings.url} learner"
        self._lease_ms = lease_ms
        self._keys = learner_keys(settings.prefix)
        self._heading = ("GETRANGE", self._keys.state, 0, HEADING_BYTES - 1)
        self._client = connect(settings)
        self._redis = Retrying(self._client, settings.url)

    def acquire(self, owner: str) -> int:
        """See `LearnerStore.acquire`; it lasts three seconds by the clock of Redis."""
        return take_lease(self._redis, self._keys.lease, owner, self._lease_ms)

    def release(self, owner: str) -> None:
        """See `LearnerStore.release`."""
        give_up_lease(self._redis, self._keys.lease, owner)

    def load(self) -> bytes | None:
        """See `LearnerStore.load`."""
        value: bytes | None = self._redis.call("GET", self._keys.state)
        return value

    def save(self, owner: str, previous: bytes | None, value: bytes) -> None:
        """See `LearnerStore.save`; it renews the lease.

        Raises:
            RedisUnreachableError: it may be saved or not; the very same value finds out.
        """
        keys = self._keys

        def write(pipe: Transaction) -> int:
            stored = pipe.execute_command(*self._heading) or None
            if stored == heading(value):
                return 0
            check_save(self._where, stored, previous)
            check_owner(self._where, pipe.execute_command("GET", keys.lease), owner)
            pipe.multi()
            pipe.execute_command("SET", keys.state, value)
            pipe.execute_command("SET", keys.lease, owner, "PX", self._lease_ms)
            pipe.execute()
            return 0

        self._redis.watching([keys.state, keys.lease], write)

    def replace(self, previous: bytes | None, value: bytes) -> None:
        """See `LearnerStore.replace`."""

        def write(pipe: Transaction) -> int:
            stored = pipe.execute_command(*self._heading) or None
            if stored == heading(value):
                return 0
            check_save(self._where, stored, previous)
            pipe.multi()
            pipe.execute_command("SET", self._keys.state, value)
            pipe.execute()
            return 0

        self._redis.watching([self._keys.state], write)

    def check(self, value: bytes | None) -> None:
        """See `LearnerStore.check`."""
        check_save(self._where, self._redis.call(*self._heading) or None, value)

    def held(self) -> dict[str, str]:
        """See `LearnerStore.held`."""
        held = self._redis.call("HGETALL", self._keys.held)
        return {model.decode(): version.decode() for model, version in held.items()}

    def hold(self, model: str, version: str) -> None:
        """See `LearnerStore.hold`."""
        self._redis.call("HSET", self._keys.held, model, version)

    def resume(self, model: str) -> bool:
        """See `LearnerStore.resume`."""
        return bool(self._redis.call("HDEL", self._keys.held, model))

    def close(self) -> None:
        """Leave the server."""
        self._client.close()


def heading(value: bytes | None) -> bytes | None:
    """What tells a value from all others."""
    return value[:HEADING_BYTES] if value is not None else None


def check_save(where: str, stored: bytes | None, previous: bytes | None) -> None:
    """Refuse a value that does not build on the one whose heading is stored."""
    if stored != heading(previous):
        raise StoreConflict(
            where,
            expected="what this learner saved last",
            got="nothing" if stored is None else "something else",
            fix="another learner or a warm start has saved since, or the store fell back: go on "
            "from what it has",
        )


def check_owner(where: str, holder: bytes | None, owner: str) -> None:
    """Refuse a value of a learner whose lease another one has taken."""
    if holder not in (None, owner.encode()):
        raise StoreConflict(
            where,
            expected="to be the one learner",
            got="a lease that another one has taken",
            fix="stop this one, or let it wait",
        )
