"""`make bench-live`: measures the live engine on a real broker and Redis, prints, writes JSON.

python -m bench.live                     all, with the sizes of docs/benchmarks.md (half an hour)
python -m bench.live --quick             all, small: whether it works, not how fast
python -m bench.live --only latency --seconds 20

Broker, Redis, feeder, gateway and engine share the cores of this machine: CPU seconds are those of
the engine alone, what is measured by the clock is not.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from msgspec import Struct
from msgspec.structs import replace
from rich.console import Console

from bench.live.backlog import measure_backlog, measure_processes
from bench.live.crowd import Crowd, measure_crowd
from bench.live.latency import measure_latency
from bench.live.redis_bytes import measure_bytes
from bench.live.rivals import measure_rivals
from bench.logs import Shop, folder, simulated_log
from bench.measure import BenchError, Figure
from bench.report import hand_over, report_of

SHARED = "Broker, Redis, feeder and engine share the cores; CPU seconds are the engine's alone."
"""Said beside all figures."""

TABLE_WIDTH = 110


class Sizes(Struct, frozen=True, kw_only=True):
    """How much is measured.

    shop: whose events come. events: in the backlog; for the rivals; for each of one and two
    processes. users, timers: in the crowd. seconds: at each of the paces.
    """

    shop: Shop
    events: int
    rival_events: int
    process_events: int
    rounds: int
    paces: tuple[int, ...]
    seconds: float
    users: int
    timers: int
    cold: bool
    stored: Shop


FULL = Sizes(
    shop=Shop(users=100_000, days=30),
    events=2_000_000,
    rival_events=500_000,
    process_events=1_000_000,
    rounds=3,
    paces=(2_000, 20_000),
    seconds=60.0,
    users=1_000_000,
    timers=12_000,
    cold=False,
    stored=Shop(users=20_000, days=30),
)
QUICK = Sizes(
    shop=Shop(users=2_000, days=10),
    events=20_000,
    rival_events=10_000,
    process_events=20_000,
    rounds=1,
    paces=(500,),
    seconds=5.0,
    users=5_000,
    timers=600,
    cold=False,
    stored=Shop(users=500, days=10),
)


def backlog(sizes: Sizes, here: Path) -> list[Figure]:
    """How fast a backlog is worked off."""
    return measure_backlog(simulated_log(sizes.shop), here, events=sizes.events)


def rivals(sizes: Sizes, here: Path) -> list[Figure]:
    """The same little job, by us and by others, who have no words for what is broken."""
    log = simulated_log(replace(sizes.shop, broken=0.0))
    return measure_rivals(log, here, events=sizes.rival_events)


def processes(sizes: Sizes, here: Path) -> list[Figure]:
    """One process and two."""
    log = simulated_log(sizes.shop)
    return measure_processes(log, here, events=sizes.process_events, rounds=sizes.rounds)


def latency(sizes: Sizes, here: Path) -> list[Figure]:
    """From an event to its trigger."""
    log = simulated_log(sizes.shop)
    return measure_latency(log, here, paces=sizes.paces, seconds=sizes.seconds)


def crowd(sizes: Sizes, here: Path) -> list[Figure]:
    """Timers and a resume, with many users."""
    size = Crowd(users=sizes.users, timers=sizes.timers, cold=sizes.cold)
    return measure_crowd(simulated_log(sizes.shop), here, crowd=size, rounds=sizes.rounds)


def stored(sizes: Sizes, here: Path) -> list[Figure]:
    """What users take in Redis."""
    return measure_bytes(simulated_log(sizes.stored), here)


MEASUREMENTS: dict[str, Callable[[Sizes, Path], list[Figure]]] = {
    "backlog": backlog,
    "rivals": rivals,
    "processes": processes,
    "latency": latency,
    "crowd": crowd,
    "bytes": stored,
}


def main() -> int:
    """Measure what the command line asks for; 1 if something measured failed."""
    parser = argparse.ArgumentParser(prog="python -m bench.live", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes: does it work at all")
    parser.add_argument("--only", choices=[*MEASUREMENTS], help="one measurement instead of all")
    parser.add_argument("--json", type=Path, default=folder() / "live.json", metavar="FILE")
    for name in ("events", "rival-events", "process-events", "rounds", "users", "timers"):
        parser.add_argument(f"--{name}", type=int, metavar="N")
    parser.add_argument("--cold", action="store_const", const=True, help="resume with cold caches")
    parser.add_argument("--seconds", type=float, help="at each pace of the latency")
    options = parser.parse_args()
    sizes = chosen(QUICK if options.quick else FULL, options)
    try:
        figures = measured(sizes, options.only)
    except BenchError as failure:
        print(failure, file=sys.stderr)
        return 1
    print(SHARED)
    hand_over(report_of(figures, quick=options.quick), Console(width=TABLE_WIDTH), options.json)
    return 0


def chosen(sizes: Sizes, options: argparse.Namespace) -> Sizes:
    """The sizes with what the command line says of them."""
    names = sizes.__struct_fields__
    given = {name: getattr(options, name, None) for name in names}
    return replace(sizes, **{name: value for name, value in given.items() if value is not None})


def measured(sizes: Sizes, only: str | None) -> list[Figure]:
    """The figures of one measurement, or of all; before that the engine's code is compiled."""
    figures = []
    with TemporaryDirectory() as here:
        measure_backlog(simulated_log(QUICK.shop), Path(here), events=QUICK.events)
        for name in [only] if only else [*MEASUREMENTS]:
            print(f"measuring: {name}", file=sys.stderr, flush=True)
            figures += MEASUREMENTS[name](sizes, Path(here))
    return figures


if __name__ == "__main__":
    sys.exit(main())
