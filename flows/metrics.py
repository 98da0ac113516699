"""The metrics that Prometheus reads: each is declared here, with what it means.

Values are plain numbers that the live loop moves once per batch, commit and relay, never per event;
they are put into Prometheus' words when somebody scrapes. Labels are of closed sets: partitions,
reasons, and the journeys of the config; never a user.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from threading import Lock
from typing import Literal

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.core import Metric as Family
from prometheus_client.registry import Collector

from connectors.late import TOO_LATE
from connectors.reasons import REASONS as DEAD_LETTER_REASONS
from flows.live_facts import BatchFacts, CommitFacts, RelayFacts, StateFacts
from flows.output import GOAL, SENT
from flows.output import REASONS as DECIDED_REASONS

SUPPRESSION_REASONS = (*DECIDED_REASONS.values(), TOO_LATE)

Source = Literal["redis", "kafka"]
Outcome = Literal["retried", "fatal"]
LeaseEvent = Literal["taken", "released", "lost"]
SOURCES: tuple[Source, ...] = ("redis", "kafka")
OUTCOMES: tuple[Outcome, ...] = ("retried", "fatal")
LEASE_EVENTS: tuple[LeaseEvent, ...] = ("taken", "released", "lost")

WORK_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
WAIT_SECONDS = (0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.5, 1, 2, 5, 10, 60, 600, 3600, 21600)
"""Upper bounds of histograms: how long our own work takes; how long a message was on its way. The
latter have the bounds that we promise (50, 100, 250, 300 ms) and hours for what an outage does."""

Labels = tuple[str, ...]


class Metric(Struct, frozen=True, kw_only=True):
    """A metric as it is named on the page, and what it means, as a sentence without a full stop."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    means: str
    labels: Labels = ()
    bounds: tuple[float, ...] = ()


def counter(name: str, means: str, *labels: str) -> Metric:
    """A counter, named without its prefix and suffix."""
    return Metric(name=f"beckon_{name}_total", kind="counter", means=means, labels=labels)


def gauge(name: str, means: str, *labels: str) -> Metric:
    """A gauge, named without its prefix."""
    return Metric(name=f"beckon_{name}", kind="gauge", means=means, labels=labels)


def _seconds(name: str, means: str, bounds: tuple[float, ...]) -> Metric:
    return Metric(name=f"beckon_{name}_seconds", kind="histogram", means=means, bounds=bounds)


PARTITIONS = gauge("partitions", "partitions of the log")
OWNED = gauge(
    "partition_owned",
    "1 while this process holds the partition's lease, 0 while it waits for it",
    "partition",
)
REFUSED = gauge(
    "partition_refused",
    "1 while the partition stands still until somebody mends what /readyz says, else 0",
    "partition",
)
LEASES = counter(
    "leases",
    "leases `taken`, `released` (in order, or after a failure), or `lost` to another process",
    "event",
)
LAG = gauge("lag_records", "records of the log that are still to be applied", "partition")
LOG_TIME = gauge(
    "log_timestamp_seconds", "log time that was reached, in seconds since 1970", "partition"
)
EVENTS = counter("events", "events applied to profiles", "partition")
DUPLICATES = counter("duplicate_events", "events passed over because their message came before")
LATE = counter("late_events", "events older than a window that they would have counted in")
DEAD_LETTERS = counter("dead_letters", "records that cannot be used", "reason")
TRIGGERS = counter(
    "triggers", "stages decided to be sent; those that met `too_late` among them", "journey"
)
SUPPRESSED = counter("suppressed", "stages that were not sent", "journey", "reason")
GOALS = counter("goals", "decisions, sent or held out, that reached their goal", "journey")
COMMIT = _seconds("commit", "how long a commit to Redis took", WORK_SECONDS)
COMMIT_TIME = gauge(
    "commit_timestamp_seconds", "when the last commit was taken, in seconds since 1970", "partition"
)
ROWS = counter("committed_rows", "users' rows written to Redis")
OUTBOX = gauge("outbox_entries", "decisions committed and still to be sent", "partition")
RELAY = _seconds("relay", "how long a transaction to Kafka took", WORK_SECONDS)
RELAYED = counter("relayed", "decisions handed to Kafka for good", "partition")
EVENT_TO_TRIGGER = _seconds(
    "event_to_trigger", "from an event's log time to its trigger's being in Kafka", WAIT_SECONDS
)
TIMER_LATENESS = _seconds(
    "timer_lateness", "from a deadline to its trigger's being in Kafka", WAIT_SECONDS
)
USERS = gauge("users", "users known", "partition")
STATE_BYTES = gauge("state_bytes", "memory that their profiles take", "partition")
TIMERS = gauge("pending_timers", "stages whose deadline is still to come", "partition")
ERRORS = counter(
    "errors",
    "failures to open a partition, which is `retried`, or `fatal` to its run, which begins anew",
    "source",
    "outcome",
)
CONFIG = gauge(
    "config_info", "always 1: the version of the config in force", "partition", "version"
)
MODEL = gauge(
    "model_info",
    "always 1: the version that a model's scores are made with",
    "partition",
    "model",
    "version",
)

