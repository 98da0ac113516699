"""Where the replay of a range begins: each partition's engine, and the config in force there."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from config.schema import Config
from connectors.kafka_ranges import Span, TopicRange, pieces_in
from connectors.kafka_reader import KafkaReader
from connectors.log import ControlKind, ControlRecord
from flows.config_records import ConfigRecordError, config_of, first_config, stored_config
from flows.control_records import SCAN_RECORDS
from flows.loading import load_engine, tell_conversions
from flows.model_records import ModelRecordError
from flows.model_versions import ModelVersions
from flows.partition import Engine
from flows.rollbacks import Lookout
from state.file_store import FileStore
from state.store import Checkpoint, Snapshot, StoreError

LOOK_BACK_RECORDS, LOOK_BACK_GROWTH = 10_000, 4
"""What came before an offset is looked for in so many records, then in more and more."""

log = logging.getLogger(__name__)


class Beginning(Struct, frozen=True, kw_only=True):
    """What decides how a range begins.

    config: passes over the log's own; None: those are in force. state: a directory to resume from.
    `pause` waits for some 10 ms while the broker fetches.
    """

    wanted: TopicRange
    config: Config | None
    state: Path | None
    pause: Callable[[], None]

    def reader(self, partition: int, next_offset: int) -> KafkaReader:
        """A reader of a partition from an offset on."""
        return KafkaReader(self.wanted.settings, partition, next_offset, topic=self.wanted.topic)

    @property
    def topic(self) -> str:
        """The full name of the log."""
        return self.wanted.settings.topic(self.wanted.topic)


class Part(Struct, frozen=True, kw_only=True):
    """A partition of a range, with an engine that stands at its begin.

    config_record: of the log's config in force there, for the state; b"" where it has that.
    versions: of models, as the state has them. learner: what the state has of what was learned.
    """

    span: Span
    engine: Engine
    config: Config
    config_record: bytes
    versions: ModelVersions
    learner: bytes = b""


def parts_of(
    beginning: Beginning, spans: Iterable[Span], store: FileStore | None
) -> Iterator[Part]:
    """The partitions of a range, each loaded when it is its turn.

    Raises:
        StoreError: what is stored does not belong to this range.
        LogRecordError: no config is given, and the log's cannot be read; or a model's version.
        OSError: store or broker cannot be read.
    """
    for span in spans:
        snapshot = store.load(span.partition) if store is not None else None
        if snapshot is None:
            yield _from_nothing(beginning, span)
        else:
            yield _resumed(beginning, span, snapshot)


def tell_of_the_middle(topic: str, spans: Iterable[Span]) -> None:
    """Say what it means that a range begins in the middle of the log, from nothing."""
    behind = [span for span in spans if span.begin > 0]
    if behind:
        log.warning(
            "%s: the range begins in the middle of the log (partition %d at offset %s), and from "
            "nothing: no user, cart, window or pending stage of before is known, so what is "
            "decided differs from what was decided live until windows and cooldowns have passed; "
            "to begin with what was known, give --state DIR, a state that was exported then",
            topic,
            behind[0].partition,
            f"{behind[0].begin:,}",
        )


def _from_nothing(beginning: Beginning, span: Span) -> Part:
    config, record = _config_in_force(beginning, span, None)
    engine = Engine(config, partition=span.partition)
    engine.checkpoint = replace(engine.checkpoint, next_offset=span.begin)
    versions = ModelVersions(partial(_rolled_back, beginning, span.partition))
    return Part(span=span, engine=engine, config=config, config_record=record, versions=versions)


def _resumed(beginning: Beginning, span: Span, snapshot: Snapshot) -> Part:
    checkpoint = snapshot.checkpoint
    where = f"{beginning.state}, partition {span.partition}"
    _check_position(beginning, where, span, checkpoint)
    span = replace(span, begin=checkpoint.next_offset)
    config, record = _config_in_force(beginning, span, snapshot)
    engine = load_engine(str(beginning.state), config, span.partition, snapshot)
    tell_conversions(where, [engine.conversion])
    versions = ModelVersions(partial(_rolled_back, beginning, span.partition))
    versions.resume(snapshot.models, config, engine)
    return Part(
        span=span,
        engine=engine,
        config=config,
        config_record=record,
        versions=versions,
        learner=snapshot.learner,
    )


def _rolled_back(beginning: Beginning, partition: int, error: ModelRecordError) -> bool:
    with closing(beginning.reader(partition, error.offset + 1)) as reader:
        lookout = Lookout(reader, beginning.pause)
        lookout.look()
        return lookout.has_behind(error)


def _check_position(beginning: Beginning, where: str, span: Span, checkpoint: Checkpoint) -> None:
    """Refuse a state that does not stand where the range can begin."""
    at = f"offset {checkpoint.next_offset:,}"
    if checkpoint.sources:
        raise StoreError(
            where,
            expected="a state of this log (beckon state export)",
            got="one that was made from files",
            fix="name another directory",
        )
    if beginning.wanted.from_ms is not None:
        raise StoreError(
            where,
            expected=f"to begin where the state stands, at {at}",
            got="from= in the URL, too",
            fix="leave out from=, or --state",
        )
    if checkpoint.next_offset > span.end:
        raise StoreError(
            where,
            expected=f"a state that stands at or before the range's end, offset {span.end:,}",
            got=at,
            fix="choose a later to=, or an older state; or this is the state of another log",
        )


def _config_in_force(
    beginning: Beginning, span: Span, snapshot: Snapshot | None
) -> tuple[Config, bytes]:
    """The config that the span begins with, and the log's record of it, as `Part` has them."""
    if beginning.config is not None:
        return beginning.config, b""
    stored = stored_config(snapshot) if snapshot is not None else None
    if stored is not None:
        return config_of(stored), b""
    record = last_config(beginning, span) or _next_config(beginning, span)
    if record is None:
        raise ConfigRecordError(
            f"{beginning.topic}, partition {span.partition}: expected the config that was in force "
            f"at offset {span.begin:,}, got none; name one with --config DIR"
        )
    return config_of(record), record.value


def _next_config(beginning: Beginning, span: Span) -> ControlRecord | None:
    """The first config record from the span's begin on: the log's first holds before it, too."""
    with closing(beginning.reader(span.partition, span.begin)) as reader:
        return first_config(reader, beginning.pause)


def last_config(beginning: Beginning, span: Span) -> ControlRecord | None:
    """The last config record before the span, if there is one: it holds there."""
    return next(records_back(beginning, span, "config"), None)


def records_back(beginning: Beginning, span: Span, kind: ControlKind) -> Iterator[ControlRecord]:
    """The control records of a kind before the span, the last of them first."""
    end, window = span.begin, LOOK_BACK_RECORDS
    while end > span.first:
        look = replace(span, begin=max(span.first, end - window), end=end)
        with closing(beginning.reader(span.partition, look.begin)) as reader:
            found = [
                piece
                for pieces in pieces_in(reader, look, SCAN_RECORDS, beginning.pause)
                for piece in pieces
                if isinstance(piece, ControlRecord) and piece.kind == kind
            ]
        yield from reversed(found)
        end, window = look.begin, window * LOOK_BACK_GROWTH
