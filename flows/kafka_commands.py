"""How commands are told where Kafka is, and `beckon topics`."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from connectors.kafka_settings import KafkaSettings

URL_VARIABLE = "BECKON_KAFKA_URL"
OPTIONS_VARIABLE = "BECKON_KAFKA_OPTIONS"
PASSWORD_VARIABLE = "BECKON_KAFKA_PASSWORD"
PREFIX_VARIABLE = "BECKON_PREFIX"


OPTIONS_OPTION = click.option(
    "--kafka-options",
    "kafka_options",
    metavar="FILE",
    envvar=OPTIONS_VARIABLE,
    show_envvar=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="Settings for TLS and SASL, one name=value a line, as librdkafka calls them.",
)


def with_kafka(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that say where Kafka is; it gets them as `kafka`, as settings."""
    return _with_kafka(command, required=True)


def with_kafka_if_told(command: Callable[..., Any]) -> Callable[..., Any]:
    """As `with_kafka`, for a command that can do without; `kafka` is None where no URL is given."""
    return _with_kafka(command, required=False)


def _with_kafka(command: Callable[..., Any], *, required: bool) -> Callable[..., Any]:
    @click.option(
        "--kafka",
        "url",
        metavar="URL",
        envvar=URL_VARIABLE,
        show_envvar=True,
        required=required,
        help="The brokers: kafka://host:9092,host:9092.",
    )
    @OPTIONS_OPTION
    @click.option(
        "--prefix",
        metavar="NAME",
        envvar=PREFIX_VARIABLE,
        show_envvar=True,
        default="beckon",
        show_default=True,
        help="What the names of all topics begin with.",
    )
    @wraps(command)
    def told_where(url: str | None, kafka_options: Path | None, prefix: str, **given: Any) -> Any:
        kafka = settings_of(url, kafka_options, prefix) if url is not None else None
        return command(kafka=kafka, **given)

    return told_where


def settings_of(url: str, options: Path | None, prefix: str) -> KafkaSettings:
    """The settings that a command line and the environment say."""
    from connectors.kafka_settings import kafka_settings

    try:
        return kafka_settings(url, lines_of(options), prefix=prefix, password=password())
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def lines_of(options: Path | None) -> list[str]:
    """The lines of an options file, where there is one."""
    return options.read_text().splitlines() if options else []


def password() -> str:
    """What the environment says is `sasl.password`."""
    return os.environ.get(PASSWORD_VARIABLE, "")


@click.group()
def topics() -> None:
    """Create the topics of Kafka that Beckon uses, or check that they are as they must be."""


@topics.command()
@with_kafka
@click.option(
    "--partitions",
    type=click.IntRange(1, 1_024),
    default=8,
    show_default=True,
    help="Of each topic; the log's number can never be changed.",
)
@click.option(
    "--replicas",
    type=click.IntRange(1, 16),
    default=1,
    show_default=True,
    help="Brokers that hold each record; 3 where there are that many.",
)
def create(kafka: KafkaSettings, partitions: int, replicas: int) -> int:
    """Create the topics that are missing, with the right settings; others are left as they are."""
    from connectors.kafka_topics import create_topics

    created = create_topics(kafka, partitions=partitions, replicas=replicas)
    for name in created:
        click.echo(f"{name}: created")
    return report_problems(kafka)


@topics.command()
@with_kafka
def check(kafka: KafkaSettings) -> int:
    """Tell of each topic that is not as it must be, with the command that changes it."""
    return report_problems(kafka)


def report_problems(kafka: KafkaSettings) -> int:
    """Print what is wrong with the topics, or that nothing is; returns the exit code."""
    from connectors.kafka_topics import check_topics
    from flows.exits import DONE, PROBLEMS

    problems = check_topics(kafka)
    for problem in problems:
        click.echo(problem)
    if not problems:
        click.echo(f"{kafka.prefix}.*: all topics are as they must be")
    return PROBLEMS if problems else DONE
