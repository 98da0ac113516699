"""The learner of one process: taken, run round by round, let go of when it fails, taken again."""

from __future__ import annotations

from collections.abc import Callable

from connectors.log import Polled
from flows.control_records import LogRecordError
from flows.health import SILENT_MS_MAX, STUCK_MS
from flows.learner import LearnerRun
from flows.learner_metrics import LearnerMetrics
from flows.learning import Taken
from flows.standing import PAUSE_MS_MIN, STEADY_MS, Turn, note_trouble
from state.store import StoreError

FAILURES = (StoreError, LogRecordError, OSError)
"""What a run is let go for; anything else is a fault of ours, and ends the process."""


class LearnerWorker:
    """Runs the learner whenever no other process does.

    `opened` opens its run, or returns None while another process has the lease; `now_ms` reads the
    wall clock; `tell` is told what an operator wants to know. `not_alive` and `not_ready` may be
    asked by other threads.
    """

    def __init__(
        self,
        opened: Callable[[], LearnerRun | None],
        now_ms: Callable[[], int],
        tell: Callable[[str], None],
        metrics: LearnerMetrics,
    ) -> None:
        self._opened = opened
        self._now_ms = now_ms
        self._tell = tell
        self._metrics = metrics
        self._turn = Turn()
        self._run: LearnerRun | None = None
        self._turned_at_ms = self._opened_at_ms = now_ms()

    def not_alive(self) -> list[str]:
        """Why the process should be started again, if it should."""
        silent_ms = self._now_ms() - self._turned_at_ms
        return (
            [f"its loop has not turned for {silent_ms // 1000} s"] if silent_ms > STUCK_MS else []
        )

    def not_ready(self) -> list[str]:
        """Why examples are not being learned, if they are not; one that waits is ready to."""
        reasons = self.not_alive()
        run = self._run
        if self._turn.trouble:
            reasons.append(self._turn.trouble)
        if run is not None:
            unheard_ms = self._now_ms() - max(run.heard_at_ms, self._opened_at_ms)
            if unheard_ms > SILENT_MS_MAX:
                reasons.append(f"no answer of the broker for {unheard_ms // 1000} s")
        return reasons

    def rounds(self) -> list[Polled]:
        """What has arrived, if this process is the one that learns."""
        now_ms = self._turned_at_ms = self._now_ms()
        if self._run is None and now_ms >= self._turn.open_at_ms:
            self._open(now_ms)
        if self._run is None:
            return []
        try:
            polled = self._run.poll(now_ms)
            if polled.record_count:
                return [polled]
        except FAILURES as error:
            self._let_go(error)
            return []
        self.settle(Taken())
        return []

    def apply(self, polled: Polled) -> Taken:
        """Learn from a round."""
        assert self._run is not None, "what was polled is applied before anything else"
        return self._run.apply(polled)

    def settle(self, taken: Taken) -> None:
        """Save and publish what a round led to."""
        assert self._run is not None, "as above"
        try:
            self._run.settle(taken, self._now_ms())
        except FAILURES as error:
            self._let_go(error)
        else:
            self._note_well()

    def close(self) -> bool:
        """Save what was learned and give the lease back; whether that was possible."""
        run, self._run = self._run, None
        if run is None:
            return True
        try:
            run.close(self._now_ms())
        except FAILURES as error:
            self._tell(f"{error}; what was not saved is learned again")
            return False
        self._tell("released")
        return True

    def _open(self, now_ms: int) -> None:
        try:
            self._run = self._opened()
        except FAILURES as error:
            self._trouble(error)
            return
        if self._run is None:
            self._turn.open_at_ms = now_ms + PAUSE_MS_MIN
            return
        self._opened_at_ms = self._now_ms()
        self._metrics.owned(owned=True)
        self._tell(f"taken, from example {self._run.next_offset:,} on")

    def _note_well(self) -> None:
        """A run that has gone on for a while is well."""
        if self._turn.trouble and self._now_ms() - self._opened_at_ms > STEADY_MS:
            self._turn.failures, self._turn.trouble, self._turn.told = 0, "", ""
            self._tell("well again")

    def _let_go(self, error: Exception) -> None:
        run, self._run = self._run, None
        self._metrics.owned(owned=False)
        if run is not None:
            run.leave()
        self._trouble(error)

    def _trouble(self, error: Exception) -> None:
        if note_trouble(self._turn, error, self._now_ms()):
            self._tell(f"{error}; trying again")
