"""A replay at a terminal: its progress, its interrupts, its measurements and its last word."""

from __future__ import annotations

import gc
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Event
from types import FrameType
from typing import TYPE_CHECKING, NamedTuple

import click
import msgspec

from config.jit import cache_directory
from flows.apply import apply_events
from flows.exits import DONE, INTERRUPTED, PROBLEMS
from flows.partition import Engine
from flows.replay import ReplayOptions, replay
from flows.show import show, summary_tables
from flows.slices import Decided
from flows.summary import Measured, Replayed, Summary, open_sums, sum_up

if TYPE_CHECKING:
    from flows.range_replay import RangeOptions

GC_THRESHOLDS = (50_000, 50, 50)
PAUSE_SECONDS = 0.01
STOPPING = b"beckon: stopping after this batch; once more stops at once\n"
PROCESS_STATUS = "/proc/self/status"


class Start(NamedTuple):
    """When a run began: wall-clock and CPU seconds that are not its own."""

    wall: float
    cpu: float

    @classmethod
    def of_process(cls) -> Start:
        """The run is what this process was started for: all CPU time counts."""
        return cls(time.perf_counter(), 0.0)

    @classmethod
    def now(cls) -> Start:
        """The run begins after other work of this process."""
        return cls(time.perf_counter(), time.process_time())


def run_replay(options: ReplayOptions, start: Start) -> Summary:
    """Replay with progress on a terminal; Ctrl-C and SIGTERM end it between two batches."""
    note_compiling()
    collect_seldom()
    stop = Event()
    with stopping(stop), progress() as advance:

        def watch(decided: Decided, engines: Sequence[Engine]) -> None:
            advance(decided.stretch.record_count)

        replayed = replay(options, stop, watch)
    return sum_up(replayed, measured(replayed, start))


def run_range_replay(options: RangeOptions, start: Start) -> Summary:
    """As `run_replay`, of a range of the live log."""
    from flows.range_replay import replay_range

    note_compiling()
    collect_seldom()
    stop = Event()
    with stopping(stop), progress() as advance:
        replayed = replay_range(options, stop, advance)
    return sum_up(replayed, measured(replayed, start))


def pause() -> None:
    """Wait for what the broker fetches."""
    time.sleep(PAUSE_SECONDS)


def collect_seldom() -> None:
    """Look for garbage rarely, and not among what is loaded by now, which stays anyway.

    A batch makes thousands of objects that are no cycles.
    """
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    gc.enable()


def close(summary: Summary, *, as_json: bool, on_stderr: bool = False) -> int:
    """Print a summary, and what in it does not add up; returns the exit code."""
    if as_json:
        click.echo(msgspec.json.encode(summary))
    else:
        show(summary_tables(summary), on_stderr=on_stderr)
    problems = open_sums(summary)
    for problem in problems:
        click.echo(problem, err=True)
    if problems:
        return PROBLEMS
    return INTERRUPTED if summary.interrupted else DONE


def note_compiling() -> None:
    """Say so when this run has to compile first; raises `OSError` where that cannot be kept.

    The hot loop is the last and largest to be compiled, and of a run without events it is not.
    """
    directory = cache_directory()
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(
            f"{directory}: expected a place to keep compiled code, got: {error.strerror}; "
            "set BECKON_CACHE to a directory that can be written"
        ) from error
    if not any(directory.rglob(f"*.{apply_events.__name__}-*.nbi")):
        click.echo("compiling the engine, once for this version (about half a minute)...", err=True)


@contextmanager
def stopping(stop: Event) -> Iterator[None]:
    """Set `stop` at the first SIGINT or SIGTERM; a second one is not held back any more."""
    signals = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in signals}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def on_signal(number: int, frame: FrameType | None) -> None:
        stop.set()
        restore()
        # Not through sys.stderr: the signal may have come in the middle of a write to it.
        os.write(sys.stderr.fileno(), STOPPING)

    for number in signals:
        signal.signal(number, on_signal)
    try:
        yield
    finally:
        restore()


@contextmanager
def progress() -> Iterator[Callable[[int], None]]:
    """Is told of records consumed; how many they are shows if stderr is a terminal."""
    if not sys.stderr.isatty():
        yield lambda count: None
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.completed:,.0f} records"),
        TimeElapsedColumn(),
    )
    shown = Progress(*columns, console=Console(stderr=True), transient=True, refresh_per_second=4)
    with shown:
        task = shown.add_task("replay", total=None)
        yield lambda count: shown.advance(task, count)


def measured(replayed: Replayed, start: Start) -> Measured:
    """What the run took until now."""
    seconds = time.perf_counter() - start.wall
    cpu_seconds = time.process_time() - start.cpu
    events = sum(counters.events for counters in replayed.counters)
    return Measured(
        seconds=round(seconds, 3),
        cpu_seconds=round(cpu_seconds, 3),
        events_per_second=round(events / seconds),
        events_per_cpu_second=round(events / cpu_seconds),
        resident_mb=round(resident_bytes_max() / 1e6),
    )


def resident_bytes_max() -> int:
    """The most memory that this process has had resident."""
    try:
        with open(PROCESS_STATUS) as status:
            for line in status:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    # Not on Linux. (There getrusage would also count the process that started this one.)
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return size if sys.platform == "darwin" else size * 1024
