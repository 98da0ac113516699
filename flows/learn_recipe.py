"""The default recipe of propensity models: which features, and which terms of them.

Two sets of terms, the second the first and more, each of which has a regression of its own: the
mean of both was better than either on public purchase logs (docs/benchmarks.md).
"""

from __future__ import annotations

import math

from config.terms import Recipe, Step, TermProgram, TermSet

ORDER_FEATURES = (
    "days_since_order",
    "orders_total",
    "spend_total",
    "spend_per_order",
    "order_value_last",
    "days_known",
    "usual_gap_days",
    "order_gap_variation",
    "order_gap_days",
    "orders_7d",
    "orders_30d",
    "orders_90d",
    "spend_90d",
    "items_total",
    "refunds_total",
)
"""What the recipe reads of a user's orders, in this order; money in the shop's currency. Variation
is the deviation of the gaps between orders by their mean, of which one gap has none."""

ORDERS_LESS = 0.5
DAYS_MORE = 45.0
"""The purchase rate is (orders - ORDERS_LESS) / (days known + DAYS_MORE): a newcomer's
single order says little of how often he will buy, and the days shrink his rate towards that."""

ORDERS_MIN = 0.05
"""The rate counts at least this much of an order: who never ordered has a rate too."""

OVERDUE_MAX = 6.0
"""Recency x rate, orders that should have come since the last one: beyond this it says no more."""

EXPECTED_MAX = 20.0
LOG_CHANCE_MAX = 1.5
"""Orders expected within the horizon, and log(expm1(them)), the logit of at least one such order if
orders came at random at that rate: beyond these a chance is as good as sure."""

GAP_DAYS_MIN = 1.0
"""Recency is compared with at least a day of a gap."""

RECENCY_KNOTS_DAYS = (3.0, 7.0, 14.0, 30.0, 60.0, 120.0, 200.0)
ORDER_KNOTS = (1.0, 2.0, 4.0, 9.0)
"""Where the slopes over log1p(recency) and log1p(orders) may change."""

RECENCY_MIDDLE = 3.5
TENURE_MIDDLE = 4.0
"""About the middles of log1p(recency) and log1p(days known), 32 and 54 days: what
is centred there before it is multiplied says more than the factors already do."""

RATE_PRIOR = 10.0
INTERACTION_PRIOR = 30.0
"""How many examples' worth of evidence hold each weight at 0, in either set."""


def purchase_recipe(horizon_days: float, more: tuple[str, ...] = ()) -> Recipe:
    """The default recipe for "will order within the horizon", or not (churn is one minus it).

    `more` are further counts or amounts, each read as its log1p: sessions, views, carts, opens in
    their windows, where a shop has behaviour events. Missing order features are those of a user who
    never ordered, or only once: see `_filled`.
    """
    rate = _rate_steps(horizon_days, more)
    interaction = _interaction_steps()
    rate_terms = (
        *(f"log1p({name})" for name in (*ORDER_FEATURES, *more)),
        "one_order",
        "log_rate",
        "log1p(overdue)",
        "overdue_held",
        "log_chance",
        "recency_per_gap",
    )
    interaction_terms = tuple(step.name for step in interaction if step.name not in MIDDLES)
    return Recipe(
        program=TermProgram(
            features=(*ORDER_FEATURES, *more),
            steps=(*_filled(more), *rate, *interaction),
            terms=(*rate_terms, *interaction_terms),
        ),
        sets=(
            TermSet(terms=rate_terms, prior=RATE_PRIOR),
            TermSet(terms=(*rate_terms, *interaction_terms), prior=INTERACTION_PRIOR),
        ),
    )


def _step(name: str, word: str, *inputs: str, constants: tuple[float, ...] = ()) -> Step:
    return Step(name=name, word=word, inputs=inputs, constants=constants)


KNOWN = "known "
"""Before the name of a feature: with a value where it was missing."""


def _filled(more: tuple[str, ...]) -> list[Step]:
    """Features without gaps: all but recency count as 0 where they are missing.

    Who never ordered has been without an order for as long as he is known.
    """
    return [
        *(
            _step(KNOWN + name, "filled", name, constants=(0.0,))
            for name in (*ORDER_FEATURES, *more)
            if name != "days_since_order"
        ),
        _step(KNOWN + "days_since_order", "first_of", "days_since_order", KNOWN + "days_known"),
    ]


def _rate_steps(horizon_days: float, more: tuple[str, ...]) -> list[Step]:
    """What the purchase rate says: how sure the next order is, and how overdue."""
    recency, orders = KNOWN + "days_since_order", KNOWN + "orders_total"
    return [
        *(_step(f"log1p({name})", "log1p", KNOWN + name) for name in (*ORDER_FEATURES, *more)),
        _step("one_order", "equals", orders, constants=(1.0,)),
        _step("orders_less", "linear", orders, constants=(1.0, -ORDERS_LESS)),
        _step("orders_counted", "clip", "orders_less", constants=(ORDERS_MIN, 1e9)),
        _step("days", "linear", KNOWN + "days_known", constants=(1.0, DAYS_MORE)),
        _step("rate", "ratio", "orders_counted", "days", constants=(DAYS_MORE,)),
        _step("log_rate", "log", "rate"),
        _step("overdue", "product", recency, "rate"),
        _step("log1p(overdue)", "log1p", "overdue"),
        _step("overdue_held", "clip", "overdue", constants=(0.0, OVERDUE_MAX)),
        _step("expected", "linear", "rate", constants=(horizon_days, 0.0)),
        _step("expected_held", "clip", "expected", constants=(0.0, EXPECTED_MAX)),
        _step("log_chance_open", "log_expm1", "expected_held"),
        _step("log_chance", "clip", "log_chance_open", constants=(-1e9, LOG_CHANCE_MAX)),
        _step("gaps_waited", "ratio", recency, KNOWN + "usual_gap_days", constants=(GAP_DAYS_MIN,)),
        _step("log1p(gaps_waited)", "log1p", "gaps_waited"),
        _step("several_orders", "linear", "one_order", constants=(-1.0, 1.0)),
        _step("recency_per_gap", "product", "log1p(gaps_waited)", "several_orders"),
    ]


RECENCY, ORDERS, TENURE = (
    f"log1p({name})" for name in ("days_since_order", "orders_total", "days_known")
)
MIDDLES = ("recency_centred", "tenure_centred")


def _interaction_steps() -> list[Step]:
    """Slopes that change at knots, and products: what a straight line over the rates cannot say."""
    recency_centred, tenure_centred = MIDDLES
    beside_recency = (
        ORDERS,
        "one_order",
        "log1p(usual_gap_days)",
        "log1p(order_gap_variation)",
        tenure_centred,
        "log_rate",
    )
    return [
        _step(recency_centred, "linear", RECENCY, constants=(1.0, -RECENCY_MIDDLE)),
        _step(tenure_centred, "linear", TENURE, constants=(1.0, -TENURE_MIDDLE)),
        *_hinges(RECENCY, RECENCY_KNOTS_DAYS),
        *_hinges(ORDERS, ORDER_KNOTS),
        *(_product(recency_centred, other) for other in beside_recency),
        *(_product(ORDERS, other) for other in (tenure_centred, "log1p(orders_30d)")),
    ]


def _hinges(name: str, knots: tuple[float, ...]) -> list[Step]:
    """What `name`, a log1p, has above log1p of each knot."""
    return [
        _step(f"{name} above {knot:g}", "hinge", name, constants=(math.log1p(knot),))
        for knot in knots
    ]


def _product(first: str, second: str) -> Step:
    return _step(f"{first} x {second}", "product", first, second)
