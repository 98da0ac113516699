"""Replay of a range of the live log: each partition by an engine of its own, as it was live.

One partition follows the other; what they decide waits in temporary files until it can be put in
one order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, nullcontext, suppress
from functools import reduce
from threading import Event

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from connectors.events import RawBatch
from connectors.files import output
from connectors.kafka_ranges import Span, pieces_in, spans_of
from connectors.late import too_late, trigger_of
from connectors.log import ControlRecord
from connectors.triggers import TRIGGER
from flows.counters import Counters, joined
from flows.lines import PROFILES, in_order, rendered
from flows.live_apply import Applier, Step
from flows.live_commit import Live
from flows.range_parts import Beginning, Part, parts_of, tell_of_the_middle
from flows.spool import Spool, directory_of
from flows.summary import Replayed
from state.file_store import FileStore
from state.store import Checkpoint, Commit
from state.stored import stored_partitions

WITHHELD_MAX = 2_000_000
"""Withheld triggers of a range: their ids are kept in memory, 130 bytes each."""

WITH_TRIGGERS = ("triggers", "decisions")


class RangeOptions(Struct, frozen=True, kw_only=True):
    """What to replay, and into what; see `flows.replay.ReplayOptions`."""

    beginning: Beginning
    outputs: Mapping[str, str]
    batch_size: int
    drain: bool


class Identified(Struct):
    """A decision's line, or the record that a trigger was withheld."""

    id: str
    type: str = ""


_identified = msgspec.json.Decoder(Identified)


def replay_range(options: RangeOptions, stop: Event, advance: Callable[[int], None]) -> Replayed:
    """Replay a range of the log into outputs and state; `advance` is told of records applied.

    Stops, outputs and state are as `flows.replay.replay` says: each partition is kept as far as
    it came.

    Raises:
        KeyboardInterrupt: `stop` was set and there is no state to keep the run in.
        StoreError: the state cannot be used, or not with this range or configuration.
        LogRecordError: no config is given, and the log's cannot be read; or a model's version.
        OSError: the broker cannot be reached, or a file not be read or written.
    """
    beginning = options.beginning
    spans = spans_of(beginning.wanted)
    if beginning.state is None or not stored_partitions(beginning.state):
        tell_of_the_middle(beginning.topic, spans)
    with _store(beginning, len(spans)) as store:
        with ExitStack() as stack:
            paths = options.outputs
            files = {name: stack.enter_context(output(path)) for name, path in paths.items()}
            spools = {
                name: stack.enter_context(closing(Spool(directory_of(path))))
                for name, path in paths.items()
            }
            run = RangeRun(options, spools, partitions=len(spans))
            for part in parts_of(beginning, spans, store):
                run.replay(part, stop, advance)
                if stop.is_set():
                    break
            if stop.is_set() and store is None:
                raise KeyboardInterrupt
            for name, file in files.items():
                file.writelines(line + b"\n" for line in run.lines(name))
        if store is not None:
            for commit in run.commits:
                store.commit(commit)
    return run.replayed(interrupted=stop.is_set())


def _store(beginning: Beginning, partitions: int) -> closing[FileStore] | nullcontext[None]:
    if beginning.state is None:
        return nullcontext()
    return closing(FileStore(beginning.state, partitions=partitions))


class PartRun:
    """A partition on its way through its range."""

    def __init__(self, part: Part, *, partitions: int, passes_over_configs: bool) -> None:
        self.applier = Applier(
            part.config,
            part.engine,
            part.versions,
            partition=part.span.partition,
            partitions=partitions,
        )
        self._passes_over_configs = passes_over_configs
        self._config_to_store = part.config_record
        self._earlier: list[Counters] = []

    def steps(self, piece: RawBatch | ControlRecord) -> Iterator[Step]:
        """Apply a piece, as its steps are asked for."""
        if isinstance(piece, ControlRecord) and piece.kind == "config":
            self._config_to_store = piece.value
            if self._passes_over_configs:
                piece = replace(piece, kind="tick")
        engine = self.applier.engine
        yield from self.applier.steps(piece)
        if self.applier.engine is not engine:
            self._earlier.append(engine.counters)

    def commit(self) -> Commit:
        """What has changed of the profiles, and the position."""
        live = Live(config=self._config_to_store, models=self.applier.versions.taken())
        return self.applier.engine.commit(live)

    def counters(self) -> Counters:
        """The sums of all configs that were in force."""
        return reduce(joined, [*self._earlier, self.applier.engine.counters])


