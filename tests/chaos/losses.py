"""What an engine's servers come to: Redis and the broker killed, frozen, rolled back, cut off."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from random import Random

from tests.chaos.world import World, until
from tests.cut_line import CutLine, cut_line
from tests.servers import Server

BETWEEN = (0.5, 3.0)
"""Seconds between one loss and the next."""

REFUSED_SECONDS_MAX = 60.0
CUT_SECONDS_MAX = 10.0
CUTS_IN_A_SERIES = 10
CUT_AFTER = (b"EXEC", b"EXEC", b"WATCH", b"MGET")
"""Of a commit: its last command, most often; its first two."""

ServerOf = Callable[[World], Server]
Seconds = tuple[float, float]
"""At least and at most."""


def redis(world: World) -> Server:
    return world.redis


def broker(world: World) -> Server:
    return world.broker


def server_killed(server: ServerOf, away: Seconds, world: World, random: Random, times: int) -> int:
    """A server dies under a running engine and comes back after a while."""
    one = server(world)
    return _gone_for(away, (one.kill, one.start), world, random, times)


def server_frozen(server: ServerOf, away: Seconds, world: World, random: Random, times: int) -> int:
    """A server keeps its connections and answers nobody for a while."""
    one = server(world)
    return _gone_for(away, (one.freeze, one.thaw), world, random, times)


def _gone_for(
    away: Seconds,
    leave_and_come: tuple[Callable[[], None], Callable[[], None]],
    world: World,
    random: Random,
    times: int,
) -> int:
    engine = world.running()
    leave, come = leave_and_come
    for _ in range(times):
        time.sleep(random.uniform(*BETWEEN))
        leave()
        time.sleep(random.uniform(*away))
        come()
        world.wait_until_on()
    assert engine.code() is None, f"it ended:\n{world.tail()}"
    return times


def redis_rolled_back(world: World, random: Random, times: int, *, running: bool) -> int:
    """Redis comes back as it was seconds ago, under a running engine or a stopped one."""
    engine = world.running()
    for number in range(times):
        time.sleep(random.uniform(*BETWEEN))
        copy = world.redis.copy_data(f"copy-{number}")
        time.sleep(random.uniform(*BETWEEN))
        if not running:
            engine.kill()
        world.redis.kill()
        world.redis.put_data(copy)
        world.redis.start()
        engine = world.running()
        world.wait_until_on()
    assert engine.code() is None, f"it ended:\n{world.tail()}"
    return times


def redis_wiped(world: World, random: Random, times: int) -> int:
    """Redis loses everything: the engine refuses; started with --rebuild, it goes on."""
    for _ in range(times):
        world.running()
        time.sleep(random.uniform(0.0, 2.0))
        world.redis.kill()
        world.redis.wipe()
        said = len(world.log.read_text())
        world.redis.start()
        refused = partial(_is_refused, world, said)
        assert until(refused, REFUSED_SECONDS_MAX), f"it was not refused:\n{world.tail()}"
        world.start_and_wait("--rebuild").kill()
    return times


def _is_refused(world: World, said: int) -> bool:
    """Whether an operator was told, behind so many characters, what to do."""
    return "--rebuild" in world.log.read_text()[said:]


def replies_lost(world: World, random: Random, times: int) -> int:
    """Redis does what it is told, and the answer never arrives: `times` series of it."""
    cuts = times * CUTS_IN_A_SERIES
    with cut_line(world.redis.address) as line:
        engine = world.start_and_wait("--redis", world.redis_url_by(line.url))
        for number in range(1, cuts + 1):
            time.sleep(random.uniform(0.0, 0.3))
            line.cut_after(random.choice(CUT_AFTER))
            was_cut = partial(_was_cut, line, number)
            assert until(was_cut, CUT_SECONDS_MAX), f"nothing is committed:\n{world.tail()}"
        assert engine.code() is None, f"it ended:\n{world.tail()}"
        engine.kill()
    return cuts


def _was_cut(line: CutLine, times: int) -> bool:
    return line.cut_count == times
