"""The command line: each command of `beckon` with its options.

Commands import what they need when they run, so that `beckon --help` is there at once.
"""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path
from typing import Any

import click

from flows.kafka_commands import OPTIONS_OPTION, topics
from flows.letter_commands import dead_letters
from flows.live_commands import config, learn, produce, run
from flows.live_model_commands import list_versions, resume, rollback, show_version, warm_start
from flows.model_commands import models
from flows.option_types import instant
from flows.range_commands import range_options, read
from flows.redis_commands import profile, redis_option, state_group

OUTPUT_NAMES = ("triggers", "decisions", "tags", "examples", "profiles", "dead_letters")

CONFIG_OPTION = click.option(
    "--config",
    "config_directory",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="A config folder; without it, the one that Beckon brings along.",
)
STATE_OPTION = click.option(
    "--state",
    metavar="DIR",
    type=click.Path(path_type=Path),
    required=True,
    help="The state directory of a replay; read only, also while a replay works on it.",
)
RATE = click.FloatRange(0, 1)


def main() -> None:
    """The console script: runs a command and exits with its code, never with a traceback."""
    from flows.exits import run_command

    # Read when numpy is imported: its threads would only cost memory here.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    sys.exit(run_command(beckon, sys.argv[1:]))


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="beckon", message="%(prog)s %(version)s")
def beckon() -> None:
    """Customer journeys in real time, decided as a pure function of the event log.

    Exit codes: 0 done; 1 problems found; 2 usage; 3 a file cannot be read or written;
    130 interrupted.
    """


beckon.add_command(topics)
beckon.add_command(dead_letters)
beckon.add_command(read)
beckon.add_command(profile)
beckon.add_command(state_group)
beckon.add_command(run)
beckon.add_command(learn)
beckon.add_command(models)
for command in (list_versions, show_version, rollback, resume, warm_start):
    models.add_command(command)
beckon.add_command(produce)
beckon.add_command(config)


@beckon.command()
@CONFIG_OPTION
@click.option("--features", "with_features", is_flag=True, help="List the bytes of each feature.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, for editors and CI.")
def check(config_directory: Path | None, with_features: bool, as_json: bool) -> int:
    """Check a config folder: every problem with its fix, or what the folder holds and costs."""
    from flows.check import run_check

    return run_check(config_directory, as_json=as_json, with_features=with_features)


@beckon.command()
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
def init(directory: Path) -> None:
    """Write the default config into DIR, ready to edit; DIR is new, or empty."""
    import shlex

    from config.init import CONTENTS, in_the_way, write_defaults

    if (got := in_the_way(directory)) is not None:
        raise click.UsageError(f"{directory}: expected a new or empty folder, got {got}")
    write_defaults(directory)
    width = max(map(len, CONTENTS))
    contents = "\n".join(f"  {name:{width}}  {what}" for name, what in CONTENTS.items())
    named = shlex.quote(str(directory))
    click.echo(
        f"{directory}: the default config, ready to edit\n\n{contents}\n\n"
        f"See what is wrong with it, then what it would have done:\n\n"
        f"  beckon check --config {named}\n"
        f"  beckon replay EVENTS --config {named}"
    )


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
@click.option(
    "--answers-to",
    metavar="FILE",
    help="Triggers of a replay of this shop: customers get these messages, the log their answers.",
)
@click.option("--late", type=RATE, help="Share of events that arrive hours to days late.")
@click.option("--duplicate", type=RATE, help="Share of events that are sent twice.")
@click.option("--reordered", type=RATE, help="Share of events that overtake others.")
@click.option("--broken", type=RATE, help="Share of records that are no usable event.")
@click.option("--seasons", is_flag=True, help="Visits follow the year, orders the pay days.")
@click.option(
    "--campaign",
    "campaigns",
    metavar="DAY[:DAYS[:LIFT]]",
    multiple=True,
    help="More visits and orders from this day on, with coupons; may be given several times.",
)
@click.option(
    "--change",
    "changes",
    metavar="DAY:WHAT",
    multiple=True,
    help="From this day on: prices, competitor, viral or delivery; may be given several times.",
)
def simulate(out: str, truth: str | None, answers_to: str | None, **chosen: Any) -> None:
    """Simulate a believable shop: visits, carts, orders, churn; the same for the same seed."""
    from contextlib import nullcontext

    from connectors.files import output
    from flows.show import counts_table, show
    from flows.simulate import SimulateOptions
    from flows.simulate import simulate as write_events
    from flows.simulate_chart import traffic_chart
    from flows.simulate_days import campaign_of, change_of
    from flows.simulate_delivery import Rates
    from flows.simulate_mailbox import read_triggers

    rates = {name: chosen.pop(name) for name in ("late", "duplicate", "reordered", "broken")}
    given = {name: share for name, share in rates.items() if share is not None}
    try:
        chosen["campaigns"] = tuple(map(campaign_of, chosen["campaigns"]))
        chosen["changes"] = tuple(map(change_of, chosen["changes"]))
        options = SimulateOptions(rates=Rates(**given), **chosen)
        triggers = read_triggers(answers_to, options.users) if answers_to else ()
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    with output(out) as events, output(truth) if truth else nullcontext() as true_file:
        simulated = write_events(options, events, true_file, triggers)
    counts = counts_table(f"simulated, seed {options.seed}", simulated.counts)
    show([counts, "\n".join(traffic_chart(options, simulated))], on_stderr=out == "-")


