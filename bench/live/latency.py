"""How long it takes from an event to its trigger, by the broker's clock, at a steady pace.

A deadline is a whole second, rounded up: even a stage `after = "0s"` mostly waits for the second to
end, as timers do. Here the events reach the log AGE_MS after they happened: so each is due at once.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from bench.live.backlog import TAKEN
from bench.live.configs import AT_ONCE, write_with_timers
from bench.live.processes import Program, running
from bench.live.watch import WATCHING, Seen
from bench.live.world import START_SECONDS_MAX, World, engine_and_learner, feed, opened
from bench.measure import BenchError, Figure

Milliseconds = NDArray[np.int64]

PATIENCE_SECONDS = 60.0
SETTLE_SECONDS = 3.0
"""After this long all that was fed has been decided and sent."""

WARM_UP_SECONDS = 5.0
LEARNER, LEARNER_TAKEN = "--learner-only", "learner: taken"
SLOWER_MAX = 1.1
AGE_MS = 1_000
GOALS_MS = {2_000: 100.0, 20_000: 250.0}


def measure_latency(
    log: Path, folder: Path, *, paces: Sequence[int], seconds: float
) -> list[Figure]:
    """An engine, a feeder at each pace (events a second), and a gateway that reads along.

    The learner is beside the engine, and has no example yet: no horizon is over so soon.
    """
    config = write_with_timers(folder / "with-timers")
    figures = []
    with opened(config, partitions=4) as world, engine_and_learner(world) as program:
        program.wait_for(TAKEN, world.partitions, START_SECONDS_MAX)
        program.wait_for(LEARNER_TAKEN, 1, START_SECONDS_MAX)
        fed = at_pace(world, log, 0, (paces[0], WARM_UP_SECONDS))
        for pace in paces:
            began_at, used = time.monotonic(), used_by(program)
            with watching(world) as triggers:
                fed += at_pace(world, log, fed, (pace, seconds))
                time.sleep(SETTLE_SECONDS)
            shares = 100 * (used_by(program) - used) / (time.monotonic() - began_at)
            figures += latency_figures(pace, due_at_once(triggers))
            for who, share in zip(("engine", "learner beside it"), shares.tolist(), strict=True):
                name = f"the {who} at {pace:,} events/s"
                figures.append(Figure(name=name, value=share, unit="% of a core"))
    return figures


def used_by(program: Program) -> NDArray[np.float64]:
    """CPU seconds of an engine, and of the learner that it has started."""
    learner = program.cpu_seconds_of(LEARNER)
    return np.array([program.cpu_seconds - learner, learner])


def at_pace(world: World, log: Path, skip: int, pace: tuple[int, float]) -> int:
    """Feed so many events a second, for so long, behind those fed before; how many these were.

    Raises:
        BenchError: the feeder did not keep the pace: what was measured is another one.
    """
    per_second, seconds = pace
    limits = ("--lines", str(round(per_second * seconds)), "--per-second", str(per_second))
    behind = ("--skip", str(skip), "--age-ms", str(AGE_MS))
    fed = feed(world, "shop", str(log), *behind, *limits)
    if fed.seconds > SLOWER_MAX * seconds:
        got = fed.records / fed.seconds
        raise BenchError(
            f"the feeder: expected {per_second:,} events a second, got {got:,.0f}; measure on a "
            "quieter machine"
        )
    return fed.records


@contextmanager
def watching(world: World) -> Iterator[list[Seen]]:
    """What a gateway sees while the block runs; there once it has ended."""
    triggers: list[Seen] = []
    command = [sys.executable, "-m", "bench.live.watch", "--kafka", world.kafka.servers]
    with running([*command, "--prefix", world.kafka.prefix, str(world.partitions)]) as watcher:
        watcher.wait_for(WATCHING, 1, PATIENCE_SECONDS)
        yield triggers
        triggers += seen_by(watcher)


def seen_by(watcher: Program) -> list[Seen]:
    """What the watcher tells at its end."""
    watcher.stop()
    return [msgspec.json.decode(line, type=Seen) for line in watcher.output().splitlines()]


def of_journey(triggers: Sequence[Seen], journey: str) -> list[Seen]:
    """The triggers of one journey.

    Raises:
        BenchError: there are none.
    """
    found = [one for one in triggers if one.journey == journey]
    if not found:
        raise BenchError(f"expected triggers of the journey {journey}, got none")
    return found


def due_at_once(triggers: Sequence[Seen]) -> list[Seen]:
    """Those that an event set off; what waits for time to pass names none."""
    return [one for one in of_journey(triggers, AT_ONCE) if one.offset >= 0]


def latency_figures(pace: int, triggers: Sequence[Seen]) -> list[Figure]:
    """From the broker's time of the event to that of its trigger, and to a gateway's having it."""
    sent_ms = np.array([one.broker_ms - one.instant_ms for one in triggers])
    seen_ms = np.array([one.seen_ms - one.instant_ms for one in triggers])
    at = f"event to trigger at {pace:,} events/s"
    return [
        Figure(name=f"triggers seen at {pace:,} events/s", value=len(triggers), unit="triggers"),
        *quantile_figures(at, sent_ms, GOALS_MS.get(pace)),
        Figure(name=f"{at}, as a gateway sees it, p99", value=p99(seen_ms), unit="ms"),
    ]


def quantile_figures(name: str, waited_ms: Milliseconds, goal_ms: float | None) -> list[Figure]:
    """Median, 99th percentile and maximum of some waits; the goal is the percentile's."""
    return [
        Figure(name=f"{name}, p50", value=float(np.quantile(waited_ms, 0.5)), unit="ms"),
        Figure(name=f"{name}, p99", value=p99(waited_ms), unit="ms", at_most=goal_ms),
        Figure(name=f"{name}, max", value=float(waited_ms.max()), unit="ms"),
    ]


def p99(waited_ms: Milliseconds) -> float:
    """The 99th percentile."""
    return float(np.quantile(waited_ms, 0.99))