METRICS = (
    *(PARTITIONS, OWNED, REFUSED, LEASES, LAG, LOG_TIME),
    *(EVENTS, DUPLICATES, LATE, DEAD_LETTERS),
    *(TRIGGERS, SUPPRESSED, GOALS),
    *(COMMIT, COMMIT_TIME, ROWS, OUTBOX, RELAY, RELAYED, EVENT_TO_TRIGGER, TIMER_LATENESS),
    *(USERS, STATE_BYTES, TIMERS, ERRORS, CONFIG, MODEL),
)
OF_THE_HOLDER = (LAG, LOG_TIME, COMMIT_TIME, OUTBOX, USERS, STATE_BYTES, TIMERS)
"""What only the process that holds a partition can tell: gone from its page with the lease."""


class Histogram:
    """Counts of values by upper bound; many values are taken at once."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = np.array(bounds)
        self._labels = [*(str(float(bound)) for bound in bounds), "+Inf"]
        self._counts = np.zeros(len(self._labels), np.int64)
        self._sum = 0.0

    def observe(self, values: Sequence[float] | NDArray[np.float64]) -> None:
        """Count these values in; a bound counts as below itself, as Prometheus has it."""
        slots = np.searchsorted(self._bounds, values)
        self._counts += np.bincount(slots, minlength=len(self._counts))
        self._sum += float(np.sum(values))

    def buckets(self) -> tuple[list[tuple[str, float]], float]:
        """Counts of values up to each bound, and the sum of all values."""
        counts = np.cumsum(self._counts).astype(float).tolist()
        return list(zip(self._labels, counts, strict=True)), self._sum


class Board(Collector):
    """The values of metrics, as somebody scrapes them; hold the lock while they are moved."""

    def __init__(self, metrics: Sequence[Metric]) -> None:
        self.lock = Lock()
        self._metrics = metrics
        self._values: dict[str, dict[Labels, float]] = {metric.name: {} for metric in metrics}
        self._histograms = {
            metric.name: Histogram(metric.bounds)
            for metric in metrics
            if metric.kind == "histogram"
        }
        self._registry = CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    def set(self, metric: Metric, labels: Labels, value: float) -> None:
        """The value is this now."""
        self._values[metric.name][labels] = value

    def add(self, metric: Metric, labels: Labels, count: float) -> None:
        """The value is so much more now."""
        values = self._values[metric.name]
        values[labels] = values.get(labels, 0) + count

    def observe(self, metric: Metric, values: Sequence[float] | NDArray[np.float64]) -> None:
        """Count these values into a histogram."""
        self._histograms[metric.name].observe(values)

    def forget(self, metric: Metric, first: str) -> None:
        """Take the values off the page whose first label is this."""
        values = self._values[metric.name]
        for labels in [labels for labels in values if labels[0] == first]:
            del values[labels]

    def page(self) -> bytes:
        """All metrics in Prometheus' text format 0.0.4, with those of the process itself."""
        return generate_latest(self._registry)

    def collect(self) -> Iterable[Family]:
        """The values as they stand, for Prometheus' client."""
        with self.lock:
            return [self._family(metric) for metric in self._metrics]

    def _family(self, metric: Metric) -> Family:
        if metric.kind == "histogram":
            histogram = HistogramMetricFamily(metric.name, metric.means)
            histogram.add_metric((), *self._histograms[metric.name].buckets())
            return histogram
        made = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
        family = made(metric.name, metric.means, labels=metric.labels)
        for labels, value in self._values[metric.name].items():
            family.add_metric(labels, value)
        return family


