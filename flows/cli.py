"""The command line: `beckon check`, `import`, `simulate`, `replay` and `demo`.

Commands import what they need when they run, so that `beckon --help` is there at once.
"""

from __future__ import annotations

import gc
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

OUTPUT_NAMES = ("triggers", "decisions", "tags", "profiles", "dead_letters")

CONFIG_OPTION = click.option(
    "--config",
    "config_directory",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="A config folder; without it, the one that Beckon brings along.",
)
RATE = click.FloatRange(0, 1)


def main() -> None:
    """The console script: runs a command and exits with its code, never with a traceback."""
    from flows.exits import run_command

    # Read when numpy is imported: its threads would only cost memory here.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    sys.exit(run_command(beckon, sys.argv[1:]))


def instant(_context: click.Context, _parameter: click.Parameter, text: str | None) -> int | None:
    """An ISO 8601 time (UTC unless it says otherwise) in ms since 1970; None without a text."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        example = "2026-11-21T09:00:00Z"
        raise click.BadParameter(f"expected a time like {example}, got {text!r}") from error
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return int(aware.timestamp() * 1000)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="beckon", message="%(prog)s %(version)s")
def beckon() -> None:
    """Customer journeys in real time, decided as a pure function of the event log.

    Exit codes: 0 done; 1 problems found; 2 usage; 3 a file cannot be read or written;
    130 interrupted.
    """


@beckon.command()
@CONFIG_OPTION
def check(config_directory: Path | None) -> None:
    """Check a config folder: every problem at once, or what it holds and costs."""
    from config.load import load
    from flows.plan import layout_bytes
    from flows.show import config_tables, show

    config = load(config_directory)
    show(config_tables(config, layout_bytes(config)))


@beckon.command(name="import")
@click.argument("source", metavar="FILE")
@click.option(
    "--format",
    "source_format",
    type=click.Choice(["rees46", "online-retail"]),
    required=True,
    help="Whose data set it is.",
)
@click.option("--out", metavar="FILE", required=True, help="Where the events go; - is stdout.")
def import_events(source: str, source_format: str, out: str) -> None:
    """Turn a public data set into events (.xz, .gz and .zst are read directly)."""
    from connectors.files import open_bytes, output
    from connectors.online_retail import import_online_retail
    from connectors.rees46 import import_rees46
    from flows.show import counts_table, show

    imports = {"rees46": import_rees46, "online-retail": import_online_retail}
    with open_bytes(source) as rows, output(out) as events:
        counts = imports[source_format](rows, events)
    show([counts_table(f"{source} as {source_format}", counts)], on_stderr=out == "-")


@beckon.command()
@click.option("--users", type=click.IntRange(1, 100_000_000), default=2_000, show_default=True)
@click.option("--days", type=click.IntRange(1, 3_660), default=30, show_default=True)
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True)
@click.option("--out", metavar="FILE", required=True, help="Where the events go; - is stdout.")
@click.option("--truth", metavar="FILE", help="Also write the true probabilities, user by user.")
@click.option("--late", type=RATE, help="Share of events that arrive hours to days late.")
@click.option("--duplicate", type=RATE, help="Share of events that are sent twice.")
@click.option("--reordered", type=RATE, help="Share of events that overtake others.")
@click.option("--broken", type=RATE, help="Share of records that are no usable event.")
def simulate(out: str, truth: str | None, **chosen: Any) -> None:
    """Simulate a believable shop: sessions, carts, orders, churn; the same for the same seed."""
    from contextlib import nullcontext

    from connectors.files import output
    from flows.show import counts_table, show
    from flows.simulate import SimulateOptions
    from flows.simulate import simulate as write_events
    from flows.simulate_delivery import Rates

    size = {name: chosen.pop(name) for name in ("users", "days", "seed")}
    given = {name: share for name, share in chosen.items() if share is not None}
    try:
        options = SimulateOptions(**size, rates=Rates(**given))
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    with output(out) as events, output(truth) if truth else nullcontext() as true_file:
        counts = write_events(options, events, true_file)
    show([counts_table(f"simulated, seed {options.seed}", counts)], on_stderr=out == "-")


@beckon.command()
@click.argument("events", metavar="EVENTS...", nargs=-1, required=True)
@CONFIG_OPTION
@click.option("--state", metavar="DIR", type=click.Path(path_type=Path), help="Resume and save.")
@click.option("--triggers", metavar="FILE", help="Write the messages that were triggered.")
@click.option("--decisions", metavar="FILE", help="Write triggers, suppressed stages and goals.")
@click.option("--tags", metavar="FILE", help="Write the tags gained and lost.")
@click.option("--profiles", metavar="FILE", help="Write every user's profile at the end.")
@click.option("--dead-letters", metavar="FILE", help="Write the records that cannot be used.")
@click.option(
    "--until",
    "until_ms",
    metavar="TIME",
    callback=instant,
    help="End the log before this log time (ISO 8601).",
)
@click.option("--drain", is_flag=True, help="At the end decide all that is pending, however far.")
@click.option(
    "--batch", "batch_size", type=click.IntRange(1, 1_000_000), default=20_000, show_default=True
)
@click.option("--partitions", type=click.IntRange(1, 1_024), default=1, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print the summary as one JSON object.")
def replay(config_directory: Path | None, as_json: bool, **given: Any) -> int:
    """Replay recorded events and write what Beckon decides; files that end in .gz, .xz, .zst too.

    EVENTS are Segment messages, one JSON object a line; "-" is standard input, and as an output
    standard output. Several files are one log.
    """
    gc.disable()  # `run_replay` enables it: importing makes no garbage, and looking for it is slow
    from config.load import load
    from flows.console import Start, close, run_replay
    from flows.replay import ReplayOptions

    start = Start.of_process()
    outputs = {name: path for name in OUTPUT_NAMES if (path := given.pop(name)) is not None}
    check_paths(given["events"], list(outputs.values()), as_json)
    options = ReplayOptions(config=load(config_directory), outputs=outputs, **given)
    summary = run_replay(options, start)
    return close(summary, as_json=as_json, on_stderr="-" in outputs.values())


def check_paths(events: tuple[str, ...], outputs: list[str], as_json: bool) -> None:
    """Refuse to read or write one thing twice, or to write over what is read."""
    if events.count("-") > 1:
        raise click.UsageError("expected standard input once among the EVENTS, got - twice")
    if as_json and "-" in outputs:
        raise click.UsageError("expected one thing on standard output, got --json and - as a file")
    real = [path if path == "-" else os.path.realpath(path) for path in outputs]
    if len(set(real)) < len(real):
        raise click.UsageError("expected a file of its own for each output, got one file twice")
    read = {os.path.realpath(path) for path in events if path != "-"}
    for path in real:
        if path in read:
            raise click.UsageError(f"expected an output that is not read as EVENTS, got {path}")


@beckon.command()
def demo() -> int:
    """Simulate a small shop, replay it, show what was decided and check that the sums close."""
    from flows.demo import run_demo

    return run_demo()
