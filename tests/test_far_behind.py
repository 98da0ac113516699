"""A live run that is far behind its log: it commits seldom, and loses nothing by it."""

from __future__ import annotations

import time

import pytest

from connectors.memory_broker import MemoryBroker
from flows.live import POLL_RECORDS_MAX
from flows.simulate import START_MS, SimulateOptions
from state.store import Commit, MemoryStore
from tests.test_live import HOUR_MS, PARTITIONS, messages_of, opened

LOOKS_MAX = 1_000


class Told(MemoryStore):
    """A store that tells how far the log was applied at each commit."""

    def __init__(self) -> None:
        super().__init__(partitions=PARTITIONS)
        self.offsets: list[int] = []

    def commit(self, commit: Commit) -> None:
        super().commit(commit)
        self.offsets.append(commit.checkpoint.next_offset)


@pytest.mark.parametrize(
    ("age_ms", "polls_committed"), [(0, (1, 2, 3)), (HOUR_MS, (1, 3))], ids=["new", "old"]
)
def test_what_is_read_long_after_it_came_is_committed_once_a_second(
    age_ms: int, polls_committed: tuple[int, ...]
) -> None:
    broker, store = MemoryBroker(PARTITIONS), Told()
    broker.now_ms = START_MS
    for _, _, message in 8 * messages_of(SimulateOptions(users=60, days=12, seed=5)):
        broker.append(0, message)
    run = opened(broker, store, 0, "first")
    for polls, after_ms in enumerate((0, 500, 1_000), 1):
        now_ms = START_MS + age_ms + after_ms
        run.step(now_ms)
        expected = [count * POLL_RECORDS_MAX for count in polls_committed if count <= polls]
        for _ in range(LOOKS_MAX):
            if store.offsets == expected:
                break
            time.sleep(0.01)
            # Another round, as the commit before may have been under way.
            run.settle([], now_ms)
        assert store.offsets == expected
    run.close(START_MS + age_ms + 1_000)
