"""What is produced at least once: partitions, acknowledgements, and failures that are told."""

from __future__ import annotations

import time

import numpy as np
import pytest

from connectors.kafka import KafkaBroker
from connectors.kafka_errors import BrokerError
from connectors.murmur import murmur2
from tests.kafka_topics import PATIENCE_SECONDS, read_topic, values_of, with_topics
from tests.servers import kafka_server


def test_side_messages_are_where_kafkas_own_partitioner_puts_their_users(
    kafka: str, prefix: str
) -> None:
    settings = with_topics(kafka, prefix, partitions=3)
    side = KafkaBroker(settings).side_output()
    users = [b"u%d" % number for number in range(30)]
    for user in users:
        side.produce("tags", user, b"of " + user)
    side.produce("dead-letters", None, b"x" * 3_000_000)
    side.flush(PATIENCE_SECONDS)
    for partition in range(3):
        mine = [
            user
            for user in users
            if (murmur2(np.frombuffer(user, np.uint8), 0, len(user)) & 0x7FFFFFFF) % 3 == partition
        ]
        assert [record.key() for record in read_topic(settings, "tags", partition)] == mine
    assert sum(len(values_of(settings, "dead-letters", at)) for at in range(3)) == 1


def test_what_a_partition_brings_about_stays_in_the_partition_of_its_number(
    kafka: str, prefix: str
) -> None:
    settings = with_topics(kafka, prefix, partitions=2)
    side = KafkaBroker(settings).side_output(1)
    for number in range(5):
        side.produce("dead-letters", None, b"%d" % number)
    side.flush(PATIENCE_SECONDS)
    assert values_of(settings, "dead-letters", 1) == [b"0", b"1", b"2", b"3", b"4"]


def test_control_records_go_to_the_partition_that_is_named(kafka: str, prefix: str) -> None:
    settings = with_topics(kafka, prefix, partitions=2)
    writer = KafkaBroker(settings).writer()
    for number in range(5):
        writer.append(1, "tick", b"%d" % number)
    writer.flush(PATIENCE_SECONDS)
    assert values_of(settings, "events", 1) == [b"0", b"1", b"2", b"3", b"4"]
    assert values_of(settings, "events", 0) == []


def test_a_message_that_was_given_up_is_told_by_the_next_flush(kafka: str, prefix: str) -> None:
    settings = with_topics(kafka, prefix)
    side = KafkaBroker(settings).side_output()
    side.produce("tags", b"ada", b"x" * 2_000_000)
    with pytest.raises(BrokerError, match=r"1 messages are lost.*max\.message\.bytes"):
        side.flush(PATIENCE_SECONDS)
    side.produce("tags", b"ada", b"fits")
    side.flush(PATIENCE_SECONDS)
    assert values_of(settings, "tags") == [b"fits"]


def test_a_flush_ends_in_time_without_a_broker_and_what_waits_arrives_later() -> None:
    with kafka_server() as server:
        settings = with_topics(server.address, "beckon")
        side = KafkaBroker(settings).side_output()
        side.produce("tags", b"ada", b"1")
        side.flush(PATIENCE_SECONDS)
        server.kill()
        side.produce("tags", b"ada", b"2")
        started_at = time.monotonic()
        with pytest.raises(BrokerError, match="got none for 1 messages"):
            side.flush(1.0)
        assert time.monotonic() - started_at < 5
        server.start()
        side.flush(PATIENCE_SECONDS)
        assert values_of(settings, "tags") == [b"1", b"2"]
