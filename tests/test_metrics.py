"""The metrics: what the live loop tells is on the page, in closed sets, and documented."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from connectors.reasons import REASONS as DEAD_LETTER_REASONS
from flows.live_facts import BatchFacts, CommitFacts, RelayFacts, StateFacts, relay_facts
from flows.metrics import (
    LEASE_EVENTS,
    METRICS,
    OF_THE_HOLDER,
    OUTCOMES,
    SOURCES,
    SUPPRESSION_REASONS,
    Histogram,
    Metrics,
)
from flows.metrics_table import with_metrics
from flows.output import GOAL, HOLDOUT, RULE, SENT
from flows.places import Place
from tests.conftest import ROOT

JOURNEYS = ("abandoned_cart", "win_back")
Page = dict[tuple[str, frozenset[tuple[str, str]]], float]


def page_of(metrics: Metrics) -> Page:
    """The samples of the page by name and labels."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(metrics.page().decode())
        for sample in family.samples
    }


def value(metrics: Metrics, name: str, **labels: str) -> float:
    return page_of(metrics)[name, frozenset(labels.items())]


def batch(**changed: object) -> BatchFacts:
    nothing = BatchFacts(
        events=0, duplicates=0, late=0, dead_letters={}, outcomes=None, lag_records=0, log_ms=0
    )
    facts = {name: getattr(nothing, name) for name in nothing.__struct_fields__}
    return BatchFacts(**(facts | changed))


def relayed(now_ms: int, event: Sequence[int] = (), timer: Sequence[int] = ()) -> RelayFacts:
    return RelayFacts(
        seconds=0.005,
        now_ms=now_ms,
        entries=len(event) + len(timer),
        event_instants_ms=event,
        timer_instants_ms=timer,
    )


@pytest.fixture
def metrics() -> Metrics:
    """Those of a process that holds partition 0 of two."""
    made = Metrics(partitions=2)
    made.taken(0)
    made.configured(0, "c1", JOURNEYS)
    return made


@pytest.fixture
def busy(metrics: Metrics) -> Metrics:
    """After some work of every kind."""
    outcomes = np.zeros((len(JOURNEYS), HOLDOUT + 1), np.int64)
    outcomes[0, SENT], outcomes[1, RULE], outcomes[1, GOAL] = 3, 2, 1
    metrics.batch(
        0,
        batch(
            events=100,
            duplicates=4,
            late=5,
            dead_letters={"bad_json": 2},
            outcomes=outcomes,
            lag_records=700,
            log_ms=1_767_225_600_500,
        ),
    )
    metrics.committed(0, CommitFacts(seconds=0.004, now_ms=1_767_225_601_000, rows=60, outbox=3))
    metrics.relayed(0, relayed(1_767_225_601_000, event=[1_767_225_600_970], timer=[]))
    metrics.state(0, StateFacts(users=60, state_bytes=90_000, pending_timers=8))
    metrics.failed("redis", "retried")
    metrics.refused(0, needs_help=True)
    metrics.scores_by(0, {"churn_30d": "0123456789abcdef"})
    return metrics


def test_what_the_loop_tells_is_on_the_page(busy: Metrics) -> None:
    assert value(busy, "beckon_events_total", partition="0") == 100
    assert value(busy, "beckon_duplicate_events_total") == 4
    assert value(busy, "beckon_late_events_total") == 5
    assert value(busy, "beckon_dead_letters_total", reason="bad_json") == 2
    assert value(busy, "beckon_triggers_total", journey="abandoned_cart") == 3
    assert value(busy, "beckon_suppressed_total", journey="win_back", reason="rule") == 2
    assert value(busy, "beckon_goals_total", journey="win_back") == 1
    assert value(busy, "beckon_lag_records", partition="0") == 700
    assert value(busy, "beckon_log_timestamp_seconds", partition="0") == 1_767_225_600.5
    assert value(busy, "beckon_commit_timestamp_seconds", partition="0") == 1_767_225_601
    assert value(busy, "beckon_committed_rows_total") == 60
    assert value(busy, "beckon_outbox_entries", partition="0") == 3
    assert value(busy, "beckon_relayed_total", partition="0") == 1
    assert value(busy, "beckon_users", partition="0") == 60
    assert value(busy, "beckon_state_bytes", partition="0") == 90_000
    assert value(busy, "beckon_pending_timers", partition="0") == 8
    assert value(busy, "beckon_errors_total", source="redis", outcome="retried") == 1
    assert value(busy, "beckon_config_info", partition="0", version="c1") == 1
    scored_by = {"model": "churn_30d", "version": "0123456789abcdef"}
    assert value(busy, "beckon_model_info", partition="0", **scored_by) == 1
    assert value(busy, "beckon_partitions") == 2
    assert value(busy, "beckon_commit_seconds_count") == 1


def test_counts_of_several_batches_add_up(metrics: Metrics) -> None:
    for _ in range(3):
        metrics.batch(0, batch(events=7, dead_letters={"future": 1}))
    assert value(metrics, "beckon_events_total", partition="0") == 21
    assert value(metrics, "beckon_dead_letters_total", reason="future") == 3


def test_every_metric_is_on_the_page_of_a_process_at_work(busy: Metrics) -> None:
    families = {family.name for family in text_string_to_metric_families(busy.page().decode())}
    assert {metric.name.removesuffix("_total") for metric in METRICS} <= families
    samples = {name for name, _ in page_of(busy)}
    for metric in METRICS:
        suffix = "_count" if metric.kind == "histogram" else ""
        assert f"{metric.name}{suffix}" in samples


