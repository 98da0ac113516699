"""Made-up examples for the learner, and its recipe and learning written down a second time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from config.load import load
from config.terms import Recipe
from flows.learn_model import CLIP, MEMORY

Rows = NDArray[np.float64]
POISON = (np.nan, np.inf, -np.inf, 1e300, -1e300)


def default_recipe(name: str) -> Recipe:
    """The recipe of a model of the default config."""
    return next(model.recipe for model in load().models if model.name == name)


RECIPE = default_recipe("purchase_30d")
FEATURES = RECIPE.program.features
COUNTS = tuple(name for name in FEATURES if name.endswith(("d", "h")) or name == "refunds_total")


def made_up(count: int, seed: int = 1) -> tuple[Rows, NDArray[np.bool_]]:
    """Features as they might be, and outcomes that recency and orders make likelier or less."""
    chance = np.random.default_rng(seed)
    named = {name: chance.exponential(20.0, count) for name in FEATURES}
    named["orders_total"] = np.ceil(chance.exponential(2.0, count))
    for name in (*COUNTS, "items_total"):
        named[name] = np.floor(named[name] / 10.0)
    once = named["orders_total"] == 1.0
    for name in ("usual_gap_days", "order_gap_days"):
        named[name][once] = np.nan
    logits = 0.5 * np.log(named["orders_total"]) - 0.6 * np.log1p(named["days_since_order"]) + 0.5
    outcomes = chance.random(count) < 1.0 / (1.0 + np.exp(-logits))
    return np.column_stack([named[name] for name in FEATURES]), outcomes


def issue_terms(features: Rows, horizon_days: float) -> Rows:
    """The rate set and the interaction set of issue 6, in numpy's own words."""
    known = dict(zip(FEATURES, np.nan_to_num(features).T, strict=True))
    recency, gap, orders = (
        known[name] for name in ("days_since_order", "usual_gap_days", "orders_total")
    )
    one_order = (orders == 1.0).astype(float)
    tenure = gap * (orders - 1.0) + recency
    rate = (orders - 0.5) / (tenure + 45.0)
    waited, aged = np.log1p(recency) - 3.5, np.log1p(tenure) - 4.0
    logs = {name: np.log1p(values) for name, values in known.items()}
    logs["tenure"] = np.log1p(tenure)
    named = {
        **{name: logs[feature] for name, feature in LOGS.items()},
        "one_order": one_order,
        "log_rate": np.log(rate),
        "log_overdue": np.log1p(recency * rate),
        "overdue_held": np.minimum(recency * rate, 6.0),
        "chance": np.minimum(np.log(np.expm1(np.minimum(rate * horizon_days, 20.0))), 1.5),
        "gaps_waited": np.where(one_order > 0.0, 0.0, np.log1p(recency / np.maximum(gap, 1.0))),
        **{
            f"after_{days}d": np.maximum(logs["days_since_order"] - np.log1p(days), 0.0)
            for days in (3, 7, 14, 30, 60, 120, 200)
        },
        **{
            f"beyond_{count}": np.maximum(logs["orders_total"] - np.log1p(count), 0.0)
            for count in (1, 2, 4, 9)
        },
        "waited_x_orders": waited * logs["orders_total"],
        "waited_x_one_order": waited * one_order,
        "waited_x_usual_gap": waited * logs["usual_gap_days"],
        "waited_x_aged": waited * aged,
        "waited_x_rate": waited * np.log(rate),
        "orders_x_aged": logs["orders_total"] * aged,
        "orders_x_month_orders": logs["orders_total"] * logs["orders_30d"],
    }
    return np.column_stack([named[name] for name in RECIPE.program.terms])


LOGS = {
    "recency": "days_since_order",
    "orders": "orders_total",
    "spend": "spend_total",
    "basket": "spend_per_order",
    "last_basket": "order_value_last",
    "tenure": "tenure",
    "usual_gap": "usual_gap_days",
    "last_gap": "order_gap_days",
    "week_orders": "orders_7d",
    "month_orders": "orders_30d",
    "term_orders": "orders_90d",
    "term_spend": "spend_90d",
    "items": "items_total",
    "refunds": "refunds_total",
    "sessions": "sessions_30d",
    "views": "views_30d",
    "day_views": "views_24h",
    "week_adds": "adds_7d",
    "opens": "emails_opened_30d",
}
"""Terms that are the logarithm of a feature, or of the time since the first order."""


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
