"""All that is in the topics beside the log, as consumers of committed records see it."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence

from confluent_kafka import Consumer, KafkaError, TopicPartition
from msgspec import Struct

from connectors.kafka_reader import reader_settings
from connectors.kafka_settings import KafkaSettings

PATIENCE_SECONDS = 30.0
FETCH_WAIT_MS = 10
RECORDS_AT_ONCE = 1_000


class Record(Struct, frozen=True, kw_only=True):
    """What is in a topic; `at_ms`: when its producer sent it."""

    value: bytes
    at_ms: int


Contents = dict[tuple[str, int], list[Record]]
"""The records in each partition of each topic, in their order."""


def contents(settings: KafkaSettings, topics: Sequence[str], partitions: int) -> Contents:
    """Everything up to the ends; one client for all, since each takes a while to begin."""
    consumer = Consumer({**reader_settings(settings), "fetch.wait.max.ms": FETCH_WAIT_MS})
    names = {settings.topic(topic): topic for topic in topics}
    parts = [(name, number) for name in names for number in range(partitions)]
    consumer.assign([TopicPartition(name, number, 0) for name, number in parts])
    found: Contents = defaultdict(list)
    left = set(parts)
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    while left:
        assert time.monotonic() < give_up_at, f"{left} were not read to their ends in time"
        for message in consumer.consume(RECORDS_AT_ONCE, 0.05):
            name, number, error = message.topic(), message.partition(), message.error()
            assert name is not None
            assert number is not None
            if error is None:
                record = Record(value=message.value() or b"", at_ms=message.timestamp()[1])
                found[names[name], number].append(record)
                give_up_at = time.monotonic() + PATIENCE_SECONDS
            elif error.code() == KafkaError._PARTITION_EOF:
                left.discard((name, number))
    consumer.close()
    return found
