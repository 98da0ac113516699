"""What every broker promises, held against the one in memory and the real one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest

from connectors.events import RawBatch
from connectors.kafka import KafkaBroker
from connectors.log import ControlRecord, Fenced, OutboxEntry, Polled
from connectors.memory_broker import MemoryBroker
from tests.kafka_topics import (
    PATIENCE_SECONDS,
    poll_until_idle,
    values_of,
    with_topics,
    write_events,
)

PARTITIONS = 2


class Tried(NamedTuple):
    """A broker, and what stands outside it: a tracking team that writes, a gateway that reads."""

    broker: MemoryBroker | KafkaBroker
    write: Callable[[int, list[bytes]], None]
    triggers: Callable[[int], list[bytes | None]]


@pytest.fixture(params=["memory", "kafka"])
def tried(request: pytest.FixtureRequest, prefix: str) -> Iterator[Tried]:
    if request.param == "kafka":
        settings = with_topics(request.getfixturevalue("kafka"), prefix, partitions=PARTITIONS)
        yield Tried(
            KafkaBroker(settings),
            lambda partition, values: write_events(settings, list(values), partition),
            lambda partition: values_of(settings, "triggers", partition),
        )
        return
    broker = MemoryBroker(PARTITIONS)

    def write(partition: int, values: list[bytes]) -> None:
        for value in values:
            broker.append(partition, value)

    yield Tried(
        broker, write, lambda partition: [entry.value for entry in broker.triggers[partition]]
    )


def entry(number: int) -> OutboxEntry:
    return OutboxEntry(b"[%d]" % number, b"ada", b"%d" % number, 0)


def told(polled: Polled) -> list[tuple[int, str, bytes]]:
    """The records of a poll: offset, kind ("" of an event) and value."""
    found: list[tuple[int, str, bytes]] = []
    for piece in polled.pieces:
        if isinstance(piece, ControlRecord):
            found.append((piece.offset, piece.kind, piece.value))
            continue
        data = piece.data.tobytes()
        for offset, start, length in zip(
            piece.offset.tolist(), piece.start.tolist(), piece.length.tolist(), strict=True
        ):
            found.append((offset, "", data[start : start + length]))
    return found


@pytest.mark.parametrize("count_max", [1, 2, 100])
def test_events_and_control_records_are_read_in_the_order_they_were_written(
    tried: Tried, count_max: int
) -> None:
    writer = tried.broker.writer()
    tried.write(1, [b"a", b"b"])
    writer.append(1, "tick", b"{}")
    writer.flush(PATIENCE_SECONDS)
    tried.write(1, [b"c"])
    reader = tried.broker.reader(1, 0)
    polls = poll_until_idle(reader, count_max, record_count=4)
    assert [record for polled in polls for record in told(polled)] == [
        (0, "", b"a"),
        (1, "", b"b"),
        (2, "tick", b"{}"),
        (3, "", b"c"),
    ]
    assert max(polled.record_count for polled in polls) <= count_max
    assert polls[-1].next_offset == 4
    reader.close()


def test_a_reader_begins_at_its_offset_and_sees_its_partition_alone(tried: Tried) -> None:
    tried.write(0, [b"a", b"b", b"c"])
    tried.write(1, [b"x"])
    reader = tried.broker.reader(0, 2)
    (polled,) = poll_until_idle(reader, record_count=1)
    assert told(polled) == [(2, "", b"c")]
    reader.close()


def test_a_batch_says_the_log_time_of_each_record(tried: Tried) -> None:
    tried.write(0, [b"a", b"b"])
    reader = tried.broker.reader(0, 0)
    for polled in poll_until_idle(reader, record_count=2):
        for piece in polled.pieces:
            assert isinstance(piece, RawBatch)
            assert piece.log_ms is not None
            assert len(piece.log_ms) == len(piece.offset)
            assert (piece.data[piece.start + piece.length] < ord(" ")).all()
    reader.close()


def test_a_relay_notes_the_last_place_of_its_partition(tried: Tried) -> None:
    relay = tried.broker.relay(1)
    assert relay.begin() is None
    relay.relay([entry(1), entry(2)])
    relay.relay([entry(3)])
    relay.close()
    assert tried.broker.relay(1).begin() == b"[3]"
    assert tried.broker.relay(0).begin() is None
    assert tried.triggers(1) == [b"1", b"2", b"3"]
    assert tried.triggers(0) == []


def test_who_begins_fences_who_began_before(tried: Tried) -> None:
    first, second = tried.broker.relay(0), tried.broker.relay(0)
    first.begin()
    second.begin()
    with pytest.raises(Fenced):
        first.relay([entry(1)])
    second.relay([entry(2)])
    assert tried.triggers(0) == [b"2"]
