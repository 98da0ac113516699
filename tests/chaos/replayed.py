"""What should have come of a log: read back from the broker and replayed, in one go."""

from __future__ import annotations

from collections import defaultdict

from msgspec import Struct

from config.schema import Config
from connectors.kafka_reader import KafkaReader
from connectors.kafka_settings import KafkaSettings
from connectors.log import Polled
from flows.live_apply import Applier
from flows.partition import Engine
from tests.kafka_topics import poll_until_idle

REPLAY_RECORDS = 1_000
"""Records in a batch; any number has the same decisions, and the engine has its own."""


class Expected(Struct, frozen=True, kw_only=True):
    """A partition as it should be. `side`: messages by topic; `audiences`: users by tag."""

    triggers: list[bytes]
    rows: dict[bytes, bytes]
    side: dict[str, list[bytes]]
    audiences: dict[str, set[bytes]]
    pending: int
    next_offset: int


def replayed(config: Config, settings: KafkaSettings, partition: int, partitions: int) -> Expected:
    """A partition of the very log, with its offsets, times and ticks, through a new engine."""
    engine = Engine(config, partition=partition)
    applier = Applier(config, engine, partition=partition, partitions=partitions)
    triggers: list[bytes] = []
    side: dict[str, list[bytes]] = defaultdict(list)
    next_offset = 0
    for polled in recorded(settings, partition):
        for piece in polled.pieces:
            for applied in applier.apply(piece):
                triggers += [entry.value for _, entry in applied.triggers]
                next_offset = applied.next_offset
                for message in applied.messages:
                    side[message.topic].append(message.value)
    audiences = {
        tag.name: {user for user, _ in engine.holders(index)}
        for index, tag in enumerate(config.tags)
    }
    pending = sum(journey.pending for journey in engine.counters.journeys.values())
    return Expected(
        triggers=triggers,
        rows=dict(engine.commit().rows),
        side=side,
        audiences=audiences,
        pending=pending,
        next_offset=next_offset,
    )


def recorded(settings: KafkaSettings, partition: int) -> list[Polled]:
    """All that is in a partition of the log."""
    reader = KafkaReader(settings, partition, 0)
    try:
        return poll_until_idle(reader, REPLAY_RECORDS)
    finally:
        reader.close()
