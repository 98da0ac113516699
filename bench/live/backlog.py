"""How fast a live engine works off a backlog: start, wall and CPU seconds of all its processes."""

from __future__ import annotations

import time
from pathlib import Path

from msgspec import Struct

from bench.live.configs import write_quick
from bench.live.feed import Fed
from bench.live.world import START_SECONDS_MAX, Progress, World, engine, feed, log_ends, opened
from bench.measure import Figure, middle
from config.load import PACKAGED
from connectors.log import TRIGGERS_TOPIC

CATCH_UP_SECONDS_MAX = 1_800.0
TAKEN = r"partition \d+: taken"
UNIT = "events/CPU-s"


class Start(Struct, frozen=True, kw_only=True):
    """What it takes to start on a log without events, until all partitions are taken."""

    seconds: float
    cpu_seconds: float


class Run(Struct, frozen=True, kw_only=True):
    """What one engine took for one backlog.

    work_seconds: from the first partition taken to the last record committed. cpu_seconds: from the
    start of its processes until then; life_cpu_seconds: until they had ended in order.
    """

    records: int
    start: Start
    work_seconds: float
    cpu_seconds: float
    life_cpu_seconds: float

    @property
    def rate(self) -> float:
        """Events per CPU-second, without what a start takes."""
        return self.records / (self.cpu_seconds - self.start.cpu_seconds)

    @property
    def rate_with_start(self) -> float:
        """Events per CPU-second of the processes' whole life."""
        return self.records / self.life_cpu_seconds

    @property
    def rate_on_the_wall(self) -> float:
        """Events per second from the first applied to the last committed."""
        return self.records / self.work_seconds


def start_alone(world: World, *more: str) -> Start:
    """Start an engine on a log that is not fed yet, and stop it."""
    with engine(world, *more) as program:
        taken = program.wait_for(TAKEN, world.partitions, START_SECONDS_MAX)[-1]
        program.stop()
    return Start(seconds=taken.at - program.started_at, cpu_seconds=taken.cpu_seconds)


def work_off(world: World, fed: Fed, start: Start, *more: str) -> Run:
    """Start an engine on a log that is filled, let it commit all of it, and stop it."""
    ends = log_ends(world)
    progress = Progress(world)
    with engine(world, *more) as program:
        (taken,) = program.wait_for(TAKEN, 1, START_SECONDS_MAX)
        program.wait_until(
            lambda: progress.reached(ends), CATCH_UP_SECONDS_MAX, "commits up to the log's end"
        )
        work_seconds, cpu_seconds = time.monotonic() - taken.at, program.cpu_seconds
        life_cpu_seconds = program.stop()
    progress.close()
    return Run(
        records=fed.records,
        start=start,
        work_seconds=work_seconds,
        cpu_seconds=cpu_seconds,
        life_cpu_seconds=life_cpu_seconds,
    )


def measure_backlog(log: Path, folder: Path, *, events: int) -> list[Figure]:
    """The default config on a simulated shop's backlog, one process."""
    config = write_quick(PACKAGED, folder / "default")
    with opened(config, partitions=4) as world:
        start = start_alone(world)
        fed = feed(world, "shop", str(log), "--lines", str(events))
        run = work_off(world, fed, start)
        triggers = sum(log_ends(world, TRIGGERS_TOPIC))
    return [
        Figure(name="events in the backlog", value=fed.records, unit="events"),
        Figure(name="their users", value=fed.users, unit="users"),
        Figure(name="weight of an event", value=fed.bytes / fed.records, unit="bytes"),
        Figure(name="events per trigger", value=fed.records / max(triggers, 1), unit="events"),
        Figure(name="backlog, default config", value=run.rate, unit=UNIT, at_least=120_000.0),
        Figure(name="the same, start and end included", value=run.rate_with_start, unit=UNIT),
        Figure(name="the same, by the clock", value=run.rate_on_the_wall, unit="events/s"),
        Figure(name="a start, compiled code cached", value=start.cpu_seconds, unit="CPU-s"),
        Figure(name="a start, by the clock", value=start.seconds, unit="s"),
    ]


def measure_processes(log: Path, folder: Path, *, events: int, rounds: int) -> list[Figure]:
    """One process against two that share the partitions, each on a backlog of its own, by turns."""
    config = write_quick(PACKAGED, folder / "default")
    rates: dict[int, list[float]] = {1: [], 2: []}
    for turn in range(rounds):
        for processes in (1, 2) if turn % 2 == 0 else (2, 1):
            with opened(config, partitions=4) as world:
                share = ("--processes", str(processes))
                start = start_alone(world, *share)
                fed = feed(world, "shop", str(log), "--lines", str(events))
                run = work_off(world, fed, start, *share)
            rates[processes].append(run.rate)
    one, two = middle(rates[1]), middle(rates[2])
    return [
        Figure(name="one process", value=one, unit=UNIT),
        Figure(name="two processes", value=two, unit=UNIT),
        Figure(name="what two lose", value=100 * (1 - two / one), unit="%", at_most=5.0),
    ]
