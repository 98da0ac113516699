"""`beckon models list`, `show`, `rollback`, `resume`, `warm-start`: models of a live log."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from flows.kafka_commands import with_kafka
from flows.redis_commands import redis_option

if TYPE_CHECKING:
    from connectors.kafka_settings import KafkaSettings
    from state.redis_settings import RedisSettings

MEANS = "The Redis of the live engine."


@click.command(name="list")
@with_kafka
@redis_option(required=True, means=MEANS)
@click.option(
    "--count",
    type=click.IntRange(1, 1_000),
    default=5,
    show_default=True,
    help="The newest so many of each model.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def list_versions(kafka: KafkaSettings, redis: RedisSettings, count: int, *, as_json: bool) -> None:
    """List the versions in the log, newest first, and where each is in force."""
    import msgspec

    from connectors.kafka import KafkaBroker
    from flows.config_records import config_of
    from flows.learner import there_must_be
    from flows.log_config import config_in_force, pause
    from flows.show import show
    from flows.version_history import in_force, newest, versions_back
    from flows.version_page import list_table, listed
    from state.learner_store import RedisLearnerStore
    from state.redis_reading import RedisReader

    profiles = RedisReader(redis)
    scored_by = in_force(profiles)
    known = {model for model, _ in scored_by}
    held = RedisLearnerStore(redis).held()
    config = config_of(there_must_be(config_in_force(profiles, KafkaBroker(kafka))))
    programs = {model.name: model.recipe.program for model in config.models}
    found = newest(versions_back(kafka, pause), count, known)
    lines = listed(found, scored_by, held, programs)
    if as_json:
        click.echo("\n".join(msgspec.json.encode(line).decode() for line in lines))
    else:
        show([list_table(lines, profiles.partitions())])


@click.command(name="show")
@click.argument("name", metavar="NAME")
@click.argument("version", metavar="[VERSION]", required=False)
@with_kafka
@redis_option(required=True, means=MEANS)
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
def show_version(
    name: str, version: str | None, kafka: KafkaSettings, redis: RedisSettings, *, as_json: bool
) -> None:
    """Show the terms of a version, those with the largest weights first.

    VERSION are digits that its name begins with; without them, the one in force in partition 0.
    """
    import msgspec

    from flows.log_config import pause
    from flows.show import show
    from flows.version_history import NoVersionError, stored_version, version_named, versions_back
    from flows.version_page import shown, weights_table
    from state.redis_reading import RedisReader

    try:
        if version is None:
            found = stored_version(RedisReader(redis), name)
        else:
            found = version_named(versions_back(kafka, pause), name, version)
    except NoVersionError as error:
        raise click.UsageError(str(error)) from error
    assert found.version is not None, "what is found can be read"
    page = shown(name, found.name, found.version)
    if as_json:
        click.echo(msgspec.json.encode(page))
    else:
        show([weights_table(page)])


@click.command()
@click.argument("name", metavar="NAME")
@click.argument("version", metavar="[VERSION]", required=False)
@with_kafka
@redis_option(required=True, means=MEANS)
def rollback(name: str, version: str | None, kafka: KafkaSettings, redis: RedisSettings) -> None:
    """Put an older version of a model in force again, and have its learner publish no more.

    VERSION are digits that its name begins with; without them, the one published before the last.
    A partition that stands before a version that it cannot read goes on. `beckon models resume`
    lets the learner, which learns on meanwhile, publish again.
    """
    from connectors.kafka import KafkaBroker
    from connectors.kafka_topics import log_partitions
    from flows.control_records import push_to_all
    from flows.log_config import pause, wait_for_publication
    from flows.model_records import encode_model
    from flows.version_history import (
        NoVersionError,
        version_before,
        version_named,
        versions_back,
    )
    from state.learner_store import RedisLearnerStore

    versions = versions_back(kafka, pause)
    try:
        if version is None:
            chosen = version_before(versions, name)
        else:
            chosen = version_named(versions, name, version)
    except NoVersionError as error:
        raise click.UsageError(str(error)) from error
    partitions = log_partitions(kafka)
    RedisLearnerStore(redis).hold(name, chosen.name)
    wait_for_publication()
    value = encode_model(name, chosen.data, rollback=True)
    push_to_all(KafkaBroker(kafka).writer(), partitions, "model", value)
    click.echo(
        f"model {name}: version {chosen.name} is in force again; its learner publishes no more "
        f"until you say: beckon models resume {name}",
        err=True,
    )


@click.command()
@click.argument("name", metavar="NAME")
@redis_option(required=True, means=MEANS)
def resume(name: str, redis: RedisSettings) -> int:
    """Have the learner of a model publish again, after `beckon models rollback`."""
    from flows.exits import DONE, PROBLEMS
    from state.learner_store import RedisLearnerStore

    if RedisLearnerStore(redis).resume(name):
        click.echo(f"model {name}: its learner publishes again", err=True)
        return DONE
    click.echo(f"model {name}: expected one that is held, got one that is not", err=True)
    return PROBLEMS


@click.command(name="warm-start")
@click.option(
    "--state",
    metavar="DIR",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    required=True,
    help="The state directory of a replay that learned.",
)
@click.option(
    "--replace",
    "replaced",
    metavar="NAME",
    multiple=True,
    help="This model, too, although the live learner knows it. May be repeated.",
)
@with_kafka
@redis_option(required=True, means=MEANS)
def warm_start(
    state: Path, replaced: tuple[str, ...], kafka: KafkaSettings, redis: RedisSettings
) -> int:
    """Have the live learner go on from what a replay has learned, where it knows nothing yet.

    Nothing has to be stopped: a learner that runs goes on from it at once, and publishes. A model
    that the config in force has otherwise, or not, waits for a config that has it so.
    """
    from flows.exits import DONE, PROBLEMS
    from flows.run import now_ms
    from flows.run_warm_start import run_warm_start
    from flows.show import show
    from flows.warm_start import replayed_models
    from flows.warm_start_page import warm_start_table

    replayed = replayed_models(state)
    known = {model.name for model in replayed}
    if unknown := sorted({*replaced} - known):
        raise click.BadParameter(
            f"expected one of {', '.join(sorted(known))}, which were replayed, got {unknown[0]}",
            param_hint="--replace",
        )
    models = run_warm_start(replayed, replaced, kafka, redis, now_ms())
    show([warm_start_table(models)])
    if any(model.taken for model in models):
        return DONE
    click.echo(
        "expected a model of which the live learner knows nothing, got none, so nothing was done; "
        "to have it forget what it knows of one, say --replace NAME",
        err=True,
    )
    return PROBLEMS
