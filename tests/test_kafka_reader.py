"""Reading the log from a real broker."""

from __future__ import annotations

import itertools
import time

import pytest
from confluent_kafka import Producer

from connectors.events import RawBatch
from connectors.kafka import KafkaBroker
from connectors.kafka_errors import BrokerError
from connectors.kafka_reader import KafkaReader
from connectors.kafka_settings import KafkaSettings
from connectors.log import ControlRecord, Polled
from tests.kafka_topics import PATIENCE_SECONDS, poll_until_idle, with_topics, write_events
from tests.servers import kafka_server


def batch_values(batch: RawBatch) -> list[bytes]:
    data, ends = batch.data.tobytes(), batch.start + batch.length
    return [data[a:b] for a, b in zip(batch.start.tolist(), ends.tolist(), strict=True)]


def all_batches(polls: list[Polled]) -> list[RawBatch]:
    pieces = itertools.chain.from_iterable(polled.pieces for polled in polls)
    return [piece for piece in pieces if isinstance(piece, RawBatch)]


@pytest.mark.parametrize("count_max", [1, 7, 5000])
def test_records_come_in_order_with_offsets_and_the_brokers_times(
    kafka: str, prefix: str, count_max: int
) -> None:
    settings = with_topics(kafka, prefix)
    values = [b'{"n":%d}' % number * (1 + number % 5) for number in range(100)]
    before_ms = time.time_ns() // 1_000_000
    write_events(settings, list(values))
    reader = KafkaReader(settings, 0, 0)
    polls = poll_until_idle(reader, count_max)
    batches = all_batches(polls)
    assert [value for batch in batches for value in batch_values(batch)] == values
    assert [offset for batch in batches for offset in batch.offset.tolist()] == list(range(100))
    times = [ms for batch in batches if batch.log_ms is not None for ms in batch.log_ms.tolist()]
    assert len(times) == 100
    assert times == sorted(times)
    assert before_ms - 1000 <= times[0] <= times[-1] <= time.time_ns() // 1_000_000 + 1000
    assert max(polled.record_count for polled in polls) <= count_max
    for batch in batches:
        assert (batch.data[batch.start + batch.length] < ord(" ")).all()
    reader.close()


def test_reading_goes_on_where_a_checkpoint_stands(kafka: str, prefix: str) -> None:
    settings = with_topics(kafka, prefix, partitions=3)
    write_events(settings, [b"%d" % number for number in range(20)], partition=2)
    reader = KafkaReader(settings, 2, 15)
    polls = poll_until_idle(reader)
    assert [value for batch in all_batches(polls) for value in batch_values(batch)] == [
        b"15",
        b"16",
        b"17",
        b"18",
        b"19",
    ]
    assert polls[-1].next_offset == 20
    write_events(settings, [b"20"], partition=2)
    (late,) = poll_until_idle(reader, record_count=1)
    assert (late.record_count, late.next_offset) == (1, 21)
    reader.close()


def test_control_records_stand_between_events_where_they_were_appended(
    kafka: str, prefix: str
) -> None:
    settings = with_topics(kafka, prefix)
    broker = KafkaBroker(settings)
    writer = broker.writer()
    writer.append(0, "config", b'{"version":"1"}')
    writer.flush(PATIENCE_SECONDS)
    write_events(settings, [b"a", b"b"])
    writer.append(0, "tick", b"{}")
    writer.append(0, "tick", b"{}")
    writer.flush(PATIENCE_SECONDS)
    write_events(settings, [b"c"])
    reader = broker.reader(0, 0)
    told = [
        (piece.kind, piece.offset) if isinstance(piece, ControlRecord) else batch_values(piece)
        for polled in poll_until_idle(reader)
        for piece in polled.pieces
    ]
    assert told == [("config", 0), [b"a", b"b"], ("tick", 3), ("tick", 4), [b"c"]]
    reader.close()


def test_headers_of_tracking_teams_make_no_control_record(kafka: str, prefix: str) -> None:
    settings = with_topics(kafka, prefix)
    producer = Producer(settings.connection())
    producer.produce(settings.topic("events"), b"a", partition=0, headers={"traceparent": b"00"})
    producer.flush(PATIENCE_SECONDS)
    reader = KafkaReader(settings, 0, 0)
    (polled,) = poll_until_idle(reader)
    assert [batch_values(batch) for batch in all_batches([polled])] == [[b"a"]]
    reader.close()


