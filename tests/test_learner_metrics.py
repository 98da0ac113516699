"""The learner's metrics: what it tells is on its page, in closed sets, and documented."""

from __future__ import annotations

import re

from prometheus_client.parser import text_string_to_metric_families

from flows.learn_figures import Figures
from flows.learner_metrics import LEARNER_METRICS, LearnerMetrics
from flows.learning import Taken
from flows.metrics import METRICS
from tests.test_deploy import learn_on


def values_of(metrics: LearnerMetrics) -> dict[tuple[str, str], float]:
    """The samples of the page by name and model."""
    return {
        (sample.name, sample.labels.get("model", "")): sample.value
        for family in text_string_to_metric_families(metrics.page().decode())
        for sample in family.samples
        if sample.name.startswith("beckon_")
    }


def test_what_the_learner_tells_is_on_its_page() -> None:
    metrics = LearnerMetrics()
    metrics.configured(["churn_30d"])
    learn_on(metrics)
    learn_on(metrics)
    found = values_of(metrics)
    assert {name for name, _ in found} == {metric.name for metric in LEARNER_METRICS}
    assert {model for _, model in found} == {"", "churn_30d"}
    assert found["beckon_examples_learned_total", "churn_30d"] == 128
    assert found["beckon_examples_lag_records", ""] == 5
    assert found["beckon_examples_repeated_total", ""] == 2
    assert found["beckon_model_log_loss", "churn_30d"] == 0.7
    assert found["beckon_model_drift_alarms_total", "churn_30d"] == 2
    assert found["beckon_model_published_timestamp_seconds", "churn_30d"] == 1_767_225_600


def test_what_can_happen_is_there_with_zero_and_what_is_not_known_is_not() -> None:
    metrics = LearnerMetrics()
    metrics.configured(["churn_30d"])
    metrics.taken(Taken(), {"churn_30d": Figures()}, lag_records=0)
    found = values_of(metrics)
    counters = {metric.name for metric in LEARNER_METRICS if metric.kind == "counter"}
    assert {name for name, _ in found if name in counters} == counters
    assert ("beckon_model_log_loss", "churn_30d") not in found


def test_names_are_as_those_of_the_engine_and_none_is_one_of_them() -> None:
    names = [metric.name for metric in LEARNER_METRICS]
    assert len({*names, *(metric.name for metric in METRICS)}) == len(names) + len(METRICS)
    for metric in LEARNER_METRICS:
        assert re.fullmatch(r"beckon(_[a-z]+)+", metric.name)
        assert metric.name.endswith("_total") == (metric.kind == "counter")