class Metrics:
    """The values of all metrics of one process; its methods may be called by any thread.

    What a closed set can name is there with 0 from the start, so that a first one is seen to rise.
    """

    def __init__(self, partitions: int) -> None:
        self._board = Board(METRICS)
        self._journeys: dict[int, tuple[str, ...]] = {}
        self._board.set(PARTITIONS, (), partitions)
        for metric in (DUPLICATES, LATE, ROWS):
            self._board.add(metric, (), 0)
        for event in LEASE_EVENTS:
            self._board.add(LEASES, (event,), 0)
        for reason in DEAD_LETTER_REASONS:
            self._board.add(DEAD_LETTERS, (reason,), 0)
        for source in SOURCES:
            for outcome in OUTCOMES:
                self._board.add(ERRORS, (source, outcome), 0)

    def waiting(self, partition: int) -> None:
        """This process wants the partition, and another one holds its lease."""
        with self._board.lock:
            self._board.set(OWNED, (str(partition),), 0)

    def taken(self, partition: int) -> None:
        """This process holds the partition's lease now."""
        with self._board.lock:
            self._board.set(OWNED, (str(partition),), 1)
            self._board.add(LEASES, ("taken",), 1)
            for metric in (EVENTS, RELAYED):
                self._board.add(metric, (str(partition),), 0)

    def refused(self, partition: int, *, needs_help: bool) -> None:
        """Whether the partition cannot go on before somebody has mended something."""
        with self._board.lock:
            self._board.set(REFUSED, (str(partition),), needs_help)

    def given_up(self, partition: int, *, lost: bool) -> None:
        """The lease was released, or another process has it; no more is told of the partition."""
        with self._board.lock:
            self._board.add(LEASES, ("lost" if lost else "released",), 1)
            self._board.forget(CONFIG, str(partition))
            self._board.forget(MODEL, str(partition))
            for metric in (OWNED, *OF_THE_HOLDER):
                self._board.forget(metric, str(partition))

    def configured(self, partition: int, version: str, journeys: Sequence[str]) -> None:
        """From now on this config decides in the partition; `journeys` are its names, in order."""
        with self._board.lock:
            self._board.forget(CONFIG, str(partition))
            self._board.set(CONFIG, (str(partition), version), 1)
            self._journeys[partition] = tuple(journeys)
            for journey in journeys:
                for metric in (TRIGGERS, GOALS):
                    self._board.add(metric, (journey,), 0)
                for reason in SUPPRESSION_REASONS:
                    self._board.add(SUPPRESSED, (journey, reason), 0)

    def scores_by(self, partition: int, versions: Mapping[str, str]) -> None:
        """From now on the partition's scores are made with these versions of models."""
        with self._board.lock:
            self._board.forget(MODEL, str(partition))
            for model, version in versions.items():
                self._board.set(MODEL, (str(partition), model, version), 1)

    def batch(self, partition: int, facts: BatchFacts) -> None:
        """A batch was applied."""
        label = (str(partition),)
        with self._board.lock:
            self._board.add(EVENTS, label, facts.events)
            self._board.add(DUPLICATES, (), facts.duplicates)
            self._board.add(LATE, (), facts.late)
            for reason, count in facts.dead_letters.items():
                self._board.add(DEAD_LETTERS, (reason,), count)
            self._board.set(LAG, label, facts.lag_records)
            self._board.set(LOG_TIME, label, facts.log_ms / 1000)
            if facts.outcomes is not None:
                self._decided(self._journeys[partition], facts.outcomes)

    def committed(self, partition: int, facts: CommitFacts) -> None:
        """A commit was taken by Redis."""
        with self._board.lock:
            self._board.observe(COMMIT, [facts.seconds])
            self._board.set(COMMIT_TIME, (str(partition),), facts.now_ms / 1000)
            self._board.add(ROWS, (), facts.rows)
            self._board.set(OUTBOX, (str(partition),), facts.outbox)

    def relayed(self, partition: int, facts: RelayFacts) -> None:
        """A transaction was acknowledged by Kafka."""
        with self._board.lock:
            self._board.observe(RELAY, [facts.seconds])
            self._board.add(RELAYED, (str(partition),), facts.entries)
            for metric, instants_ms in (
                (EVENT_TO_TRIGGER, facts.event_instants_ms),
                (TIMER_LATENESS, facts.timer_instants_ms),
            ):
                waited_ms = facts.now_ms - np.array(instants_ms, np.int64)
                # Below 0 only where this machine's clock is behind the broker's.
                self._board.observe(metric, np.maximum(waited_ms, 0) / 1000)
            for journey, count in facts.too_late.items():
                self._board.add(SUPPRESSED, (journey, TOO_LATE), count)

    def state(self, partition: int, facts: StateFacts) -> None:
        """How much the partition remembers now."""
        with self._board.lock:
            self._board.set(USERS, (str(partition),), facts.users)
            self._board.set(STATE_BYTES, (str(partition),), facts.state_bytes)
            self._board.set(TIMERS, (str(partition),), facts.pending_timers)

    def failed(self, source: Source, outcome: Outcome) -> None:
        """A call to Redis or Kafka failed."""
        with self._board.lock:
            self._board.add(ERRORS, (source, outcome), 1)

    def page(self) -> bytes:
        """All metrics in Prometheus' text format 0.0.4, with those of the process itself."""
        return self._board.page()

    def _decided(self, journeys: tuple[str, ...], outcomes: NDArray[np.int64]) -> None:
        for index, outcome in np.argwhere(outcomes).tolist():
            journey, count = journeys[index], int(outcomes[index, outcome])
            if outcome == SENT:
                self._board.add(TRIGGERS, (journey,), count)
            elif outcome == GOAL:
                self._board.add(GOALS, (journey,), count)
            else:
                self._board.add(SUPPRESSED, (journey, DECIDED_REASONS[outcome]), count)
