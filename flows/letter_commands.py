"""`beckon dead-letters`: look at the records that could not be used, and put them back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from flows.kafka_commands import with_kafka, with_kafka_if_told
from flows.option_types import instant

if TYPE_CHECKING:
    from connectors.kafka_settings import KafkaSettings
    from flows.letters import Letter, Position, Wanted

REASON_OPTION = click.option(
    "--reason",
    "reasons",
    metavar="REASON",
    multiple=True,
    help="Only letters of this reason; may be given several times.",
)
SINCE_OPTION = click.option(
    "--since",
    "since_ms",
    metavar="TIME",
    callback=instant,
    help="Only letters whose records came at this time (ISO 8601) or later.",
)


def position(_context: click.Context, _parameter: click.Parameter, given: Any) -> Any:
    """A position, or several, of the command line."""
    from flows.letters import position_of

    try:
        return position_of(given) if isinstance(given, str) else tuple(map(position_of, given))
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


@click.group(name="dead-letters")
def dead_letters() -> None:
    """Records that cannot be used: list them, look at one, put them back after a fix."""


@dead_letters.command(name="list")
@click.argument("file", metavar="[FILE]", required=False)
@with_kafka_if_told
@REASON_OPTION
@SINCE_OPTION
@click.option("--all", "one_by_one", is_flag=True, help="One by one, a line each.")
@click.option("--json", "as_json", is_flag=True, help="As JSON; with --all, one object a line.")
def list_letters(
    file: str | None,
    kafka: KafkaSettings | None,
    one_by_one: bool,
    as_json: bool,
    **conditions: Any,
) -> None:
    """Count the dead letters by reason, with an example of each.

    Those of the live log, or of a FILE that a replay wrote with --dead-letters.
    """
    import msgspec

    from flows.letter_page import Counting, list_line, listed, overview_page

    wanted = wanted_of(**conditions)
    counting = Counting(source_name(file, kafka))
    for letter, is_redriven in letters_of(file, kafka):
        if letter is None:
            counting.count_foreign()
        elif wanted.has(letter):
            counting.count(letter, is_redriven=is_redriven)
            if one_by_one:
                one = listed(letter, is_redriven=is_redriven)
                click.echo(msgspec.json.encode(one) if as_json else list_line(one))
    if one_by_one:
        return
    overview = counting.overview()
    click.echo(msgspec.json.encode(overview) if as_json else "\n".join(overview_page(overview)))


@dead_letters.command()
@click.argument("at", metavar="POSITION", callback=position)
@click.argument("file", metavar="[FILE]", required=False)
@with_kafka_if_told
def show(at: Position, file: str | None, kafka: KafkaSettings | None) -> None:
    """Show one dead letter whole, with its record.

    POSITION is partition:offset, as `beckon dead-letters list` names it; of a FILE, the offset.
    """
    from flows.letter_page import letter_page
    from state.store import StoreError

    source, found = source_name(file, kafka), False
    for letter, is_redriven in letters_of(file, kafka, at.partition):
        if letter is not None and letter.position == at:
            click.echo("\n".join(letter_page(letter, is_redriven=is_redriven)))
            found = True
    if not found:
        raise StoreError(
            source,
            expected=f"a dead letter at {at}",
            got="none",
            fix="`beckon dead-letters list --all` names those there are",
        )


@dead_letters.command()
@click.argument("positions", metavar="[POSITION]...", nargs=-1, callback=position)
@with_kafka
@REASON_OPTION
@SINCE_OPTION
@click.option("--dry-run", "dry", is_flag=True, help="Change nothing; tell what would be done.")
def redrive(kafka: KafkaSettings, dry: bool, **conditions: Any) -> int:
    """Append the records of dead letters to the log again, each once, however often this is run.

    All of them, or those at the POSITIONs. A record that the config in force would refuse again is
    left where it is.
    """
    from flows.console import pause
    from flows.exits import DONE, PROBLEMS
    from flows.letter_page import outcome_page
    from flows.redrive import Redrive

    wanted = wanted_of(**conditions)
    run = Redrive(kafka, pause)
    try:
        run.run(wanted, dry=dry)
    finally:
        click.echo("\n".join(outcome_page(run.outcome, dry=dry)))
    missing = sorted(wanted.positions - run.outcome.found)
    for one in missing:
        click.echo(f"{one}: expected a dead letter there, got none", err=True)
    return PROBLEMS if missing else DONE


def wanted_of(
    *,
    reasons: tuple[str, ...] = (),
    since_ms: int | None = None,
    positions: tuple[Position, ...] = (),
) -> Wanted:
    """The conditions of a command line; refuses a reason that there is not."""
    from config.problems import nearest_name, shown
    from connectors.reasons import REASONS
    from flows.letters import Wanted

    for reason in reasons:
        if reason not in REASONS:
            nearest = nearest_name(reason, list(REASONS))
            hint = f"; did you mean {nearest!r}?" if nearest else ""
            raise click.BadParameter(f"no reason {shown(reason)}{hint}", param_hint="--reason")
    return Wanted(reasons=frozenset(reasons), since_ms=since_ms, positions=frozenset(positions))


def source_name(file: str | None, kafka: KafkaSettings | None) -> str:
    """Where the letters are, in words; refuses a command line that does not say it."""
    from connectors.log import DEAD_LETTERS_TOPIC

    if file is not None:
        return file
    if kafka is None:
        raise click.UsageError("expected --kafka URL, or a FILE, got neither")
    return kafka.topic(DEAD_LETTERS_TOPIC)


def letters_of(
    file: str | None, kafka: KafkaSettings | None, partition: int = -1
) -> Iterator[tuple[Letter | None, bool]]:
    """Each letter once, and whether it was re-driven; None of a record that is no letter.

    partition: that of the log alone, -1 for all.
    """
    from connectors.kafka_topics import topic_partitions
    from connectors.log import DEAD_LETTERS_TOPIC
    from flows.letter_sources import letters_in_file, letters_of_log
    from flows.letters import NO_PARTITION, distinct

    if file is not None:
        return ((letter, False) for letter in distinct(letters_in_file(file)))
    assert kafka is not None, "letters are in a file or in their topic"
    partitions = range(topic_partitions(kafka, DEAD_LETTERS_TOPIC))
    return letters_of_log(kafka, [one for one in partitions if partition in (one, NO_PARTITION)])
