"""Kafka as the broker of the live engine: its reader, writers and relays, of one set of settings.

What they promise is said in `connectors/log.py`; `memory_broker.py` is the twin for tests. Topics
are made and checked in `kafka_topics.py`.
"""

from __future__ import annotations

from connectors.kafka_producers import KafkaSideOutput, KafkaWriter
from connectors.kafka_ranges import TopicRange, spans_of
from connectors.kafka_reader import KafkaReader
from connectors.kafka_relay import KafkaRelay
from connectors.kafka_settings import KafkaSettings
from connectors.log import EXAMPLES_TOPIC


class KafkaBroker:
    """Makes what the live engine uses of Kafka; nothing is connected before it is used."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings

    def reader(self, partition: int, next_offset: int) -> KafkaReader:
        """A reader of a partition of the log, from an offset on (0: the first that there is)."""
        return KafkaReader(self._settings, partition, next_offset)

    def examples(self, next_offset: int) -> KafkaReader:
        """A reader of the topic of examples, from an offset on."""
        return KafkaReader(self._settings, 0, next_offset, topic=EXAMPLES_TOPIC)

    def examples_span(self) -> tuple[int, int]:
        """The first offset that the topic of examples has, and the next one.

        Raises `BrokerError`: the broker cannot be reached, or has no such topic.
        """
        (span,) = spans_of(TopicRange(settings=self._settings, topic=EXAMPLES_TOPIC))
        return span.first, span.end

    def examples_since(self, at_ms: int) -> int:
        """The offset of the first example that came at an instant or later, else the next one.

        Raises `BrokerError` as `examples_span`.
        """
        topic = TopicRange(settings=self._settings, topic=EXAMPLES_TOPIC, from_ms=at_ms)
        (span,) = spans_of(topic)
        return span.begin

    def writer(self) -> KafkaWriter:
        """A writer of control records."""
        return KafkaWriter(self._settings)

    def relay(self, partition: int) -> KafkaRelay:
        """A relay of a partition's triggers."""
        return KafkaRelay(self._settings, partition)

    def side_output(self, partition: int = -1) -> KafkaSideOutput:
        """A sender of what is delivered at least once, to one partition; -1: to that of each key.

        What a partition of the log brings about is keyed by users, who are in the partition of the
        same number of each topic; what has no key, such as a dead letter, stays with it so, too.
        The topic of examples has one partition.
        """
        return KafkaSideOutput(self._settings, partition)
