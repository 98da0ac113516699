"""What arrives on a partition of the log, applied to its engine; what it leads to, as messages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import lru_cache

import msgspec
import numpy as np
from msgspec import Struct
from msgspec.structs import asdict, replace

from config.schema import Config
from connectors.columns import Columns, DeadLetter
from connectors.dead_letters import PlacedLetter
from connectors.events import Decoder, RawBatch, partition_of
from connectors.late import read_withheld
from connectors.log import (
    CONTROL_KINDS,
    DEAD_LETTERS_TOPIC,
    EXAMPLES_TOPIC,
    GOALS_TOPIC,
    SUPPRESSED_TOPIC,
    TAGS_TOPIC,
    ControlRecord,
    Keyed,
    OutboxEntry,
)
from flows.config_records import config_of
from flows.counters import Tallies, since
from flows.decisions import Batch
from flows.lines import dead_letter_line
from flows.model_versions import ModelVersions
from flows.partition import Engine
from flows.places import Place, encode_place
from flows.slices import no_records

INSTANTS_MAX = 1_000


class Applied(Struct, frozen=True, kw_only=True):
    """What a piece of the log led to.

    triggers: in order of place. turned: (user, tag, held) of each transition. config: that decided.
    versions: those of models that scores are made with, by model. config_record: the config's
    record, where one came into force; else b"". brought: what the piece added to
    the engine's tallies. withheld: lines of suppressed stages that the relay has sent, for who
    reads a log again.
    """

    triggers: list[tuple[Place, OutboxEntry]]
    messages: dict[str, list[Keyed]]
    turned: list[tuple[bytes, str, bool]]
    dead_letters: list[DeadLetter]
    next_offset: int
    clock_ms: int
    config: Config
    brought: Tallies
    versions: Mapping[str, str]
    config_record: bytes = b""
    withheld: list[bytes] = []


class Step(Struct, frozen=True, kw_only=True):
    """What a piece of the log, or one half of it, decided; its batch is read before the next step.

    forgotten: (user, tag, False) of who lost a tag that the config in force no longer has. The rest
    is as in `Applied`.
    """

    batch: Batch
    dead_letters: list[DeadLetter]
    next_offset: int
    forgotten: list[tuple[bytes, str, bool]] = []
    config_record: bytes = b""


class Expiring(Struct):
    """The part of a trigger's line that says how long it may be sent."""

    expirytime: str


_expiring = msgspec.json.Decoder(Expiring)


