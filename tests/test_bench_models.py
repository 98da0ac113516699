"""The examples of `make bench-models`, and that each of its models can be measured."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from msgspec.structs import replace

from bench.model_rivals import rivals, score_refitted
from bench.models import OURS, Judged, quality_table
from bench.retail import (
    FIRST_DAY_MS,
    Customer,
    Shop,
    calendar_grid,
    features_at,
    orders_within,
    read_shop,
    sampled,
)
from config.limits import DAY_MS
from flows.learn_bootstrap import Examined, resample
from flows.learn_model import Learner, Settings
from flows.learn_progress import score_progressively
from flows.learn_quality import quality_of
from flows.learn_recipe import ORDER_FEATURES, purchase_recipe

ADA = Customer(
    id="ada",
    ordered_at_ms=np.array([0, 10, 40, 100]) * DAY_MS,
    spent=np.array([5.0, 15.0, 40.0, 99.0]),
    items=np.array([1.0, 2.0, 3.0, 9.0]),
    refunded_at_ms=np.array([12, 100]) * DAY_MS,
)


def test_features_are_recounted_from_what_was_strictly_before_the_instant() -> None:
    features = dict(zip(ORDER_FEATURES, features_at(ADA, 100 * DAY_MS), strict=True))
    assert features == {
        "days_since_order": 60.0,
        "orders_total": 3.0,
        "spend_total": 60.0,
        "spend_per_order": 20.0,
        "order_value_last": 40.0,
        "days_known": 100.0,
        "usual_gap_days": 20.0,
        "order_gap_variation": 0.5,
        "order_gap_days": 30.0,
        "orders_7d": 0.0,
        "orders_30d": 0.0,
        "orders_90d": 2.0,
        "spend_90d": 55.0,
        "items_total": 6.0,
        "refunds_total": 1.0,
    }


def test_an_order_counts_from_the_instant_until_just_before_the_horizon_is_over() -> None:
    at_ms = 100 * DAY_MS
    assert orders_within(ADA, at_ms, 1)
    assert not orders_within(ADA, at_ms + 1, 300 * DAY_MS)
    assert not orders_within(ADA, 90 * DAY_MS, 10 * DAY_MS)
    assert orders_within(ADA, 90 * DAY_MS, 10 * DAY_MS + 1)


def test_only_examples_whose_horizon_is_over_are_made_and_only_of_who_has_ordered() -> None:
    first, end = FIRST_DAY_MS, FIRST_DAY_MS + 200 * DAY_MS
    ada = replace(ADA, ordered_at_ms=ADA.ordered_at_ms + first + 20 * DAY_MS)
    made = sampled(Shop(customers=[ada], end_ms=end), horizon_days=30, period_days=7)
    assert made.at_ms.min() > ada.ordered_at_ms[0]
    assert made.at_ms.max() + 30 * DAY_MS <= end
    assert set(np.diff(made.at_ms).tolist()) == {7 * DAY_MS}


def test_all_models_can_be_measured_on_a_part_of_the_shop(data: Callable[[str], Path]) -> None:
    shop = read_shop(data("online_retail/online_retail.csv.xz"))
    assert len(shop.customers) == 4338
    part = replace(shop, customers=shop.customers[:400])
    examples = sampled(part, horizon_days=30, period_days=7)
    grid = calendar_grid(part, horizon_days=30)
    grid = grid.chosen(grid.at_ms >= np.unique(grid.at_ms)[-2])
    recipe, horizon_ms = purchase_recipe(30.0), 30 * DAY_MS
    learner = Learner(Settings(recipe=recipe))
    scores = {OURS: score_progressively(learner, examples, grid, horizon_ms)}
    for name, rival in rivals(recipe).items():
        scores[name] = score_refitted(rival, examples, grid, horizon_ms)
    judged = Judged(horizon_days=30, grid=grid, scores=scores)
    quality = {name: quality_of(given, grid.outcomes) for name, given in judged.scores.items()}
    assert all(0.65 < known.roc_auc < 0.85 for known in quality.values())
    examined = Examined(users=grid.users, outcomes=grid.outcomes)
    drawn = resample(scores, examined, seed=1, rounds=5)
    assert quality_table("a part", quality, drawn).row_count == len(scores)


def test_rivals_read_finite_numbers_of_who_ordered_once() -> None:
    once = replace(ADA, ordered_at_ms=ADA.ordered_at_ms[:1], spent=ADA.spent[:1])
    features = np.array([features_at(replace(once, items=ADA.items[:1]), DAY_MS)])
    assert np.isnan(features).any()
    for rival in rivals(purchase_recipe(30.0)).values():
        assert np.isfinite(rival.columns(features)).all()
