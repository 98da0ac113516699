"""The kinds of ends that an engine, its Redis and its broker come to, again and again."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from random import Random

from connectors.failpoints import FAILPOINTS
from tests.chaos.world import EVENTS_PER_SECOND, PARTITIONS, World, until
from tests.servers import Server

REACHED_SECONDS_MAX = 60.0
LEASE_SECONDS = 3.2
FROZEN_SECONDS = 20.0
FLOOD_PER_SECOND = 4_000
LATER_MS = 40
"""After so long what a dying process had handed to its clients is on its way."""

Kind = Callable[[World, Random, int], int]
"""Does so many bad things to a world, and returns how many it was."""


def killed_at(names: Sequence[str], world: World, random: Random, times: int) -> int:
    """An engine for each partition, which dies at each of the failpoints `times` times."""
    lanes = range(PARTITIONS)
    deaths = [name for name in names for _ in range(times)]
    random.shuffle(deaths)
    shares = [[(name, random.randrange(3)) for name in deaths[lane::PARTITIONS]] for lane in lanes]
    with world.traffic(random.randrange(1_000)), ThreadPoolExecutor(PARTITIONS) as pool:
        for done in [pool.submit(_die_at, world, lane, shares[lane]) for lane in lanes]:
            done.result()
    return len(deaths)


def _die_at(world: World, partition: int, deaths: Sequence[tuple[str, int]]) -> None:
    """Have a partition's engine die at each failpoint, when it comes there the nth time."""
    for name, before in deaths:
        world.expire_leases(partition)
        count = 1 if name in ("begun", "loaded") else 1 + before
        pause_ms = LATER_MS if before else 0
        engine = world.start(f"{name}:{count}:{pause_ms}", partition=partition)
        code = engine.wait(REACHED_SECONDS_MAX)
        engine.kill()
        assert code == -signal.SIGKILL, f"{name}: it ended with {code}:\n{world.tail()}"


def killed(world: World, random: Random, times: int, *, per_second: int = EVENTS_PER_SECOND) -> int:
    """An engine for each partition, killed at any moment."""
    lanes = range(PARTITIONS)
    lives = [[random.uniform(0.1, 2.5) for _ in range(lane, times, PARTITIONS)] for lane in lanes]
    traffic = world.traffic(random.randrange(1_000), per_second=per_second)
    with traffic, ThreadPoolExecutor(PARTITIONS) as pool:
        for done in [pool.submit(_live_for, world, lane, lives[lane]) for lane in lanes]:
            done.result()
    return times


def _live_for(world: World, partition: int, lives: Sequence[float]) -> None:
    for seconds in lives:
        world.expire_leases(partition)
        engine = world.start(partition=partition)
        assert engine.wait(seconds) is None, f"it ended:\n{world.tail()}"
        engine.kill()


def outages(world: World, random: Random, times: int) -> int:
    """Nobody runs for longer than triggers may wait, and who then sends them dies of it."""
    world.configure(ttl="2s")
    deaths = [
        random.choice(("committed", "relaying", "transacted", "relayed", "")) for _ in range(times)
    ]
    with world.traffic(random.randrange(1_000)):
        world.start_and_wait().kill()
        for failpoint in deaths:
            time.sleep(random.uniform(2.0, 4.0))
            world.expire_leases()
            engine = world.start(failpoint)
            engine.wait(random.uniform(2.0, 4.0))
            engine.kill()
    return times


def rivals(world: World, random: Random, times: int) -> int:
    """Two engines for the same partitions; one of them is killed, and its leases run out."""
    with world.traffic(random.randrange(1_000)):
        engines = [world.start(), world.start()]
        for _ in range(times):
            time.sleep(random.uniform(2.0, 5.0))
            unlucky = random.randrange(2)
            engines[unlucky].kill()
            engines[unlucky] = world.start()
        for engine in engines:
            engine.kill()
    return times


def zombies(world: World, random: Random, times: int) -> int:
    """A frozen engine wakes up when another has its partitions; then that one is killed."""
    with world.traffic(random.randrange(1_000)):
        engine = world.start_and_wait()
        for _ in range(times):
            time.sleep(random.uniform(2.0, 4.0))
            engine.send(signal.SIGSTOP)
            follower = world.start()
            time.sleep(LEASE_SECONDS + random.uniform(1.0, 3.0))
            engine.send(signal.SIGCONT)
            time.sleep(random.uniform(0.5, 2.0))
            engine.kill()
            engine = follower
        engine.kill()
    return times


