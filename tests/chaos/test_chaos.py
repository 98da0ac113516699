"""An engine that is killed at every step, and anywhere, sends each trigger once and in order.

So many kills as `make test` has time for; `make chaos` has more of them, and more kinds.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from random import Random

import pytest

from connectors.failpoints import FAILPOINTS
from tests.chaos import kinds
from tests.chaos.nursery import Nursery
from tests.chaos.verdict import judged_triggers
from tests.chaos.world import World
from tests.conftest import skip_without
from tests.server_setup import why_no_redis
from tests.servers import redis_server

KILLS_PER_FAILPOINT = 3


@pytest.fixture(scope="module")
def nursery(kafka: str) -> Iterator[Nursery]:
    with Nursery() as nursery:
        yield nursery


@pytest.fixture
def world(kafka: str, nursery: Nursery, tmp_path: Path) -> Iterator[World]:
    skip_without("REDIS", why_no_redis())
    with redis_server() as redis:
        yield World(kafka, redis, nursery, tmp_path)


def test_an_engine_may_die_at_every_step_of_the_protocol(world: World) -> None:
    deaths = kinds.killed_at(FAILPOINTS, world, Random(1), KILLS_PER_FAILPOINT)
    assert deaths == KILLS_PER_FAILPOINT * len(FAILPOINTS)
    found = world.finish()
    assert not found.wrong()
    assert found.triggers > 50


@pytest.mark.parametrize(
    "kind",
    [
        partial(kinds.killed, times=8),
        partial(kinds.zombies, times=1),
        partial(kinds.outages, times=2),
        partial(kinds.redis_rolled_back, times=1, running=True),
        partial(kinds.redis_wiped, times=1),
    ],
    ids=[
        "killed anywhere",
        "frozen, then woken",
        "down too long",
        "Redis rolled back",
        "Redis wiped",
    ],
)
def test_whatever_happens_each_trigger_is_sent_once_and_in_order(
    kind: partial[int], world: World
) -> None:
    kind(world, Random(1))
    assert not world.finish().wrong()


def test_a_trigger_that_is_lost_sent_twice_or_out_of_order_is_seen() -> None:
    found = judged_triggers([b"1", b"2", b"3", b"4"], [b"3", b"1", b"x", b"3", b"2"])
    assert found == {"triggers": 5, "lost": 1, "twice": 1, "foreign": 1, "out_of_order": 2}