def test_names_have_the_prefix_and_base_units_and_counters_end_in_total() -> None:
    for metric in METRICS:
        assert re.fullmatch(r"beckon(_[a-z]+)+", metric.name)
        assert metric.name.endswith("_total") == (metric.kind == "counter")
        assert bool(metric.bounds) == (metric.kind == "histogram")
        assert not re.search(r"_(ms|mb|kb|minutes)(_|$)", metric.name)
    assert len({metric.name for metric in METRICS}) == len(METRICS)


def test_labels_are_of_closed_sets(busy: Metrics) -> None:
    allowed: dict[str, set[str]] = {
        "partition": {"0", "1"},
        "journey": set(JOURNEYS),
        "reason": {*DEAD_LETTER_REASONS, *SUPPRESSION_REASONS},
        "event": set(LEASE_EVENTS),
        "source": set(SOURCES),
        "outcome": set(OUTCOMES),
        "version": {"c1", "0123456789abcdef"},
        "model": {"churn_30d"},
    }
    assert {label for metric in METRICS for label in metric.labels} == set(allowed)
    for name, labels in page_of(busy):
        for label, given in labels:
            assert label == "le" or given in allowed[label], f"{name} {label}={given}"


def test_what_can_happen_is_there_with_zero_before_it_does(metrics: Metrics) -> None:
    page = page_of(metrics)
    assert {
        dict(labels)["reason"] for name, labels in page if name == "beckon_dead_letters_total"
    } == set(DEAD_LETTER_REASONS)
    suppressed = [labels for name, labels in page if name == "beckon_suppressed_total"]
    assert len(suppressed) == len(JOURNEYS) * len(SUPPRESSION_REASONS)
    counters = {metric.name for metric in METRICS if metric.kind == "counter"}
    assert counters <= {name for name, _ in page}


def test_a_lease_given_up_takes_what_only_its_holder_can_tell_along(busy: Metrics) -> None:
    busy.given_up(0, lost=True)
    assert value(busy, "beckon_leases_total", event="lost") == 1
    names = {name for name, _ in page_of(busy)}
    assert not names & {metric.name for metric in OF_THE_HOLDER}
    assert "beckon_partition_owned" not in names
    assert not {"beckon_config_info", "beckon_model_info"} & names
    assert value(busy, "beckon_events_total", partition="0") == 100


def test_a_process_that_waits_for_a_lease_does_not_own_the_partition(metrics: Metrics) -> None:
    metrics.waiting(1)
    assert value(metrics, "beckon_partition_owned", partition="0") == 1
    assert value(metrics, "beckon_partition_owned", partition="1") == 0


def test_a_new_config_takes_the_place_of_the_old_and_its_journeys_count(metrics: Metrics) -> None:
    metrics.configured(0, "c2", ("other", "win_back"))
    versions = {
        dict(labels)["version"] for name, labels in page_of(metrics) if name == "beckon_config_info"
    }
    assert versions == {"c2"}
    outcomes = np.zeros((2, HOLDOUT + 1), np.int64)
    outcomes[0, SENT] = 1
    metrics.batch(0, batch(outcomes=outcomes))
    assert value(metrics, "beckon_triggers_total", journey="other") == 1
    assert value(metrics, "beckon_triggers_total", journey="win_back") == 0


def test_a_message_too_late_is_a_suppressed_stage_of_its_journey(metrics: Metrics) -> None:
    place = Place(9_000, -1, "ada", 0, "win_back", False, "", 0, 0)
    facts = relay_facts([place], seconds=0.01, now_ms=10_000, too_late={"win_back": 1})
    metrics.relayed(0, facts)
    assert value(metrics, "beckon_suppressed_total", journey="win_back", reason="too_late") == 1


def test_what_an_event_set_off_and_what_a_timer_set_off_are_timed_apart(metrics: Metrics) -> None:
    by_event = Place(10_000, 7, "ada", 0, "win_back", False, "", 0, 0)
    by_timer = by_event._replace(instant_ms=9_000, offset=-1)
    facts = relay_facts([by_timer, by_event], seconds=0.01, now_ms=10_080, too_late={})
    metrics.relayed(0, facts)
    assert value(metrics, "beckon_relayed_total", partition="0") == 2
    assert value(metrics, "beckon_event_to_trigger_seconds_sum") == 0.08
    assert value(metrics, "beckon_event_to_trigger_seconds_bucket", le="0.05") == 0
    assert value(metrics, "beckon_event_to_trigger_seconds_bucket", le="0.1") == 1
    assert value(metrics, "beckon_timer_lateness_seconds_sum") == 1.08


def test_a_clock_behind_the_brokers_gives_no_time_below_zero(metrics: Metrics) -> None:
    metrics.relayed(0, relayed(1_000, event=[1_040]))
    assert value(metrics, "beckon_event_to_trigger_seconds_sum") == 0
    assert value(metrics, "beckon_event_to_trigger_seconds_count") == 1


def test_a_histogram_counts_as_a_naive_one_does() -> None:
    bounds = (0.1, 0.5, 2.0)
    values = np.random.default_rng(3).choice([0.0, 0.1, 0.3, 0.5, 1.0, 2.0, 9.0], 500)
    histogram = Histogram(bounds)
    for part in np.split(values, 10):
        histogram.observe(part)
    histogram.observe([])
    buckets, total = histogram.buckets()
    naive = [float(sum(value <= bound for value in values)) for bound in (*bounds, np.inf)]
    assert buckets == list(zip(("0.1", "0.5", "2.0", "+Inf"), naive, strict=True))
    assert total == pytest.approx(sum(values))


def test_the_table_of_metrics_in_the_docs_is_made_from_the_code() -> None:
    page = (ROOT / "docs" / "operations.md").read_text()
    assert with_metrics(page) == page, "run `make pages`"
