"""`beckon produce`: recorded events into the log, keyed as the log wants them."""

from __future__ import annotations

import time
from collections.abc import Iterable

import msgspec
from msgspec import Struct

from connectors.files import open_bytes
from connectors.kafka import KafkaBroker
from connectors.kafka_settings import KafkaSettings
from connectors.log import LOG_TOPIC

FLUSH_SECONDS = 60.0
CHECK_EVERY = 100


class Keyed(Struct):
    """The part of a message that says whose it is."""

    userId: str | None = None  # noqa: N815  (Segment's name)
    anonymousId: str | None = None  # noqa: N815


_keyed = msgspec.json.Decoder(Keyed)


def key_of(line: bytes) -> bytes | None:
    """The profile id of a message; None of one that cannot be read, which any partition may have.

    >>> key_of(b'{"userId":"ada","anonymousId":"a1"}')
    b'ada'
    """
    try:
        keyed = _keyed.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    profile_id = keyed.userId if keyed.userId is not None else keyed.anonymousId
    return profile_id.encode() if profile_id else None


def produce(settings: KafkaSettings, sources: Iterable[str], per_second: float | None) -> int:
    """Append the lines of files to the log, at most `per_second` of them; returns how many.

    Raises `OSError`: a file cannot be read, or the broker did not take a record.
    """
    side = KafkaBroker(settings).side_output()
    began_at = time.monotonic()
    count = 0
    for source in sources:
        with open_bytes(source) as lines:
            for line in lines:
                value = line.rstrip(b"\r\n")
                side.produce(LOG_TOPIC, key_of(value), value)
                count += 1
                if per_second is not None and count % CHECK_EVERY == 0:
                    time.sleep(max(0.0, began_at + count / per_second - time.monotonic()))
    side.flush(FLUSH_SECONDS)
    return count
