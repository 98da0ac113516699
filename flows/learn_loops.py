"""The compiled loops of learning: terms out of features, their scaling, Newton steps, scores.

Sums are written out in one fixed order, without BLAS or vector functions: a row gives the same bits
alone or in a batch, and a model the same bits whatever batches its examples came in.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from config.jit import compiled, inlined

LOG1P, LOG, LOG_EXPM1, LINEAR, CLIP, HINGE, PRODUCT, RATIO, EQUALS, FILLED, FIRST_OF = range(11)
SUM = 11
"""What a step of a program computes; `config.terms` says it in words."""

FEATURE_MAX = 1e12
"""A feature that is not finite, or beyond this on either side, is missing."""

TERM_MAX = 1e6
"""A term that is not finite, or beyond this, counts as missing: no logarithm, share, count of days
or product of them comes near."""

DEVIATION_MIN = 1e-9
"""A term that varies less is constant, and scaled to 0."""

LOG_MIN = 1e-9
"""Logarithms are taken of at least this."""

COUNTS_MAX = 512
LOG1P_OF_COUNT = np.array([math.log1p(count) for count in range(COUNTS_MAX)])
"""Most of what logarithms are taken of are counts."""

EXPM1_LOG_MAX = 30.0
"""From here on log(expm1(a)) is a, to the last bit but one."""

LOGIT_MAX = 30.0
"""Logits are held within this on both sides, so that no probability is exactly 0 or 1."""

CURVATURE_MIN = 0.01
"""The least weight of an example, p (1 - p) where that is more: sure examples also count."""


class Program(NamedTuple):
    """Steps over a row of registers: the features first, then one for the value of each step.

    steps: (steps, 3) int64: what to compute, the registers of both inputs (twice the same for one).
    constants: (steps, 2). terms: the registers that are the model's inputs. registers: room.
    """

    steps: NDArray[np.int64]
    constants: NDArray[np.float64]
    terms: NDArray[np.int64]
    registers: NDArray[np.float64]


class Moments(NamedTuple):
    """Of each term, over all that was learned: count, mean, sum of squared differences from it."""

    counts: NDArray[np.float64]
    means: NDArray[np.float64]
    squares: NDArray[np.float64]


class Newton(NamedTuple):
    """An online logistic regression; position 0 of a row is the intercept's constant 1.

    columns: (n - 1,) which scaled terms it reads. prior: (n,) the diagonal of A0.
    precision: (n, n) A, of which only the upper triangle is kept. weights: (n,) theta.
    rows, outcomes: the examples that wait for their batch to be full; waiting: (1,) how many.
    factor, gradient: room.
    """

    columns: NDArray[np.int64]
    prior: NDArray[np.float64]
    precision: NDArray[np.float64]
    weights: NDArray[np.float64]
    rows: NDArray[np.float64]
    outcomes: NDArray[np.float64]
    waiting: NDArray[np.int64]
    factor: NDArray[np.float64]
    gradient: NDArray[np.float64]


class Scorer(NamedTuple):
    """What a score needs of a model: per term the mean, 1 / deviation (0 if constant), weight.

    bounds: (2,) the clip, and the intercept.
    """

    means: NDArray[np.float64]
    scales: NDArray[np.float64]
    weights: NDArray[np.float64]
    bounds: NDArray[np.float64]


@compiled
def fill_terms(program: Program, features: NDArray[np.float64], terms: NDArray[np.float64]) -> None:
    """Compute the terms of each row: (n, features) -> (n, terms); NaN is missing, in both."""
    for row in range(len(features)):
        _run(program, features[row])
        for term in range(len(program.terms)):
            terms[row, term] = program.registers[program.terms[term]]


@inlined
def _run(program: Program, features: NDArray[np.float64]) -> None:
    """Fill the registers from one row of features."""
    registers = program.registers
    count = len(features)
    for index in range(count):
        value = features[index]
        registers[index] = value if -FEATURE_MAX <= value <= FEATURE_MAX else math.nan
    for step in range(len(program.steps)):
        registers[count + step] = value_of(
            program.steps[step, 0],
            registers[program.steps[step, 1]],
            registers[program.steps[step, 2]],
            program.constants[step, 0],
            program.constants[step, 1],
        )


@inlined
def value_of(kind: int, first: float, second: float, low: float, high: float) -> float:
    """The value of one step. What needs a missing input is missing itself, as sums are anyway."""
    value = math.nan
    if kind == FIRST_OF:
        value = second if math.isnan(first) else first
    elif kind == FILLED:
        value = low if math.isnan(first) else first
    elif kind == EQUALS:
        value = 1.0 if first == low else 0.0
    elif kind == LINEAR:
        value = first * low + high
    elif kind == SUM:
        value = first + second
    elif kind == PRODUCT:
        value = first * second
    elif math.isnan(first) or math.isnan(second):
        value = math.nan
    elif kind == LOG1P:
        value = _log1p(max(first, 0.0))
    elif kind == LOG:
        value = math.log(max(first, LOG_MIN))
    elif kind == LOG_EXPM1:
        value = _log_expm1(first)
    elif kind == CLIP:
        value = min(max(first, low), high)
    elif kind == HINGE:
        value = max(first - low, 0.0)
    elif kind == RATIO:
        value = first / max(second, low)
    return value


@inlined
def _log1p(value: float) -> float:
    """log(1 + value) of a value from 0 on; that of a small count is looked up."""
    if value < COUNTS_MAX:
        count = int(value)
        if value == count:
            return float(LOG1P_OF_COUNT[count])
    return math.log1p(value)


@inlined
def _log_expm1(value: float) -> float:
    if value > EXPM1_LOG_MAX:
        return value
    return math.log(max(math.expm1(max(value, 0.0)), LOG_MIN))


@compiled
def learn_moments(moments: Moments, terms: NDArray[np.float64]) -> None:
    """Take rows into the moments (Welford); what is missing or absurd changes nothing."""
    for row in range(len(terms)):
        for term in range(len(moments.means)):
            value = terms[row, term]
            if -TERM_MAX <= value <= TERM_MAX:
                moments.counts[term] += 1.0
                difference = value - moments.means[term]
                moments.means[term] += difference / moments.counts[term]
                moments.squares[term] += difference * (value - moments.means[term])


@inlined
def scale_of(moments: Moments, term: int) -> float:
    """1 / deviation of a term; 0 while it is unknown or none."""
    count = moments.counts[term]
    deviation = math.sqrt(moments.squares[term] / count) if count > 0.0 else 0.0
    return 1.0 / deviation if deviation > DEVIATION_MIN else 0.0


@inlined
def clipped(value: float, mean: float, scale: float, clip: float) -> float:
    """A scaled value within +-`clip`; 0, the mean, for one that is missing or absurd."""
    if -TERM_MAX <= value <= TERM_MAX and scale != 0.0:
        return min(max((value - mean) * scale, -clip), clip)
    return 0.0


@compiled
def fill_scales(moments: Moments, scales: NDArray[np.float64]) -> None:
    """1 / deviation of every term."""
    for term in range(len(scales)):
        scales[term] = scale_of(moments, term)


@compiled
def fill_scaled(
    moments: Moments, clip: float, terms: NDArray[np.float64], scaled: NDArray[np.float64]
) -> None:
    """Scale rows by the moments as they are."""
    for row in range(len(terms)):
        for term in range(len(moments.means)):
            scaled[row, term] = clipped(
                terms[row, term], moments.means[term], scale_of(moments, term), clip
            )


@compiled
def learn_batches(
    newton: Newton, kept: float, scaled: NDArray[np.float64], outcomes: NDArray[np.float64]
) -> None:
    """Take examples; whenever as many wait as a batch holds, make a Newton step.

    `kept` is what a batch leaves of the evidence before it.
    """
    for row in range(len(scaled)):
        place = newton.waiting[0]
        newton.rows[place, 0] = 1.0
        for column in range(len(newton.columns)):
            value = scaled[row, newton.columns[column]]
            usable = -TERM_MAX <= value <= TERM_MAX
            newton.rows[place, column + 1] = value if usable else 0.0
        newton.outcomes[place] = outcomes[row]
        newton.waiting[0] = place + 1
        if newton.waiting[0] == len(newton.rows):
            _step(newton, kept)
            newton.waiting[0] = 0


@inlined
def _step(newton: Newton, kept: float) -> None:
    """A <- f A + (1-f) A0 + sum w x x'; theta <- theta + A^-1 (sum x (y-p) - (1-f) A0 theta)."""
    _fade(newton, kept)
    for row in range(len(newton.rows)):
        _add_example(newton, newton.rows[row], newton.outcomes[row])
    _move(newton)


