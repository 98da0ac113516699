"""How good a run's scores were so far, in bounded memory: counts by score, and figures from them.

Scores are counted in bins of their logit, so fine that the figures differ from exact ones in the
fifth digit at most; and as counts they are the same in whatever order examples come.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from config.schema import Model
from flows.examples import ClosedExamples
from flows.learn_loops import LOGIT_MAX

BINS = 30_001
"""Of each 0.002 of the logit."""


class ScoreFigures(Struct, frozen=True, kw_only=True):
    """A model's scores of examples that have closed; no figures where only one outcome came."""

    scored: int
    roc_auc: float | None
    log_loss: float | None


class ScoreSums:
    """Counts of scores per model, for the examples of one config."""

    def __init__(self, models: Sequence[Model]) -> None:
        """None yet."""
        self._counts = np.zeros((len(models), 2, BINS), np.int64)
        self._models = models

    def take(self, closed: Sequence[ClosedExamples]) -> None:
        """Count examples; those that had no score are passed over."""
        if not closed:
            return
        models, outcomes, scores = (
            np.concatenate(parts)
            for parts in zip(*((one.model, one.outcome, one.score) for one in closed), strict=True)
        )
        known = ~np.isnan(scores)
        cells = (models[known], outcomes[known].astype(np.int64), bins_of(scores[known]))
        np.add.at(self._counts, cells, 1)

    def figures(self) -> Mapping[str, ScoreFigures]:
        """The figures of each model."""
        return {
            model.name: figures_of_counts(counts)
            for model, counts in zip(self._models, self._counts, strict=True)
            if not model.complement
        }


def bins_of(scores: NDArray[np.float64]) -> NDArray[np.int64]:
    """The bin of each score.

    >>> bins_of(np.array([0.0, 0.5, 1.0])).tolist()
    [0, 15000, 30000]
    """
    with np.errstate(divide="ignore"):
        logits = np.clip(np.log(scores) - np.log1p(-scores), -LOGIT_MAX, LOGIT_MAX)
    bins: NDArray[np.int64] = np.rint((logits / LOGIT_MAX + 1.0) * (BINS // 2)).astype(np.int64)
    return bins


def figures_of_counts(counts: NDArray[np.int64]) -> ScoreFigures:
    """The figures of (2, bins) counts: of examples without and with the outcome.

    >>> counts = np.zeros((2, BINS), np.int64)
    >>> counts[:, bins_of(np.array([0.25, 0.75]))] = [[3, 1], [1, 3]]
    >>> figures_of_counts(counts)
    ScoreFigures(scored=8, roc_auc=0.75, log_loss=0.5623)
    """
    negatives, positives = counts.astype(np.float64)
    scored = int(counts.sum())
    pairs = float(negatives.sum()) * float(positives.sum())
    if not pairs:
        return ScoreFigures(scored=scored, roc_auc=None, log_loss=None)
    ranked = float(positives @ (np.cumsum(negatives) - negatives / 2.0)) / pairs
    logits = (np.arange(BINS) / (BINS // 2) - 1.0) * LOGIT_MAX
    losses = positives @ np.logaddexp(0.0, -logits) + negatives @ np.logaddexp(0.0, logits)
    return ScoreFigures(
        scored=scored, roc_auc=round(ranked, 4), log_loss=round(float(losses) / scored, 4)
    )
