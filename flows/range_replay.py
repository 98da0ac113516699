"""Replay of a range of the live log: each partition by an engine of its own, as it was live.

One partition follows the other, so that the profiles of one are in memory. Where models learn on
the way they go together, hour by hour, for what closed in any of them is learned in one order. What
they decide waits in temporary files until it can be put in one order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, nullcontext, suppress
from functools import partial
from threading import Event

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from connectors.files import output
from connectors.kafka_ranges import Span, pieces_in, spans_of
from connectors.late import too_late, trigger_of
from connectors.log import ControlKind, ControlRecord
from connectors.triggers import TRIGGER
from flows.counters import Counters
from flows.feed import Feed, Piece, end_of, end_of_all, record_count
from flows.lines import PROFILES, in_order, rendered
from flows.live_apply import Step
from flows.part_run import PartRun
from flows.range_learning import RangeLearning
from flows.range_parts import Beginning, Part, parts_of, tell_of_the_middle
from flows.resuming import undo_half_commits
from flows.spool import Spool, directory_of
from flows.summary import Replayed
from state.file_store import FileStore
from state.store import Checkpoint, Commit
from state.stored import stored_partitions

WITHHELD_MAX = 2_000_000
"""Withheld triggers of a range: their ids are kept in memory, 130 bytes each."""

LEARNING_PASSES_OVER: tuple[ControlKind, ...] = ("config", "model")

TOGETHER_RECORDS_MIN = 500
"""So many records of each partition are polled at once, where all of them are read together."""

WITH_TRIGGERS = ("triggers", "decisions")


class RangeOptions(Struct, frozen=True, kw_only=True):
    """What to replay, and into what; see `flows.replay.ReplayOptions`.

    learns: the models of the config, which there must then be, learn on the way, and the log's own
    versions are passed over.
    """

    beginning: Beginning
    outputs: Mapping[str, str]
    batch_size: int
    drain: bool
    learns: bool = False


Polling = Callable[[Span, int], Iterator[list[Piece]]]
"""Gives what is in a span, poll by poll, of so many records each."""


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
        if options.learns and store is not None:
            undo_half_commits(store, one_log=False)
        with ExitStack() as stack:
            paths = options.outputs
            files = {name: stack.enter_context(output(path)) for name, path in paths.items()}
            spools = {
                name: stack.enter_context(closing(Spool(directory_of(path), len(spans))))
                for name, path in paths.items()
            }
            polled = partial(polled_from, beginning)
            run = RangeRun(options, spools, polled, partitions=len(spans))
            parts = parts_of(beginning, spans, store)
            if options.learns:
                run.replay_together([*parts], stop, advance)
            else:
                run.replay_each(parts, stop, advance)
            if stop.is_set() and store is None:
                raise KeyboardInterrupt
            for name, file in files.items():
                file.writelines(line + b"\n" for line in run.lines(name))
        if store is not None:
            for commit in run.commits:
                store.commit(commit)
    return run.replayed(interrupted=stop.is_set())


def polled_from(beginning: Beginning, span: Span, size: int) -> Iterator[list[Piece]]:
    """What is in a span of the log."""
    with closing(beginning.reader(span.partition, span.begin)) as reader:
        yield from pieces_in(reader, span, size, beginning.pause)


def _store(beginning: Beginning, partitions: int) -> closing[FileStore] | nullcontext[None]:
    if beginning.state is None:
        return nullcontext()
    return closing(FileStore(beginning.state, partitions=partitions))


class RangeRun:
    """Replays partitions into spools: one after the other, or together while models learn."""

    commits: list[Commit]
    """What each partition has to commit, where there is a state."""

    def __init__(
        self,
        options: RangeOptions,
        spools: Mapping[str, Spool],
        polled: Polling,
        *,
        partitions: int,
    ) -> None:
        self.commits = []
        self._polled = polled
        self._options = options
        self._beginning = options.beginning
        self._spools = spools
        self._partitions = partitions
        self._withheld: set[str] = set()
        self._records = 0
        self._dead_letters: Counter[str] = Counter()
        self._counters: list[Counters] = []
        self._checkpoints: list[Checkpoint] = []
        self._learning: RangeLearning | None = None

    def replay_each(
        self, parts: Iterable[Part], stop: Event, advance: Callable[[int], None]
    ) -> None:
        """Replay one partition after the other, up to where one is once `stop` is set."""
        for part in parts:
            self._replay(part, stop, advance)
            if stop.is_set():
                break

    def replay_together(
        self, parts: Sequence[Part], stop: Event, advance: Callable[[int], None]
    ) -> None:
        """Replay all partitions, hour by hour, up to the hour in which `stop` is set."""
        learning = self._learning = RangeLearning(self._beginning, parts)
        size = max(self._options.batch_size // len(parts), TOGETHER_RECORDS_MIN)
        runs = [self._part_run(part, LEARNING_PASSES_OVER) for part in parts]
        feeds = [Feed(part, self._polled(part.span, size)) for part in parts]
        while not stop.is_set():
            hour_ms = learning.next_hour(feeds)
            for run, feed in zip(runs, feeds, strict=True):
                for piece in feed.before(hour_ms):
                    advance(self._apply(run, piece))
            until_ms = min(hour_ms, end_of_all(feeds))
            for run, feed in zip(runs, feeds, strict=True):
                self._take(run.partition, run.steps(feed.reached(until_ms)))
            if until_ms < hour_ms:
                break
            learning.learn()
        for run in runs:
            self._finish(run, drain=self._options.drain and not stop.is_set())
        self.commits = learning.commits(self.commits)

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
            scores=self._learning.scores.figures() if self._learning is not None else {},
        )

    def _replay(self, part: Part, stop: Event, advance: Callable[[int], None]) -> None:
        run = self._part_run(part, ("config",) if self._beginning.config is not None else ())
        for pieces in self._polled(part.span, self._options.batch_size):
            for piece in pieces:
                advance(self._apply(run, piece))
            if stop.is_set():
                break
        else:
            self._take(run.partition, run.steps(end_of(part.span, part.span.proved_ms)))
        self._finish(run, drain=self._options.drain and not stop.is_set())

    def _part_run(self, part: Part, passes_over: Container[ControlKind]) -> PartRun:
        return PartRun(part, partitions=self._partitions, passes_over=passes_over)

    def _apply(self, run: PartRun, piece: Piece) -> int:
        """Apply a piece; returns how many records it is."""
        self._note(piece)
        self._take(run.partition, run.steps(piece))
        count = record_count(piece)
        self._records += count
        return count

    def _note(self, piece: Piece) -> None:
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

    def _take(self, partition: int, steps: Iterator[Step]) -> None:
        """Put what was decided into the spools, step by step."""
        for step in steps:
            if self._learning is not None:
                self._learning.take(step.batch.closed())
            self._spool(partition, step)

    def _spool(self, partition: int, step: Step) -> None:
        self._dead_letters.update(letter.reason for letter in step.dead_letters)
        for name, spool in self._spools.items():
            if name != PROFILES:
                spool.append(partition, rendered(name, [step.batch], step.dead_letters))

    def _finish(self, run: PartRun, *, drain: bool) -> None:
        if self._beginning.state is not None:
            self.commits.append(run.commit())
        self._checkpoints.append(run.applier.engine.checkpoint)
        if drain:
            self._spool(run.partition, run.applier.drain())
        if PROFILES in self._spools:
            self._spools[PROFILES].append(run.partition, run.applier.engine.profiles())
        self._counters.append(run.counters())


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