class RangeRun:
    """Replays partitions, one after the other, into spools."""

    commits: list[Commit]
    """What each partition has to commit, where there is a state."""

    def __init__(
        self, options: RangeOptions, spools: Mapping[str, Spool], *, partitions: int
    ) -> None:
        self.commits = []
        self._options = options
        self._beginning = options.beginning
        self._spools = spools
        self._partitions = partitions
        self._withheld: set[str] = set()
        self._records = 0
        self._dead_letters: Counter[str] = Counter()
        self._counters: list[Counters] = []
        self._checkpoints: list[Checkpoint] = []

    def replay(self, part: Part, stop: Event, advance: Callable[[int], None]) -> None:
        """Replay a partition, up to where it is once `stop` is set."""
        run = PartRun(
            part,
            partitions=self._partitions,
            passes_over_configs=self._beginning.config is not None,
        )
        for pieces in self._polled(part):
            for piece in pieces:
                self._note(piece)
                self._take(run.steps(piece))
            count = sum(map(record_count, pieces))
            self._records += count
            advance(count)
            if stop.is_set():
                break
        else:
            self._take(run.steps(end_of(part.span)))
        self._finish(run, drain=self._options.drain and not stop.is_set())

    def lines(self, name: str) -> Iterable[bytes]:
        """An output's lines in one order; triggers as they were sent."""
        lines = in_order(name, self._spools[name].partitions())
        if name in WITH_TRIGGERS and self._withheld:
            return as_sent(lines, self._withheld, tell_too_late=name != "triggers")
        return lines

    def replayed(self, *, interrupted: bool) -> Replayed:
        """What there is to sum up; the clock is the latest, offsets are added up."""
        checkpoints = self._checkpoints
        return Replayed(
            records=self._records,
            counters=self._counters,
            dead_letters=dict(sorted(self._dead_letters.items())),
            checkpoint=replace(
                checkpoints[0],
                clock_ms=max(one.clock_ms for one in checkpoints),
                next_offset=sum(one.next_offset for one in checkpoints),
            ),
            interrupted=interrupted,
        )

    def _polled(self, part: Part) -> Iterator[list[RawBatch | ControlRecord]]:
        span = part.span
        with closing(self._beginning.reader(span.partition, span.begin)) as reader:
            yield from pieces_in(reader, span, self._options.batch_size, self._beginning.pause)

    def _note(self, piece: RawBatch | ControlRecord) -> None:
        """Remember which trigger a record says was not sent."""
        if not isinstance(piece, ControlRecord) or piece.kind != "withheld":
            return
        with suppress(msgspec.DecodeError):
            self._withheld.add(_identified.decode(piece.value).id)
        if len(self._withheld) > WITHHELD_MAX:
            raise OSError(
                f"{self._beginning.topic}: expected at most {WITHHELD_MAX:,} withheld triggers in "
                "a range, got more; replay it in parts, with to= and --state"
            )

    def _take(self, steps: Iterator[Step]) -> None:
        """Put what was decided into the spools, step by step."""
        for step in steps:
            self._dead_letters.update(letter.reason for letter in step.dead_letters)
            for name, spool in self._spools.items():
                if name != PROFILES:
                    spool.append(rendered(name, [step.batch], step.dead_letters))

    def _finish(self, run: PartRun, *, drain: bool) -> None:
        if self._beginning.state is not None:
            self.commits.append(run.commit())
        self._checkpoints.append(run.applier.engine.checkpoint)
        if drain:
            self._take(iter([run.applier.drain()]))
        if PROFILES in self._spools:
            self._spools[PROFILES].append(run.applier.engine.profiles())
        self._counters.append(run.counters())
        for spool in self._spools.values():
            spool.end_partition()


def end_of(span: Span) -> ControlRecord:
    """What a range's end tells: that it was reached and, as a tick does, what time has passed."""
    return ControlRecord(kind="tick", offset=span.end - 1, log_ms=span.proved_ms, value=b"")


def record_count(piece: RawBatch | ControlRecord) -> int:
    """How many records a piece is."""
    return 1 if isinstance(piece, ControlRecord) else len(piece.offset)


def as_sent(
    lines: Iterable[bytes], withheld: Container[str], *, tell_too_late: bool
) -> Iterator[bytes]:
    """The lines without the triggers that were withheld, or with what was sent in their stead."""
    for line in lines:
        found = _identified.decode(line)
        if found.type != TRIGGER or found.id not in withheld:
            yield line
        elif tell_too_late:
            yield too_late(trigger_of(line))
