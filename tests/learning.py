"""Made-up examples for the learner, and its recipe and learning written down a second time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flows.learn_model import CLIP, MEMORY
from flows.learn_recipe import ORDER_FEATURES

Rows = NDArray[np.float64]
POISON = (np.nan, np.inf, -np.inf, 1e300, -1e300)


def made_up(count: int, seed: int = 1) -> tuple[Rows, NDArray[np.bool_]]:
    """Features as they might be, and outcomes that recency and orders make likelier or less."""
    chance = np.random.default_rng(seed)
    named = {name: chance.exponential(20.0, count) for name in ORDER_FEATURES}
    named["orders_total"] = np.ceil(chance.exponential(2.0, count))
    for name in ("orders_7d", "orders_30d", "orders_90d", "refunds_total", "items_total"):
        named[name] = np.floor(named[name] / 10.0)
    once = named["orders_total"] == 1.0
    for name in ("usual_gap_days", "order_gap_variation", "order_gap_days"):
        named[name][once] = np.nan
    logits = 0.5 * np.log(named["orders_total"]) - 0.6 * np.log1p(named["days_since_order"]) + 0.5
    outcomes = chance.random(count) < 1.0 / (1.0 + np.exp(-logits))
    return np.column_stack([named[name] for name in ORDER_FEATURES]), outcomes


def rate_terms(features: Rows, horizon_days: float) -> Rows:
    """The rate set of issue 6, in numpy's own words."""
    known = np.nan_to_num(features)
    named = {name: known[:, column] for column, name in enumerate(ORDER_FEATURES)}
    recency, gap = named["days_since_order"], named["usual_gap_days"]
    one_order = (named["orders_total"] == 1.0).astype(float)
    rate = (named["orders_total"] - 0.5) / (named["days_known"] + 45.0)
    return np.column_stack(
        [
            np.log1p(known),
            one_order,
            np.log(rate),
            np.log1p(recency * rate),
            np.minimum(recency * rate, 6.0),
            np.minimum(np.log(np.expm1(np.minimum(rate * horizon_days, 20.0))), 1.5),
            np.where(one_order > 0.0, 0.0, np.log1p(recency / np.maximum(gap, 1.0))),
        ]
    )


def interaction_terms(features: Rows) -> Rows:
    """What the interaction set of issue 6 has more than the rate set."""
    known = np.nan_to_num(features)
    logs = {name: np.log1p(known[:, column]) for column, name in enumerate(ORDER_FEATURES)}
    recency, orders, tenure = logs["days_since_order"], logs["orders_total"], logs["days_known"]
    one_order = (known[:, ORDER_FEATURES.index("orders_total")] == 1.0).astype(float)
    log_rate = np.log((np.expm1(orders) - 0.5) / (np.expm1(tenure) + 45.0))
    beside = (
        orders,
        one_order,
        logs["usual_gap_days"],
        logs["order_gap_variation"],
        tenure - 4.0,
        log_rate,
    )
    return np.column_stack(
        [
            *(np.maximum(recency - np.log1p(knot), 0.0) for knot in (3, 7, 14, 30, 60, 120, 200)),
            *(np.maximum(orders - np.log1p(knot), 0.0) for knot in (1, 2, 4, 9)),
            *((recency - 3.5) * other for other in beside),
            orders * (tenure - 4.0),
            orders * logs["orders_30d"],
        ]
    )


class PlainNewton:
    """The regression of issue 6 by numpy's own solver; rows have the intercept's 1 in front."""

    def __init__(self, terms: int, prior: float) -> None:
        self.prior = np.full(terms + 1, prior)
        self.prior[0] = 1.0
        self.precision = np.diag(self.prior)
        self.weights = np.zeros(terms + 1)

    def learn(self, scaled: Rows, outcomes: NDArray[np.bool_]) -> None:
        rows = np.column_stack([np.ones(len(scaled)), scaled])
        kept = (1.0 - 1.0 / MEMORY) ** len(rows)
        chance = 1.0 / (1.0 + np.exp(-rows @ self.weights))
        curvature = np.maximum(chance * (1.0 - chance), 0.01)
        self.precision = kept * self.precision + (1.0 - kept) * np.diag(self.prior)
        self.precision += (rows * curvature[:, None]).T @ rows
        pull = (1.0 - kept) * self.prior * self.weights
        self.weights += np.linalg.solve(self.precision, rows.T @ (outcomes - chance) - pull)


def scaled_by(seen: Rows, rows: Rows) -> Rows:
    """Rows by the mean and deviation of all that was seen, clipped; 0 for what never varied."""
    deviation = seen.std(axis=0)
    varies = deviation > 1e-9
    scaled = (rows - seen.mean(axis=0)) / np.where(varies, deviation, 1.0)
    return np.clip(np.where(varies, scaled, 0.0), -CLIP, CLIP)
