"""What learners come to: killed, alone or with the engine, frozen; versions that cannot be read."""

from __future__ import annotations

import signal
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from random import Random

from connectors.kafka import KafkaBroker
from flows.control_records import push_to_all
from flows.exits import DONE, USAGE
from tests.chaos.deaths import LATER_MS, LEASE_SECONDS, REACHED_SECONDS_MAX, killed
from tests.chaos.world import ALONE, PARTITIONS, World, until

MODELS = ("view_1h", "add_1h")
"""Those that soon have versions: what they foretell happens often."""

BROKEN_VERSION = '{"control":"model","model":"%s","version":"0","data":""}'


def learner_killed_at(names: Sequence[str], world: World, random: Random, times: int) -> int:
    """The learner dies at each of its failpoints `times` times, one after the other."""
    world.running(ALONE)
    for name in [name for name in names for _ in range(times)]:
        world.expire_learners_lease()
        learner = world.start_learner(f"{name}:1:{random.choice((0, LATER_MS))}")
        code = learner.wait(REACHED_SECONDS_MAX)
        learner.kill()
        assert code == -signal.SIGKILL, f"{name}: it ended with {code}:\n{world.tail()}"
    return times * len(names)


def learner_killed(world: World, random: Random, times: int) -> int:
    """The learner is killed at any moment, and another goes on."""
    world.running(ALONE)
    for _ in range(times):
        world.expire_learners_lease()
        learner = world.start_learner()
        assert learner.wait(random.uniform(0.1, 4.0)) is None, f"it ended:\n{world.tail()}"
        learner.kill()
    return times


def learner_and_engine_killed(world: World, random: Random, times: int) -> int:
    """The learner is killed at any moment, and so is the engine."""
    world.clear()
    for _ in range(times):
        world.expire_leases()
        world.expire_learners_lease()
        both = [world.start(ALONE), world.start_learner()]
        random.shuffle(both)
        for one in both:
            time.sleep(random.uniform(0.1, 3.0))
            one.kill()
    return times


def learner_frozen(world: World, random: Random, times: int) -> int:
    """A frozen learner wakes up when another has its lease; then that one is killed."""
    world.running(ALONE)
    learner = world.start_learner()
    for _ in range(times):
        time.sleep(random.uniform(0.5, 3.0))
        learner.send(signal.SIGSTOP)
        follower = world.start_learner()
        time.sleep(LEASE_SECONDS + random.uniform(0.0, 3.0))
        learner.send(signal.SIGCONT)
        time.sleep(random.uniform(0.5, 2.0))
        assert learner.code() is None, f"it ended:\n{world.tail()}"
        learner.kill()
        learner = follower
    learner.kill()
    world.expire_learners_lease()
    return times


def versions_while_killed(world: World, random: Random, times: int) -> int:
    """Versions come while engines are killed: a learner's, and older ones that somebody chose."""
    world.running()
    world.wait_for_versions(MODELS)
    with ThreadPoolExecutor(1) as pool:
        killing = pool.submit(killed, world, random, times)
        while not killing.done():
            model = random.choice(MODELS)
            code = world.start_rollback(model).wait(REACHED_SECONDS_MAX)
            assert code in (DONE, USAGE), f"it ended with {code}:\n{world.tail()}"
            time.sleep(random.uniform(0.0, 2.0))
            # There may be none before the last yet.
            if code == DONE:
                world.let_publish(model)
        return killing.result()


def version_unreadable(world: World, random: Random, times: int) -> int:
    """A version comes that nobody can read: all stop there, until it is rolled back."""
    writer = KafkaBroker(world.kafka).writer()
    world.running()
    world.wait_for_versions(MODELS)
    for number in range(times):
        model = random.choice(MODELS)
        said = len(world.log.read_text())
        push_to_all(writer, PARTITIONS, "model", (BROKEN_VERSION % model).encode())
        engine = world.running()
        told = partial(is_told, world, said, f"`beckon models rollback {model}`")
        assert until(told, REACHED_SECONDS_MAX), f"nobody stopped:\n{world.tail()}"
        if number % 2:
            engine.kill()
        world.wait_for_end(world.start_rollback(model))
        time.sleep(random.uniform(0.0, 1.0))
        world.let_publish(model)
        world.running()
        world.wait_until_on()
    return times


def is_told(world: World, said: int, what: str) -> bool:
    """Whether each partition's operator was told, behind so many characters of what was said."""
    return world.log.read_text()[said:].count(what) >= PARTITIONS
