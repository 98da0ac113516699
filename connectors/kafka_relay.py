"""The relay: triggers and the note of the last one's place, in one Kafka transaction.

The note is a record of the compacted topic of notes, in the partition of the same number. So what
was sent and what is noted as sent cannot differ, and whoever takes a partition over, or is in
doubt, reads the note: `KafkaRelay.begin`.
"""

from __future__ import annotations

from collections.abc import Sequence

from confluent_kafka import KafkaException, TopicPartition

from connectors.kafka_errors import broker_error, cause
from connectors.kafka_scan import ends_of, new_consumer, records_between
from connectors.kafka_settings import KafkaSettings
from connectors.kafka_transactions import Transactions
from connectors.late import outgoing
from connectors.log import RELAYED_TOPIC, OutboxEntry, Outgoing

NOTE_KEY = b"relayed"
NOTE_WINDOWS = (100, 10_000, 2**62)
"""How far before the end of the notes the last one is looked for; what was aborted holds none."""


class KafkaRelay:
    """See `connectors.log.Relay`. After an error nothing more can be relayed before `begin`."""

    def __init__(self, settings: KafkaSettings, partition: int) -> None:
        self._settings = settings
        self._partition = partition
        name = f"beckon-relay-{settings.prefix}-{partition}"
        self._transactions = Transactions(settings, name, f"partition {partition}")

    def begin(self) -> bytes | None:
        """See `Relay.begin`. It may be called again, and must be after any error.

        Raises:
            RelayStuck: the broker does not answer.
            BrokerError: it refuses.
        """
        return self._transactions.begin(lambda: last_note(self._settings, self._partition))

    def relay(self, entries: Sequence[OutboxEntry], now_ms: int = 0) -> None:
        """See `Relay.relay`."""
        self.send(outgoing(entries, now_ms), entries[-1].place)

    def send(self, messages: Sequence[Outgoing], place: bytes) -> None:
        """Send messages in their order, and note `place`: all of it or nothing.

        Raises what `Transactions.send` does.
        """
        note = Outgoing(topic=RELAYED_TOPIC, key=NOTE_KEY, value=place)
        self._transactions.send([(self._partition, message) for message in (*messages, note)])

    def close(self) -> None:
        """See `Relay.close`."""
        self._transactions.close()


def last_note(settings: KafkaSettings, partition: int) -> bytes | None:
    """The place in the last note of a partition that was committed; None where there is none.

    Raises:
        BrokerError: the notes cannot be read.
    """
    topic = settings.topic(RELAYED_TOPIC)
    consumer = new_consumer(settings)
    try:
        first, end = ends_of(consumer, TopicPartition(topic, partition))
        for window in NOTE_WINDOWS:
            start = max(first, end - window)
            note = None
            for message in records_between(consumer, TopicPartition(topic, partition, start), end):
                note = message.value()
            if note is not None or start == first:
                return note
        return None
    except KafkaException as exception:
        raise broker_error(settings, f"reading {topic}", cause(exception)) from exception
    finally:
        consumer.close()