def test_a_record_without_a_value_is_an_empty_text(kafka: str, prefix: str) -> None:
    settings = with_topics(kafka, prefix)
    write_events(settings, [b"a", None, b"", b"b"])
    reader = KafkaReader(settings, 0, 0)
    batches = all_batches(poll_until_idle(reader))
    values = [value for batch in batches for value in batch_values(batch)]
    assert values == [b"a", b"", b"", b"b"]
    reader.close()


def test_open_and_aborted_transactions_are_not_read_and_no_reader_waits_behind_their_marks(
    kafka: str, prefix: str
) -> None:
    settings = with_topics(kafka, prefix)
    producer = Producer({**settings.connection(), "transactional.id": prefix})
    producer.init_transactions(PATIENCE_SECONDS)
    reader = KafkaReader(settings, 0, 0)
    for value, ends_well in ((b"lost", False), (b"kept", True)):
        producer.begin_transaction()
        producer.produce(settings.topic("events"), value, partition=0)
        producer.flush(PATIENCE_SECONDS)
        assert poll_until_idle(reader) == []
        if ends_well:
            producer.commit_transaction(PATIENCE_SECONDS)
        else:
            producer.abort_transaction(PATIENCE_SECONDS)
    write_events(settings, [b"after"])
    batches = all_batches(poll_until_idle(reader, record_count=2))
    assert [value for batch in batches for value in batch_values(batch)] == [b"kept", b"after"]
    assert [offset for batch in batches for offset in batch.offset.tolist()] == [2, 4]
    assert reader.poll(10).next_offset == 5
    reader.close()


@pytest.mark.parametrize("offset", [5_000, 3])
def test_a_log_without_the_checkpoints_offset_is_refused(
    kafka: str, prefix: str, offset: int
) -> None:
    settings = with_topics(kafka, prefix)
    reader = KafkaReader(settings, 0, offset)
    with pytest.raises(BrokerError, match=rf"expected offset {offset}.*holds nothing, its next is"):
        poll_until_idle(reader)
    reader.close()


def test_records_with_the_producers_time_are_refused(kafka: str, prefix: str) -> None:
    settings = with_topics(kafka, prefix)
    producer = Producer(settings.connection())
    # The topic of triggers keeps the producer's times, as topics do unless told otherwise.
    producer.produce(settings.topic("triggers"), b"a", partition=0)
    producer.flush(PATIENCE_SECONDS)
    reader = KafkaReader(KafkaSettings(servers=kafka, prefix=prefix), 0, 0, topic="triggers")
    with pytest.raises(BrokerError, match=r"message\.timestamp\.type=LogAppendTime"):
        poll_until_idle(reader)
    reader.close()


def test_a_broker_that_was_away_is_read_on_and_its_absence_is_told() -> None:
    with kafka_server() as server:
        settings = with_topics(server.address, "beckon")
        write_events(settings, [b"a"])
        reader = KafkaReader(settings, 0, 0)
        assert len(poll_until_idle(reader)) == 1
        server.kill()
        give_up_at = time.monotonic() + PATIENCE_SECONDS
        while not reader.last_error and time.monotonic() < give_up_at:
            assert reader.poll(10).record_count == 0
            time.sleep(0.01)
        assert reader.last_error
        assert not is_heard(reader, 2.5)
        server.start()
        write_events(settings, [b"b"])
        (polled,) = poll_until_idle(reader, record_count=1)
        assert [batch_values(batch) for batch in all_batches([polled])] == [[b"b"]]
        assert reader.last_error == ""
        assert is_heard(reader, 2.5)
        server.freeze()
        is_heard(reader, 2.5)
        assert not is_heard(reader, 2.5)
        server.thaw()
        reader.close()


def is_heard(reader: KafkaReader, seconds: float) -> bool:
    """Whether an idle broker is heard of within some time, but for what is known at its begin."""
    reader.poll(10)
    give_up_at = time.monotonic() + seconds
    heard = False
    while time.monotonic() < give_up_at:
        heard |= reader.poll(10).heard
        time.sleep(0.01)
    return heard
