"""Writes scores into the output buffers, and which features add most to them."""

from __future__ import annotations

from config.jit import compiled, inlined
from flows.machine import SHARES, VALUES, Machine
from flows.output import (
    REASON_ADDS,
    REASON_FEATURE,
    REASON_MODEL,
    REASON_WORDS,
    REASONS_MAX,
    ROW_REASONS,
    ROW_SCORES,
    SCORE_VALUE,
    SCORE_VERSION,
    SCORE_WORDS,
)
from flows.plan_words import (
    MODEL_COUNT,
    MODEL_FEATURE,
    MODEL_INPUTS,
    MODEL_IS_COMPLEMENT,
    MODEL_NUMBERS,
    MODEL_PARTS,
    MODEL_TERMS,
    MODEL_WORDS,
    MODELS,
    NUMBER_WEIGHT,
    NUMBERS_HEAD,
    NUMBERS_VERSION,
    NUMBERS_WORDS,
    SCORES_MODELS,
)
from flows.propensity import has_score, scaled_term

NONE_LEFT = -1


@inlined
def report_scores(machine: Machine, scores: int, row: int) -> None:
    """The scores of a block that was read, each with its version; those of other models as none."""
    plan, output = machine.plan, machine.output
    ints = plan.ints
    first = row + output.ints[ROW_SCORES]
    for model in range(ints[MODEL_COUNT]):
        output.ints[first + model * SCORE_WORDS + SCORE_VERSION] = 0
    output.ints[row + output.ints[ROW_REASONS]] = 0
    if scores == 0:
        return
    models = ints[scores + SCORES_MODELS]
    for entry in range(models + 1, models + 1 + ints[models]):
        record = ints[MODELS] + ints[entry] * MODEL_WORDS
        if has_score(plan, machine.scratch, record):
            at = first + ints[entry] * SCORE_WORDS
            value = machine.scratch[VALUES + ints[record + MODEL_FEATURE]]
            output.floats[at + SCORE_VALUE] = value
            output.ints[at + SCORE_VERSION] = ints[ints[record + MODEL_NUMBERS] + NUMBERS_VERSION]


@compiled
def report_reasons(machine: Machine, told: int, row: int) -> None:
    """What adds most to the scores of the listed models, which were just read and reported."""
    ints, output = machine.plan.ints, machine.output
    count_at = row + output.ints[ROW_REASONS]
    for entry in range(told + 1, told + 1 + ints[told]):
        score_at = row + output.ints[ROW_SCORES] + ints[entry] * SCORE_WORDS
        if output.ints[score_at + SCORE_VERSION] == 0:
            continue
        record = ints[MODELS] + ints[entry] * MODEL_WORDS
        add_shares(machine, record)
        inputs = ints[record + MODEL_INPUTS]
        for _ in range(REASONS_MAX):
            place = _largest(machine, ints[inputs])
            if place == NONE_LEFT:
                break
            at = count_at + 1 + REASON_WORDS * output.ints[count_at]
            output.ints[at + REASON_MODEL] = ints[entry]
            output.ints[at + REASON_FEATURE] = ints[inputs + 1 + place]
            output.floats[at + REASON_ADDS] = machine.scratch[SHARES + place]
            output.ints[count_at] += 1
            machine.scratch[SHARES + place] = 0.0


@compiled
def add_shares(machine: Machine, record: int) -> None:
    """What each feature of a model adds to its logit, by place; of a complement the negative.

    A term's part counts equally for all features that it is computed from.
    """
    plan, scratch = machine.plan, machine.scratch
    ints = plan.ints
    for place in range(ints[ints[record + MODEL_INPUTS]]):
        scratch[SHARES + place] = 0.0
    sign = -1.0 if ints[record + MODEL_IS_COMPLEMENT] != 0 else 1.0
    weight_at = ints[record + MODEL_NUMBERS] + NUMBERS_HEAD + NUMBER_WEIGHT
    part = ints[record + MODEL_PARTS]
    for index in range(ints[ints[record + MODEL_TERMS]]):
        weight = plan.floats[weight_at + NUMBERS_WORDS * index]
        added = sign * weight * scaled_term(plan, scratch, record, index)
        for entry in range(part + 1, part + 1 + ints[part]):
            scratch[SHARES + ints[entry]] += added / ints[part]
        part += 1 + ints[part]


@inlined
def _largest(machine: Machine, count: int) -> int:
    """The place of the largest share that is not 0; of equals the first."""
    found, most = NONE_LEFT, 0.0
    for place in range(count):
        if abs(machine.scratch[SHARES + place]) > most:
            most = abs(machine.scratch[SHARES + place])
            found = place
    return found
