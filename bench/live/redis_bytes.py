"""What a user takes in Redis: row, readable profile, audiences and deadlines apart."""

from __future__ import annotations

import os
import time
from pathlib import Path
from statistics import mean

from bench.live.backlog import CATCH_UP_SECONDS_MAX, TAKEN
from bench.live.configs import write_quick
from bench.live.world import START_SECONDS_MAX, Progress, World, engine, feed, log_ends, opened
from bench.measure import BECKON, Figure, run
from config.load import PACKAGED, load
from state.file_store import FileStore
from state.keys import partition_keys, profile_start
from state.redis_client import Client, connect

SAMPLE = 500
ROW = 1024.0
PROFILES_SECONDS_MAX = 600.0
WHOLE = ("SAMPLES", 0)
"""Redis looks at all members of a key, not at five of them."""


def measure_bytes(log: Path, folder: Path) -> list[Figure]:
    """A whole simulated shop, worked off live; and its rows as a replay of its month packs them."""
    config = write_quick(PACKAGED, folder / "default")
    with opened(config, partitions=4) as world:
        feed(world, "shop", str(log))
        ends, progress, client = log_ends(world), Progress(world), connect(world.redis)
        empty = used_memory(client)
        with engine(world) as program:
            program.wait_for(TAKEN, world.partitions, START_SECONDS_MAX)
            program.wait_until(
                lambda: progress.reached(ends), CATCH_UP_SECONDS_MAX, "commits up to the log's end"
            )
            users = sampled_users(world, client)
            program.wait_until(
                lambda: all_readable(world, client, users), PROFILES_SECONDS_MAX, "all profiles"
            )
            program.stop()
        users_count = progress.users()
        figures = redis_figures(world, client, users, users_count)
        whole = (used_memory(client) - empty) / users_count
        figures.append(per_user("all, with its keys", whole))
        client.close()
        progress.close()
    return [*figures, month_figure(log, folder)]


def sampled_users(world: World, client: Client) -> list[tuple[int, bytes]]:
    """Some users of each partition: every so many-th in the order of their deadlines."""
    found = []
    for partition in range(world.partitions):
        key = partition_keys(world.redis.prefix, partition).deadlines
        users = client.execute_command("ZRANGE", key, 0, -1)
        step = max(1, len(users) * world.partitions // SAMPLE)
        found += [(partition, user) for user in users[::step]]
    return found


def all_readable(world: World, client: Client, users: list[tuple[int, bytes]]) -> bool:
    """Whether the readable profile of each is there."""
    time.sleep(1.0)
    start = profile_start(world.redis.prefix)
    return int(client.execute_command("EXISTS", *(start + user for _, user in users))) == len(users)


def redis_figures(
    world: World, client: Client, sample: list[tuple[int, bytes]], users: int
) -> list[Figure]:
    """Bytes per user; with what Redis itself adds to a key, where nothing else is said."""
    prefix = world.redis.prefix
    keys = [partition_keys(prefix, partition) for partition in range(world.partitions)]
    rows = [keys[partition].row_start + user for partition, user in sample]
    profiles = [profile_start(prefix) + user for _, user in sample]
    tags = [tag.name.encode() for tag in load(world.config).tags]
    audiences = [one.audience_start + tag for one in keys for tag in tags]
    deadlines = sum(taken(client, one.deadlines, *WHOLE) for one in keys)
    in_audiences = sum(taken(client, key, *WHOLE) for key in audiences)
    return [
        Figure(name="users in Redis", value=users, unit="users"),
        per_user("row, alone", mean(length(client, key) for key in rows), ROW),
        per_user("row", mean(taken(client, key) for key in rows)),
        per_user("profile, alone", mean(length(client, key) for key in profiles)),
        per_user("profile", mean(taken(client, key) for key in profiles)),
        per_user("places in audiences", in_audiences / users),
        per_user("deadline", deadlines / users),
    ]


def per_user(name: str, value: float, goal: float | None = None) -> Figure:
    """A figure of one user."""
    return Figure(name=f"Redis, a user's {name}", value=value, unit="bytes", at_most=goal)


def used_memory(client: Client) -> int:
    """All the memory that Redis uses."""
    return int(client.execute_command("INFO", "memory")["used_memory"])


def taken(client: Client, key: bytes, *more: str | int) -> int:
    """The memory of a key and its value; 0 of one that is not there."""
    return int(client.execute_command("MEMORY", "USAGE", key, *more) or 0)


def length(client: Client, key: bytes) -> int:
    """The bytes of a value."""
    return int(client.execute_command("STRLEN", key))


def month_figure(log: Path, folder: Path) -> Figure:
    """The rows after the log's own month, as a state directory holds them.

    The live log's month took less than a minute: all of it is in one tile of a window.
    """
    state = folder / "state"
    run(*BECKON, "replay", str(log), "--state", str(state), "--triggers", os.devnull)
    store = FileStore(state)
    snapshot = store.load(0)
    store.close()
    assert snapshot is not None, "a replay with --state leaves a state"
    return per_user("row, alone, after a month", mean(len(row) for _, row in snapshot.rows), ROW)
