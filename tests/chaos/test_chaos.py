"""An engine that is killed at every step, and anywhere, sends each trigger once and in order.

So many kills as `make test` has time for; `make chaos` has more of them, and more kinds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from random import Random

import pytest
from msgspec.structs import replace

from config.load import load
from connectors.failpoints import FAILPOINTS, LEARNER_FAILPOINTS
from connectors.reasons import REASONS
from tests.chaos import changes, deaths, learners, losses
from tests.chaos.kinds import Act, amid_traffic, impatiently, in_turn
from tests.chaos.learned import judged_versions, uninterrupted
from tests.chaos.nursery import Nursery
from tests.chaos.poison import KINDS, poisoned
from tests.chaos.traffic import as_of_now, messages
from tests.chaos.verdict import judged_triggers
from tests.chaos.world import World
from tests.conftest import skip_without
from tests.example_lines import example_lines
from tests.server_setup import why_no_kafka, why_no_redis
from tests.servers import Server, kafka_server, redis_server

KILLS_PER_FAILPOINT = 3
EVERY_STEP: Act = partial(deaths.killed_at, FAILPOINTS)
TO_ENGINES: Sequence[tuple[Act, int]] = (
    (EVERY_STEP, KILLS_PER_FAILPOINT),
    (deaths.killed, 4),
    (deaths.zombies, 1),
    (deaths.processes, 1),
)
TO_LEARNERS: Sequence[tuple[Act, int]] = (
    (partial(learners.learner_killed_at, LEARNER_FAILPOINTS), 1),
    (learners.learner_killed, 1),
    (learners.learner_and_engine_killed, 1),
    (learners.version_unreadable, 1),
)
TO_SERVERS: Sequence[tuple[Act, int]] = (
    (poisoned, 1),
    (losses.replies_lost, 1),
    (partial(losses.redis_rolled_back, running=True), 1),
    (partial(losses.server_frozen, losses.broker, (1.0, 2.0)), 1),
    (partial(losses.server_killed, losses.broker, (0.0, 1.0)), 1),
    (losses.redis_wiped, 1),
    (changes.reconfigured, 2),
)


@pytest.fixture(scope="module")
def broker() -> Iterator[Server]:
    skip_without("KAFKA", why_no_kafka())
    with kafka_server() as server:
        yield server


@pytest.fixture(scope="module")
def nursery(broker: Server) -> Iterator[Nursery]:
    with Nursery() as nursery:
        yield nursery


@pytest.fixture
def world(broker: Server, nursery: Nursery, tmp_path: Path) -> Iterator[World]:
    skip_without("REDIS", why_no_redis())
    with redis_server() as redis:
        yield World(broker, redis, nursery, tmp_path, past_users=0)


@pytest.fixture
def old_world(broker: Server, nursery: Nursery, tmp_path: Path) -> Iterator[World]:
    """One whose learners have something to learn."""
    skip_without("REDIS", why_no_redis())
    with redis_server() as redis:
        yield World(broker, redis, nursery, tmp_path, past_users=2_000)


@pytest.mark.parametrize("acts", [TO_ENGINES, TO_SERVERS], ids=["to engines", "to servers"])
def test_whatever_happens_each_trigger_is_sent_once_and_in_order(
    acts: Sequence[tuple[Act, int]], world: World
) -> None:
    all_of_them = partial(amid_traffic, partial(in_turn, acts))
    impatiently(all_of_them, world, Random(1), 1)
    found = world.finish()
    assert not found.wrong(), world.tail()
    assert found.triggers > 50
    assert found.withheld > 0


def test_whatever_happens_to_learners_versions_are_those_of_one_that_nothing_happened_to(
    old_world: World,
) -> None:
    amid_traffic(partial(in_turn, TO_LEARNERS), old_world, Random(2), 1)
    found = old_world.finish()
    assert not found.wrong(), old_world.tail()
    assert found.examples > 1_000
    assert found.versions >= len(learners.MODELS)


def test_poison_of_every_kind_is_among_what_is_tried() -> None:
    good = next(as_of_now(messages(1, seed=1)))
    assert {kind(good)[0] for kind in KINDS} == set(REASONS) - {"unknown_event"}


def test_a_trigger_that_is_lost_sent_twice_or_out_of_order_is_seen() -> None:
    found = judged_triggers([b"1", b"2", b"3", b"4"], [b"3", b"1", b"x", b"3", b"2"])
    assert found == {"triggers": 5, "lost": 1, "twice": 1, "foreign": 1, "out_of_order": 2}


def test_a_version_that_is_foreign_old_or_not_everywhere_is_seen() -> None:
    config = load()
    lines = example_lines(config, 600)
    right = uninterrupted(config, lines, 2)
    model, had = next((name, had) for name, had in right.versions.items() if len(had) > 1)
    saved = [replace(one, published=had[-1]) for one in right.saved.models if one.name == model]
    whole = replace(right.saved, models=saved)
    logs = [[*had, had[0], had[-1]], [*had[:-1], "foreign"]]
    published = [[(model, version) for version in log] for log in logs]
    assert judged_versions(right, whole, published, {model}) == {
        "versions": len(had) + 1,
        "versions_foreign": 1,
        "versions_back": 1,
        "versions_uneven": 1,
    }
