"""The metrics of the learner: each is declared here, with what it means."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

from flows.learn_figures import Figures
from flows.learning import Taken
from flows.metrics import Board, counter, gauge

LEADS = gauge("learner_owned", "1 while this process learns, 0 while it waits for the lease")
LAG = gauge("examples_lag_records", "records of the topic of examples that are still to be read")
LEARNED = counter("examples_learned", "examples that a model learned from", "model")
REPEATED = counter("examples_repeated", "examples that had come before, and were passed over")
PASSED_OVER = counter(
    "examples_passed_over", "records that no model can learn from: of another config, or foreign"
)
LOG_LOSS = gauge(
    "model_log_loss", "log loss of the scores that users were given, those of late most", "model"
)
CALIBRATION = gauge(
    "model_calibration_error",
    "how far those scores are from the share of outcomes, on average",
    "model",
)
ALARMS = counter("model_drift_alarms", "times that a model's scores have got worse", "model")
PUBLISHED = counter("model_versions_published", "versions that were put into the log", "model")
PUBLISHED_TIME = gauge(
    "model_published_timestamp_seconds", "when the last of them was, in seconds since 1970", "model"
)
REFUSED = counter(
    "model_versions_refused",
    "versions that were not published: they do not score as River's pipeline does",
    "model",
)
HELD = gauge(
    "model_held", "1 while an operator's choice keeps the learner from publishing", "model"
)

LEARNER_METRICS = (
    *(LEADS, LAG, LEARNED, REPEATED, PASSED_OVER),
    *(LOG_LOSS, CALIBRATION, ALARMS, PUBLISHED, PUBLISHED_TIME, REFUSED, HELD),
)


class LearnerMetrics:
    """The values of a learner's metrics; its methods may be called by any thread."""

    def __init__(self) -> None:
        self._board = Board(LEARNER_METRICS)
        self._board.set(LEADS, (), 0)
        for metric in (REPEATED, PASSED_OVER):
            self._board.add(metric, (), 0)

    def owned(self, *, owned: bool) -> None:
        """Whether this process is the one that learns."""
        with self._board.lock:
            self._board.set(LEADS, (), owned)

    def configured(self, models: Collection[str]) -> None:
        """These models are learned."""
        with self._board.lock:
            for model in models:
                for metric in (LEARNED, ALARMS, PUBLISHED, REFUSED):
                    self._board.add(metric, (model,), 0)

    def taken(self, taken: Taken, figures: Mapping[str, Figures], lag_records: int) -> None:
        """Examples were taken in; `figures` are those of all models."""
        with self._board.lock:
            self._board.set(LAG, (), lag_records)
            self._board.add(REPEATED, (), taken.repeated)
            self._board.add(PASSED_OVER, (), taken.passed_over)
            for model, count in taken.learned.items():
                self._board.add(LEARNED, (model,), count)
            for model, _ in taken.alarms:
                self._board.add(ALARMS, (model,), 1)
            for model, one in figures.items():
                if not math.isnan(one.log_loss):
                    self._board.set(LOG_LOSS, (model,), one.log_loss)
                    self._board.set(CALIBRATION, (model,), one.calibration_error)

    def published(self, model: str, now_ms: int) -> None:
        """A version of a model is in the log."""
        with self._board.lock:
            self._board.add(PUBLISHED, (model,), 1)
            self._board.set(PUBLISHED_TIME, (model,), now_ms / 1000)

    def refused(self, model: str) -> None:
        """A version of a model was not published."""
        with self._board.lock:
            self._board.add(REFUSED, (model,), 1)

    def held(self, held: Mapping[str, bool]) -> None:
        """Which models may not be published."""
        with self._board.lock:
            for model, is_held in held.items():
                self._board.set(HELD, (model,), is_held)

    def page(self) -> bytes:
        """All metrics in Prometheus' text format 0.0.4, with those of the process itself."""
        return self._board.page()
