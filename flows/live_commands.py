"""`beckon run`, `beckon produce`, `beckon config push`: the live engine and its log."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from flows.kafka_commands import with_kafka
from flows.redis_commands import redis_option

if TYPE_CHECKING:
    from connectors.kafka_settings import KafkaSettings
    from flows.health import Address
    from state.redis_settings import RedisSettings


LEARNER_INDEX = -1
"""The learner beside `beckon run` has its pages on the port before the first process's."""

BECKON = (sys.executable, "-P", "-m", "flows.cli")
"""This very Beckon as another process, whatever it was started by and wherever."""


UNTIL_EOF_OPTION = click.option(
    "--until-eof",
    is_flag=True,
    help="End when standard input ends, too: with the process that holds its other end.",
)


@click.command()
@with_kafka
@redis_option(required=True, means="Where profiles are kept.")
@click.option(
    "--config",
    "config_directory",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Pushed into a log that has no config yet; else the log's own is in force.",
)
@click.option(
    "--processes",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="Processes that share the partitions.",
)
@click.option(
    "--rebuild",
    is_flag=True,
    help="Make lost profiles anew from the log; what was relayed is not sent again.",
)
@click.option(
    "--index",
    type=click.IntRange(0, 63),
    help="Run only this one of the processes (from 0 on), as where they are on several machines.",
)
@click.option(
    "--metrics",
    metavar="HOST:PORT",
    default="127.0.0.1:9464",
    show_default=True,
    help="Where /metrics, /healthz and /readyz are; process i on PORT + i; off: nowhere.",
)
@click.option("--no-learner", is_flag=True, help="Start no learner beside it: see `beckon learn`.")
@click.option("--learner-only", is_flag=True, help="Run nothing but the learner that it starts.")
@UNTIL_EOF_OPTION
def run(
    kafka: KafkaSettings, redis: RedisSettings, config_directory: Path | None, **chosen: Any
) -> int:
    """Run the live engine until SIGTERM: from Kafka to Kafka, with profiles in Redis.

    Where the config has models, a process beside it learns them.
    """
    from flows.health import address_of_process
    from flows.run import RunOptions, run_process, run_processes

    processes, index = chosen["processes"], chosen["index"]
    if index is not None and index >= processes:
        raise click.UsageError(f"expected --index below --processes {processes}, got {index}")
    metrics = address(chosen["metrics"])
    if chosen["learner_only"]:
        pages = address_of_process(metrics, LEARNER_INDEX) if metrics is not None else None
        learn_until_stopped(kafka, redis, pages, until_eof=chosen["until_eof"])
    has_learner = not chosen["no_learner"] and not index
    options = RunOptions(
        kafka=kafka,
        redis=redis,
        config_directory=config_directory,
        index=index or 0,
        processes=processes,
        rebuild=chosen["rebuild"],
        metrics=metrics,
        until_eof=chosen["until_eof"],
        learner=(*BECKON, *sys.argv[1:], "--learner-only", "--until-eof") if has_learner else (),
    )
    if processes == 1 or index is not None:
        return run_process(options)
    return run_processes(options, [*BECKON, *sys.argv[1:]])


@click.command()
@with_kafka
@redis_option(required=True, means="Where profiles are kept, and what is learned.")
@click.option(
    "--metrics",
    metavar="HOST:PORT",
    default="127.0.0.1:9463",
    show_default=True,
    help="Where /metrics, /healthz and /readyz are; off: nowhere.",
)
@UNTIL_EOF_OPTION
def learn(kafka: KafkaSettings, redis: RedisSettings, metrics: str, *, until_eof: bool) -> None:
    """Learn from the examples of a live engine until SIGTERM, and publish versions to its log.

    One process learns; another one waits until that ends, and goes on where it was.
    """
    learn_until_stopped(kafka, redis, address(metrics), until_eof=until_eof)


def learn_until_stopped(
    kafka: KafkaSettings, redis: RedisSettings, pages: Address | None, *, until_eof: bool
) -> NoReturn:
    """Run the learner in this process, and end it."""
    from flows.run_learner import LearnOptions, run_learner

    run_learner(LearnOptions(kafka=kafka, redis=redis, metrics=pages, until_eof=until_eof))


def address(text: str) -> Address | None:
    """Where to serve the metrics; None for "off"."""
    from flows.health import address_of

    if text == "off":
        return None
    try:
        return address_of(text)
    except ValueError as error:
        raise click.UsageError(f"--metrics: {error}") from error


@click.command()
@click.argument("events", metavar="EVENTS...", nargs=-1, required=True)
@with_kafka
@click.option(
    "--per-second",
    type=click.FloatRange(min=0, min_open=True),
    help="Append no more than so many in a second.",
)
@click.option(
    "--speed",
    type=click.FloatRange(min=0, min_open=True),
    help="As if they happened now, so many times as fast: their times are moved.",
)
def produce(
    events: tuple[str, ...],
    kafka: KafkaSettings,
    per_second: float | None,
    speed: float | None,
) -> int:
    """Append recorded events to the live log, keyed as tracking has to key them.

    EVENTS are Segment messages, one JSON object a line; "-" is standard input. Without --speed they
    go as they were recorded.
    """
    from flows.exits import DONE, INTERRUPTED
    from flows.produce import AsIfNow, AtRate, at_once
    from flows.produce import produce as append

    if per_second is not None and speed is not None:
        raise click.UsageError("expected --per-second or --speed, got both")
    pace = at_once
    if per_second is not None:
        pace = AtRate(per_second)
    elif speed is not None:
        pace = AsIfNow(speed)
    produced = append(kafka, events, pace)
    click.echo(f"{produced.count:,} records appended", err=True)
    return INTERRUPTED if produced.interrupted else DONE


@click.group()
def config() -> None:
    """The config that the live engine decides by."""


@config.command()
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@with_kafka
def push(directory: Path, kafka: KafkaSettings) -> None:
    """Check a config folder and put it in force: one record on every partition of the log."""
    from connectors.kafka import KafkaBroker
    from connectors.kafka_topics import log_partitions
    from flows.config_records import config_record
    from flows.config_records import push as append

    record = config_record(directory)
    append(KafkaBroker(kafka).writer(), log_partitions(kafka), record)
    click.echo(f"pushed config {record.version}", err=True)