class Applier:
    """Applies one partition's records, in log order."""

    def __init__(
        self,
        config: Config,
        engine: Engine,
        versions: ModelVersions | None = None,
        *,
        partition: int,
        partitions: int,
    ) -> None:
        self.engine = engine
        self.versions = versions or ModelVersions()
        self._config = config
        self._decoder = new_decoder(config, engine.checkpoint.clock_ms)
        self._partition = partition
        self._partitions = partitions
        self._tallies = engine.tallies

    def apply(self, piece: RawBatch | ControlRecord) -> list[Applied]:
        """Apply a batch of events or a control record; see `steps`."""
        return [self._applied(step) for step in self.steps(piece)]

    def steps(self, piece: RawBatch | ControlRecord) -> Iterator[Step]:
        """Apply a batch of events or a control record, as the steps are asked for.

        Raises:
            LogRecordError: a config or a version that cannot be read; nothing behind it is applied.
        """
        if not isinstance(piece, ControlRecord):
            yield self._events(piece)
            return
        if piece.kind == "withheld":
            yield self._withhold(piece)
            return
        yield self._pass_time(piece)
        if piece.kind == "config":
            yield self._switch(piece)
        elif piece.kind == "model":
            # Not before the step is done with: what it decided tells of the version before.
            self.versions.take(piece, self._config, self.engine)
            yield self._pass_time(piece)

    def drain(self) -> Step:
        """Decide all that is pending, however far ahead: see `Engine.drain`."""
        batch = self.engine.drain()
        next_offset = self.engine.checkpoint.next_offset
        return Step(batch=batch, dead_letters=[], next_offset=next_offset)

    def _events(self, piece: RawBatch) -> Step:
        decoded = self._decoder.decode(piece, last=True)
        columns, strays = self._own(decoded.columns, piece)
        found = sorted([*decoded.dead_letters, *strays], key=lambda letter: letter.offset)
        letters = [self._placed(letter, log_ms_at(piece, letter.offset)) for letter in found]
        next_offset = int(piece.offset[-1]) + 1
        batch = self.engine.process(columns, clock_ms=decoded.clock_ms, next_offset=next_offset)
        return Step(batch=batch, dead_letters=letters, next_offset=next_offset)

    def _switch(self, record: ControlRecord) -> Step:
        """Another config is in force from here on: everybody's tags settle by it."""
        config = config_of(record)
        gone: list[tuple[bytes, str, bool]] = []
        if config.version != self._config.version:
            gone = self._of_gone_tags(config)
            self._config = config
            self.engine = self.engine.successor(config)
            self.versions.put_in_force(config, self.engine)
            self._tallies = self.engine.tallies
            self._decoder = new_decoder(config, self._decoder.clock_ms)
        return replace(self._pass_time(record), forgotten=gone, config_record=record.value)

    def _withhold(self, record: ControlRecord) -> Step:
        """What a trigger took that was not sent is given back; what went out for it is out."""
        self._decoder.clock_ms = max(self._decoder.clock_ms, record.log_ms)
        withheld = read_withheld(replace(record, log_ms=self._decoder.clock_ms))
        if isinstance(withheld, DeadLetter):
            letter = self._placed(withheld, record.log_ms)
            return replace(self._pass_time(record), dead_letters=[letter])
        batch = self.engine.withhold(withheld)
        return Step(batch=batch, dead_letters=[], next_offset=record.offset + 1)

    def _of_gone_tags(self, config: Config) -> list[tuple[bytes, str, bool]]:
        """Who loses the tags that the new config does not have."""
        kept = {tag.name for tag in config.tags}
        return [
            (user, tag.name, False)
            for index, tag in enumerate(self._config.tags)
            if tag.name not in kept
            for user, _ in self.engine.holders(index)
        ]

    def _pass_time(self, record: ControlRecord) -> Step:
        """Time has passed up to the record; one of no known kind is a dead letter."""
        letters = []
        if record.kind not in CONTROL_KINDS:
            detail = f"expected one of {', '.join(CONTROL_KINDS)} in the header, got {record.kind}"
            letter = DeadLetter(
                reason="bad_control", detail=detail, offset=record.offset, value=record.value
            )
            letters.append(self._placed(letter, record.log_ms))
        self._decoder.clock_ms = max(self._decoder.clock_ms, record.log_ms)
        nothing = self._decoder.decode(no_records(), last=True).columns
        batch = self.engine.process(
            nothing, clock_ms=self._decoder.clock_ms, next_offset=record.offset + 1
        )
        return Step(batch=batch, dead_letters=letters, next_offset=record.offset + 1)

    def _own(self, columns: Columns, raw: RawBatch) -> tuple[Columns, list[DeadLetter]]:
        """The events whose profile belongs to this partition; the others as dead letters."""
        chosen = partition_of(columns, self._partitions)
        strays = np.flatnonzero(chosen != self._partition)
        if not len(strays):
            return columns, []
        letters = [
            stray_letter(raw, int(columns.offset[row]), self._partition, int(chosen[row]))
            for row in strays.tolist()
        ]
        return columns.take(np.flatnonzero(chosen == self._partition)), letters

    def _placed(self, letter: DeadLetter, log_ms: int) -> DeadLetter:
        """A dead letter that also says where and when its record came, and what refused it."""
        return PlacedLetter(
            **asdict(letter),
            partition=self._partition,
            log_ms=log_ms,
            version=self._config.version,
        )

    def _applied(self, step: Step) -> Applied:
        batch = step.batch
        triggers = [(place, outbox_entry(place, line)) for place, line in batch.placed_triggers()]
        turned = batch.turned()
        users = [user for user, _, _ in turned]
        messages: dict[str, list[Keyed]] = {
            DEAD_LETTERS_TOPIC: [(None, dead_letter_line(letter)) for letter in step.dead_letters],
            SUPPRESSED_TOPIC: batch.suppressed(),
            GOALS_TOPIC: batch.goals(),
            TAGS_TOPIC: list(zip(users, batch.transitions(), strict=True)),
            EXAMPLES_TOPIC: list(zip(batch.closed().user, batch.examples(), strict=True)),
        }
        before, self._tallies = self._tallies, self.engine.tallies
        return Applied(
            triggers=triggers,
            messages={topic: some for topic, some in messages.items() if some},
            turned=[*step.forgotten, *turned],
            dead_letters=step.dead_letters,
            next_offset=step.next_offset,
            clock_ms=self.engine.checkpoint.clock_ms,
            config=self._config,
            brought=since(before, self._tallies),
            versions=self.versions.in_force,
            config_record=step.config_record,
            withheld=batch.withheld,
        )


def outbox_entry(place: Place, line: bytes) -> OutboxEntry:
    """A trigger on its way."""
    return OutboxEntry(
        place=encode_place(place),
        key=place.user.encode(),
        value=line,
        expires_ms=_instant_ms(_expiring.decode(line).expirytime),
    )


@lru_cache(INSTANTS_MAX)
def _instant_ms(text: str) -> int:
    """An instant as ms; what is due together mostly expires together."""
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def log_ms_at(raw: RawBatch, offset: int) -> int:
    """The broker's time of a record of a batch."""
    assert raw.log_ms is not None, "what comes from a broker has its time"
    return int(raw.log_ms[np.searchsorted(raw.offset, offset)])


def stray_letter(raw: RawBatch, offset: int, partition: int, chosen: int) -> DeadLetter:
    """A record that was produced to another partition than that of its profile."""
    row = int(np.searchsorted(raw.offset, offset))
    start = int(raw.start[row])
    return DeadLetter(
        reason="wrong_partition",
        detail=(
            f"expected in partition {chosen}, got in partition {partition}: produce with the "
            "profile id as key and murmur2 (librdkafka: partitioner=murmur2_random), "
            "or re-drive it, which re-keys it"
        ),
        offset=offset,
        value=raw.data[start : start + int(raw.length[row])].tobytes(),
    )


def new_decoder(config: Config, clock_ms: int) -> Decoder:
    """A decoder that goes on at a clock."""
    decoder = Decoder(config)
    decoder.clock_ms = clock_ms
    return decoder
