"""Opening a partition: its lease taken and kept, its profiles loaded, earlier owners fenced."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from functools import partial
from threading import Event
from typing import Protocol

from msgspec import Struct

from connectors.kafka import KafkaBroker
from connectors.log import ControlRecord
from connectors.threads import on_thread
from flows.live import LivePartition, LiveParts, open_partition
from flows.metrics import Metrics
from flows.partition_metrics import PartitionMetrics
from flows.rollbacks import Rollbacks
from state.redis_store import RedisStore
from state.store import StoreError

RENEW_SECONDS = 1.0
"""How often a lease is renewed while its partition is opened: it lasts three times as long."""


class Leases(Protocol):
    """Who owns which partition; `RedisStore` says what its methods do."""

    def acquire(self, partition: int, owner: str) -> int:
        """Take or renew a lease; 0 if `owner` has it now."""
        ...

    def release(self, partition: int, owner: str) -> None:
        """Give a lease up, if `owner` has it."""
        ...


class Opener(Struct, frozen=True, kw_only=True):
    """Opens partitions of a log, with profiles in Redis; several threads may do so.

    `first_config` reads the first config's record of a partition; `now_ms` the wall clock.
    """

    broker: KafkaBroker
    store: RedisStore
    metrics: Metrics
    first_config: Callable[[int], ControlRecord]
    rollbacks: Rollbacks
    now_ms: Callable[[], int]
    rebuild: bool = False

    def open(self, partition: int) -> LivePartition | None:
        """Take a partition and open its run; None while another owner has it."""
        owner = f"{socket.gethostname()}:{os.getpid()}:{self.now_ms()}"
        if self.store.acquire(partition, owner):
            return None
        with kept(self.store, partition, owner):
            return open_partition(self._parts(partition, owner))

    def _parts(self, partition: int, owner: str) -> LiveParts:
        return LiveParts(
            partition=partition,
            partitions=self.store.partitions(),
            owner=owner,
            store=self.store,
            reader_from=partial(self.broker.reader, partition),
            first_config=partial(self.first_config, partition),
            writer=self.broker.writer(),
            relay=self.broker.relay(partition),
            side=self.broker.side_output(partition),
            metrics=PartitionMetrics(self.metrics, partition, self.now_ms),
            released=partial(self.store.release, partition, owner),
            rolled_back=partial(self.rollbacks.found, partition),
            rebuild=self.rebuild,
        )


@contextmanager
def kept(leases: Leases, partition: int, owner: str) -> Iterator[None]:
    """Renew a lease during the block, as long as no commit does; give it back if the block fails.

    One that is lost meanwhile is nobody's concern here: the first commit is refused.
    """
    done = Event()

    def renew() -> None:
        while not done.wait(RENEW_SECONDS):
            with suppress(OSError, StoreError):
                leases.acquire(partition, owner)

    renewing = on_thread(f"lease-{partition}", renew)
    try:
        yield
    except BaseException:
        end(renewing, done)
        with suppress(OSError, StoreError):
            leases.release(partition, owner)
        raise
    end(renewing, done)


def end(renewing: Future[None], done: Event) -> None:
    """Let no renewal come after this: it would take the lease again that was given back."""
    done.set()
    renewing.result()
