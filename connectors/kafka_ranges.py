"""Ranges of a topic: named by a URL, found as offsets of its partitions, read to their ends.

    kafka://host:9092/beckon.events?from=2026-11-01T00:00:00Z&to=latest

A range ends at the latest where the topic ended when it was looked up, as readers of committed
records see it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import NoReturn
from urllib.parse import unquote

import numpy as np
from confluent_kafka import IsolationLevel, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # documented, not re-exported
    AdminClient,
    OffsetSpec,
)
from msgspec import Struct

from connectors.events import RawBatch
from connectors.kafka_errors import BrokerError, broker_error, cause
from connectors.kafka_reader import KafkaReader
from connectors.kafka_scan import new_consumer, records_between
from connectors.kafka_settings import SCHEME, KafkaSettings, kafka_settings
from connectors.kafka_topics import ANSWER_SECONDS, topic_partitions
from connectors.log import ControlRecord
from connectors.triggers import instant_ms

EARLIEST, LATEST = "earliest", "latest"
EARLIEST_MS = 0
IDLE_POLLS_MAX = 3_000
"""Polls that bring nothing, each followed by a pause, before a range counts as unreadable."""

LOOK_SECONDS, LOOKS_MAX = 0.2, 25
_NO_LEADER = frozenset(
    {
        KafkaError._NOENT,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
    }
)
"""A partition that is there, by the list of topics, has nobody yet who answers for it."""

_EXAMPLE = "kafka://host:9092/beckon.events?from=2026-11-01T00:00:00Z&to=latest"


class TopicRange(Struct, frozen=True, kw_only=True):
    """What is to be read of a topic (its name behind the prefix), by the broker's time of records.

    from_ms: the first record at or after it; None where the URL does not say. to_ms: up to but
    without the first record at or after it; None: to the end.
    """

    settings: KafkaSettings
    topic: str
    from_ms: int | None = None
    to_ms: int | None = None


class Span(Struct, frozen=True, kw_only=True):
    """What of a partition is in a range: offsets `begin` .. `end`, without `end`.

    first: the oldest offset that the topic still has. proved_ms: no record before this instant can
    come behind the range, for there is one at or after it; 0 where that is not known.
    """

    partition: int
    first: int
    begin: int
    end: int
    proved_ms: int = 0


def topic_range(url: str, options: Iterable[str] = (), *, password: str = "") -> TopicRange:
    """The range that a URL names; `options` and `password` as in `kafka_settings`.

    >>> named = topic_range("kafka://k:9092/shop.events?from=1970-01-01T00:00:07Z")
    >>> named.settings.topic(named.topic), named.from_ms, named.to_ms
    ('shop.events', 7000, None)

    Raises:
        ValueError: the URL cannot be meant; values that could be secrets are not repeated.
    """
    address, _, query = url.partition("?")
    servers, _, topic = address.removeprefix(SCHEME).partition("/")
    prefix, dot, name = topic.rpartition(".")
    if not dot or not name:
        _refuse(f"the name of a topic, as in {_EXAMPLE}", repr(topic))
    bounds = dict(_bound(pair) for pair in query.split("&") if pair)
    settings = kafka_settings(servers, options, prefix=prefix, password=password)
    found = TopicRange(
        settings=settings, topic=name, from_ms=bounds.get("from"), to_ms=bounds.get("to")
    )
    if found.from_ms is not None and found.to_ms is not None and found.to_ms < found.from_ms:
        _refuse("an end behind the beginning", f"to= before from= in {query!r}")
    return found


def spans_of(wanted: TopicRange) -> list[Span]:
    """The range's offsets in each partition of its topic.

    Raises:
        BrokerError: the broker cannot be reached, has no such topic, or refuses.
    """
    partitions = topic_partitions(wanted.settings, wanted.topic)
    asked = partial(_offsets, wanted, partitions)
    firsts = asked(OffsetSpec.earliest())  # type: ignore[no-untyped-call]  # it has no types
    ends = asked(OffsetSpec.latest())  # type: ignore[no-untyped-call]  # as above
    begins, stops = firsts, ends
    if wanted.from_ms:
        begins = _or_ends(asked(OffsetSpec.for_timestamp(wanted.from_ms)), ends)
    if wanted.to_ms is not None:
        stops = _or_ends(asked(OffsetSpec.for_timestamp(wanted.to_ms)), ends)
    return [
        Span(
            partition=partition,
            first=firsts[partition],
            begin=begins[partition],
            end=stops[partition],
            proved_ms=(wanted.to_ms or 0) if stops[partition] < ends[partition] else 0,
        )
        for partition in range(partitions)
    ]


def pieces_in(
    reader: KafkaReader, span: Span, count_max: int, pause: Callable[[], None]
) -> Iterator[list[RawBatch | ControlRecord]]:
    """What is in a span, poll by poll, of a reader that stands at its beginning.

    `pause` waits for some 10 ms while the broker fetches.

    Raises:
        BrokerError: the broker refuses, or stays away for some 30 s.
    """
    idle, next_offset = 0, span.begin
    while next_offset < span.end:
        polled = reader.poll(count_max)
        if polled.next_offset > next_offset:
            idle, next_offset = 0, polled.next_offset
            if pieces := _before(span.end, polled.pieces):
                yield pieces
            continue
        idle += 1
        if idle > IDLE_POLLS_MAX:
            said = reader.last_error or "nothing"
            raise BrokerError(
                f"partition {span.partition}: expected records up to offset {span.end}, got none "
                f"behind {next_offset}; see that the broker runs; it says: {said}"
            )
        pause()


def values_in(wanted: TopicRange, span: Span) -> Iterator[bytes]:
    """The values of a span of a topic that Beckon sends to.

    Raises:
        BrokerError: they cannot be read.
    """
    if span.begin == span.end:
        return
    settings, name = wanted.settings, wanted.settings.topic(wanted.topic)
    consumer = new_consumer(settings)
    try:
        start = TopicPartition(name, span.partition, span.begin)
        for message in records_between(consumer, start, span.end):
            yield message.value() or b""
    except KafkaException as exception:
        raise broker_error(settings, f"reading {name}", cause(exception)) from exception
    finally:
        consumer.close()


def _offsets(wanted: TopicRange, partitions: int, asked: OffsetSpec) -> list[int]:
    """What the broker answers of each partition; -1 where there is no record at or after a time.

    Asked several times: of a new topic, and after a broker's restart, nobody leads a partition at
    first.
    """
    name = wanted.settings.topic(wanted.topic)
    parts = [TopicPartition(name, partition) for partition in range(partitions)]
    # Named, so that it lives until it has answered: without it nobody ever would.
    admin = AdminClient(wanted.settings.connection())
    for looks_left in reversed(range(LOOKS_MAX)):
        answers = admin.list_offsets(
            dict.fromkeys(parts, asked),
            isolation_level=IsolationLevel.READ_COMMITTED,
            request_timeout=ANSWER_SECONDS,
        )
        try:
            return [int(answers[part].result().offset) for part in parts]
        except KafkaException as exception:
            error = cause(exception)
            if not looks_left or error.code() not in _NO_LEADER:
                doing = f"asking for the offsets of {name}"
                raise broker_error(wanted.settings, doing, error) from exception
            admin.poll(LOOK_SECONDS)
    raise AssertionError("the last look returns or raises")


def _or_ends(offsets: list[int], ends: list[int]) -> list[int]:
    """Offsets of records that committed readers see; the end where there is none."""
    return [end if at < 0 else min(at, end) for at, end in zip(offsets, ends, strict=True)]


def _before(end: int, pieces: list[RawBatch | ControlRecord]) -> list[RawBatch | ControlRecord]:
    """What of the pieces is before an offset."""
    found: list[RawBatch | ControlRecord] = []
    for piece in pieces:
        if isinstance(piece, ControlRecord):
            if piece.offset < end:
                found.append(piece)
        elif count := int(np.searchsorted(piece.offset, end)):
            found.append(piece if count == len(piece.offset) else _first_of(piece, count))
    return found


def _first_of(batch: RawBatch, count: int) -> RawBatch:
    return RawBatch(
        data=batch.data,
        start=batch.start[:count],
        length=batch.length[:count],
        offset=batch.offset[:count],
        log_ms=None if batch.log_ms is None else batch.log_ms[:count],
    )


def _bound(pair: str) -> tuple[str, int | None]:
    """A name and an instant of the query; None stands for "latest", EARLIEST_MS for "earliest"."""
    name, _, value = pair.partition("=")
    open_end = {"from": EARLIEST, "to": LATEST}.get(name)
    if open_end is None:
        _refuse("from= and to=", f"{name}=")
    text = unquote(value)
    if text == open_end:
        return name, EARLIEST_MS if name == "from" else None
    try:
        return name, max(EARLIEST_MS, instant_ms(text))
    except ValueError:
        _refuse(f"{name}={open_end} or a time like 2026-11-21T09:00:00Z", repr(text))


def _refuse(expected: str, got: str) -> NoReturn:
    raise ValueError(f"Kafka URL: expected {expected}, got {got}; see `beckon replay --help`")
