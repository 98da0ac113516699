"""The kinds of bad ends, each done again and again while customers come."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from random import Random

from connectors.failpoints import FAILPOINTS, LEARNER_FAILPOINTS
from tests.chaos.changes import reconfigured
from tests.chaos.deaths import killed, killed_at, outages, processes, rivals, zombies
from tests.chaos.learners import (
    learner_and_engine_killed,
    learner_frozen,
    learner_killed,
    learner_killed_at,
    version_unreadable,
    versions_while_killed,
)
from tests.chaos.losses import (
    broker,
    redis,
    redis_rolled_back,
    redis_wiped,
    replies_lost,
    server_frozen,
    server_killed,
)
from tests.chaos.poison import poisoned
from tests.chaos.world import EVENTS_PER_SECOND, World

FLOOD_PER_SECOND = 4_000
LOAD_PER_SECOND = 1_000
SOON = "2s"
A_MOMENT, A_WHILE, A_MINUTE = (0.0, 2.0), (0.0, 10.0), (30.0, 60.0)
"""Seconds for which a server is away: less than what its clients wait for, about that, or more."""

Act = Callable[[World, Random, int], int]
"""Does so many bad things to a world, and returns how many it was."""


def amid_traffic(
    act: Act,
    world: World,
    random: Random,
    times: int,
    per_second: float = EVENTS_PER_SECOND,
) -> int:
    """Do it while customers come."""
    with world.traffic(random.randrange(1_000), per_second=per_second):
        return act(world, random, times)


def impatiently(act: Act, world: World, random: Random, times: int) -> int:
    """Do it where a stage is soon too late to be sent."""
    world.configure(SOON)
    return act(world, random, times)


def in_turn(acts: Sequence[tuple[Act, int]], world: World, random: Random, times: int) -> int:
    """One after the other, each as often as it says, `times` times over."""
    return sum(act(world, random, count) for _ in range(times) for act, count in acts)


def kinds() -> dict[str, Act]:
    """Each kind by its name in the table."""
    acts: dict[str, Act] = {
        **{f"killed at {name}": partial(killed_at, [name]) for name in FAILPOINTS},
        "killed anywhere": killed,
        "rival, one killed": rivals,
        "frozen, then woken": zombies,
        "two processes": processes,
        **{
            f"learner killed at {name}": partial(learner_killed_at, [name])
            for name in LEARNER_FAILPOINTS
        },
        "learner killed anywhere": learner_killed,
        "learner and engine killed": learner_and_engine_killed,
        "learner frozen, then woken": learner_frozen,
        "model versions while killed": versions_while_killed,
        "version unreadable": version_unreadable,
        "Redis killed": partial(server_killed, redis, A_MOMENT),
        "Redis frozen": partial(server_frozen, redis, A_WHILE),
        "Redis rolled back, running": partial(redis_rolled_back, running=True),
        "Redis rolled back, stopped": partial(redis_rolled_back, running=False),
        "Redis wiped": redis_wiped,
        "config pushed": reconfigured,
        "broker killed": partial(server_killed, broker, A_MOMENT),
        "broker killed for up to a minute": partial(server_killed, broker, A_MINUTE),
        "broker frozen": partial(server_frozen, broker, A_WHILE),
        "broker frozen for up to a minute": partial(server_frozen, broker, A_MINUTE),
    }
    return {
        **{name: partial(amid_traffic, act) for name, act in acts.items()},
        "down too long": partial(impatiently, partial(amid_traffic, outages)),
        "killed anywhere, flood": partial(amid_traffic, killed, per_second=FLOOD_PER_SECOND),
        "reply of Redis lost": partial(amid_traffic, replies_lost, per_second=LOAD_PER_SECOND),
        "poison": poisoned,
    }
