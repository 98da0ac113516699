"""The examples of `make bench-models`, and that each of its models can be measured."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from msgspec.structs import replace

from bench.horizons import config_of_horizons, model_of
from bench.model_rivals import rivals, score_refitted
from bench.models import OURS, Judged, Ours, quality_table
from bench.retail import (
    FIRST_DAY_MS,
    ORDER,
    REFUND,
    Customer,
    Facts,
    Shop,
    calendar_grid,
    features_at,
    orders_within,
    read_shop,
    sampled,
)
from config.limits import DAY_MS
from flows.learn_bootstrap import Examined, resample
from flows.learn_progress import score_progressively
from flows.learn_quality import quality_of
from flows.learn_watch import settings_of

CONFIG = config_of_horizons()
MODEL = model_of(CONFIG, 30)
FEATURES = MODEL.recipe.program.features


def facts(days: list[float], spent: list[float], items: list[float]) -> Facts:
    """Orders or refunds on these days."""
    return Facts(
        at_ms=(np.array(days) * DAY_MS).astype(np.int64),
        values={"amount": np.array(spent), "quantity": np.array(items)},
    )


def customer(orders: Facts, refunds: Facts) -> Customer:
    """Ada, with these orders and refunds."""
    return Customer(id="ada", facts={ORDER: orders, REFUND: refunds})


ADA = customer(
    facts([0, 10, 40, 100], [5.0, 15.0, 40.0, 99.0], [1.0, 2.0, 3.0, 9.0]),
    facts([12.5, 100], [4.0, 2.0], [1.0, 1.0]),
)
ONCE = customer(facts([0.5], [5.0], [1.0]), facts([], [], []))
BEHAVIOUR = ("sessions_30d", "views_30d", "views_24h", "adds_7d", "emails_opened_30d")


def named_at(who: Customer, day: float) -> dict[str, float]:
    """All features of the model at an instant."""
    rows = features_at(who, CONFIG, MODEL.features, np.array([int(day * DAY_MS)]))
    return dict(zip(FEATURES, rows[0].tolist(), strict=True))


def test_features_are_recounted_from_what_was_strictly_before_the_instant() -> None:
    assert named_at(ADA, 100) == {
        "days_since_order": 60.0,
        "orders_total": 3.0,
        "spend_total": 56.0,
        "spend_per_order": 56.0 / 3.0,
        "order_value_last": 40.0,
        "usual_gap_days": 20.0,
        "order_gap_days": 30.0,
        "orders_7d": 0.0,
        "orders_30d": 0.0,
        "orders_90d": 3.0,
        "spend_90d": 56.0,
        "items_total": 6.0,
        "refunds_total": 1.0,
        **dict.fromkeys(BEHAVIOUR, 0.0),
    }


def test_gaps_vary_by_their_deviation_and_equal_ones_not_at_all() -> None:
    varied = tuple(
        replace(feature, of="variation") if feature.kind == "gap" else feature
        for feature in CONFIG.features
    )
    wanted = [MODEL.features[FEATURES.index("usual_gap_days")]]
    instants = (np.array([40, 41, 101]) * DAY_MS).astype(np.int64)
    found = features_at(ADA, replace(CONFIG, features=varied), wanted, instants)[:, 0]
    gaps = np.array([10.0, 30.0, 60.0])
    assert np.isnan(found[0]), "one gap before the third order"
    np.testing.assert_allclose(found[1:], np.array([0.5, gaps.std() / gaps.mean()]), rtol=1e-12)
    steady = customer(facts([1, 8, 15, 22], [5.0] * 4, [1.0] * 4), facts([], [], []))
    (told,) = features_at(steady, replace(CONFIG, features=varied), wanted, instants[2:])
    assert told[0] == 0.0


def test_features_are_as_coarse_as_the_engines() -> None:
    assert named_at(ONCE, 30.4)["days_since_order"] == 29.0
    assert named_at(ONCE, 30.5)["days_since_order"] == 30.0
    # Its tile of 15 days ends with day 15: until 90 days later it counts.
    assert named_at(ONCE, 104.9)["orders_90d"] == 1.0
    assert named_at(ONCE, 105.0)["orders_90d"] == 0.0


def test_an_order_counts_after_the_instant_and_until_the_horizon_is_over() -> None:
    at_ms = 100 * DAY_MS
    instants = np.array([at_ms - 1, at_ms])
    assert orders_within(ADA, instants, 300 * DAY_MS).tolist() == [True, False]
    until = np.array([90 * DAY_MS])
    assert not orders_within(ADA, until, 10 * DAY_MS - 1).any()
    assert orders_within(ADA, until, 10 * DAY_MS).all()


def test_only_examples_whose_horizon_is_over_are_made_and_only_of_who_has_ordered() -> None:
    first, end = FIRST_DAY_MS, FIRST_DAY_MS + 200 * DAY_MS
    orders = replace(ADA.facts[ORDER], at_ms=ADA.facts[ORDER].at_ms + first + 20 * DAY_MS)
    ada = customer(orders, ADA.facts[REFUND])
    made = sampled(Shop(customers=[ada], end_ms=end), CONFIG, MODEL)
    assert made.at_ms.min() > orders.at_ms[0]
    assert made.at_ms.max() + 30 * DAY_MS <= end
    assert set(np.diff(made.at_ms).tolist()) == {7 * DAY_MS}


def test_all_models_can_be_measured_on_a_part_of_the_shop(data: Callable[[str], Path]) -> None:
    shop = read_shop(data("online_retail/online_retail.csv.xz"))
    assert len(shop.customers) == 4338
    part = replace(shop, customers=shop.customers[:400])
    examples, grid = sampled(part, CONFIG, MODEL), calendar_grid(part, CONFIG, MODEL)
    grid = grid.chosen(grid.at_ms >= np.unique(grid.at_ms)[-2])
    recipe, horizon_ms = MODEL.recipe, MODEL.within_ms
    ours = Ours(settings_of(MODEL))
    scores = {OURS: score_progressively(ours, examples, grid, horizon_ms)}
    for name, rival in rivals(recipe).items():
        scores[name] = score_refitted(rival, examples, grid, horizon_ms)
    judged = Judged(horizon_days=30, grid=grid, scores=scores)
    quality = {name: quality_of(given, grid.outcomes) for name, given in judged.scores.items()}
    assert all(0.65 < known.roc_auc < 0.85 for known in quality.values())
    examined = Examined(users=grid.users, outcomes=grid.outcomes)
    drawn = resample(scores, examined, seed=1, rounds=5)
    assert quality_table("a part", quality, drawn).row_count == len(scores)


def test_rivals_read_finite_numbers_of_who_ordered_once() -> None:
    features = features_at(ONCE, CONFIG, MODEL.features, np.array([DAY_MS]))
    assert np.isnan(features).any()
    for rival in rivals(MODEL.recipe).values():
        assert np.isfinite(rival.columns(features)).all()
