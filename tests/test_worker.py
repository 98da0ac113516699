"""The partitions of a process: opened beside the work, let go of, taken again, given back."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from threading import Event

import pytest
from msgspec.structs import replace

from connectors.kafka_errors import BrokerError
from connectors.log import OutboxEntry
from connectors.memory_broker import MemoryBroker, MemoryRelay
from flows.health import PartitionHealth
from flows.live import LivePartition, open_partition
from flows.metrics import Metrics
from flows.opening import RENEW_SECONDS, kept
from flows.standing import TOLD_AGAIN_MS
from flows.worker import OPENING_SECONDS, Worker
from state.redis_settings import redis_settings
from state.redis_store import RedisStore
from state.store import MemoryStore, StoreError
from tests.test_live import PARTITIONS, parts_of, received_ms

NOW_MS = 1_767_225_600_000
PATIENCE_SECONDS = 20.0
COMMITTED_MS_MAX = 2_000
"""A commit renews the lease each second; its thread may need some rounds of a clock that races."""


class RefusingRelay(MemoryRelay):
    """Takes a partition over, but the broker takes no triggers from it."""

    def relay(self, entries: Sequence[OutboxEntry], now_ms: int = 0) -> None:
        raise BrokerError("the broker refuses")


class Shop:
    """A worker on the broker in memory; its clock moves by hand, `said` is what it told."""

    def __init__(self, before: Callable[[int], None], relays: bool = True) -> None:
        """`before(partition)` is called on the thread that opens a partition, before it does."""
        self.now_ms = NOW_MS
        self.broker = MemoryBroker(PARTITIONS)
        self.store = MemoryStore(partitions=PARTITIONS)
        self.metrics = Metrics(PARTITIONS)
        self.said: list[str] = []
        self.opened_at_ms: list[int] = []
        self.released: list[int] = []
        self.worker = Worker(range(PARTITIONS), self.opened, self.clock, self.tell, self.metrics)
        self._before = before
        self._relays = relays

    def clock(self) -> int:
        return self.now_ms

    def opened(self, partition: int) -> LivePartition | None:
        self._before(partition)
        self.opened_at_ms.append(self.now_ms)
        parts = parts_of(self.broker, self.store, partition, f"{self.now_ms}", self.clock)
        parts = replace(parts, released=lambda: self.released.append(partition))
        if not self._relays:
            parts = replace(parts, relay=RefusingRelay(self.broker, partition))
        return open_partition(parts)

    def tell(self, partition: int, what: str) -> None:
        self.said.append(f"{partition}: {what}")

    def turn_until(self, holds: Callable[[], bool], step_ms: int = 0) -> None:
        """Let the loop turn, and its clock by so much each time, until it holds."""
        give_up_at = time.monotonic() + PATIENCE_SECONDS
        while not holds():
            assert time.monotonic() < give_up_at, self.said
            for round_ in self.worker.rounds():
                self.worker.settle(self.worker.apply(round_))
            self.now_ms += step_ms
            time.sleep(0.001)

    def turn_for(self, clock_ms: int, step_ms: int) -> None:
        """Let the loop turn until its clock is so much later."""
        end_ms = self.now_ms + clock_ms
        self.turn_until(lambda: self.now_ms >= end_ms, step_ms)

    def health(self, partition: int) -> PartitionHealth:
        return self.worker.health(self.now_ms)[partition]

    def is_owned(self, partition: int) -> bool:
        return self.health(partition).owned

    def is_refused(self, partition: int) -> bool:
        """What the metric says."""
        line = f'beckon_partition_refused{{partition="{partition}"}} 1.0'
        return line in self.metrics.page().decode()


def test_a_partition_that_is_being_opened_holds_up_no_other() -> None:
    go_on = Event()
    shop = Shop(lambda partition: wait_for(go_on) if partition else None)
    shop.turn_until(lambda: shop.is_owned(0))
    shop.turn_for(5_000, step_ms=50)
    assert shop.health(0).uncommitted_ms <= COMMITTED_MS_MAX
    assert not shop.is_owned(1)
    assert shop.health(1).opening_ms >= 5_000
    go_on.set()
    shop.turn_until(lambda: shop.is_owned(1))
    assert shop.worker.close()
    assert sorted(shop.said[-2:]) == ["0: released", "1: released"]


def wait_for(event: Event) -> None:
    assert event.wait(PATIENCE_SECONDS), "nobody set it"


def test_one_that_is_still_being_opened_when_all_end_is_left_behind() -> None:
    go_on = Event()
    shop = Shop(lambda partition: wait_for(go_on) if partition else None)
    shop.turn_until(lambda: shop.is_owned(0))
    began_at = time.monotonic()
    assert shop.worker.close()
    assert time.monotonic() - began_at < OPENING_SECONDS + 1.0
    assert shop.said[-2:] == ["0: released", "1: left while it was being opened"]
    assert shop.worker.unfinished() == []
    go_on.set()


def test_a_partition_that_cannot_be_opened_is_in_trouble_until_it_can() -> None:
    def refuse(partition: int) -> None:
        raise OSError("nobody answers")

    shop = Shop(refuse)
    shop.turn_until(lambda: len(shop.said) == PARTITIONS)
    assert sorted(shop.said) == [
        "0: nobody answers; trying again",
        "1: nobody answers; trying again",
    ]
    assert shop.health(0).trouble == "nobody answers (since 2026-01-01T00:00:00.000Z)"
    assert not shop.is_owned(0)
    assert not shop.is_refused(0)
    failed = b'beckon_errors_total{outcome="retried",source="redis"} 2.0'
    assert failed in shop.metrics.page()


def test_a_refusal_is_told_once_and_each_minute_until_it_is_mended_and_others_go_on() -> None:
    broken = Event()
    broken.set()

    def refuse(partition: int) -> None:
        if partition == 1 and broken.is_set():
            raise StoreError("Redis", expected="profiles", got="none", fix="restore them")

    shop = Shop(refuse)
    told = "1: Redis: expected profiles, got none; restore them; trying again"
    shop.turn_until(lambda: told in shop.said and shop.is_owned(0))
    assert (shop.is_refused(0), shop.is_refused(1)) == (False, True)
    shop.turn_for(3 * TOLD_AGAIN_MS, step_ms=200)
    assert shop.said.count(told) in (3, 4)
    assert shop.health(1).trouble.startswith("Redis: expected profiles, got none; restore them (")
    assert shop.health(0).uncommitted_ms <= COMMITTED_MS_MAX
    broken.clear()
    shop.turn_until(lambda: "1: well again" in shop.said, step_ms=50)
    assert not shop.is_refused(1)
    assert shop.health(1).trouble == ""
    shop.worker.close()


def test_what_fails_again_soon_after_a_commit_is_tried_ever_more_seldom(
    shop_log: Sequence[bytes],
) -> None:
    shop = Shop(lambda partition: wait_for(Event()) if partition else None, relays=False)
    for line in shop_log:
        shop.broker.now_ms = max(shop.broker.now_ms, received_ms(line))
        shop.broker.append(0, line)
    shop.turn_until(lambda: len(shop.opened_at_ms) == 7, step_ms=10)
    gaps_ms = [later - earlier for earlier, later in pairwise(shop.opened_at_ms)]
    assert shop.store.load(0) is not None
    assert gaps_ms[-1] > 8 * gaps_ms[0]
    assert shop.released == [0] * 6
    assert "the broker refuses" in shop.health(0).trouble
    assert shop.said.count("0: the broker refuses; trying again") == 1


def test_a_lease_is_kept_while_its_partition_is_opened_and_given_back_if_that_fails(
    redis_url: str, prefix: str
) -> None:
    settings = redis_settings(f"{redis_url}?prefix={prefix}")
    store = RedisStore(settings, partitions=1, lease_ms=1_500)
    assert store.acquire(0, "first") == 0
    with kept(store, 0, "first"):
        time.sleep(1.5 + RENEW_SECONDS / 2)
        assert store.acquire(0, "second") > 0
    with pytest.raises(OSError, match="away"), kept(store, 0, "first"):
        raise OSError("away")
    assert store.acquire(0, "second") == 0
    store.close()


class SlowLeases:
    """Leases whose home takes its time to answer; counts the renewals that it has answered."""

    def __init__(self) -> None:
        self.renewed_count = 0

    def acquire(self, partition: int, owner: str) -> int:
        time.sleep(RENEW_SECONDS / 2)
        self.renewed_count += 1
        return 0

    def release(self, partition: int, owner: str) -> None:
        raise AssertionError("nothing failed")


def test_no_renewal_of_a_lease_comes_once_its_partition_is_open() -> None:
    leases = SlowLeases()
    with kept(leases, 0, "first"):
        time.sleep(RENEW_SECONDS * 1.25)
        assert leases.renewed_count == 0
    assert leases.renewed_count == 1