@inlined
def _fade(newton: Newton, kept: float) -> None:
    """Let old evidence fade towards the prior."""
    size = len(newton.weights)
    for row in range(size):
        for column in range(row, size):
            newton.precision[row, column] *= kept
        newton.precision[row, row] += (1.0 - kept) * newton.prior[row]
        newton.gradient[row] = -(1.0 - kept) * newton.prior[row] * newton.weights[row]


@inlined
def _add_example(newton: Newton, values: NDArray[np.float64], outcome: float) -> None:
    """Add an example to the precision and to the gradient, at the weights before the batch."""
    size = len(newton.weights)
    logit = 0.0
    for column in range(size):
        logit += newton.weights[column] * values[column]
    chance = probability(logit)
    curvature = max(chance * (1.0 - chance), CURVATURE_MIN)
    for row in range(size):
        newton.gradient[row] += values[row] * (outcome - chance)
        share = curvature * values[row]
        for column in range(row, size):
            newton.precision[row, column] += share * values[column]


@inlined
def _move(newton: Newton) -> None:
    """Move theta by A^-1 g, with A = U' D U: U with ones, D on the diagonal of `factor`.

    A is at least the prior, since it starts there and fades towards it: it has an inverse.
    """
    size, factor, change = len(newton.weights), newton.factor, newton.gradient
    for row in range(size):
        for column in range(row, size):
            factor[row, column] = newton.precision[row, column]
    for pivot in range(size):
        for row in range(pivot + 1, size):
            share = factor[pivot, row] / factor[pivot, pivot]
            change[row] -= share * change[pivot]
            for column in range(row, size):
                factor[row, column] -= share * factor[pivot, column]
    for row in range(size - 1, -1, -1):
        for column in range(row + 1, size):
            change[row] -= factor[row, column] * change[column]
        change[row] /= factor[row, row]
        newton.weights[row] += change[row]


@compiled
def fill_scores(
    program: Program, scorer: Scorer, features: NDArray[np.float64], scores: NDArray[np.float64]
) -> None:
    """The probability for each row of features: (n, features) -> (n,)."""
    for row in range(len(features)):
        scores[row] = probability(logit_of(program, scorer, features[row]))


@compiled
def logit_of(program: Program, scorer: Scorer, features: NDArray[np.float64]) -> float:
    """The logit of one row of features: what the engine's loop calls for a score."""
    _run(program, features)
    clip, logit = scorer.bounds[0], scorer.bounds[1]
    for term in range(len(scorer.weights)):
        value = program.registers[program.terms[term]]
        logit += scorer.weights[term] * clipped(
            value, scorer.means[term], scorer.scales[term], clip
        )
    return float(logit)


@inlined
def probability(logit: float) -> float:
    """The logistic function."""
    return 1.0 / (1.0 + math.exp(-min(max(logit, -LOGIT_MAX), LOGIT_MAX)))
