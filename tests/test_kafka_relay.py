"""The relay against a real broker: all or nothing, exactly once, whatever dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from connectors.failpoints import VARIABLE
from connectors.kafka import KafkaBroker
from connectors.kafka_errors import BrokerError, RelayStuck
from connectors.kafka_relay import KafkaRelay, last_note
from connectors.kafka_settings import KafkaSettings
from connectors.log import Fenced, OutboxEntry, Outgoing
from tests.kafka_topics import PATIENCE_SECONDS, read_topic, values_of, with_topics
from tests.servers import kafka_server

ROOT = Path(__file__).resolve().parent.parent


def entry(number: int) -> OutboxEntry:
    return OutboxEntry(b'[%d,-1,"ada"]' % number, b"ada", b'{"n":%d}' % number, 0)


def place(number: int) -> bytes:
    return entry(number).place


def triggers(settings: KafkaSettings, partition: int = 0) -> list[int]:
    """The numbers of the triggers that a gateway sees."""
    values = values_of(settings, "triggers", partition)
    return [int((value or b"")[5:-1]) for value in values]


def test_entries_go_out_in_order_under_their_keys_and_the_last_place_is_noted(
    kafka: str, prefix: str
) -> None:
    settings = with_topics(kafka, prefix, partitions=2)
    relay = KafkaBroker(settings).relay(1)
    assert relay.begin() is None
    relay.relay([entry(1), entry(2)])
    relay.relay([entry(3)])
    assert triggers(settings, 1) == [1, 2, 3]
    assert triggers(settings, 0) == []
    assert {record.key() for record in read_topic(settings, "triggers", 1)} == {b"ada"}
    relay.close()
    assert KafkaRelay(settings, 1).begin() == place(3)
    assert KafkaRelay(settings, 0).begin() is None


def test_a_transaction_reaches_several_topics_and_the_log(kafka: str, prefix: str) -> None:
    settings = with_topics(kafka, prefix)
    relay = KafkaRelay(settings, 0)
    relay.begin()
    withheld = Outgoing(topic="events", key=b"ada", value=b'{"id":"1"}', control="withheld")
    relay.send([Outgoing(topic="suppressed", key=b"ada", value=b"late"), withheld], place(7))
    assert values_of(settings, "suppressed") == [b"late"]
    (control,) = read_topic(settings, "events")
    assert control.headers() == [("beckon-control", b"withheld")]
    assert last_note(settings, 0) == place(7)


def test_a_second_owner_fences_the_first_which_then_sends_nothing(
    kafka: str, prefix: str, capfd: pytest.CaptureFixture[str]
) -> None:
    settings = with_topics(kafka, prefix)
    first, second = KafkaRelay(settings, 0), KafkaRelay(settings, 0)
    first.begin()
    first.relay([entry(1)])
    assert second.begin() == place(1)
    with pytest.raises(Fenced):
        first.relay([entry(2)])
    second.relay([entry(3)])
    assert triggers(settings) == [1, 3]
    assert first.begin() == place(3)
    with pytest.raises(Fenced):
        second.relay([entry(4)])
    assert capfd.readouterr() == ("", ""), "the client prints what comes as an error, too"


def test_a_message_that_the_topic_does_not_take_has_nothing_of_its_transaction_sent(
    kafka: str, prefix: str
) -> None:
    settings = with_topics(kafka, prefix)
    relay = KafkaRelay(settings, 0)
    relay.begin()
    relay.relay([entry(1)])
    large = Outgoing(topic="triggers", key=b"ada", value=b"x" * 2_000_000)
    with pytest.raises(BrokerError, match=r"max\.message\.bytes"):
        relay.send([Outgoing(topic="triggers", key=b"ada", value=b'{"n":2}'), large], place(3))
    assert relay.begin() == place(1)
    relay.relay([entry(4)])
    assert triggers(settings) == [1, 4]


RELAYS_TWO = """
import sys
from connectors.kafka_relay import KafkaRelay
from connectors.kafka_settings import KafkaSettings
from tests.test_kafka_relay import entry

relay = KafkaRelay(KafkaSettings(servers=sys.argv[1], prefix=sys.argv[2]), 0)
relay.begin()
relay.relay([entry(2), entry(3)])
"""
DIES_WITHIN_A_TRANSACTION = "transacted:1:300"
"""When all was handed to the client, and a little later: so it is in the topic then."""


def test_what_a_killed_owner_left_open_is_settled_and_sent_once_by_the_next(
    kafka: str, prefix: str
) -> None:
    settings = with_topics(kafka, prefix)
    relay = KafkaRelay(settings, 0)
    relay.begin()
    relay.relay([entry(1)])
    for _ in range(3):
        killed = subprocess.run(
            [sys.executable, "-c", RELAYS_TWO, kafka, prefix],
            env={**os.environ, "PYTHONPATH": str(ROOT), VARIABLE: DIES_WITHIN_A_TRANSACTION},
            capture_output=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert relay.begin() == place(1)
    relay.relay([entry(2), entry(3)])
    assert triggers(settings) == [1, 2, 3]
    stored = read_topic(settings, "triggers", isolation="read_uncommitted")
    assert len(stored) == 9, "the killed ones had sent theirs, and a transaction hides them"


def test_the_last_note_is_found_behind_many_that_were_aborted(kafka: str, prefix: str) -> None:
    settings = with_topics(kafka, prefix)
    relay = KafkaRelay(settings, 0)
    assert relay.begin() is None
    for number in range(150):
        relay.relay([entry(number)])
    started_at = time.monotonic()
    assert last_note(settings, 0) == place(149)
    assert time.monotonic() - started_at < 5
    too_large = Outgoing(topic="triggers", key=b"ada", value=b"x" * 2_000_000)
    for _ in range(20):
        with pytest.raises(BrokerError):
            relay.send([too_large], place(999))
        assert relay.begin() == place(149)


def test_a_frozen_broker_leaves_nobody_waiting_and_nothing_is_lost_or_repeated() -> None:
    with kafka_server() as server:
        settings = with_topics(server.address, "beckon")
        relay = KafkaRelay(settings, 0)
        relay.begin()
        relay.relay([entry(1)])
        server.freeze()
        started_at = time.monotonic()
        with pytest.raises(RelayStuck):
            relay.relay([entry(2)])
        assert time.monotonic() - started_at < 15
        server.thaw()
        noted = relay.begin()
        assert noted in (place(1), place(2))
        if noted == place(1):
            relay.relay([entry(2)])
        relay.relay([entry(3)])
        assert triggers(settings) == [1, 2, 3]


def test_after_a_killed_brokers_restart_the_relay_goes_on() -> None:
    with kafka_server() as server:
        settings = with_topics(server.address, "beckon")
        relay = KafkaRelay(settings, 0)
        relay.begin()
        relay.relay([entry(1)])
        server.kill()
        with pytest.raises(RelayStuck):
            relay.relay([entry(2)])
        server.start()
        if relay.begin() == place(1):
            relay.relay([entry(2)])
        assert triggers(settings) == [1, 2]