def redis_killed(world: World, random: Random, times: int) -> int:
    """Redis dies under a running engine and comes back after a moment."""
    with world.traffic(random.randrange(1_000)):
        engine = world.start_and_wait()
        for _ in range(times):
            time.sleep(random.uniform(1.0, 3.0))
            world.redis.kill()
            time.sleep(random.uniform(0.0, 2.0))
            world.redis.start()
        assert engine.code() is None, f"it ended:\n{world.tail()}"
        engine.kill()
    return times


def redis_rolled_back(world: World, random: Random, times: int, *, running: bool) -> int:
    """Redis comes back as it was seconds ago, under a running engine or a stopped one."""
    with world.traffic(random.randrange(1_000)):
        engine = world.start_and_wait()
        for number in range(times):
            time.sleep(random.uniform(1.5, 3.0))
            copy = world.redis.copy_data(f"copy-{number}")
            time.sleep(random.uniform(0.5, 3.0))
            if not running:
                engine.kill()
            world.redis.kill()
            world.redis.put_data(copy)
            world.redis.start()
            if not running:
                world.expire_leases()
                engine = world.start()
        assert engine.code() is None, f"it ended:\n{world.tail()}"
        time.sleep(1.0)
        engine.kill()
    return times


def redis_wiped(world: World, random: Random, times: int) -> int:
    """Redis loses everything: the engine refuses; with what was lost restored it goes on."""
    with world.traffic(random.randrange(1_000)):
        engine = world.start_and_wait()
        for number in range(times):
            time.sleep(random.uniform(1.0, 2.0))
            world.redis.kill()
            copy = world.redis.copy_data(f"copy-{number}")
            world.redis.wipe()
            world.redis.start()
            said = partial(_was_said_since, world, len(world.log.read_text()), "--rebuild")
            assert until(said, REACHED_SECONDS_MAX), f"it was not refused:\n{world.tail()}"
            world.redis.kill()
            world.redis.put_data(copy)
            world.redis.start()
        engine.kill()
    return times


def _was_said_since(world: World, length: int, what: str) -> bool:
    return what in world.log.read_text()[length:]


def broker_killed(broker: Server, world: World, random: Random, times: int) -> int:
    """The broker dies and comes back."""
    with world.traffic(random.randrange(1_000)):
        engine = world.start_and_wait()
        for _ in range(times):
            time.sleep(random.uniform(2.0, 4.0))
            broker.kill()
            time.sleep(random.uniform(0.0, 5.0))
            broker.start()
            time.sleep(5.0)
        assert engine.code() is None, f"it ended:\n{world.tail()}"
        engine.kill()
    return times


def broker_frozen(broker: Server, world: World, random: Random, times: int) -> int:
    """The broker does not answer for longer than a relay is waited for."""
    with world.traffic(random.randrange(1_000)):
        engine = world.start_and_wait()
        for _ in range(times):
            time.sleep(random.uniform(2.0, 4.0))
            broker.freeze()
            time.sleep(FROZEN_SECONDS)
            broker.thaw()
            time.sleep(3.0)
        assert engine.code() is None, f"it ended:\n{world.tail()}"
        engine.kill()
    return times


def kinds(broker: Server) -> dict[str, Kind]:
    """Each kind by its name in the table."""
    return {
        **{f"killed at {name}": partial(killed_at, [name]) for name in FAILPOINTS},
        "killed anywhere": killed,
        f"killed anywhere, {FLOOD_PER_SECOND:,}/s": partial(killed, per_second=FLOOD_PER_SECOND),
        "rival, one killed": rivals,
        "down too long": outages,
        "frozen, then woken": zombies,
        "Redis killed": redis_killed,
        "Redis rolled back, running": partial(redis_rolled_back, running=True),
        "Redis rolled back, stopped": partial(redis_rolled_back, running=False),
        "Redis wiped": redis_wiped,
        "broker killed": partial(broker_killed, broker),
        "broker frozen": partial(broker_frozen, broker),
    }
