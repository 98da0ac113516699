"""The partitions of one process: taken, run round by round, let go of when they fail, taken again.

A partition that fails is dropped with all its memory while the others go on; it is opened again
after a pause that grows with each failure. What another owner has taken is asked for again in the
same way, until that owner's lease is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from threading import Event

from msgspec import Struct

from connectors.kafka_errors import BrokerError
from connectors.log import Fenced, Polled
from connectors.triggers import instant_text
from flows.config_records import ConfigRecordError
from flows.health import PartitionHealth
from flows.live import LivePartition
from flows.live_apply import Applied
from flows.metrics import Metrics, Source
from state.store import StoreConflict, StoreError

PAUSE_MS_MIN, PAUSE_MS_MAX = 250, 10_000
FAILURES = (StoreError, Fenced, ConfigRecordError, OSError)
"""What a partition is let go for; anything else is a fault of ours, and ends the process."""


class Round(Struct, frozen=True, kw_only=True):
    """What one poll of a partition brought."""

    partition: int
    run: LivePartition
    polled: Polled


class Done(Struct, frozen=True, kw_only=True):
    """What a round led to."""

    partition: int
    run: LivePartition
    applied: list[Applied]


class Turn(Struct, kw_only=True):
    """How a partition stands with this process: its run, or when to try to open it again.

    trouble: what it was let go for, and since when it is in trouble; "" once it is well again.
    """

    run: LivePartition | None = None
    open_at_ms: int = 0
    failures: int = 0
    failed_at_ms: int = 0
    trouble: str = ""


class Worker:
    """Runs partitions.

    `opened(partition)` opens the run of one, or returns None while another owner has it. `now_ms`
    reads the wall clock. `tell(partition, what)` is told of what an operator wants to know. All but
    `health` is for one thread.
    """

    def __init__(
        self,
        partitions: Iterable[int],
        opened: Callable[[int], LivePartition | None],
        now_ms: Callable[[], int],
        tell: Callable[[int, str], None],
        metrics: Metrics,
    ) -> None:
        self.stop = Event()
        self._turns = {partition: Turn() for partition in partitions}
        self._opened = opened
        self._now_ms = now_ms
        self._tell = tell
        self._metrics = metrics
        self._turned_at_ms = now_ms()

    def health(self, now_ms: int) -> list[PartitionHealth]:
        """How each partition is, as far as this process knows."""
        return [
            health_of(partition, turn, self._turned_at_ms, now_ms)
            for partition, turn in self._turns.items()
        ]

    def rounds(self) -> list[Round]:
        """What has arrived on the partitions that this process owns; StopIteration to stop.

        Where nothing has, what is due by time is done here, so that an idle process does nothing
        else.
        """
        if self.stop.is_set():
            raise StopIteration
        self._turned_at_ms = self._now_ms()
        rounds = []
        for partition, turn in self._turns.items():
            try:
                self._open_if_due(partition, turn)
                polled = turn.run.poll() if turn.run is not None else None
            except FAILURES as error:
                self._let_go(partition, turn, error)
                continue
            if turn.run is None or polled is None:
                continue
            if polled.record_count:
                rounds.append(Round(partition=partition, run=turn.run, polled=polled))
            else:
                self.settle(Done(partition=partition, run=turn.run, applied=[]))
        return rounds

    def apply(self, round_: Round) -> Done:
        """Apply what a round brought; a config that cannot be read stops its partition."""
        try:
            applied = round_.run.apply(round_.polled)
        except ConfigRecordError as error:
            self._let_go(round_.partition, self._turns[round_.partition], error)
            applied = []
        return Done(partition=round_.partition, run=round_.run, applied=applied)

    def settle(self, done: Done) -> None:
        """Send and commit what a round led to."""
        turn = self._turns[done.partition]
        if turn.run is not done.run:
            return
        try:
            done.run.settle(done.applied, self._now_ms())
            turn.failures, turn.trouble = 0, ""
        except FAILURES as error:
            self._let_go(done.partition, turn, error)

    def close(self) -> None:
        """Commit and relay what was done, and give the partitions back."""
        for partition, turn in self._turns.items():
            if turn.run is None:
                continue
            try:
                turn.run.close(self._now_ms())
                turn.run = None
                self._metrics.given_up(partition, lost=False)
                self._tell(partition, "released")
            except FAILURES as error:
                self._let_go(partition, turn, error)

    def _open_if_due(self, partition: int, turn: Turn) -> None:
        if turn.run is not None or self._now_ms() < turn.open_at_ms:
            return
        turn.run = self._opened(partition)
        if turn.run is None:
            turn.open_at_ms = self._now_ms() + PAUSE_MS_MIN
            self._metrics.waiting(partition)
            return
        self._metrics.taken(partition)
        checkpoint = turn.run.engine.checkpoint
        users, offset = checkpoint.user_count, checkpoint.next_offset
        self._tell(partition, f"taken, with {users:,} users, from offset {offset:,} on")

    def _let_go(self, partition: int, turn: Turn, error: Exception) -> None:
        pause_ms = min(PAUSE_MS_MIN << min(turn.failures, 10), PAUSE_MS_MAX)
        self._tell(partition, f"{error}; trying again in {pause_ms / 1000:.1f} s")
        self._note_failure(partition, turn, error)
        if turn.run is not None:
            turn.run.drop()
        turn.run = None
        turn.failures += 1
        turn.open_at_ms = self._now_ms() + pause_ms

    def _note_failure(self, partition: int, turn: Turn, error: Exception) -> None:
        if not turn.trouble:
            turn.failed_at_ms = self._now_ms()
        turn.trouble = f"{error} (since {instant_text(turn.failed_at_ms)})"
        was_taken = isinstance(error, Fenced | StoreConflict)
        if turn.run is not None:
            self._metrics.given_up(partition, lost=was_taken)
        if not was_taken:
            source: Source = "kafka" if isinstance(error, BrokerError) else "redis"
            self._metrics.failed(source, "fatal" if turn.run is not None else "retried")


def health_of(partition: int, turn: Turn, turned_at_ms: int, now_ms: int) -> PartitionHealth:
    """How a partition is; also called while its turn goes on."""
    run = turn.run
    return PartitionHealth(
        partition=partition,
        owned=run is not None,
        turned_at_ms=turned_at_ms,
        behind_ms=run.behind_ms(now_ms) if run is not None else 0,
        trouble=turn.trouble,
    )
