"""`make bench`: measures replay, memory and ticks, prints a table and writes JSON.

python -m bench            all, with the sizes of docs/benchmarks.md (half an hour)
python -m bench --quick    all, with small sizes (a minute): whether it works, not how fast
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace
from rich.console import Console

from bench.crowd import measure_crowd
from bench.logs import Shop, folder, simulated_log
from bench.measure import BenchError, Figure
from bench.replay import measure_replay
from bench.report import hand_over, report_of


class Sizes(Struct, frozen=True, kw_only=True):
    """How much is measured; `events` are those applied to each crowd once it stands."""

    shop: Shop
    rounds: int
    small_users: int
    large_users: int
    events: int


FULL = Sizes(
    shop=Shop(users=100_000, days=30),
    rounds=5,
    small_users=10_000,
    large_users=1_000_000,
    events=300_000,
)
QUICK = Sizes(
    shop=Shop(users=2_000, days=10),
    rounds=1,
    small_users=1_000,
    large_users=20_000,
    events=20_000,
)


def replay_figures(sizes: Sizes) -> list[Figure]:
    """How fast the simulated shop's log is replayed."""
    return measure_replay(simulated_log(sizes.shop), rounds=sizes.rounds)


def crowd_figures(sizes: Sizes) -> list[Figure]:
    """What users, their events and ticks over them cost."""
    return measure_crowd(
        small_users=sizes.small_users,
        large_users=sizes.large_users,
        events=sizes.events,
        rounds=min(sizes.rounds, 3),
    )


MEASUREMENTS: dict[str, Callable[[Sizes], list[Figure]]] = {
    "replay": replay_figures,
    "crowd": crowd_figures,
}


def main() -> int:
    """Measure what the command line asks for; 1 if a measured program failed."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure Beckon.")
    parser.add_argument("--quick", action="store_true", help="small sizes: does it work at all")
    parser.add_argument("--only", choices=[*MEASUREMENTS], help="one measurement instead of all")
    parser.add_argument("--rounds", type=int, help="turns of each measurement, medians count")
    parser.add_argument("--json", type=Path, default=folder() / "report.json", metavar="FILE")
    options = parser.parse_args()
    sizes = QUICK if options.quick else FULL
    if options.rounds:
        sizes = replace(sizes, rounds=options.rounds)
    # Arithmetic libraries would otherwise start a thread per core and blur the CPU seconds.
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    try:
        figures = measured(sizes, options.only)
    except BenchError as failure:
        print(failure, file=sys.stderr)
        return 1
    hand_over(report_of(figures, quick=options.quick), Console(), options.json)
    return 0


def measured(sizes: Sizes, only: str | None) -> list[Figure]:
    """The figures of one measurement, or of all."""
    names = [only] if only else [*MEASUREMENTS]
    return [figure for name in names for figure in MEASUREMENTS[name](sizes)]


if __name__ == "__main__":
    sys.exit(main())
