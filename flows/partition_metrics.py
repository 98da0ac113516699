"""What the run of one partition tells the metrics: once per piece of the log, commit and relay."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from config.schema import Config
from connectors.late import is_late
from connectors.log import OutboxEntry
from flows.live_apply import Applied
from flows.live_facts import BatchFacts, CommitFacts, StateFacts, relay_facts
from flows.metrics import Metrics
from flows.partition import Engine
from flows.places import decode_place
from state.store import Commit

STATE_EVERY_MS = 5_000


class PartitionMetrics:
    """Tells `metrics` of one run of a partition; `now_ms` reads the wall clock.

    The run's loop and its threads for commits and relays may call it at the same time.
    """

    def __init__(self, metrics: Metrics, partition: int, now_ms: Callable[[], int]) -> None:
        self.now_ms = now_ms
        self._metrics = metrics
        self._partition = partition
        self._config: Config | None = None
        self._versions: Mapping[str, str] = {}
        self._state_at_ms = 0

    def configured(self, config: Config, versions: Mapping[str, str]) -> None:
        """This config decides from now on, with these versions of models."""
        self._config, self._versions = config, versions
        journeys = [journey.name for journey in config.journeys]
        self._metrics.configured(self._partition, config.version, journeys)
        self._metrics.scores_by(self._partition, versions)

    def applied(self, applied: Applied, end_offset: int) -> None:
        """A piece of the log was applied, which ends at `end_offset` as far as is known."""
        if applied.config is not self._config or applied.versions is not self._versions:
            self.configured(applied.config, applied.versions)
        brought = applied.brought
        facts = BatchFacts(
            events=brought.events,
            duplicates=brought.duplicates,
            late=brought.late,
            dead_letters=Counter(letter.reason for letter in applied.dead_letters),
            outcomes=brought.outcomes if brought.outcomes.any() else None,
            lag_records=max(end_offset - applied.next_offset, 0),
            log_ms=applied.clock_ms,
        )
        self._metrics.batch(self._partition, facts)

    def committed(self, commit: Commit, began_ms: int, outbox_count: int) -> None:
        """The store has taken a commit; `outbox_count` of its entries are still to be relayed."""
        now_ms = self.now_ms()
        facts = CommitFacts(
            seconds=max(now_ms - began_ms, 0) / 1000,
            now_ms=now_ms,
            rows=len(commit.rows),
            outbox=outbox_count,
        )
        self._metrics.committed(self._partition, facts)

    def relayed(self, entries: Sequence[OutboxEntry], began_ms: int) -> None:
        """The broker has taken entries for good."""
        now_ms = self.now_ms()
        late = [entry for entry in entries if is_late(entry, began_ms)]
        sent = [entry for entry in entries if not is_late(entry, began_ms)]
        facts = relay_facts(
            [decode_place(entry.place) for entry in sent],
            seconds=max(now_ms - began_ms, 0) / 1000,
            now_ms=now_ms,
            too_late=Counter(decode_place(entry.place).journey for entry in late),
        )
        self._metrics.relayed(self._partition, facts)

    def state(self, engine: Engine, now_ms: int) -> None:
        """Time has come round; every few seconds it is told how much is remembered."""
        if now_ms - self._state_at_ms < STATE_EVERY_MS:
            return
        self._state_at_ms = now_ms
        tallies = engine.tallies
        facts = StateFacts(
            users=tallies.users,
            state_bytes=engine.resident_bytes,
            pending_timers=tallies.pending,
        )
        self._metrics.state(self._partition, facts)
