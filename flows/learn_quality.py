"""How good scores are: ranking, log loss, Brier, calibration; in all, and per month or group."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

CALIBRATION_BINS = 15
PROBABILITY_MIN = 1e-15
"""Log loss takes probabilities within this of 0 and 1 for it: one sure mistake stays finite."""

FIGURES = ("roc_auc", "pr_auc", "log_loss", "brier", "calibration_error")
"""What `figures_of` gives, in this order."""


class Quality(Struct, frozen=True, kw_only=True):
    """Figures over examples. NaN where only one outcome occurs, or none was scored.

    roc_auc: chance that of two examples with different outcomes the right one has the higher score.
    pr_auc: average precision. calibration_error: mean distance between score and share, over bins.
    """

    example_count: int
    outcome_share: float
    score_mean: float
    roc_auc: float
    pr_auc: float
    log_loss: float
    brier: float
    calibration_error: float


class CalibrationBin(Struct, frozen=True, kw_only=True):
    """Examples with neighbouring scores: what was said, and what came."""

    example_count: int
    score_mean: float
    outcome_share: float


class Ranked(NamedTuple):
    """Examples in order of score, made once to be weighed many times.

    order: (n,) indices. scores, outcomes, losses (log loss), squares (of what the score missed by):
    (n,) in that order. ties: where each run of equal scores starts. bins: where each calibration
    bin starts.
    """

    order: NDArray[np.int64]
    scores: NDArray[np.float64]
    outcomes: NDArray[np.float64]
    losses: NDArray[np.float64]
    squares: NDArray[np.float64]
    ties: NDArray[np.int64]
    bins: NDArray[np.int64]


def rank(scores: NDArray[np.float64], outcomes: NDArray[np.bool_]) -> Ranked:
    """Sort examples by score, and cut them into bins of equal count."""
    order = np.argsort(scores, kind="stable")
    ordered = scores[order]
    starts = np.ones(len(ordered), np.bool_)
    starts[1:] = ordered[1:] != ordered[:-1]
    bins = np.arange(CALIBRATION_BINS) * len(ordered) // CALIBRATION_BINS
    happened = np.asarray(outcomes, np.float64)[order]
    chance = np.clip(ordered, PROBABILITY_MIN, 1.0 - PROBABILITY_MIN)
    return Ranked(
        order=order,
        scores=ordered,
        outcomes=happened,
        losses=-np.where(happened > 0.0, np.log(chance), np.log1p(-chance)),
        squares=(ordered - happened) ** 2,
        ties=np.flatnonzero(starts),
        bins=np.unique(bins),
    )


def quality_of(scores: NDArray[np.float64], outcomes: NDArray[np.bool_]) -> Quality:
    """The quality of scores; those that are NaN (no model yet) are left out.

    >>> quality = quality_of(np.array([0.1, 0.4, 0.8, 0.9]), np.array([False, True, False, True]))
    >>> quality.roc_auc, quality.example_count
    (0.75, 4)
    """
    known = ~np.isnan(scores)
    scores, outcomes = scores[known], outcomes[known]
    count = len(scores)
    ranked = rank(scores, outcomes)
    figures = dict(zip(FIGURES, figures_of(ranked, np.ones(count)).tolist(), strict=True))
    return Quality(
        example_count=count,
        outcome_share=float(np.mean(outcomes)) if count else np.nan,
        score_mean=float(np.mean(scores)) if count else np.nan,
        **figures,
    )


def figures_of(ranked: Ranked, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """The `FIGURES`, each example counted `weights` times (in the order that `rank` was given)."""
    weight = weights[ranked.order]
    happened = weight * ranked.outcomes
    total, positives = float(weight.sum()), float(happened.sum())
    if not 0.0 < positives < total:
        return np.full(len(FIGURES), np.nan)
    return np.array(
        [
            *_ranking(ranked, weight, happened),
            float(weight @ ranked.losses) / total,
            float(weight @ ranked.squares) / total,
            _calibration_error(ranked, weight, happened),
        ]
    )


def calibration_of(
    scores: NDArray[np.float64], outcomes: NDArray[np.bool_]
) -> list[CalibrationBin]:
    """Bins of equal count, in order of score: the points of a reliability curve."""
    known = ~np.isnan(scores)
    ranked = rank(scores[known], outcomes[known])
    edges = [*ranked.bins.tolist(), len(ranked.scores)]
    return [
        CalibrationBin(
            example_count=end - start,
            score_mean=float(ranked.scores[start:end].mean()),
            outcome_share=float(ranked.outcomes[start:end].mean()),
        )
        for start, end in itertools.pairwise(edges)
        if end > start
    ]


def quality_per(
    groups: NDArray[np.str_], scores: NDArray[np.float64], outcomes: NDArray[np.bool_]
) -> Iterator[tuple[str, Quality]]:
    """The quality within each group (a month, a version, a tag), in order of the groups' names."""
    for group in np.unique(groups):
        chosen = groups == group
        yield str(group), quality_of(scores[chosen], outcomes[chosen])


def months_of(at_ms: NDArray[np.int64]) -> NDArray[np.str_]:
    """The month of each instant, in UTC.

    >>> months_of(np.array([0, 3_000_000_000])).tolist()
    ['1970-01', '1970-02']
    """
    return at_ms.astype("datetime64[ms]").astype("datetime64[M]").astype(np.str_)


def _ranking(
    ranked: Ranked, weight: NDArray[np.float64], happened: NDArray[np.float64]
) -> tuple[float, float]:
    """ROC AUC: of pairs with different outcomes, the share in the right order; ties count half.

    And PR AUC, average precision: the precision at each score from the top, by the recall it adds.
    """
    counts, positives = weight, happened
    if len(ranked.ties) < len(weight):
        counts, positives = (np.add.reduceat(one, ranked.ties) for one in (weight, happened))
    counts_to, positives_to = np.cumsum(counts), np.cumsum(positives)
    total, total_positives = float(counts_to[-1]), float(positives_to[-1])
    negatives = counts - positives
    below = counts_to - positives_to - negatives / 2.0
    pairs = total_positives * (total - total_positives)
    # A resample may leave out the highest scores altogether: there is no precision there, nor gain.
    from_here = np.maximum(total - counts_to + counts, 1.0)
    precision = (total_positives - positives_to + positives) / from_here
    return float(positives @ below) / pairs, float(positives @ precision) / total_positives


def _calibration_error(
    ranked: Ranked, weight: NDArray[np.float64], happened: NDArray[np.float64]
) -> float:
    """Mean over examples of |mean score - share of outcomes| of their bin."""
    said = np.add.reduceat(weight * ranked.scores, ranked.bins)
    came = np.add.reduceat(happened, ranked.bins)
    return float(np.abs(said - came).sum()) / float(weight.sum())
