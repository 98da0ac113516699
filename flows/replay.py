"""Replay: recorded events through the engine, to triggers and a summary."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from threading import Event
from typing import BinaryIO, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from config.load import without_live_from
from config.schema import Config
from connectors.events import Decoder
from connectors.files import output
from flows.decide import DecideStage
from flows.decode import DecodeStage
from flows.engine import Stages, run
from flows.inline_learning import InlineLearning
from flows.lines import PROFILES, merged_profiles
from flows.partition import Engine
from flows.recorded_log import SOURCES_MAX, RecordedLog
from flows.resuming import LEARNER_PARTITION, begin, open_store
from flows.score_sums import ScoreSums
from flows.slices import Decided
from flows.summary import Replayed
from state.file_store import FileStore
from state.store import Checkpoint, Commit, StoreError

BATCH_SIZE = 20_000

Watch = Callable[[Decided, Sequence[Engine]], None]
"""Called with what each stretch led to, and the engines as they then stand."""


class ReplayOptions(Struct, frozen=True, kw_only=True):
    """What to replay. `outputs` gives the paths of `flows.lines.OUTPUTS` and "profiles".

    `until_ms` ends the log before the first record of that log time or later. `state` is a
    directory to resume from and to commit to. `learns`: the models of the config learn on the way.
    """

    events: tuple[str, ...]
    config: Config
    outputs: Mapping[str, str] = {}
    partitions: int = 1
    batch_size: int = BATCH_SIZE
    until_ms: int | None = None
    drain: bool = False
    state: Path | None = None
    learns: bool = True


class Parts(NamedTuple):
    """What one run is made of."""

    engines: list[Engine]
    learning: InlineLearning | None
    log: RecordedLog
    decode: DecodeStage
    decide: DecideStage


def unwatched(decided: Decided, engines: Sequence[Engine]) -> None:
    """The watch of a run that nobody watches."""


def replay(options: ReplayOptions, stop: Event, watch: Watch) -> Replayed:
    """Replay the recorded log into outputs and state, watched by `watch`.

    Once `stop` is set the run ends between two batches: with a state it is kept as far as it came,
    without one its outputs are discarded. Outputs appear whole, and before the state is committed,
    so that a run killed in between is repeated, never lost.

    Raises:
        KeyboardInterrupt: `stop` was set and there is no state to keep the run in.
        StoreError: the state cannot be used, or not with this configuration.
        OSError: a file cannot be read or written.
    """
    options = replace(options, config=without_live_from(options.config))
    with open_store(options.state, options.partitions) as store:
        parts = _prepare(options, store)
        scores = ScoreSums(options.config.models)

        def watch_all(decided: Decided, engines: Sequence[Engine]) -> None:
            scores.take(decided.closed)
            watch(decided, engines)

        records = _run(options, parts, stop, watch_all)
        if store is not None:
            for commit in _commits(parts):
                store.commit(commit)
    return Replayed(
        records=records,
        counters=[engine.counters for engine in parts.engines],
        dead_letters=dict(sorted(parts.decode.dead_letters.items())),
        checkpoint=parts.engines[0].checkpoint,
        interrupted=stop.is_set(),
        scores=scores.figures(),
    )


def _prepare(options: ReplayOptions, store: FileStore | None) -> Parts:
    """Engines as of the state, and the log from where they stand."""
    begun = begin(options.config, store, options.partitions, learns=options.learns)
    decoder = Decoder(options.config)
    if begun.checkpoint is not None:
        decoder.clock_ms = begun.checkpoint.clock_ms
    return Parts(
        engines=begun.engines,
        learning=begun.learning,
        log=_log(options, begun.checkpoint),
        decode=DecodeStage(decoder, until_ms=options.until_ms),
        decide=DecideStage(
            begun.engines,
            outputs=[name for name in options.outputs if name != PROFILES],
            learning=begun.learning,
            drain=options.drain,
            resumable=store is not None,
        ),
    )


def _log(options: ReplayOptions, begin: Checkpoint | None) -> RecordedLog:
    consumed = begin.sources if begin is not None else ()
    if options.state is not None and len(consumed) + len(options.events) > SOURCES_MAX:
        raise StoreError(
            str(options.state),
            expected=f"at most {SOURCES_MAX:,} event files in the life of a state",
            got=f"{len(consumed):,} and {len(options.events):,} more",
            fix="join files before they are replayed",
        )
    return RecordedLog(
        options.events,
        next_offset=begin.next_offset if begin is not None else 0,
        consumed=consumed,
        resumable=options.state is not None,
    )


def _run(options: ReplayOptions, parts: Parts, stop: Event, watch: Watch) -> int:
    """Run the flow into the outputs; returns the number of records that were consumed."""
    records = 0

    def count(decided: Decided) -> None:
        nonlocal records
        records += decided.stretch.record_count
        watch(decided, parts.engines)

    stages = Stages(decode=parts.decode.decode, route=parts.decide.route, apply=parts.decide.apply)
    with ExitStack() as stack:
        files = {name: stack.enter_context(output(path)) for name, path in options.outputs.items()}
        writers = {name: _writer(name, file) for name, file in files.items() if name != PROFILES}
        slices = parts.log.slices(options.batch_size, lambda: stop.is_set() or parts.decode.ended)
        run(slices, stages, {**writers, "count": count})
        if stop.is_set() and options.state is None:
            raise KeyboardInterrupt
        if PROFILES in files:
            for line in merged_profiles([engine.profiles() for engine in parts.engines]):
                files[PROFILES].write(line + b"\n")
    return records


def _writer(name: str, file: BinaryIO) -> Callable[[Decided], None]:
    """A sink that appends the lines of output `name` to `file`."""

    def write(decided: Decided) -> None:
        lines = decided.lines[name]
        if lines:
            file.write(b"\n".join(lines) + b"\n")

    return write


def _commits(parts: Parts) -> list[Commit]:
    """What there is to commit: last the partition that has the learners, so that all have it."""
    learning = parts.learning
    commits = []
    for commit in parts.decide.commits():
        sources = parts.log.positions(commit.checkpoint.next_offset)
        commit = replace(commit, checkpoint=replace(commit.checkpoint, sources=sources))
        if learning is not None:
            commit = replace(commit, models=learning.records())
            if commit.checkpoint.partition == LEARNER_PARTITION:
                commit = replace(commit, learner=learning.save())
        commits.append(commit)
    return sorted(commits, key=lambda one: -one.checkpoint.partition)
