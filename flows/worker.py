"""The partitions of one process: taken, run round by round, let go of when they fail, taken again.

A partition that fails is dropped with all its memory while the others go on; it is opened again
after a pause that grows with each failure. What another owner has taken is asked for again in the
same way, until that owner's lease is gone. The loop waits for neither Redis nor the broker:
partitions are opened, and dropped, on threads of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, wait
from functools import partial

from msgspec import Struct

from connectors.log import Fenced, Polled
from connectors.threads import on_thread
from flows.control_records import LogRecordError
from flows.health import PartitionHealth
from flows.live import LivePartition
from flows.live_apply import Applied
from flows.metrics import Metrics, Outcome
from flows.standing import (
    PAUSE_MS_MIN,
    Turn,
    health_of,
    is_over,
    is_refusal,
    note_trouble,
    source_of,
    was_taken,
)
from state.store import StoreError

OPENINGS_MAX = 2
"""Partitions that are opened at a time: each waits for the broker, and then reads all profiles."""

CLOSINGS_MAX = 8
OPENING_SECONDS = 1.0
"""Partitions that are closed at a time; how long one that is still being opened is waited for."""

FAILURES = (StoreError, Fenced, LogRecordError, OSError)
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


class Worker:
    """Runs partitions.

    `opened(partition)` opens the run of one, or returns None while another owner has it; it is
    called on other threads. `now_ms` reads the wall clock. `tell(partition, what)` is told of what
    an operator wants to know. All but `health` and `unfinished` is for one thread.
    """

    def __init__(
        self,
        partitions: Iterable[int],
        opened: Callable[[int], LivePartition | None],
        now_ms: Callable[[], int],
        tell: Callable[[int, str], None],
        metrics: Metrics,
    ) -> None:
        self._turns = {partition: Turn() for partition in partitions}
        self._opened = opened
        self._now_ms = now_ms
        self._tell = tell
        self._metrics = metrics
        self._turned_at_ms = now_ms()
        for partition in self._turns:
            metrics.refused(partition, needs_help=False)

    def health(self, now_ms: int) -> list[PartitionHealth]:
        """How each partition is, as far as this process knows."""
        return [
            health_of(partition, turn, self._turned_at_ms, now_ms)
            for partition, turn in self._turns.items()
        ]

    def unfinished(self) -> list[tuple[int, str]]:
        """What of each partition that is still here was not committed or not relayed."""
        runs = [(partition, turn.run) for partition, turn in self._turns.items()]
        return [(partition, run.unfinished()) for partition, run in runs if run is not None]

    def rounds(self) -> list[Round]:
        """What has arrived on the partitions that this process owns.

        Where nothing has, what is due by time is done here, so that an idle process does nothing
        else.
        """
        self._turned_at_ms = self._now_ms()
        rounds = []
        for partition, turn in self._turns.items():
            try:
                if turn.run is None:
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
        """Apply what a round brought; a version that cannot be read stops its partition."""
        try:
            applied = round_.run.apply(round_.polled)
        except LogRecordError as error:
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
        except FAILURES as error:
            self._let_go(done.partition, turn, error)
        if is_over(turn):
            self._metrics.refused(done.partition, needs_help=False)
            self._tell(done.partition, "well again")

    def close(self) -> bool:
        """Commit and relay what was done, and give the partitions back; whether that was possible.

        Several at a time: one that waits for the world holds up no others.
        """
        turns = iter(self._turns.items())
        count = min(len(self._turns), CLOSINGS_MAX)
        closers = [on_thread("close", partial(self._close_some, turns)) for _ in range(count)]
        return all([closer.result() for closer in closers])

    def _open_if_due(self, partition: int, turn: Turn) -> None:
        """Begin to open a partition when it is time, and take it over once it is open."""
        now_ms = self._now_ms()
        if turn.opening is None:
            opening_count = sum(one.opening is not None for one in self._turns.values())
            left = turn.leaving is None or turn.leaving.done()
            if left and now_ms >= turn.open_at_ms and opening_count < OPENINGS_MAX:
                turn.changed_at_ms = now_ms
                turn.opening = on_thread(f"open-{partition}", partial(self._opened, partition))
        elif turn.opening.done():
            opening, turn.opening = turn.opening, None
            turn.changed_at_ms = now_ms
            turn.run = opening.result()
            if turn.run is None:
                turn.open_at_ms = now_ms + PAUSE_MS_MIN
                self._metrics.waiting(partition)
            else:
                self._note_taken(partition, turn.run)

    def _note_taken(self, partition: int, run: LivePartition) -> None:
        self._metrics.taken(partition)
        if self._turns[partition].failures > 1:
            return  # What it fails for was told; "well again" ends it.
        users, offset = run.engine.checkpoint.user_count, run.engine.checkpoint.next_offset
        self._tell(partition, f"taken, with {users:,} users, from offset {offset:,} on")

    def _let_go(self, partition: int, turn: Turn, error: Exception) -> None:
        if note_trouble(turn, error, self._now_ms()):
            self._tell(partition, f"{error}; trying again")
        self._metrics.refused(partition, needs_help=is_refusal(error))
        if not was_taken(error):
            outcome: Outcome = "retried" if turn.run is None else "fatal"
            self._metrics.failed(source_of(error), outcome)
        if turn.run is not None:
            self._metrics.given_up(partition, lost=was_taken(error))
            turn.leaving = on_thread(f"leave-{partition}", turn.run.leave)
            turn.run = None

    def _close_some(self, turns: Iterator[tuple[int, Turn]]) -> bool:
        """Close one after the other; whether all could be. Other threads take from `turns`, too."""
        return all([self._close(partition, turn) for partition, turn in turns])

    def _close(self, partition: int, turn: Turn) -> bool:
        if turn.opening is not None:
            turn.run = self._opened_at_last(partition, turn.opening)
        if turn.run is None:
            return True
        is_lost, in_order = False, True
        try:
            turn.run.close(self._now_ms())
            self._tell(partition, "released")
        except FAILURES as error:
            self._tell(partition, f"{error}; {turn.run.unfinished()}")
            is_lost = in_order = was_taken(error)
        self._metrics.given_up(partition, lost=is_lost)
        turn.run = None
        return in_order

    def _opened_at_last(
        self, partition: int, opening: Future[LivePartition | None]
    ) -> LivePartition | None:
        """The run that is being opened, if that comes to its end soon."""
        if not wait([opening], OPENING_SECONDS).done:
            self._tell(partition, "left while it was being opened")
            return None
        try:
            return opening.result()
        except FAILURES as error:
            self._tell(partition, str(error))
            return None
