"""Reads a partition of the log from Kafka: what was polled becomes batches and control records."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from confluent_kafka import (
    OFFSET_BEGINNING,
    TIMESTAMP_LOG_APPEND_TIME,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)
from msgspec import Struct

from connectors.events import RawBatch
from connectors.kafka_errors import BrokerError, broker_error, cause, plainly
from connectors.kafka_settings import KafkaSettings
from connectors.log import CONTROL_HEADER, LOG_TOPIC, ControlRecord, Polled

WATERMARK_SECONDS = 5.0
QUEUE_KILOBYTES = 16_384
"""Records that wait in the client, per partition. More costs memory and, measured, gains nothing;
with 4 MB the client's thread cost 20 % more per record."""

STATISTICS_MS = 1_000
SILENT_MICROSECONDS = 1_500 * 1_000
"""How often the client tells how its brokers are; one that has a fetch to answer and did not for so
long is silent: a fetch that brings nothing is answered after a tenth of a second."""

READ_SETTINGS: dict[str, str | int | float | bool] = {
    "isolation.level": "read_committed",
    "enable.auto.commit": False,
    # Where to read is the checkpoint's to say; to go on elsewhere would be to lose records.
    "auto.offset.reset": "error",
    # Tells that all that is there was read, also where the last record is a transaction's mark.
    "enable.partition.eof": True,
    "fetch.wait.max.ms": 100,
    "queued.max.messages.kbytes": QUEUE_KILOBYTES,
    # The default, a second, is how long the client would stop fetching once its queue was full.
    "fetch.queue.backoff.ms": 10,
    "fetch.error.backoff.ms": 100,
    "reconnect.backoff.max.ms": 1_000,
}
_OFFSET_LOST = frozenset({KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE})
_REFUSALS = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError._UNKNOWN_TOPIC,
        KafkaError._UNKNOWN_PARTITION,
        KafkaError._AUTHENTICATION,
        KafkaError._FATAL,
    }
)
"""Errors that trying again does not mend; the client itself tries again after all others."""


class BrokerStatistics(Struct):
    """What the client knows of a broker.

    rxidle: microseconds since it last answered, -1 before it did. toppars: the partitions that are
    fetched from it.
    """

    rxidle: int
    toppars: dict[str, msgspec.Raw]


class Statistics(Struct):
    """What the client tells of itself, as far as it is read here."""

    brokers: dict[str, BrokerStatistics]


class KafkaReader:
    """See `connectors.log.LogReader`. It is of no consumer group and commits nothing to Kafka.

    Offset 0 means the log's first record, though retention may have deleted some before it.
    While nobody polls, the client stops fetching once QUEUE_KILOBYTES wait: there is no pause.
    """

    last_error: str
    """What the client complains of and tries again itself; "" once it gets on."""

    def __init__(
        self, settings: KafkaSettings, partition: int, next_offset: int, *, topic: str = LOG_TOPIC
    ) -> None:
        self._settings = settings
        self._topic = settings.topic(topic)
        begin = next_offset or OFFSET_BEGINNING
        self._partition = TopicPartition(self._topic, partition, begin)
        self._next_offset = next_offset
        self._end_seen = self._heard = False
        self.last_error = ""
        told = {
            "error_cb": self._complain,
            "stats_cb": self._take_statistics,
            "statistics.interval.ms": STATISTICS_MS,
        }
        self._consumer = Consumer({**reader_settings(settings), **told})
        self._consumer.assign([self._partition])

    def poll(self, count_max: int) -> Polled:
        """See `LogReader.poll`."""
        try:
            messages = self._consumer.consume(count_max, 0)
        except KafkaException as exception:
            raise broker_error(self._settings, f"reading {self._where()}", cause(exception)) from (
                exception
            )
        if any([message.error() for message in messages]):
            messages = self._without_errors(messages)
        elif messages:
            self._end_seen = False
            self.last_error = ""
        pieces = pieces_of(messages, self._where()) if messages else []
        if messages:
            self._next_offset = max(self._next_offset, _offset(messages[-1]) + 1)
        heard, self._heard = self._heard or bool(messages), False
        return Polled(
            pieces=pieces,
            record_count=len(messages),
            next_offset=self._next_offset,
            end_offset=self._end_offset(),
            heard=heard,
        )

    def close(self) -> None:
        """See `LogReader.close`."""
        self._consumer.close()

    def _without_errors(self, messages: list[Message]) -> list[Message]:
        """The records among what was polled; the client's own messages are taken note of."""
        records = []
        for message in messages:
            error = message.error()
            if error is None:
                records.append(message)
                self._end_seen = False
                self.last_error = ""
            elif error.code() == KafkaError._PARTITION_EOF:
                self._next_offset = max(self._next_offset, _offset(message))
                self._end_seen = self._heard = True
            elif error.code() in _OFFSET_LOST:
                raise self._offset_is_gone()
            elif error.fatal() or error.code() in _REFUSALS:
                raise broker_error(self._settings, f"reading {self._where()}", error)
            else:
                self._complain(error)
        return records

    def _complain(self, error: KafkaError) -> None:
        self.last_error = plainly(error)

    def _take_statistics(self, text: str) -> None:
        brokers = msgspec.json.decode(text, type=Statistics).brokers.values()
        if any(one.toppars and 0 <= one.rxidle < SILENT_MICROSECONDS for one in brokers):
            self._heard = True
            self.last_error = ""

    def _end_offset(self) -> int:
        """Where the log ends, as far as it can be read; -1 before the broker has said so."""
        if self._end_seen:
            return self._next_offset
        _, end = self._consumer.get_watermark_offsets(self._partition, cached=True)
        return max(end, self._next_offset) if end >= 0 else -1

    def _offset_is_gone(self) -> BrokerError:
        try:
            first, end = self._consumer.get_watermark_offsets(
                self._partition, timeout=WATERMARK_SECONDS
            )
            held = f"{first} .. {end - 1}" if end > first else f"nothing, its next is {end}"
        except KafkaException:
            held = "others"
        return BrokerError(
            f"{self._where()}: expected offset {self._next_offset}, where the profiles' checkpoint "
            f"stands, got a log that holds {held}; raise the topic's retention, and restore "
            "profiles that the log reaches, or rebuild them from what it holds"
        )

    def _where(self) -> str:
        return f"{self._topic} partition {self._partition.partition}"


