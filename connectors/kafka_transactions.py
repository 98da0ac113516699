"""Transactions: messages to partitions of topics, all of them or none, each call in bounded time.

Each call runs on a thread of its own, as clients were seen to hang in calls after a broker's crash,
whatever timeout they were given. A call that is not back in time is left behind with its producer,
which the next `begin` fences.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import wait
from typing import TypeVar

from confluent_kafka import KafkaError, KafkaException, Producer

from connectors.failpoints import failpoint
from connectors.kafka_errors import FENCED_CODES, TIMED_OUT, RelayStuck, broker_error, cause
from connectors.kafka_producers import PRODUCE_SETTINGS, ProducerSetting, control_headers
from connectors.kafka_settings import KafkaSettings
from connectors.log import Fenced, Outgoing
from connectors.threads import on_thread

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
TRANSACTION_SETTINGS: dict[str, ProducerSetting] = {
    **PRODUCE_SETTINGS,
    "transaction.timeout.ms": 10_000,
    # Of a transaction nothing is to be retried for longer than the transaction can last.
    "message.timeout.ms": 9_000,
    # Batches, not waiting: a transaction's commit sends at once what lingers.
    "linger.ms": 5,
}
_T = TypeVar("_T")


class Transactions:
    """Transactions under a name, of which only who began last can make any.

    `name` is their transactional id, `what` says in messages whose they are ("partition 3"). After
    an error nothing more can be sent before `begin`.
    """

    def __init__(self, settings: KafkaSettings, name: str, what: str) -> None:
        self._settings = settings
        self._name = name
        self._what = what
        self._producer: Producer | None = None

    def begin(self, then: Callable[[], _T]) -> _T:
        """Fence who began before and settle what they left open; then do `then`, in the same time.

        Raises:
            RelayStuck: the broker does not answer.
            BrokerError: it refuses.
        """
        self._producer = None

        def begun() -> tuple[Producer, _T]:
            return self._new_producer(), then()

        self._producer, result = self._watched("taking over", begun, BEGIN_STUCK_SECONDS)
        return result

    def send(self, messages: Sequence[tuple[int, Outgoing]]) -> None:
        """Send messages, each to its partition, in their order: all of them or none.

        Raises:
            Fenced: somebody else has begun since.
            RelayStuck: the broker does not answer; whether it happened is not known.
            BrokerError: it did not happen.
        """
        assert len(messages) <= MESSAGES_MAX, "a transaction holds MESSAGES_MAX messages at most"
        assert self._producer is not None, "who sends has begun, and begins again after an error"
        producer, self._producer = self._producer, None
        self._watched("relaying", lambda: self._transact(producer, messages), STUCK_SECONDS)
        self._producer = producer

    def close(self) -> None:
        """Leave the broker."""
        self._producer = None

    def _new_producer(self) -> Producer:
        settings = {**self._settings.connection(), **TRANSACTION_SETTINGS}
        producer = Producer({**settings, "transactional.id": self._name})
        try:
            producer.init_transactions(BEGIN_SECONDS)
        except KafkaException as exception:
            raise self._error("taking over", cause(exception)) from exception
        return producer

    def _transact(self, producer: Producer, messages: Sequence[tuple[int, Outgoing]]) -> None:
        for tries_left in reversed(range(TRIES_MAX)):
            try:
                producer.begin_transaction()
                for partition, message in messages:
                    self._produce(producer, partition, message)
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

    def _produce(self, producer: Producer, partition: int, message: Outgoing) -> None:
        """Hand a message over, waiting for room."""
        headers = control_headers(message.control) or None
        topic = self._settings.topic(message.topic)
        for _ in range(ROOM_LOOKS_MAX):
            try:
                producer.produce(topic, message.value, message.key, partition, headers=headers)
                return
            except BufferError:
                producer.poll(ROOM_SECONDS)
        raise RelayStuck(f"{self._where('relaying')}: expected room for messages, got none")

    def _error(self, doing: str, error: KafkaError) -> Exception:
        if error.code() in FENCED_CODES:
            return Fenced(f"{self._what}: another owner has begun since")
        if error.code() in TIMED_OUT:
            return RelayStuck(f"{self._where(doing)}: {error.str()}; see that the broker runs")
        return broker_error(self._settings, f"{doing} {self._what}", error)

    def _watched(self, doing: str, work: Callable[[], _T], seconds: float) -> _T:
        """Do `work` on a thread of its own, for so long at most."""
        future = on_thread(self._name, work)
        if not wait([future], seconds).done:
            raise RelayStuck(
                f"{self._where(doing)}: expected an answer within {seconds:g} s, got none; see "
                "that the broker runs"
            )
        return future.result()

    def _where(self, doing: str) -> str:
        return f"Kafka at {self._settings.servers}: {doing} {self._what}"
