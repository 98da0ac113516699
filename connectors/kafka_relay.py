"""The relay: triggers and the note of the last one's place, in one Kafka transaction.

The note is a record of the compacted topic of notes, in the partition of the same number. So what
was sent and what is noted as sent cannot differ, and whoever takes a partition over, or is in
doubt, reads the note: `KafkaRelay.begin`.

Each call runs on a thread of its own, as clients were seen to hang in calls after a broker's crash,
whatever timeout they were given. A call that is not back in time is left behind with its producer,
which the next `begin` fences.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Thread
from typing import TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from connectors.failpoints import failpoint
from connectors.kafka_errors import FENCED_CODES, BrokerError, RelayStuck, broker_error, cause
from connectors.kafka_producers import PRODUCE_SETTINGS, control_headers
from connectors.kafka_reader import reader_settings
from connectors.kafka_settings import KafkaSettings
from connectors.late import outgoing
from connectors.log import (
    RELAYED_TOPIC,
    Fenced,
    OutboxEntry,
    Outgoing,
)

CALL_SECONDS = 10.0
STUCK_SECONDS = 12.0
"""What a call to the broker is given, and after how long it is left behind."""

BEGIN_SECONDS, BEGIN_STUCK_SECONDS = 20.0, 25.0
"""The same for taking over: what an earlier owner left open is settled first."""

TRIES_MAX = 3
"""How often a transaction is tried that the broker has us abort."""

MESSAGES_MAX = 20_000
"""Messages in one transaction."""

ROOM_SECONDS, ROOM_LOOKS_MAX = 0.1, 100
NOTE_KEY = b"relayed"
NOTE_WINDOWS = (100, 10_000, 2**62)
"""How far before the end of the notes the last one is looked for; what was aborted holds none."""

NOTE_RECORDS_MAX, NOTE_LOOKS_MAX = 10_000, 10_000
END_LOOK_SECONDS, END_LOOKS_MAX = 0.2, 25
RELAY_SETTINGS: dict[str, str | int | float | bool] = {
    **PRODUCE_SETTINGS,
    "transaction.timeout.ms": 10_000,
    # Of a transaction nothing is to be retried for longer than the transaction can last.
    "message.timeout.ms": 9_000,
    # Batches, not waiting: a transaction's commit sends at once what lingers.
    "linger.ms": 5,
}
_TIMED_OUT = frozenset({KafkaError._TIMED_OUT, KafkaError._IN_PROGRESS, KafkaError._CONFLICT})
_T = TypeVar("_T")


class KafkaRelay:
    """See `connectors.log.Relay`. After an error nothing more can be relayed before `begin`."""

    def __init__(self, settings: KafkaSettings, partition: int) -> None:
        self._settings = settings
        self._partition = partition
        self._producer: Producer | None = None

    def begin(self) -> bytes | None:
        """See `Relay.begin`. It may be called again, and must be after any error.

        Raises:
            RelayStuck: the broker does not answer.
            BrokerError: it refuses.
        """
        self._producer = None
        self._producer, note = self._watched("taking over", self._begin, BEGIN_STUCK_SECONDS)
        return note

    def relay(self, entries: Sequence[OutboxEntry], now_ms: int = 0) -> None:
        """See `Relay.relay`."""
        self.send(outgoing(entries, now_ms), entries[-1].place)

    def send(self, messages: Sequence[Outgoing], place: bytes) -> None:
        """Send messages in their order, and note `place`: all of it or nothing.

        Raises:
            Fenced: another owner has begun since.
            RelayStuck: the broker does not answer; whether it happened is not known.
            BrokerError: it did not happen.
        """
        assert len(messages) <= MESSAGES_MAX, "a transaction holds MESSAGES_MAX messages at most"
        assert self._producer is not None, "a relay begins before it relays, and after an error"
        producer, self._producer = self._producer, None
        self._watched("relaying", lambda: self._transact(producer, messages, place), STUCK_SECONDS)
        self._producer = producer

    def close(self) -> None:
        """See `Relay.close`."""
        self._producer = None

    def _begin(self) -> tuple[Producer, bytes | None]:
        name = f"beckon-relay-{self._settings.prefix}-{self._partition}"
        settings = {**self._settings.connection(), **RELAY_SETTINGS, "transactional.id": name}
        producer = Producer(settings)
        try:
            producer.init_transactions(BEGIN_SECONDS)
        except KafkaException as exception:
            raise self._error("taking over", cause(exception)) from exception
        return producer, last_note(self._settings, self._partition)

    def _transact(self, producer: Producer, messages: Sequence[Outgoing], place: bytes) -> None:
        for tries_left in reversed(range(TRIES_MAX)):
            try:
                producer.begin_transaction()
                for message in messages:
                    self._produce(producer, message)
                note = Outgoing(topic=RELAYED_TOPIC, key=NOTE_KEY, value=place)
                self._produce(producer, note)
                failpoint("transacted")
                producer.commit_transaction(CALL_SECONDS)
                return
            except KafkaException as exception:
                error = cause(exception)
                if not (error.txn_requires_abort() and tries_left):
                    raise self._error("relaying", error) from exception
            try:
                producer.abort_transaction(CALL_SECONDS)
            except KafkaException as exception:
                raise self._error("relaying", cause(exception)) from exception

    def _produce(self, producer: Producer, message: Outgoing) -> None:
        """Hand a message over, waiting for room."""
        headers = control_headers(message.control)
        topic = self._settings.topic(message.topic)
        for _ in range(ROOM_LOOKS_MAX):
            try:
                producer.produce(
                    topic, message.value, message.key, self._partition, headers=headers
                )
                return
            except BufferError:
                producer.poll(ROOM_SECONDS)
        raise RelayStuck(f"{self._where('relaying')}: expected room for messages, got none")

    def _error(self, doing: str, error: KafkaError) -> Exception:
        if error.code() in FENCED_CODES:
            return Fenced(f"partition {self._partition}: another owner has begun since")
        if error.code() in _TIMED_OUT:
            return RelayStuck(f"{self._where(doing)}: {error.str()}; see that the broker runs")
        return broker_error(self._settings, f"{doing} partition {self._partition}", error)

    def _watched(self, doing: str, work: Callable[[], _T], seconds: float) -> _T:
        """Do `work` on a thread of its own, for so long at most."""
        done: list[_T] = []
        failed: list[BaseException] = []

        def run() -> None:
            try:
                done.append(work())
            except BaseException as error:
                failed.append(error)

        thread = Thread(target=run, name=f"relay-{self._partition}", daemon=True)
        thread.start()
        thread.join(seconds)
        if failed:
            raise failed[0]
        if not done:
            raise RelayStuck(
                f"{self._where(doing)}: expected an answer within {seconds:g} s, got none; see "
                "that the broker runs"
            )
        return done[0]

    def _where(self, doing: str) -> str:
        return f"Kafka at {self._settings.servers}: {doing} partition {self._partition}"


def last_note(settings: KafkaSettings, partition: int) -> bytes | None:
    """The place in the last note of a partition that was committed; None where there is none.

    Raises:
        BrokerError: the notes cannot be read.
    """
    topic = settings.topic(RELAYED_TOPIC)
    consumer = Consumer({**reader_settings(settings), "fetch.wait.max.ms": 10})
    try:
        first, end = _ends(consumer, TopicPartition(topic, partition))
        for window in NOTE_WINDOWS:
            start = max(first, end - window)
            note = _last_value(consumer, TopicPartition(topic, partition, start))
            if note is not None or start == first:
                return note
        return None
    except KafkaException as exception:
        raise broker_error(settings, f"reading {topic}", cause(exception)) from exception
    finally:
        consumer.close()


def _ends(consumer: Consumer, notes: TopicPartition) -> tuple[int, int]:
    """The offsets between which there are notes.

    Asked several times: after a restart of the broker it takes a while until it leads a partition.
    """
    for looks_left in reversed(range(END_LOOKS_MAX)):
        try:
            return consumer.get_watermark_offsets(notes, timeout=CALL_SECONDS)
        except KafkaException as exception:
            if not looks_left or cause(exception).code() in _TIMED_OUT:
                raise
            consumer.poll(END_LOOK_SECONDS)
    raise AssertionError("the last look returns or raises")


def _last_value(consumer: Consumer, start: TopicPartition) -> bytes | None:
    """The last value from an offset on to the end."""
    value = None
    consumer.assign([start])
    for _ in range(NOTE_LOOKS_MAX):
        # One at a time: of several the client waits for the full number, or for its time to end.
        for message in consumer.consume(NOTE_RECORDS_MAX, 0) or consumer.consume(1, CALL_SECONDS):
            error = message.error()
            if error is None:
                value = message.value()
            elif error.code() == KafkaError._PARTITION_EOF:
                return value
            elif error.fatal() or not error.retriable():
                raise KafkaException(error)
    raise BrokerError(f"{start.topic}: expected its end, got more and more notes")
