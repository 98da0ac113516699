"""What engines come to: killed at a step or anywhere, frozen, one of two, down for too long."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice
from random import Random

from tests.chaos.nursery import Engine, is_alive
from tests.chaos.world import ALONE, PARTITIONS, World, until

REACHED_SECONDS_MAX = 60.0
LEASE_SECONDS = 3.2
ORPHANED_SECONDS_MAX = 10.0
LATER_MS = 40
"""After so long what a dying process had handed to its clients is on its way."""

PROCESSES = 2
OF_SEVERAL = ("--processes", f"{PROCESSES}", ALONE)


def killed_at(names: Sequence[str], world: World, random: Random, times: int) -> int:
    """An engine for each partition, which dies at each of the failpoints `times` times."""
    lanes = range(PARTITIONS)
    deaths = [name for name in names for _ in range(times)]
    random.shuffle(deaths)
    shares = [[(name, random.randrange(3)) for name in deaths[lane::PARTITIONS]] for lane in lanes]
    world.clear()
    with world.learning(), ThreadPoolExecutor(PARTITIONS) as pool:
        for done in [pool.submit(_die_at, world, lane, shares[lane]) for lane in lanes]:
            done.result()
    return len(deaths)


def _die_at(world: World, partition: int, deaths: Sequence[tuple[str, int]]) -> None:
    """Have a partition's engine die at each failpoint, when it comes there the nth time."""
    for name, before in deaths:
        world.expire_leases(partition)
        count = 1 if name in ("begun", "loaded") else 1 + before
        pause_ms = LATER_MS if before else 0
        engine = world.start_lane(partition, f"{name}:{count}:{pause_ms}")
        code = engine.wait(REACHED_SECONDS_MAX)
        engine.kill()
        assert code == -signal.SIGKILL, f"{name}: it ended with {code}:\n{world.tail()}"


def killed(world: World, random: Random, times: int) -> int:
    """An engine for each partition, killed at any moment."""
    lanes = range(PARTITIONS)
    lives = [[random.uniform(0.1, 2.5) for _ in range(lane, times, PARTITIONS)] for lane in lanes]
    world.clear()
    with world.learning(), ThreadPoolExecutor(PARTITIONS) as pool:
        for done in [pool.submit(_live_for, world, lane, lives[lane]) for lane in lanes]:
            done.result()
    return times


def _live_for(world: World, partition: int, lives: Sequence[float]) -> None:
    for seconds in lives:
        world.expire_leases(partition)
        engine = world.start_lane(partition)
        assert engine.wait(seconds) is None, f"it ended:\n{world.tail()}"
        engine.kill()


def outages(world: World, random: Random, times: int) -> int:
    """Nobody runs for longer than triggers may wait, and who then sends them dies of it."""
    steps = ("committed", "relaying", "transacted", "relayed", "")
    world.running().kill()
    for failpoint in [random.choice(steps) for _ in range(times)]:
        time.sleep(random.uniform(2.0, 4.0))
        world.expire_leases()
        engine = world.start(failpoint=failpoint)
        engine.wait(random.uniform(2.0, 4.0))
        engine.kill()
    return times


def rivals(world: World, random: Random, times: int) -> int:
    """Two engines for the same partitions; one of them is killed, and its leases run out."""
    world.clear()
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
    engine = world.running()
    for _ in range(times):
        time.sleep(random.uniform(0.5, 3.0))
        engine.send(signal.SIGSTOP)
        follower = world.start()
        time.sleep(LEASE_SECONDS + random.uniform(0.0, 3.0))
        engine.send(signal.SIGCONT)
        time.sleep(random.uniform(0.5, 2.0))
        engine.kill()
        engine = follower
    engine.kill()
    return times


def processes(world: World, random: Random, times: int) -> int:
    """Two processes share the partitions; one of them is killed, or who watches over them ends."""
    ends = cycle((_kill_one_of, World.stop, _kill_one_of, _orphan))
    watching = world.start_and_wait(*OF_SEVERAL)
    for end in islice(ends, times):
        time.sleep(random.uniform(0.0, 2.0))
        end(world, watching)
        if watching.code() is not None:
            watching = world.start_and_wait(*OF_SEVERAL)
    world.stop(watching)
    return times


def _kill_one_of(world: World, watching: Engine) -> None:
    """Kill the older process, and wait until it has a successor."""
    unlucky = min(watching.children())
    os.kill(unlucky, signal.SIGKILL)

    def has_successor() -> bool:
        children = watching.children()
        return unlucky not in children and len(children) == PROCESSES

    assert until(has_successor, REACHED_SECONDS_MAX), f"none is started:\n{world.tail()}"


def _orphan(world: World, watching: Engine) -> None:
    """Kill who watches over processes: they end."""
    orphans = watching.children()
    watching.kill()
    ended = until(lambda: not any(map(is_alive, orphans)), ORPHANED_SECONDS_MAX)
    for orphan in filter(is_alive, orphans):
        os.kill(orphan, signal.SIGKILL)
    assert ended, f"a process outlives the one that watched over it:\n{world.tail()}"
