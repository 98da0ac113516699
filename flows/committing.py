"""Commits and relays of one partition, each on a thread of its own, in the order they were begun.

A commit's triggers are relayed once it is stored. What fails is raised by `check`, and nothing is
begun after it: the partition's run is dropped, and a new one goes on from what is stored.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait

from connectors.failpoints import failpoint
from connectors.log import OutboxEntry, Relay, SideOutput
from flows.partition_metrics import PartitionMetrics
from state.store import Commit, Store

FLUSH_SECONDS = 10.0
"""How long the broker may take to acknowledge what is delivered at least once."""

RELAY_ENTRIES_MAX = 500
"""Triggers in one transaction."""


class Committing:
    """Takes commits, one after the other, and relays what they hold."""

    def __init__(
        self, store: Store, relay: Relay, side: SideOutput, metrics: PartitionMetrics
    ) -> None:
        self._store = store
        self._relay = relay
        self._side = side
        self._metrics = metrics
        self._commits = ThreadPoolExecutor(1, "commit")
        self._relays = ThreadPoolExecutor(1, "relay")
        self._commit: Future[None] | None = None
        self._running: deque[Future[None]] = deque()
        self._failed = False
        self.stored_count = self.relayed_count = 0
        """How many entries were stored, or are about to be; how many of them were relayed."""
        self.stored_offset = self.stored_at_ms = self.relayed_at_ms = 0
        """Up to which offset the log is stored; when a commit and a relay were taken last."""

    @property
    def waiting_count(self) -> int:
        """How many entries are still to be relayed."""
        return self.stored_count - self.relayed_count

    @property
    def busy(self) -> bool:
        """Whether a commit is under way."""
        return self._commit is not None and not self._commit.done()

    def check(self) -> None:
        """Raise what went wrong on a thread since the last look."""
        # Each is taken out and looked at once: others are added, and end, at the same time.
        for _ in range(len(self._running)):
            future = self._running.popleft()
            if future.done():
                future.result()
            else:
                self._running.append(future)

    def begin(self, commit: Commit, entries: Sequence[OutboxEntry]) -> None:
        """Store a commit and then relay its entries; not while another is under way."""
        assert not self.busy, "commits are made one after the other"
        self.stored_count += len(entries)
        self._commit = self._commits.submit(self._store_and_relay, commit, entries)
        self._running.append(self._commit)

    def relay(self, entries: Sequence[OutboxEntry]) -> None:
        """Relay entries that are stored already."""
        for first in range(0, len(entries), RELAY_ENTRIES_MAX):
            part = entries[first : first + RELAY_ENTRIES_MAX]
            self._running.append(self._relays.submit(self._relay_part, part))

    def finish(self) -> None:
        """Wait until all that was begun is done; raises what went wrong."""
        while self._running:
            wait(list(self._running))
            self.check()

    def close(self) -> None:
        """Let the threads end; what they do is finished, and nothing else is begun."""
        self._failed = True
        self._commits.shutdown()
        self._relays.shutdown()

    def _store_and_relay(self, commit: Commit, entries: Sequence[OutboxEntry]) -> None:
        if self._failed:
            return
        try:
            self._side.flush(FLUSH_SECONDS)
            failpoint("flushed")
            began_ms = self._metrics.now_ms()
            self._store.commit(commit)
            failpoint("committed")
            self.stored_offset = commit.checkpoint.next_offset
            self.stored_at_ms = self._metrics.now_ms()
            self._metrics.committed(commit, began_ms, self.waiting_count)
        except BaseException:
            self._failed = True
            raise
        self.relay(entries)

    def _relay_part(self, entries: Sequence[OutboxEntry]) -> None:
        if self._failed:
            return
        began_ms = self._metrics.now_ms()
        try:
            failpoint("relaying")
            self._relay.relay(entries, began_ms)
            failpoint("relayed")
        except BaseException:
            self._failed = True
            raise
        self.relayed_count += len(entries)
        self.relayed_at_ms = self._metrics.now_ms()
        self._metrics.relayed(entries, began_ms)
