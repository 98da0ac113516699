"""Online calibration: a straight line over the logit, learned from what scores were worth.

The probability of a calibrated score has the logit a + b x logit. The line is learned as the model
itself is (`flows.learn_model`), by online Newton steps, from scores that were given before their
outcome was learned from, and used only while that lowers their log loss. What is linear stays so: a
version is three numbers a term, calibrated or not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from msgspec import Struct

from flows.learn_loops import CURVATURE_MIN, LOGIT_MAX, Scorer, probability
from flows.learn_model import kept_of

PRIOR = 100.0
"""How many examples' worth of evidence hold the line at the logit as it is."""

MEMORY = 10_000.0
"""Of the line and of both losses: after so many examples 1/e of the weight is left."""


class Line(Struct, kw_only=True):
    """a + b x logit: how well it is known (the upper triangle of its precision), how good it was.

    plain_loss, line_loss: fading sums of the log loss without the line and with it.
    """

    intercept: float = 0.0
    slope: float = 1.0
    precision: tuple[float, float, float] = (PRIOR, 0.0, PRIOR)
    plain_loss: float = 0.0
    line_loss: float = 0.0


def is_used(line: Line) -> bool:
    """Whether it has lowered the log loss so far."""
    return line.slope > 0.0 and line.line_loss < line.plain_loss


def learn(line: Line, logits: Sequence[float], outcomes: Sequence[bool]) -> None:
    """Take in a batch: logits of scores that knew nothing of it. Batches must be of one size."""
    kept = kept_of(MEMORY, len(logits))
    line.plain_loss *= kept
    line.line_loss *= kept
    first, both, second = (kept * known for known in line.precision)
    first, second = first + (1.0 - kept) * PRIOR, second + (1.0 - kept) * PRIOR
    pull_intercept = -(1.0 - kept) * PRIOR * line.intercept
    pull_slope = -(1.0 - kept) * PRIOR * (line.slope - 1.0)
    for logit, outcome in zip(logits, outcomes, strict=True):
        drawn = line.intercept + line.slope * logit
        line.plain_loss += log_loss(logit, outcome)
        line.line_loss += log_loss(drawn, outcome)
        chance = probability(drawn)
        curvature, missed = max(chance * (1.0 - chance), CURVATURE_MIN), float(outcome) - chance
        first, both = first + curvature, both + curvature * logit
        second += curvature * logit * logit
        pull_intercept, pull_slope = pull_intercept + missed, pull_slope + missed * logit
    line.precision = first, both, second
    determinant = first * second - both * both
    line.intercept += (second * pull_intercept - both * pull_slope) / determinant
    line.slope += (first * pull_slope - both * pull_intercept) / determinant


def calibrated(scorer: Scorer, line: Line) -> Scorer:
    """The scorer whose logits are those of another, on the line."""
    clip, intercept = scorer.bounds.tolist()
    bounds = scorer.bounds.copy()
    bounds[:] = clip, line.intercept + line.slope * intercept
    return scorer._replace(weights=line.slope * scorer.weights, bounds=bounds)


def log_loss(logit: float, outcome: bool) -> float:
    """What a score costs: the logarithm of 1 by the probability of what came.

    >>> round(log_loss(0.0, True), 6), log_loss(100.0, True) < 1e-12
    (0.693147, True)
    """
    held = min(max(logit, -LOGIT_MAX), LOGIT_MAX)
    return math.log1p(math.exp(-held if outcome else held))


def logit_of(score: float) -> float:
    """The logit of a probability, within what scores have.

    >>> logit_of(0.5), logit_of(1.0)
    (0.0, 30.0)
    """
    if score <= 0.0 or score >= 1.0:
        return -LOGIT_MAX if score <= 0.0 else LOGIT_MAX
    return min(max(math.log(score / (1.0 - score)), -LOGIT_MAX), LOGIT_MAX)
