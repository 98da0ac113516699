"""How fast a log is replayed: by the default config, a small job, and a bare loop of that job.

All three read the same bytes in one run, turn by turn, each in a process of its own, whose CPU
seconds (user and system, start included, compiled code cached) are what counts.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import msgspec

from bench.logs import folder, head
from bench.measure import BECKON, ROOT, Figure, Usage, middle, run
from flows.summary import Summary

WARM_UP_LINES = 2000
DEFAULT, SMALL, BARE = "default config", "small job", "bare loop"


def measure_replay(log: Path, *, rounds: int) -> list[Figure]:
    """Run the three jobs over `log` in `rounds` turns; rates are those of the median seconds."""
    jobs: dict[str, Callable[[Path], Usage]] = {
        DEFAULT: _replay_default,
        SMALL: _replay_small,
        BARE: _run_bare_loop,
    }
    warm_up = head(log, WARM_UP_LINES)
    for job in jobs.values():
        job(warm_up)
    used: dict[str, list[Usage]] = {name: [] for name in jobs}
    for turn in range(rounds):
        # Another one goes first in each turn: none always meets the machine as another left it.
        for name in [*jobs][turn % len(jobs) :] + [*jobs][: turn % len(jobs)]:
            used[name].append(jobs[name](log))
    summary = msgspec.json.decode(used[DEFAULT][0].output, type=Summary)
    seconds = {name: middle([usage.cpu_seconds for usage in runs]) for name, runs in used.items()}
    resident_bytes = middle([float(usage.resident_bytes_max) for usage in used[DEFAULT]])
    rates = {name: summary.records / spent for name, spent in seconds.items()}
    return [*_log_figures(log, summary), *_rate_figures(rates, resident_bytes)]


def _replay_default(log: Path) -> Usage:
    return run(*BECKON, "replay", str(log), "--triggers", _triggers("default"), "--json")


def _replay_small(log: Path) -> Usage:
    config = ("--config", str(ROOT / "bench" / "small_job"))
    return run(*BECKON, "replay", str(log), "--triggers", _triggers("small"), "--json", *config)


def _run_bare_loop(log: Path) -> Usage:
    return run(sys.executable, "-m", "bench.bare_loop", str(log), _triggers("bare"))


def _triggers(name: str) -> str:
    return str(folder() / f"{name}-triggers.jsonl")


def _log_figures(log: Path, summary: Summary) -> list[Figure]:
    """Whether the log is what it should be: heavy records, and many decisions."""
    decision_count = sum(
        journey.sent + sum(journey.suppressed.values()) for journey in summary.journeys.values()
    )
    return [
        Figure(name="records in the log", value=summary.records, unit="records"),
        Figure(name="users", value=summary.users, unit="users"),
        Figure(name="weight of a record", value=log.stat().st_size / summary.records, unit="bytes"),
        Figure(
            name="events per decision",
            value=summary.events / max(decision_count, 1),
            unit="events",
            at_most=30.0,
        ),
    ]


def _rate_figures(rates: dict[str, float], resident_bytes: float) -> list[Figure]:
    """The three rates, and what the first two are beside the third."""
    unit = "records/CPU-s"
    by_default, small = rates[DEFAULT] / rates[BARE], rates[SMALL] / rates[BARE]
    return [
        Figure(name=DEFAULT, value=rates[DEFAULT], unit=unit, at_least=200_000.0),
        Figure(name=SMALL, value=rates[SMALL], unit=unit),
        Figure(name=BARE, value=rates[BARE], unit=unit),
        Figure(name="default config / bare loop", value=by_default, unit="times", at_least=1.0),
        Figure(name="small job / bare loop", value=small, unit="times", at_least=1.8),
        Figure(name="default config, most memory", value=resident_bytes / 1e6, unit="MB"),
    ]
