"""The client of Redis: connecting, trying again for a bounded time, and telling errors plainly."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

import redis
from redis.backoff import ExponentialBackoff, NoBackoff
from redis.retry import Retry

from state.redis_settings import RedisSettings
from state.store import StoreError

CONNECT_SECONDS = 1.0
ANSWER_SECONDS = 5.0
"""How long a connection, and an answer, are waited for."""

TRIES_MAX, TRIES_FIRST_MAX = 12, 2
PAUSE_SECONDS_MIN, PAUSE_SECONDS_MAX = 0.05, 1.0
"""Pauses between tries double: together 8 s, enough for a Redis that is started again. The first
call of a client gives up earlier: the URL may be wrong."""

VERSION_MIN = (6, 2)

_T = TypeVar("_T")


class Commands(Protocol):
    """What answers commands: the part that is used here of a client that has few types."""

    def execute_command(self, *command: bytes | str | int) -> Any:
        """The answer of Redis: bytes, a number, a list of them, or None."""
        ...


class Transaction(Commands, Protocol):
    """Commands of one connection, answered at once until `multi`, and kept from then on."""

    def watch(self, *keys: bytes) -> object:
        """Have `execute` fail if one of the keys is changed by anybody else."""
        ...

    def multi(self) -> None:
        """Keep the commands that follow."""
        ...

    def execute(self) -> object:
        """Do the commands that were kept, in one step, or none of them."""
        ...


class Client(Commands, Protocol):
    """A client of Redis, which several threads may use."""

    def pipeline(self) -> Any:
        """A context manager that gives a `Transaction`."""
        ...

    def close(self) -> None:
        """Close its connections."""
        ...


class RedisUnreachableError(OSError):
    """Redis did not answer, however often it was asked."""


def connect(settings: RedisSettings) -> Client:
    """A client of the server; it connects when it is first used. Answers are bytes."""
    password = settings.password.reveal() if settings.password else None
    options: dict[str, Any] = {
        "db": settings.database,
        "username": settings.username or None,
        "password": password,
        "socket_timeout": ANSWER_SECONDS,
        "client_name": "beckon",
        # Whether to try again is decided in `Retrying`, which knows what may be repeated.
        "retry": Retry(NoBackoff(), 0),
    }
    if settings.scheme == "unix":
        return redis.Redis(unix_socket_path=settings.path, **options)
    if settings.scheme == "rediss":
        options |= {"ssl": True, "ssl_ca_certs": settings.ca or None}
    return redis.Redis(
        host=settings.host,
        port=settings.port,
        socket_connect_timeout=CONNECT_SECONDS,
        socket_keepalive=True,
        **options,
    )


class Retrying:
    """Calls of one client, each tried again as long as Redis may come back."""

    def __init__(self, client: Client, where: str) -> None:
        self._client = client
        self._where = where
        self._retry = Retry(
            ExponentialBackoff(cap=PAUSE_SECONDS_MAX, base=PAUSE_SECONDS_MIN),
            TRIES_FIRST_MAX,
            supported_errors=(redis.ConnectionError, redis.TimeoutError, redis.WatchError),
        )

    def call(self, *command: bytes | str | int) -> Any:
        """The answer to a command that does no harm when it is repeated."""
        return self.run(lambda: self._client.execute_command(*command))

    def run(self, work: Callable[[], _T]) -> _T:
        """What `work` returns; it is begun anew when Redis is away, or watched keys changed.

        Raises:
            RedisUnreachableError: Redis did not come back in time.
            StoreError: Redis refuses the work.
        """

        def attempt() -> _T:
            # A refused password is a ConnectionError to the client, but trying again cannot help.
            try:
                return work()
            except redis.AuthenticationError as error:
                raise refused(self._where, error) from None

        with told_plainly(self._where):
            result = self._retry.call_with_retry(attempt, lambda _error: None)
        self._retry.update_retries(TRIES_MAX)
        return result

    def watching(self, keys: Sequence[bytes], work: Callable[[Transaction], _T]) -> _T:
        """As `run`; `work` is begun anew also when one of the keys has changed meanwhile."""

        def attempt() -> _T:
            with self._client.pipeline() as opened:
                transaction: Transaction = opened
                transaction.watch(*keys)
                return work(transaction)

        return self.run(attempt)


@contextmanager
def told_plainly(where: str) -> Iterator[None]:
    """Turns errors of the client into ours."""
    try:
        yield
    except redis.AuthenticationError as error:
        raise refused(where, error) from None
    except (redis.ConnectionError, redis.TimeoutError, redis.WatchError) as error:
        raise RedisUnreachableError(
            f"{where}: expected Redis to answer, got {_words(error)}; start it (as `docker compose "
            "up` does), or name another with --redis"
        ) from None
    except redis.RedisError as error:
        raise refused(where, error) from None


def refused(where: str, error: redis.RedisError) -> StoreError:
    """Redis answers, but will not do what was asked."""
    fix = "look at its log"
    for kind, what in (
        (redis.AuthenticationError, "give user and password: --redis redis://USER:PASSWORD@HOST"),
        (redis.exceptions.NoPermissionError, "allow the user in its ACL: +@all ~PREFIX* ~{PREFIX*"),
        (redis.exceptions.OutOfMemoryError, "give it more memory (CONFIG SET maxmemory)"),
        (redis.exceptions.ReadOnlyError, "give the URL of the primary, not of a replica"),
    ):
        if isinstance(error, kind):
            fix = what
    return StoreError(where, expected="Redis to serve us", got=_words(error), fix=fix)


def complaints(client: Client, where: str) -> list[str]:
    """What of the server's version and settings would lose profiles, each with what mends it.

    Raises:
        RedisUnreachableError, StoreError: it could not be asked at all.
    """
    with told_plainly(where):
        client.execute_command("PING")
    return [f"{where}: {text}" for text in (*_version(client), *_persistence(client))]


def _version(client: Client) -> Iterator[str]:
    try:
        version = str(client.execute_command("INFO", "server")["redis_version"])
    except (redis.ResponseError, KeyError):
        return
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if numbers < VERSION_MIN:
        yield f"expected Redis 6.2 or newer, got {version}; upgrade it"


def _persistence(client: Client) -> Iterator[str]:
    try:
        settings = _settings(client)
    except redis.ResponseError:
        yield (
            "could not look at its settings (CONFIG is not allowed); see to it that "
            "maxmemory-policy is noeviction and that an append-only file is kept"
        )
        return
    for name, wanted, danger in (
        ("maxmemory-policy", "noeviction", "a full Redis would throw profiles away"),
        ("appendonly", "yes", "a restart would lose every profile since the last dump"),
    ):
        got = settings.get(name, wanted)
        if got != wanted:
            fix = f"CONFIG SET {name} {wanted}, and the same in redis.conf"
            yield f"expected {name} {wanted}, got {got} ({danger}); {fix}"
    if settings.get("appendfsync") == "no":
        yield (
            "expected appendfsync everysec or always, got no (a power cut would lose half a "
            "minute); CONFIG SET appendfsync everysec, and the same in redis.conf"
        )


def _settings(client: Client) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in ("maxmemory-policy", "appendonly", "appendfsync"):
        found |= {_text(key): _text(value) for key, value in _pairs(client, name)}
    return found


def _pairs(client: Client, name: str) -> Iterator[tuple[Any, Any]]:
    answer = client.execute_command("CONFIG GET", name)
    yield from answer.items()


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _words(error: Exception) -> str:
    """The first line of what the client says, without the command that it failed at."""
    line = next(iter(str(error).splitlines()), "") or type(error).__name__
    if line.startswith("HELLO must be called"):
        return "a refusal, as no password was given"
    return line.split(" of pipeline caused error: ")[-1].rstrip(".")[:200]
