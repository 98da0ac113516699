"""The past of a shop whose engine starts today: hours of its log, so that examples close meanwhile.

The shortest horizon of a model is an hour, and the broker gives records its own time. So the past
is appended as anything else, and then, while the broker is down, dated back in its files.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event

from connectors.kafka_settings import KafkaSettings
from connectors.log import LOG_TOPIC
from flows.produce import key_of
from tests.chaos.traffic import Sent, messages, moved, track
from tests.servers import Server

PAST = timedelta(hours=3)
DAYS, PAST_USERS = 2, 5_000
"""Of simulated customers, whose days are put into those hours."""

SEED = 7
BATCH_RECORDS = 100
"""Records of a batch have one time."""

FIRST_SEGMENT = "00000000000000000000.log"
LENGTH, CHECKSUM, LAST_TIME = slice(8, 12), slice(17, 21), slice(35, 43)
"""Where they are in a batch. It is so long behind its length; what is behind its checksum is
checked, and if the broker gave the batch its time, that is the last of its records."""

CRC32C_REVERSED = 0x82F63B78


def append_past(broker: Server, kafka: KafkaSettings, partitions: int, users: int) -> None:
    """Have the log begin hours ago; the broker is started anew for it."""
    began = datetime.now(UTC) - PAST
    track(kafka, past(began, users), float("inf"), Event(), {"batch.num.messages": BATCH_RECORDS})
    broker.kill()
    topic = kafka.topic(LOG_TOPIC)
    for partition in range(partitions):
        date_back(broker.data / f"{topic}-{partition}" / FIRST_SEGMENT, began)
    broker.start()


def past(began: datetime, users: int) -> Iterator[Sent]:
    """What customers did since then, evenly spread."""
    lines = messages(users, SEED, days=DAYS)
    for index, line in enumerate(lines):
        message = moved(line, began + PAST * (index / len(lines)))
        yield Sent(value=message, key=key_of(message))


def date_back(segment: Path, began: datetime) -> None:
    """Spread the batches of a log's file over the time since then; its indexes are made anew.

    After its sudden end a broker reads the file, and checks every batch, before it serves it.
    """
    rest, dated = segment.read_bytes(), bytearray()
    began_ms, until_ms = round(began.timestamp() * 1000), time.time_ns() // 1_000_000
    size = len(rest)
    while rest:
        end = LENGTH.stop + int.from_bytes(rest[LENGTH])
        batch, rest = bytearray(rest[:end]), rest[end:]
        at_ms = began_ms + (until_ms - began_ms) * len(dated) // size
        batch[LAST_TIME] = at_ms.to_bytes(8)
        batch[CHECKSUM] = crc32c(batch[CHECKSUM.stop :]).to_bytes(4)
        dated += batch
    segment.write_bytes(dated)


def crc32c(data: bytes | bytearray) -> int:
    """The checksum of a batch.

    >>> hex(crc32c(b"123456789"))
    '0xe3069283'
    """
    found = 0xFFFFFFFF
    for byte in data:
        found = CRC_TABLE[(found ^ byte) & 0xFF] ^ (found >> 8)
    return found ^ 0xFFFFFFFF


def crc_table() -> list[int]:
    """What each byte does to the checksum."""
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = (byte >> 1) ^ (CRC32C_REVERSED if byte & 1 else 0)
        table.append(byte)
    return table


CRC_TABLE = crc_table()
