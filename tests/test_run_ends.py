"""A live engine whose Redis or broker answers no more: what it says of that, and how it ends."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from flows.exits import DONE, WORLD
from tests.conftest import Run, skip_without
from tests.server_setup import why_no_kafka, why_no_redis
from tests.servers import Server, free_port, kafka_server, redis_server
from tests.test_run import (
    LEAVE_SECONDS_MAX,
    PARTITIONS,
    PATIENCE_SECONDS,
    START_SECONDS_MAX,
    Shop,
    is_ready,
    page,
    total,
    wait_until,
)

UNREADY_SECONDS_MAX = 12.0
LEFT = "records from offset [0-9,]+ on are not committed, [0-9,]+ triggers not sent; nothing is"


class World:
    """A shop whose engine runs, with a broker and a Redis of its own, to freeze."""

    def __init__(self, broker: Server, redis: Server, shop: Shop) -> None:
        self.broker = broker
        self.redis = redis
        self.shop = shop
        self._port = free_port()
        self._engine = shop.start(self._port)
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        wait_until(lambda: is_ready(self._port), START_SECONDS_MAX, self.shop.log)

    def wait_until_readyz_says(self, what: str) -> None:
        """Wait for the words, while /healthz goes on to be well."""
        wait_until(
            lambda: what in page(self._port, "readyz")[1], UNREADY_SECONDS_MAX, self.shop.log
        )
        assert page(self._port, "healthz")[0] == 200

    def wait_until_events_come(self) -> None:
        wait_until(
            lambda: total(self._port, "beckon_events_total") > 100, PATIENCE_SECONDS, self.shop.log
        )

    def code_of_an_end_in_time(self) -> int:
        began_at = time.monotonic()
        self._engine.send_signal(signal.SIGTERM)
        code = self._engine.wait(PATIENCE_SECONDS)
        assert time.monotonic() - began_at < LEAVE_SECONDS_MAX
        return code


@pytest.fixture
def world(tmp_path: Path, run: Run) -> Iterator[World]:
    skip_without("KAFKA", why_no_kafka())
    skip_without("REDIS", why_no_redis())
    with kafka_server() as broker, redis_server() as redis:
        shop = Shop(broker.address, redis.address, "beckon", tmp_path)
        assert run("topics", "create", *shop.broker, "--partitions", PARTITIONS).code == 0
        with shop.engines:
            yield World(broker, redis, shop)


def test_a_frozen_redis_is_told_by_readyz_and_holds_up_no_end(world: World) -> None:
    world.redis.freeze()
    world.wait_until_readyz_says("partition 1: no commit to Redis for 5 s")
    world.redis.thaw()
    world.wait_until_ready()
    world.redis.freeze()
    assert world.code_of_an_end_in_time() == WORLD, world.shop.log.read_text()
    for partition in range(PARTITIONS):
        assert re.search(f"partition {partition}: [0-9,]+ {LEFT}", world.shop.log.read_text())


def test_a_frozen_broker_is_told_by_readyz_and_holds_up_no_end(
    world: World, shop_log: Sequence[bytes], tmp_path: Path
) -> None:
    world.broker.freeze()
    world.wait_until_readyz_says("partition 1: no answer of the broker for 5 s")
    world.broker.thaw()
    world.wait_until_ready()
    events = tmp_path / "events.jsonl"
    events.write_bytes(b"\n".join(shop_log) + b"\n")
    world.shop.produce(events, "--per-second", "2000")
    world.wait_until_events_come()
    world.broker.freeze()
    code = world.code_of_an_end_in_time()
    # What was read may all be committed and sent when the broker freezes: then nothing is left.
    told = world.shop.log.read_text()
    assert code in (DONE, WORLD), told
    assert bool(re.search(LEFT, told)) == (code == WORLD), told
