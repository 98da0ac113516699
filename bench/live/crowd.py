"""A crowd of users, each with a timer pending: how late timers are, how long a resume takes."""

from __future__ import annotations

import os
import time
from pathlib import Path
from statistics import median

import numpy as np
from msgspec import Struct

from bench.live.backlog import CATCH_UP_SECONDS_MAX, TAKEN
from bench.live.configs import TIMER, write_with_timers
from bench.live.feed import TIMERS_DUE_MS
from bench.live.latency import SETTLE_SECONDS, of_journey, quantile_figures, watching
from bench.live.processes import running
from bench.live.watch import Seen
from bench.live.world import (
    START_SECONDS_MAX,
    Progress,
    World,
    engine,
    feed,
    feed_command,
    log_ends,
    opened,
)
from bench.measure import BenchError, Figure

LATENESS_MS = 300.0
TRAFFIC_PER_SECOND = 2_000
RESUME_SECONDS = 3.0
RESUME_EVENTS = 2_000
RUNNING = "running partitions"
CACHES = Path("/proc/sys/vm/drop_caches")
FREE_ALL = "3"


class Crowd(Struct, frozen=True, kw_only=True):
    """How many users, and how many timers beside theirs; whether to resume cold, too."""

    users: int
    timers: int
    cold: bool


class Resume(Struct, frozen=True, kw_only=True):
    """Seconds from an engine's start on, phase by phase, until it had applied its first event."""

    at_work: float
    loaded: float
    applied: float
    all_applied: float
    cpu: float


def measure_crowd(log: Path, folder: Path, *, crowd: Crowd, rounds: int) -> list[Figure]:
    """Make the crowd, let more timers fire on time, then stop the engine and let it resume."""
    config = write_with_timers(folder / "with-timers")
    with opened(config, partitions=4) as world:
        figures = timer_figures(world, log, crowd.users, crowd.timers)
        warm = [resumed(world, log) for _ in range(rounds)]
        figures += resume_figures("resume", warm, crowd.users)
        if crowd.cold:
            cold = [resumed(world, log, cold=True) for _ in range(rounds)]
            figures += resume_figures("cold resume", cold, crowd.users)
    return figures


def timer_figures(world: World, log: Path, users: int, timers: int) -> list[Figure]:
    """How late timers are while nothing else happens, and while 2,000 events a second do."""
    progress = Progress(world)
    with engine(world) as program:
        program.wait_for(TAKEN, world.partitions, START_SECONDS_MAX)
        feed(world, "crowd", str(users))
        ends = log_ends(world)
        program.wait_until(lambda: progress.reached(ends), CATCH_UP_SECONDS_MAX, "the whole crowd")
        known = progress.users()
        if known != users:
            raise BenchError(f"expected {users:,} users of the crowd, got {known:,}")
        idle = fired(world, timers)
        seconds = TIMERS_DUE_MS[1] / 1000 + SETTLE_SECONDS
        limits = ("--lines", str(round(TRAFFIC_PER_SECOND * seconds)))
        traffic = ("shop", str(log), *limits, "--per-second", str(TRAFFIC_PER_SECOND))
        with running(feed_command(world, traffic)):
            busy = fired(world, timers)
        program.stop()
    progress.close()
    return [
        Figure(name="users with a pending timer", value=known, unit="users"),
        *lateness_figures("timers, no events", idle),
        *lateness_figures(f"timers, {TRAFFIC_PER_SECOND:,} events/s", busy),
    ]


def fired(world: World, timers: int) -> list[Seen]:
    """Set timers, and the triggers that come when they are due."""
    with watching(world) as triggers:
        feed(world, "timers", str(timers))
        time.sleep(TIMERS_DUE_MS[1] / 1000 + SETTLE_SECONDS)
    found = of_journey(triggers, TIMER)
    if len(found) != timers:
        raise BenchError(f"expected {timers:,} timers to fire, got {len(found):,} triggers")
    return found


def lateness_figures(name: str, triggers: list[Seen]) -> list[Figure]:
    """From a deadline to the broker's time of its trigger."""
    late_ms = np.array([one.broker_ms - one.deadline_ms for one in triggers])
    return quantile_figures(name, late_ms, LATENESS_MS)


def resumed(world: World, log: Path, *, cold: bool = False) -> Resume:
    """Start an engine on the crowd with some events waiting, until it has committed of them."""
    progress = Progress(world)
    before = progress.offsets()
    feed(world, "shop", str(log), "--lines", str(RESUME_EVENTS))
    ends = log_ends(world)
    if cold:
        drop_caches()
    with engine(world) as program:
        (at_work,) = program.wait_for(RUNNING, 1, START_SECONDS_MAX)
        program.wait_until(
            lambda: progress.offsets() != before, START_SECONDS_MAX, "a commit of what waited"
        )
        applied = time.monotonic()
        program.wait_until(lambda: progress.reached(ends), START_SECONDS_MAX, "commits of it all")
        all_applied = time.monotonic()
        loaded = program.wait_for(TAKEN, world.partitions, START_SECONDS_MAX)[-1]
        program.stop()
    progress.close()
    began = program.started_at
    return Resume(
        at_work=at_work.at - began,
        loaded=loaded.at - began,
        applied=applied - began,
        all_applied=all_applied - began,
        cpu=loaded.cpu_seconds,
    )


def resume_figures(name: str, resumes: list[Resume], users: int) -> list[Figure]:
    """The phases of the median resume; the goal is that of a warm one with a million users."""
    of = f"{name} with {users:,} users"
    goal = RESUME_SECONDS if name == "resume" else None

    def middle_of(phase: str) -> float:
        return float(median(getattr(one, phase) for one in resumes))

    return [
        Figure(name=f"{of}: at work", value=middle_of("at_work"), unit="s"),
        Figure(name=f"{of}: all loaded", value=middle_of("loaded"), unit="s"),
        Figure(name=f"{of}: first event", value=middle_of("applied"), unit="s", at_most=goal),
        Figure(name=f"{of}: all partitions", value=middle_of("all_applied"), unit="s"),
        Figure(name=f"{of}: CPU until loaded", value=middle_of("cpu"), unit="CPU-s"),
    ]


def drop_caches() -> None:
    """Have the system forget what it holds of files, of everybody's.

    Raises:
        BenchError: that is not allowed.
    """
    os.sync()
    try:
        CACHES.write_text(FREE_ALL)
    except OSError as error:
        raise BenchError(f"{CACHES}: {error.strerror}; leave out --cold") from error
