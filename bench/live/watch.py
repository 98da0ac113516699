"""Watches the triggers as a gateway does, in a process of its own: committed ones, as they come.

python -m bench.live.watch --kafka kafka://HOST:PORT --prefix NAME PARTITIONS
    until SIGTERM; then prints what it has seen, a JSON array a trigger
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from datetime import datetime
from threading import Event
from types import FrameType

import msgspec
from confluent_kafka import Consumer, Message, TopicPartition
from msgspec import Struct

from connectors.kafka_settings import KafkaSettings, kafka_settings
from connectors.log import TRIGGERS_TOPIC

WATCHING = "watching"
WAIT_SECONDS = 0.1
ANSWER_SECONDS = 10.0


class Seen(Struct, frozen=True, array_like=True):
    """A trigger: what it is, whose clock says what of it (ms since 1970).

    offset: that of the record that set it off, -1 where time did. instant_ms: the broker's time of
    that record.
    deadline_ms: when it was due. broker_ms: the broker's time of the trigger. seen_ms: when we
    had it, by our clock.
    """

    journey: str
    offset: int
    partition: int
    instant_ms: int
    deadline_ms: int
    broker_ms: int
    seen_ms: int


class Data(Struct):
    """The part of a trigger's data that is of interest."""

    journey: str
    deadline: str
    offset: int


class Trigger(Struct):
    """The part of a trigger that is of interest."""

    time: str
    data: Data


_trigger = msgspec.json.Decoder(Trigger)


def watch(settings: KafkaSettings, partitions: int, stop: Event) -> list[Seen]:
    """The triggers that come until `stop`."""
    consumer = Consumer(
        {
            **settings.connection(),
            "group.id": "bench-watch",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
        }
    )
    topic = settings.topic(TRIGGERS_TOPIC)
    parts = [TopicPartition(topic, one) for one in range(partitions)]
    for part in parts:
        # An end that is asked for now is the end of now, not that of the first fetch.
        part.offset = consumer.get_watermark_offsets(part, timeout=ANSWER_SECONDS)[1]
    consumer.assign(parts)
    print(WATCHING, file=sys.stderr, flush=True)
    came: list[tuple[Message, int]] = []
    while not stop.is_set():
        message = consumer.poll(WAIT_SECONDS)
        if message is not None and message.error() is None:
            came.append((message, time.time_ns() // 1_000_000))
    consumer.close()
    return [seen(message, seen_ms) for message, seen_ms in came]


def seen(message: Message, seen_ms: int) -> Seen:
    """What a trigger and its record say."""
    partition, value = message.partition(), message.value()
    assert partition is not None and value is not None, "a trigger that was read"
    trigger = _trigger.decode(value)
    return Seen(
        journey=trigger.data.journey,
        offset=trigger.data.offset,
        partition=partition,
        instant_ms=instant_ms(trigger.time),
        deadline_ms=instant_ms(trigger.data.deadline),
        broker_ms=message.timestamp()[1],
        seen_ms=seen_ms,
    )


def instant_ms(text: str) -> int:
    """An instant of a trigger as ms since 1970."""
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def main() -> int:
    """Watch until SIGTERM, then tell."""
    parser = argparse.ArgumentParser(prog="python -m bench.live.watch")
    parser.add_argument("--kafka", required=True)
    parser.add_argument("--prefix", required=True)
    parser.add_argument("partitions", type=int)
    chosen = parser.parse_args()
    stop = Event()

    def on_signal(number: int, frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, on_signal)
    settings = kafka_settings(chosen.kafka, prefix=chosen.prefix)
    for one in watch(settings, chosen.partitions, stop):
        sys.stdout.buffer.write(msgspec.json.encode(one) + b"\n")
    sys.stdout.buffer.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
