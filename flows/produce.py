"""`beckon produce`: recorded events into the log, keyed as the log wants them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator

import msgspec
from msgspec import Struct

from connectors.files import open_bytes
from connectors.kafka import KafkaBroker
from connectors.kafka_settings import KafkaSettings
from connectors.log import LOG_TOPIC
from flows.moved_messages import Mover

FLUSH_SECONDS = 60.0
CHECK_EVERY = 100


class Keyed(Struct, rename="camel"):
    """The part of a message that says whose it is."""

    user_id: str | None = None
    anonymous_id: str | None = None


class Produced(Struct, frozen=True, kw_only=True):
    """How many records were appended, and whether Ctrl-C ended it."""

    count: int
    interrupted: bool


Pace = Callable[[bytes], bytes]
"""Waits until it is a line's turn; returns what to append of it."""

_keyed = msgspec.json.Decoder(Keyed)


def key_of(line: bytes) -> bytes | None:
    """The profile id of a message; None of one that cannot be read, which any partition may have.

    >>> key_of(b'{"userId":"ada","anonymousId":"a1"}')
    b'ada'
    >>> key_of(b'{"userId":"","anonymousId":"a1"}')
    b'a1'
    """
    try:
        keyed = _keyed.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    profile_id = keyed.user_id or keyed.anonymous_id
    return profile_id.encode() if profile_id else None


def produce(settings: KafkaSettings, sources: Iterable[str], pace: Pace) -> Produced:
    """Append the lines of files to the log, each when `pace` says so, until Ctrl-C.

    Raises `OSError`: a file cannot be read, or the broker did not take a record.
    """
    side = KafkaBroker(settings).side_output()
    count, interrupted = 0, False
    try:
        for line in lines_of(sources):
            value = pace(line)
            side.produce(LOG_TOPIC, key_of(value), value)
            count += 1
    except KeyboardInterrupt:
        interrupted = True
    side.flush(FLUSH_SECONDS)
    return Produced(count=count, interrupted=interrupted)


def lines_of(sources: Iterable[str]) -> Iterator[bytes]:
    """The lines of files, without their ends; empty ones are left out."""
    for source in sources:
        with open_bytes(source) as lines:
            for line in lines:
                if value := line.rstrip(b"\r\n"):
                    yield value


def at_once(line: bytes) -> bytes:
    """A line as it was recorded, as soon as the broker takes it."""
    return line


class AtRate:
    """Lines as they were recorded, no more than so many in a second."""

    def __init__(self, per_second: float) -> None:
        self._per_second = per_second
        self._began_at = time.monotonic()
        self._count = 0

    def __call__(self, line: bytes) -> bytes:
        """The line, when it is its turn."""
        self._count += 1
        if self._count % CHECK_EVERY == 0:
            due_at = self._began_at + self._count / self._per_second
            time.sleep(max(0.0, due_at - time.monotonic()))
        return line


class AsIfNow:
    """Lines as if they happened now, `speed` times as fast as recorded (`flows.moved_messages`)."""

    def __init__(self, speed: float) -> None:
        self._mover = Mover(speed)

    def __call__(self, line: bytes) -> bytes:
        """The line with its times moved, when it is its turn; one without times as it is."""
        moved = self._mover.moved(line, now_ms())
        if moved is None:
            return line
        time.sleep(max(0, moved.at_ms - now_ms()) / 1000)
        return moved.message


def now_ms() -> int:
    """The wall clock."""
    return time.time_ns() // 1_000_000
