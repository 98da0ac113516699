"""How commands are told where Redis is, and those that read what live engines keep there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from state.redis_settings import RedisSettings

URL_VARIABLE = "BECKON_REDIS_URL"
"""So that a password need not stand where all users of the machine can read it."""

_F = TypeVar("_F", bound=Callable[..., Any])


def redis_url(
    context: click.Context, parameter: click.Parameter, url: str | None
) -> RedisSettings | None:
    """The settings that a URL stands for; None without one."""
    from state.redis_settings import redis_settings

    if url is None:
        return None
    try:
        return redis_settings(url)
    except ValueError as error:
        raise click.BadParameter(str(error), context, parameter) from error


def redis_option(*, required: bool = False, means: str) -> Callable[[_F], _F]:
    """The option `--redis URL`, which gives a command `redis`: its settings."""
    return click.option(
        "--redis",
        metavar="URL",
        envvar=URL_VARIABLE,
        show_envvar=True,
        callback=redis_url,
        required=required,
        help=means,
    )


@click.command()
@click.argument("user", metavar="USER")
@redis_option(required=True, means="The Redis of a live engine.")
def profile(user: str, redis: RedisSettings) -> None:
    """Print what a live engine knows about one user, as one JSON object."""
    from flows.redis_lookup import profile_in_redis

    click.echo(profile_in_redis(redis, user))


@click.group(name="state")
def state_group() -> None:
    """Carry profiles from one place to another."""


@state_group.command()
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@redis_option(required=True, means="The Redis of an engine, which should not run meanwhile.")
def export(directory: Path, redis: RedisSettings) -> None:
    """Write the profiles in Redis into DIR, for `beckon replay --state`; DIR is new, or empty."""
    from config.init import in_the_way
    from state.export import export as write

    if (got := in_the_way(directory)) is not None:
        raise click.UsageError(f"{directory}: expected a new or empty folder, got {got}")
    checkpoints = write(redis, directory)
    users = sum(checkpoint.user_count for checkpoint in checkpoints)
    click.echo(f"{directory}: {users:,} users in {len(checkpoints):,} partitions")
    for checkpoint in checkpoints:
        click.echo(f"  partition {checkpoint.partition}: up to offset {checkpoint.next_offset:,}")
