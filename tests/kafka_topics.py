"""What tests do with a broker: settings with topics of their own, reading a topic to its end."""

from __future__ import annotations

import time

from confluent_kafka import OFFSET_END, Consumer, KafkaError, Message, Producer, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
)

from connectors.kafka_settings import KafkaSettings
from connectors.kafka_topics import create_topics
from connectors.log import LOG_TOPIC, LogReader, Polled

PATIENCE_SECONDS = 30.0
LOOK_SECONDS = 0.01


def with_topics(servers: str, prefix: str, *, partitions: int = 1) -> KafkaSettings:
    """Settings whose topics exist, and are nobody else's."""
    settings = KafkaSettings(servers=servers, prefix=prefix)
    create_topics(settings, partitions=partitions, replicas=1)
    return settings


def read_topic(
    settings: KafkaSettings, topic: str, partition: int = 0, *, isolation: str = "read_committed"
) -> list[Message]:
    """All records of a partition that stand now."""
    consumer = Consumer(
        {
            **settings.connection(),
            "group.id": "tests",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": isolation,
        }
    )
    consumer.assign([TopicPartition(settings.topic(topic), partition, 0)])
    records: list[Message] = []
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < give_up_at:
        message = consumer.poll(1.0)
        if message is None:
            continue
        error = message.error()
        if error is None:
            records.append(message)
        elif error.code() == KafkaError._PARTITION_EOF:
            consumer.close()
            return records
    raise AssertionError(f"{topic} was not read to its end in time")


def values_of(settings: KafkaSettings, topic: str, partition: int = 0) -> list[bytes | None]:
    """The values in a partition, of committed records."""
    return [record.value() for record in read_topic(settings, topic, partition)]


def forget_log(settings: KafkaSettings, partitions: int) -> None:
    """Have the broker delete all of the log, as retention does in time."""
    admin = AdminClient(settings.connection())
    topic = settings.topic(LOG_TOPIC)
    ends = [TopicPartition(topic, number, OFFSET_END) for number in range(partitions)]
    for deleted in admin.delete_records(ends).values():
        deleted.result(PATIENCE_SECONDS)


def write_events(settings: KafkaSettings, values: list[bytes | None], partition: int = 0) -> None:
    """Append events to the log as a tracking team does, and wait for the broker."""
    producer = Producer({**settings.connection(), "linger.ms": 5})
    for value in values:
        producer.produce(settings.topic("events"), value, b"ada", partition)
    assert producer.flush(PATIENCE_SECONDS) == 0


def poll_until_idle(
    reader: LogReader, count_max: int = 1000, *, record_count: int = 0
) -> list[Polled]:
    """Polls until `record_count` records have come and the end of the log was reached.

    Those that brought something. An end may be an old one: what was written since may follow.
    """
    found = []
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < give_up_at:
        polled = reader.poll(count_max)
        record_count -= polled.record_count
        if polled.record_count:
            found.append(polled)
        elif record_count <= 0 and polled.next_offset == polled.end_offset:
            return found
        else:
            time.sleep(LOOK_SECONDS)
    raise AssertionError(f"the log's end was not reached in time; {record_count} records missing")
