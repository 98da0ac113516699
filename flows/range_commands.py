"""Commands on ranges of topics: `beckon read`, and `beckon replay` of the live log."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from flows.kafka_commands import OPTIONS_OPTION, lines_of, password

if TYPE_CHECKING:
    from connectors.kafka_ranges import TopicRange
    from flows.range_replay import RangeOptions

SCHEME = "kafka://"


@click.command()
@click.argument("url", metavar="URL")
@OPTIONS_OPTION
@click.option("--out", metavar="FILE", default="-", help="Where they go; - is stdout, the default.")
def read(url: str, kafka_options: Path | None, out: str) -> None:
    """Write the messages of a topic that Beckon sends to, one a line, as they stand now.

    URL is kafka://HOST:PORT/beckon.triggers, with ?from=TIME&to=TIME for what was sent in between.
    They are in the order of the outputs of `beckon replay`, so that the two can be compared.
    """
    from connectors.files import output
    from flows.topic_messages import OUTPUT_OF, write_messages

    wanted = range_of(url, kafka_options)
    if wanted.topic not in OUTPUT_OF:
        known = ", ".join(f"{wanted.settings.prefix}.{name}" for name in OUTPUT_OF)
        raise click.UsageError(
            f"expected one of {known}, got {wanted.settings.topic(wanted.topic)}"
        )
    with output(out) as file:
        count = write_messages(wanted, out, file)
    click.echo(f"{count:,} messages", err=True)


def range_options(
    given: dict[str, Any], config_directory: Path | None, outputs: dict[str, str]
) -> RangeOptions | None:
    """What `beckon replay` is to do, where its EVENTS are a range of the log; None of files."""
    events: tuple[str, ...] = given["events"]
    if not any(one.startswith(SCHEME) for one in events):
        return None
    from config.load import load, without_live_from
    from connectors.log import LOG_TOPIC
    from flows.console import pause
    from flows.range_parts import Beginning
    from flows.range_replay import RangeOptions

    if len(events) > 1:
        raise click.UsageError("expected one range of the log alone, got other EVENTS beside it")
    if given["until_ms"] is not None:
        raise click.UsageError("expected to=TIME in the URL of a range, got --until")
    if given["partitions"] is not None:
        raise click.UsageError("expected the log's own partitions for a range, got --partitions")
    wanted = range_of(events[0], given["kafka_options"])
    if wanted.topic != LOG_TOPIC:
        raise click.UsageError(
            f"expected the log, {wanted.settings.topic(LOG_TOPIC)}, "
            f"got {wanted.settings.topic(wanted.topic)}"
        )
    if given["learns"] and config_directory is None:
        raise click.UsageError(
            "expected --config DIR with --learn, which says what is learned, got none: the log may "
            "have several"
        )
    beginning = Beginning(
        wanted=wanted,
        config=without_live_from(load(config_directory)) if config_directory is not None else None,
        state=given["state"],
        pause=pause,
    )
    return RangeOptions(
        beginning=beginning,
        outputs=outputs,
        batch_size=given["batch_size"],
        drain=given["drain"],
        learns=given["learns"],
    )


def range_of(url: str, options: Path | None) -> TopicRange:
    """The range of a topic that a URL and the environment say."""
    from connectors.kafka_ranges import topic_range

    try:
        return topic_range(url, lines_of(options), password=password())
    except ValueError as error:
        raise click.UsageError(str(error)) from error
