"""What should have come of a log: read back from the broker and replayed, in one go."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from functools import partial

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
from flows.model_records import ModelRecordError, record_of
from flows.model_versions import ModelVersions
from flows.partition import Engine
from tests.kafka_topics import poll_until_idle

REPLAY_RECORDS = 1_000
"""Records in a batch; any number has the same decisions, and the engine has its own."""


class Expected(Struct, frozen=True, kw_only=True):
    """A partition as it should be.

    triggers: in order of place, without those that the log says were withheld. withheld: their ids,
    as the log has them; unknown: those of triggers that were never decided. side: messages by
    topic. audiences: users by tag, of each tag that any of the log's configs has. configs: those
    that were in force, the first one first.
    """

    triggers: list[bytes]
    withheld: list[str]
    unknown: list[str]
    rows: dict[bytes, bytes]
    side: dict[str, list[bytes]]
    audiences: dict[str, set[bytes]]
    pending: int
    next_offset: int
    configs: list[Config]


class Identified(Struct):
    """A trigger's line, or the record that it was withheld."""

    id: str


_identified = msgspec.json.Decoder(Identified)


def replayed(
    config: Config,
    polls: Sequence[Polled],
    partition: int,
    partitions: int,
) -> Expected:
    """A partition of the very log, with its offsets, times and ticks, through a new engine."""
    engine = Engine(config, partition=partition)
    knowing = ModelVersions(partial(rolled_back, versions_in(polls)))
    applier = Applier(config, engine, knowing, partition=partition, partitions=partitions)
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
        configs=configs,
    )


def rolled_back(versions: Sequence[ControlRecord], error: ModelRecordError) -> bool:
    """Whether a rollback of its model is behind a version that cannot be read."""
    behind = [record_of(one.value) for one in versions if one.offset > error.offset]
    return any(one is not None and one.rollback and one.model == error.model for one in behind)


def audiences_of(engine: Engine, configs: Sequence[Config]) -> dict[str, set[bytes]]:
    """Who holds each tag of the last config; nobody holds those of others."""
    held: dict[str, set[bytes]] = {tag.name: set() for config in configs for tag in config.tags}
    for index, tag in enumerate(configs[-1].tags):
        held[tag.name] = {user for user, _ in engine.holders(index)}
    return held


def versions_in(log: Sequence[Polled]) -> list[ControlRecord]:
    """The records of models in a partition."""
    pieces = [piece for polled in log for piece in polled.pieces]
    return [one for one in pieces if isinstance(one, ControlRecord) and one.kind == "model"]


def behind(log: Sequence[Polled], next_offset: int) -> int:
    """How many records were not applied that say more than that time has passed.

    A learner may publish behind who has been stopped.
    """
    pieces = [piece for polled in log for piece in polled.pieces]
    return sum(
        int(np.count_nonzero(np.asarray(piece.offset) >= next_offset))
        for piece in pieces
        if not isinstance(piece, ControlRecord) or piece.kind not in ("tick", "model")
    )


def up_to(log: Sequence[Polled], next_offset: int) -> list[Polled]:
    """What of a partition's log was applied."""
    beyond = np.arange(next_offset, log[-1].next_offset)
    return [
        replace(without(polled, beyond), next_offset=min(polled.next_offset, next_offset))
        for polled in log
    ]


def recorded(settings: KafkaSettings, partition: int, but: Collection[int] = ()) -> list[Polled]:
    """All that is in a partition of the log, but for the records at some offsets."""
    left_out = np.array(sorted(but), np.int64)
    reader = KafkaReader(settings, partition, 0)
    try:
        polls = poll_until_idle(reader, REPLAY_RECORDS)
    finally:
        reader.close()
    return [without(polled, left_out) for polled in polls]


def without(polled: Polled, left_out: NDArray[np.int64]) -> Polled:
    """A poll without the records at some offsets."""
    pieces = [part for piece in polled.pieces for part in remaining(piece, left_out)]
    return replace(polled, pieces=pieces)


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
