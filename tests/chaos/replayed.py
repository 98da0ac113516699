"""What should have come of a log: read back from the broker and replayed, in one go."""

from __future__ import annotations

from collections import defaultdict

import msgspec
from msgspec import Struct

from config.schema import Config
from connectors.kafka_reader import KafkaReader
from connectors.kafka_settings import KafkaSettings
from connectors.late import outgoing
from connectors.log import ControlRecord, OutboxEntry, Polled
from flows.live_apply import Applier
from flows.partition import Engine
from tests.kafka_topics import poll_until_idle

REPLAY_RECORDS = 1_000
"""Records in a batch; any number has the same decisions, and the engine has its own."""


class Expected(Struct, frozen=True, kw_only=True):
    """A partition as it should be.

    triggers: in order of place, without those that the log says were withheld. withheld: their ids,
    as the log has them; unknown: those of triggers that were never decided. side: messages by
    topic. audiences: users by tag.
    """

    triggers: list[bytes]
    withheld: list[str]
    unknown: list[str]
    rows: dict[bytes, bytes]
    side: dict[str, list[bytes]]
    audiences: dict[str, set[bytes]]
    pending: int
    next_offset: int


class Identified(Struct):
    """A trigger's line, or the record that it was withheld."""

    id: str


_identified = msgspec.json.Decoder(Identified)


def replayed(config: Config, settings: KafkaSettings, partition: int, partitions: int) -> Expected:
    """A partition of the very log, with its offsets, times and ticks, through a new engine."""
    engine = Engine(config, partition=partition)
    applier = Applier(config, engine, partition=partition, partitions=partitions)
    entries: dict[str, OutboxEntry] = {}
    side: dict[str, list[bytes]] = defaultdict(list)
    withheld: list[str] = []
    for polled in recorded(settings, partition):
        for piece in polled.pieces:
            if isinstance(piece, ControlRecord) and piece.kind == "withheld":
                withheld.append(_identified.decode(piece.value).id)
            for applied in applier.apply(piece):
                entries |= {_identified.decode(one.value).id: one for _, one in applied.triggers}
                for message in applied.messages:
                    side[message.topic].append(message.value)
    for late in (entries[name] for name in withheld if name in entries):
        for sent in outgoing([late], late.expires_ms + 1):
            side[sent.topic].append(sent.value)
    return Expected(
        triggers=[entry.value for name, entry in entries.items() if name not in withheld],
        withheld=withheld,
        unknown=[name for name in withheld if name not in entries],
        rows=dict(engine.commit().rows),
        side=side,
        audiences=audiences_of(engine, config),
        pending=sum(journey.pending for journey in engine.counters.journeys.values()),
        next_offset=engine.checkpoint.next_offset,
    )


def audiences_of(engine: Engine, config: Config) -> dict[str, set[bytes]]:
    """Who holds each tag."""
    return {
        tag.name: {user for user, _ in engine.holders(index)}
        for index, tag in enumerate(config.tags)
    }


def recorded(settings: KafkaSettings, partition: int) -> list[Polled]:
    """All that is in a partition of the log."""
    reader = KafkaReader(settings, partition, 0)
    try:
        return poll_until_idle(reader, REPLAY_RECORDS)
    finally:
        reader.close()