@beckon.command()
@click.argument("events", metavar="EVENTS...", nargs=-1, required=True)
@CONFIG_OPTION
@click.option("--state", metavar="DIR", type=click.Path(path_type=Path), help="Resume and save.")
@click.option("--triggers", metavar="FILE", help="Write the messages that were triggered.")
@click.option("--decisions", metavar="FILE", help="Write triggers, suppressed stages and goals.")
@click.option("--tags", metavar="FILE", help="Write the tags gained and lost.")
@click.option("--examples", metavar="FILE", help="Write what models learn from.")
@click.option("--profiles", metavar="FILE", help="Write every user's profile at the end.")
@click.option("--dead-letters", metavar="FILE", help="Write the records that cannot be used.")
@click.option(
    "--until",
    "until_ms",
    metavar="TIME",
    callback=instant,
    help="End the log before this log time (ISO 8601).",
)
@click.option(
    "--learn", "learns", is_flag=True, help="In a range of the log, too, have models learn."
)
@click.option("--drain", is_flag=True, help="At the end decide all that is pending, however far.")
@click.option(
    "--batch", "batch_size", type=click.IntRange(1, 1_000_000), default=20_000, show_default=True
)
@click.option("--partitions", type=click.IntRange(1, 1_024), help="Of files.  [default: 1]")
@OPTIONS_OPTION
@click.option("--json", "as_json", is_flag=True, help="Print the summary as one JSON object.")
def replay(config_directory: Path | None, as_json: bool, **given: Any) -> int:
    """Replay recorded events and write what Beckon decides; files that end in .gz, .xz, .zst too.

    EVENTS are Segment messages, one JSON object a line; "-" is standard input, and as an output
    standard output. Several files are one log.

    Or a range of the live log, kafka://HOST:PORT/beckon.events?from=TIME&to=TIME: without from= all
    of it, without to= up to now. Without --config the configs in the log are in force. Models score
    there by the versions in the log; with --learn they learn on the way, as they do in files.
    """
    gc.disable()  # `run_replay` enables it: importing makes no garbage, and looking for it is slow
    from config.load import load
    from flows.console import Start, close, run_range_replay, run_replay
    from flows.replay import ReplayOptions

    start = Start.of_process()
    outputs = {name: path for name in OUTPUT_NAMES if (path := given.pop(name)) is not None}
    check_paths(given["events"], list(outputs.values()), as_json)
    if (ranged := range_options(given, config_directory, outputs)) is not None:
        summary = run_range_replay(ranged, start)
    else:
        given = given | {"partitions": given["partitions"] or 1, "learns": True}
        given.pop("kafka_options")
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


@beckon.command(name="show")
@click.argument("user", metavar="USER")
@STATE_OPTION
@CONFIG_OPTION
@click.option("--json", "as_json", is_flag=True, help="Print the profile as one JSON object.")
def show_user(user: str, state: Path, config_directory: Path | None, *, as_json: bool) -> None:
    """Show what is known about one user: tags, journeys under way, last triggers, features."""
    from config.load import load
    from flows.console import note_compiling
    from flows.lookup import profile_of
    from flows.profile_page import profile_page

    config = load(config_directory)
    note_compiling()
    profile = profile_of(state, config, user)
    click.echo(profile if as_json else "\n".join(profile_page(profile, config)))


@beckon.command()
@click.argument("tag", metavar="TAG")
@click.option(
    "--state",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="The state directory of a replay; read only, also while a replay works on it.",
)
@redis_option(means="Or the Redis of live engines.")
@CONFIG_OPTION
@click.option("--out", metavar="FILE", help="Write all of them as CSV; - is stdout.")
def audience(tag: str, config_directory: Path | None, out: str | None, **where: Any) -> None:
    """List who holds a tag, or a tag of a group, and since when.

    On a terminal the first of them, else all as CSV.
    """
    from config.load import load
    from connectors.files import output
    from flows.audience_page import count_sentence, first_rows, write_csv
    from flows.console import note_compiling
    from flows.lookup import audience_of
    from flows.redis_lookup import audience_in_redis

    state, redis = where["state"], where["redis"]
    if state is None and redis is None:
        raise click.UsageError("expected --state DIR or --redis URL, got neither")
    config = load(config_directory)
    tag_index = index_of_tag(tag, [known.name for known in config.tags])
    if state is not None:
        note_compiling()
        found = audience_of(state, config, tag_index)
    else:
        found = audience_in_redis(redis, tag)
    only_first = out is None and sys.stdout.isatty()
    if only_first:
        click.echo("".join(f"{line}\n" for line in first_rows(found, config.shop.zone)), nl=False)
    else:
        with output(out or "-") as file:
            write_csv(found, file)
    click.echo(count_sentence(found, tag, config.shop.zone, shown=only_first), err=True)


def index_of_tag(tag: str, known: list[str]) -> int:
    """Where a tag stands in the config; refuses one that it does not have."""
    from config.problems import nearest_name, shown

    if tag in known:
        return known.index(tag)
    nearest = nearest_name(tag, known)
    hint = f"; did you mean {nearest!r}?" if nearest else ""
    raise click.BadParameter(f"no tag {shown(tag)} in this config{hint}", param_hint="TAG")


@beckon.command()
@click.option("--users", type=click.IntRange(100, 1_000_000), default=20_000, show_default=True)
@click.option("--days", type=click.IntRange(7, 366), default=60, show_default=True)
@click.option(
    "--seconds",
    type=click.FloatRange(1, 600),
    default=25,
    show_default=True,
    help="How long the first act lasts at a terminal.",
)
def demo(users: int, days: int, seconds: float) -> int:
    """See Beckon at work: a simulated shop live, the same log in pieces, and a "what if"."""
    gc.disable()  # as for `replay`
    import tempfile

    from flows.demo import Play, run_demo

    folder = Path(tempfile.mkdtemp(prefix="beckon-demo-"))
    return run_demo(Play(users=users, days=days, seconds=seconds), folder)


if __name__ == "__main__":
    main()