def reader_settings(settings: KafkaSettings) -> dict[str, str | int | float | bool]:
    """What a reader's client is made with; the group is never joined, but it must have a name."""
    return {**settings.connection(), **READ_SETTINGS, "group.id": f"{settings.prefix}-reader"}


def pieces_of(messages: Sequence[Message], where: str) -> list[RawBatch | ControlRecord]:
    """Records as batches of events and, between them, control records.

    Raises:
        BrokerError: their time is not the broker's.
    """
    # A poll's ends are looked at, not each record: the setting of a topic changes for all to come.
    for message in (messages[0], messages[-1]):
        if message.timestamp()[0] != TIMESTAMP_LOG_APPEND_TIME:
            raise BrokerError(
                f"{where}, offset {message.offset()}: expected the broker's time on each record "
                "(message.timestamp.type=LogAppendTime), got the producer's; change the topic's "
                "setting, and begin behind the records that were written before"
            )
    headers = [message.headers() for message in messages]
    if not any(headers):
        return [raw_batch(messages)]
    pieces: list[RawBatch | ControlRecord] = []
    begin = 0
    for index, pairs in enumerate(headers):
        kind = _control_kind(pairs) if pairs else None
        if kind is None:
            continue
        if index > begin:
            pieces.append(raw_batch(messages[begin:index]))
        pieces.append(_control_record(messages[index], kind))
        begin = index + 1
    if begin < len(messages):
        pieces.append(raw_batch(messages[begin:]))
    return pieces


def raw_batch(messages: Sequence[Message]) -> RawBatch:
    """Records that are not control records; one without a value is an empty text.

    Comprehensions of single calls: measured, the cheapest way to get at what messages hold.
    """
    values = [message.value() or b"" for message in messages]
    count = len(values)
    length = np.fromiter(map(len, values), np.int64, count)
    values.append(b"")
    data = np.frombuffer(b"\n".join(values), np.uint8)
    first, last = _offset(messages[0]), _offset(messages[-1])
    if last - first == count - 1:
        offset = np.arange(first, last + 1, dtype=np.int64)
    else:
        offset = np.array([message.offset() for message in messages], np.int64)
    return RawBatch(
        data=data,
        start=np.cumsum(length + 1) - length - 1,
        length=length,
        offset=offset,
        log_ms=np.array([message.timestamp()[1] for message in messages], np.int64),
    )


def _control_kind(headers: object) -> str | None:
    """What the header of a control record says; None of a record without it."""
    assert isinstance(headers, list), "headers are pairs in a list"
    for name, value in headers:
        if name == CONTROL_HEADER:
            return (value or b"").decode("utf-8", "replace")
    return None


def _control_record(message: Message, kind: str) -> ControlRecord:
    return ControlRecord(
        kind=kind,
        offset=_offset(message),
        log_ms=message.timestamp()[1],
        value=message.value() or b"",
    )


def _offset(message: Message) -> int:
    offset = message.offset()
    assert offset is not None, "what was polled has an offset"
    return offset
