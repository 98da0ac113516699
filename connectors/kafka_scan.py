"""Reads a partition of a topic from an offset to its end, committed records only, and stops."""

from __future__ import annotations

from collections.abc import Iterator

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from connectors.kafka_errors import TIMED_OUT, BrokerError, broker_error, cause
from connectors.kafka_reader import reader_settings
from connectors.kafka_settings import KafkaSettings

ANSWER_SECONDS = 10.0
RECORDS_AT_ONCE = 1_000
EMPTY_LOOKS_MAX = 6
"""How often the broker may have nothing to say, ANSWER_SECONDS each time, before the end."""

END_LOOK_SECONDS, END_LOOKS_MAX = 0.2, 25


def new_consumer(settings: KafkaSettings) -> Consumer:
    """A client that looks at what is there and leaves."""
    return Consumer({**reader_settings(settings), "fetch.wait.max.ms": 10})


def records(settings: KafkaSettings, topic: str, partition: int) -> Iterator[Message]:
    """All records of a partition of a topic, to where it ends now.

    Raises:
        BrokerError: they cannot be read.
    """
    name = settings.topic(topic)
    consumer = new_consumer(settings)
    try:
        first, end = ends_of(consumer, TopicPartition(name, partition))
        if end > first:
            yield from records_between(consumer, TopicPartition(name, partition, first), end)
    except KafkaException as exception:
        raise broker_error(settings, f"reading {name}", cause(exception)) from exception
    finally:
        consumer.close()


def ends_of(consumer: Consumer, partition: TopicPartition) -> tuple[int, int]:
    """The offsets between which there are records.

    Asked several times: after a restart of the broker it takes a while until it leads a partition.
    """
    for looks_left in reversed(range(END_LOOKS_MAX)):
        try:
            return consumer.get_watermark_offsets(partition, timeout=ANSWER_SECONDS)
        except KafkaException as exception:
            if not looks_left or cause(exception).code() in TIMED_OUT:
                raise
            consumer.poll(END_LOOK_SECONDS)
    raise AssertionError("the last look returns or raises")


def records_between(consumer: Consumer, start: TopicPartition, end: int) -> Iterator[Message]:
    """The records from an offset on, up to `end` or where the partition ends before it.

    Raises:
        KafkaException: the broker refuses.
        BrokerError: it does not get there.
    """
    consumer.assign([start])
    empty_looks = 0
    while empty_looks < EMPTY_LOOKS_MAX:
        # One at a time: of several the client waits for the full number, or for its time to end.
        messages = consumer.consume(RECORDS_AT_ONCE, 0) or consumer.consume(1, ANSWER_SECONDS)
        empty_looks = 0 if messages else empty_looks + 1
        for message in messages:
            error, offset = message.error(), message.offset()
            assert offset is not None, "what was consumed has an offset"
            if error is None and offset < end:
                yield message
            if offset >= end - 1 or (error and error.code() == KafkaError._PARTITION_EOF):
                return
            if error and (error.fatal() or not error.retriable()):
                raise KafkaException(error)
    raise BrokerError(
        f"{start.topic} partition {start.partition}: expected its records up to offset {end - 1}, "
        f"got none for {EMPTY_LOOKS_MAX * ANSWER_SECONDS:g} s; see that the broker runs"
    )
