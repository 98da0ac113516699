"""What is produced at least once: control records, and the messages beside the triggers."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from connectors.kafka_errors import BrokerError, broker_error, cause
from connectors.kafka_settings import KafkaSettings
from connectors.log import CONTROL_HEADER, EXAMPLES_TOPIC, LOG_TOPIC, ControlKind, Keyed

PARTITIONER = "murmur2_random"
"""Kafka's own; librdkafka's default would put users elsewhere than the Java client does."""

CLIENT_BYTES_MAX = 8_000_000
"""What the client lets pass; the topic's own limit decides. A dead letter holds a whole record."""

SILENT = logging.getLogger("beckon.kafka")
SILENT.addHandler(logging.NullHandler())
SILENT.propagate = False
"""Takes what a producer prints at the very worst (another fenced it): that comes as an error."""

ROOM_SECONDS_MAX, ROOM_LOOKS_MAX = 10.0, 100
ProducerSetting = str | int | float | bool | logging.Logger
PRODUCE_SETTINGS: dict[str, ProducerSetting] = {
    "logger": SILENT,
    "acks": "all",
    "enable.idempotence": True,
    "partitioner": PARTITIONER,
    "message.max.bytes": CLIENT_BYTES_MAX,
    "queue.buffering.max.messages": 50_000,
    "queue.buffering.max.kbytes": 65_536,
    "message.timeout.ms": 30_000,
    "reconnect.backoff.max.ms": 1_000,
}

QUIET, LOOK_EVERY = {"delivery.report.only.error": True}, 100
"""Being told of each message that has arrived takes longer than handing it over: only failures are
told, and looked for once in so many messages and by each flush."""

Headers = list[tuple[str, str | bytes | None]]


def control_headers(control: ControlKind | None) -> Headers:
    """The headers of a record, which tell control records apart."""
    return [(CONTROL_HEADER, control.encode())] if control else []


class Acknowledged:
    """A producer that knows whether all it was given has arrived; not for several threads."""

    def __init__(self, settings: KafkaSettings, *, linger_ms: int) -> None:
        self._settings = settings
        self._given = self._failures = 0
        self._first_failure: KafkaError | None = None
        self._producer = Producer(
            {**settings.connection(), **PRODUCE_SETTINGS, **QUIET, "linger.ms": linger_ms}
        )

    def produce(
        self,
        topic: str,
        value: bytes,
        *,
        key: bytes | None,
        partition: int = -1,
        control: ControlKind | None = None,
    ) -> None:
        """Hand a message over; while the client has no room, wait, up to ROOM_SECONDS_MAX.

        Raises:
            BrokerError: there was no room in time, or the client refuses the message.
        """
        headers = control_headers(control) or None
        for _ in range(ROOM_LOOKS_MAX):
            try:
                self._producer.produce(
                    topic, value, key, partition, on_delivery=self._delivered, headers=headers
                )
            except BufferError:
                self._producer.poll(ROOM_SECONDS_MAX / ROOM_LOOKS_MAX)
            except KafkaException as exception:
                error = cause(exception)
                raise broker_error(self._settings, f"writing {topic}", error) from exception
            else:
                self._given += 1
                if self._given % LOOK_EVERY == 0:
                    self._producer.poll(0)
                return
        raise BrokerError(
            f"Kafka at {self._settings.servers}: expected room for messages within "
            f"{ROOM_SECONDS_MAX:g} s, got none; see that the broker runs"
        )

    def produce_all(self, topic: str, messages: Sequence[Keyed], *, partition: int) -> None:
        """As `produce`, one by one: the client's `produce_batch` was measured to be no faster."""
        produce, delivered = self._producer.produce, self._delivered
        for key, value in messages:
            try:
                produce(topic, value, key, partition, on_delivery=delivered)
            except (BufferError, KafkaException):
                self.produce(topic, value, key=key, partition=partition)
        self._producer.poll(0)

    def flush(self, seconds: float) -> None:
        """Wait until everything is acknowledged.

        Raises:
            BrokerError: it is not in time, or a message was given up since the last flush.
        """
        waiting = self._producer.flush(seconds)
        if self._first_failure is not None:
            error, self._first_failure = self._first_failure, None
            doing = f"writing ({self._failures} messages are lost)"
            raise broker_error(self._settings, doing, error)
        if waiting:
            raise BrokerError(
                f"Kafka at {self._settings.servers}: expected an answer within {seconds:g} s, "
                f"got none for {waiting} messages; see that the broker runs"
            )

    def _delivered(self, error: KafkaError | None, _message: Message) -> None:
        if error is not None:
            self._failures += 1
            self._first_failure = self._first_failure or error


class KafkaWriter:
    """See `connectors.log.LogWriter`."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._topic = settings.topic(LOG_TOPIC)
        self._producer = Acknowledged(settings, linger_ms=0)

    def append(self, partition: int, kind: ControlKind, value: bytes) -> None:
        """See `LogWriter.append`."""
        self._producer.produce(self._topic, value, key=None, partition=partition, control=kind)

    def flush(self, seconds: float) -> None:
        """See `LogWriter.flush`."""
        self._producer.flush(seconds)


class KafkaSideOutput:
    """See `connectors.log.SideOutput`."""

    def __init__(self, settings: KafkaSettings, partition: int = -1) -> None:
        self._settings = settings
        self._partition = partition
        self._producer = Acknowledged(settings, linger_ms=5)

    def produce(self, topic: str, key: bytes | None, value: bytes) -> None:
        """See `SideOutput.produce`."""
        name, partition = self._place(topic)
        self._producer.produce(name, value, key=key, partition=partition)

    def produce_all(self, topic: str, messages: Sequence[Keyed]) -> None:
        """See `SideOutput.produce_all`."""
        name, partition = self._place(topic)
        self._producer.produce_all(name, messages, partition=partition)

    def flush(self, seconds: float) -> None:
        """See `SideOutput.flush`."""
        self._producer.flush(seconds)

    def _place(self, topic: str) -> tuple[str, int]:
        """The full name of a topic, and the partition of it that messages go to."""
        partition = 0 if topic == EXAMPLES_TOPIC else self._partition
        return self._settings.topic(topic), partition
