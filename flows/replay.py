"""Replay: recorded events through the engine, to triggers and a summary."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing, nullcontext
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
from flows.lines import PROFILES, merged_profiles
from flows.loading import load_engine, tell_conversions
from flows.partition import Engine
from flows.recorded_log import SOURCES_MAX, RecordedLog
from flows.slices import Decided
from flows.summary import Replayed
from state.file_store import FileStore
from state.store import Checkpoint, Commit, Store, StoreError

BATCH_SIZE = 20_000

Watch = Callable[[Decided, Sequence[Engine]], None]
"""Called with what each stretch led to, and the engines as they then stand."""


class ReplayOptions(Struct, frozen=True, kw_only=True):
    """What to replay. `outputs` gives the paths of `flows.lines.OUTPUTS` and "profiles".

    `until_ms` ends the log before the first record of that log time or later. `state` is a
    directory to resume from and to commit to.
    """

    events: tuple[str, ...]
    config: Config
    outputs: Mapping[str, str] = {}
    partitions: int = 1
    batch_size: int = BATCH_SIZE
    until_ms: int | None = None
    drain: bool = False
    state: Path | None = None


class Parts(NamedTuple):
    """What one run is made of."""

    engines: list[Engine]
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
    with _store(options) as store:
        parts = _prepare(options, store)
        records = _run(options, parts, stop, watch)
        if store is not None:
            for commit in parts.decide.commits():
                store.commit(_with_sources(commit, parts.log))
    return Replayed(
        records=records,
        counters=[engine.counters for engine in parts.engines],
        dead_letters=dict(sorted(parts.decode.dead_letters.items())),
        checkpoint=parts.engines[0].checkpoint,
        interrupted=stop.is_set(),
    )


def _store(options: ReplayOptions) -> closing[FileStore] | nullcontext[None]:
    if options.state is None:
        return nullcontext()
    return closing(FileStore(options.state, partitions=options.partitions))


def _prepare(options: ReplayOptions, store: Store | None) -> Parts:
    """Engines as of the state, and the log from where the least advanced of them stands."""
    loaded = [_engine(options, store, partition) for partition in range(options.partitions)]
    engines = [engine for engine, _ in loaded]
    tell_conversions(str(options.state), [engine.conversion for engine in engines])
    begin = _least_advanced([checkpoint for _, checkpoint in loaded])
    decoder = Decoder(options.config)
    if begin is not None:
        decoder.clock_ms = begin.clock_ms
    return Parts(
        engines=engines,
        log=_log(options, begin),
        decode=DecodeStage(decoder, until_ms=options.until_ms),
        decide=DecideStage(
            engines,
            outputs=[name for name in options.outputs if name != PROFILES],
            drain=options.drain,
            resumable=store is not None,
        ),
    )


def _least_advanced(checkpoints: list[Checkpoint | None]) -> Checkpoint | None:
    """Where to go on: behind a run that was killed between two commits the partitions differ."""
    stored = [checkpoint for checkpoint in checkpoints if checkpoint is not None]
    if len(stored) < len(checkpoints):
        return None
    return min(stored, key=lambda checkpoint: checkpoint.next_offset)


def _engine(
    options: ReplayOptions, store: Store | None, partition: int
) -> tuple[Engine, Checkpoint | None]:
    """The engine of a partition, and the checkpoint that it resumes from, if any."""
    snapshot = store.load(partition) if store is not None else None
    if snapshot is None:
        return Engine(options.config, partition=partition), None
    engine = load_engine(str(options.state), options.config, partition, snapshot)
    return engine, snapshot.checkpoint


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


def _with_sources(commit: Commit, log: RecordedLog) -> Commit:
    sources = log.positions(commit.checkpoint.next_offset)
    return replace(commit, checkpoint=replace(commit.checkpoint, sources=sources))
