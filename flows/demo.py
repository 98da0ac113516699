"""The demo: a small simulated shop, replayed with the config that Beckon brings along."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from config.load import load
from connectors.files import output
from flows.console import Start, close, run_replay
from flows.exits import PROBLEMS
from flows.replay import ReplayOptions
from flows.simulate import SimulateOptions, simulate
from flows.summary import Summary

USERS, DAYS, SEED = 2_000, 30, 1


def run_demo() -> int:
    """Simulate, replay, show, check; returns the exit code. The files stay for a look at them."""
    folder = Path(tempfile.mkdtemp(prefix="beckon-demo-"))
    events = str(folder / "events.jsonl")
    click.echo(f"Simulating {USERS:,} users over {DAYS} days into {folder} ...")
    with output(events) as file:
        simulate(SimulateOptions(users=USERS, days=DAYS, seed=SEED), file, None)
    click.echo("Replaying them with the default config ...")
    names = ("triggers", "decisions", "tags", "profiles", "dead_letters")
    outputs = {name: str(folder / f"{name}.jsonl") for name in names}
    options = ReplayOptions(events=(events,), config=load(None), outputs=outputs)
    summary = run_replay(options, Start.now())
    code = close(summary, as_json=False)
    click.echo(f"The files of this demo are in {folder}; triggers.jsonl has the messages.")
    found = checked(summary, folder)
    for name, holds in found.items():
        click.echo(f"{'ok    ' if holds else 'FAILED'} {name}")
    return code if all(found.values()) else PROBLEMS


def checked(summary: Summary, folder: Path) -> dict[str, bool]:
    """What must hold of the demo's files and summary, and whether it does."""
    sums = list(summary.journeys.values())
    sent = sum(journey.sent for journey in sums)
    suppressed = sum(sum(journey.suppressed.values()) for journey in sums)
    goals = sum(journey.goals for journey in sums)
    lines = {path.stem: line_count(path) for path in folder.glob("*.jsonl")}
    dead = sum(summary.dead_letters.values())
    return {
        "every record of the log was read": lines["events"] == summary.records,
        "messages were triggered": sent > 0,
        "each message sent is in triggers.jsonl": lines["triggers"] == sent,
        "each outcome and goal is in decisions.jsonl": lines["decisions"]
        == sent + suppressed + goals,
        "every scheduled stage has exactly one outcome": summary.sums_close,
        "each user has a profile": lines["profiles"] == summary.users,
        "each unusable record is in dead_letters.jsonl": lines["dead_letters"] == dead,
    }


def line_count(path: Path) -> int:
    """How many lines a file has."""
    with path.open("rb") as file:
        return sum(1 for _ in file)
