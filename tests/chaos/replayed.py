"""What should have come of a log: read back from the broker and replayed, in one go."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence

import msgspec
import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from config.schema import Config
from connectors.events import RawBatch
from connectors.kafka_reader import KafkaReader
from connectors.kafka_settings import KafkaSettings
from connectors.log import SUPPRESSED_TOPIC, ControlRecord, OutboxEntry, Polled
from flows.live_apply import Applier
from flows.partition import Engine
from tests.kafka_topics import poll_until_idle

REPLAY_RECORDS = 1_000
"""Records in a batch; any number has the same decisions, and the engine has its own."""


class Expected(Struct, frozen=True, kw_only=True):
    """A partition as it should be.

    triggers: in order of place, without those that the log says were withheld. withheld: their ids,
    as the log has them; unknown: those of triggers that were never decided. side: messages by
    topic. audiences: users by tag, of each tag that any of the log's configs has.
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


def replayed(
    config: Config,
    polls: Iterable[Polled],
    partition: int,
    partitions: int,
) -> Expected:
    """A partition of the very log, with its offsets, times and ticks, through a new engine."""
    engine = Engine(config, partition=partition)
    applier = Applier(config, engine, partition=partition, partitions=partitions)
    configs = [config]
    next_offset = 0
    entries: dict[str, OutboxEntry] = {}
    side: dict[str, list[bytes]] = defaultdict(list)
    withheld: list[str] = []
    for polled in polls:
        next_offset = polled.next_offset
        for piece in polled.pieces:
            if isinstance(piece, ControlRecord) and piece.kind == "withheld":
                withheld.append(_identified.decode(piece.value).id)
            for applied in applier.apply(piece):
                if applied.config is not configs[-1]:
                    configs.append(applied.config)
                entries |= {_identified.decode(one.value).id: one for _, one in applied.triggers}
                for topic, messages in applied.messages.items():
                    side[topic] += [value for _, value in messages]
                side[SUPPRESSED_TOPIC] += applied.withheld
    return Expected(
        triggers=[entry.value for name, entry in entries.items() if name not in withheld],
        withheld=withheld,
        unknown=[name for name in withheld if name not in entries],
        rows=dict(applier.engine.commit().rows),
        side=side,
        audiences=audiences_of(applier.engine, configs),
        pending=sum(one.pending for one in applier.engine.counters.journeys.values()),
        next_offset=next_offset,
    )


def audiences_of(engine: Engine, configs: Sequence[Config]) -> dict[str, set[bytes]]:
    """Who holds each tag of the last config; nobody holds those of others."""
    held: dict[str, set[bytes]] = {tag.name: set() for config in configs for tag in config.tags}
    for index, tag in enumerate(configs[-1].tags):
        held[tag.name] = {user for user, _ in engine.holders(index)}
    return held


def recorded(
    settings: KafkaSettings, partition: int, without: Collection[int] = ()
) -> Iterator[Polled]:
    """All that is in a partition of the log, but for the records at some offsets."""
    left_out = np.array(sorted(without), np.int64)
    reader = KafkaReader(settings, partition, 0)
    try:
        polls = poll_until_idle(reader, REPLAY_RECORDS)
    finally:
        reader.close()
    for polled in polls:
        pieces = [part for piece in polled.pieces for part in remaining(piece, left_out)]
        yield replace(polled, pieces=pieces)


def remaining(
    piece: RawBatch | ControlRecord, left_out: NDArray[np.int64]
) -> list[RawBatch | ControlRecord]:
    """A piece without the records at some offsets; nothing where none remains."""
    kept = np.flatnonzero(~np.isin(piece.offset, left_out))
    if not len(kept) or isinstance(piece, ControlRecord):
        return [piece] if len(kept) else []
    assert piece.log_ms is not None, "the broker's time is on each record"
    return [
        replace(
            piece,
            start=piece.start[kept],
            length=piece.length[kept],
            offset=piece.offset[kept],
            log_ms=piece.log_ms[kept],
        )
    ]
