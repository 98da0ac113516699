"""Propensities: the scores of models, read like features, and held for tags between two looks.

A score is a function of the features of its instant and of the version in force. Rules of tags see
the one that was held at the user's last look: so time between looks turns none of them.
"""

from __future__ import annotations

import math

import numpy as np

from config.jit import compiled, inlined
from flows.features import LAST_TOUCHED, read_features
from flows.interpret import run_rule
from flows.learn_loops import (
    CLIP,
    FEATURE_MAX,
    HINGE,
    LINEAR,
    LOG,
    LOG1P,
    LOG_EXPM1,
    PRODUCT,
    SUM,
    clipped,
    probability,
    value_of,
)
from flows.machine import REGISTERS, VALUES, Machine, Scratch
from flows.plan_words import (
    DRAINING,
    LOOK_SCORES,
    MODEL_DEFAULT,
    MODEL_ELIGIBLE,
    MODEL_FEATURE,
    MODEL_IS_COMPLEMENT,
    MODEL_LOOKED_DAILY,
    MODEL_NUMBERS,
    MODEL_TERMS,
    MODEL_WORDS,
    MODELS,
    NUMBER_MEAN,
    NUMBER_SCALE,
    NUMBER_WEIGHT,
    NUMBERS_CLIP,
    NUMBERS_HEAD,
    NUMBERS_INTERCEPT,
    NUMBERS_VERSION,
    NUMBERS_WORDS,
    PROGRAM_FEATURES,
    PROGRAM_SCORES,
    REGISTER_BITS,
    REGISTER_MASK,
    RUN_COUNT,
    RUN_HEAD,
    RUN_WORD,
    SCORES_ASKED,
    SCORES_FEATURES,
    SCORES_INPUTS,
    SCORES_MODELS,
    SCORES_STEPS,
    STEP_HIGH,
    STEP_LOW,
    STEP_REGISTERS,
    STEP_WORDS,
)
from flows.plan_words import FEATURES as FEATURES_AT
from state.layout import AT64, FEATURE_WORDS, ROW_WORDS, USER_HASH, Plan
from state.layout import TAGS as HELD
from state.memory import NEVER
from state.rolling import DAY_MS

DAY_SECONDS = 86_400


@inlined
def rule_holds(machine: Machine, rule: int, slot: int, now_ms: int, cart: int) -> bool:
    """Read what a rule names as of `now_ms`, scores too, and run it; no rule holds for everybody.

    Its features are those of the cart given, scores those of the user.
    """
    memory, plan, scratch = machine.memory, machine.plan, machine.scratch
    if rule == 0:
        return True
    if plan.ints[rule + PROGRAM_SCORES] != 0:
        read_scores(machine, plan.ints[rule + PROGRAM_SCORES], slot, now_ms)
    read_features(memory, plan, plan.ints[rule + PROGRAM_FEATURES], slot, now_ms, cart, scratch)
    return run_rule(plan, scratch, rule, memory.rows64[slot * plan.ints[ROW_WORDS] + HELD])


@compiled
def read_scores(machine: Machine, scores: int, slot: int, now_ms: int) -> bool:
    """Score the models of a block as of `now_ms`, into the scratch array as features are read.

    NaN for whom a model's `eligible` does not hold; else the default while no version is in force.
    What is read on the way stays in the scratch array: features, of the cart last touched, and, of
    models with a version, the steps of their terms. Returns whether one scored: then all that the
    models of the block read was read.
    """
    return _read(machine, scores, slot, now_ms)


@inlined
def _read(machine: Machine, scores: int, slot: int, now_ms: int) -> bool:
    memory, plan, scratch = machine.memory, machine.plan, machine.scratch
    ints = plan.ints
    models = ints[scores + SCORES_MODELS]
    asked = ints[scores + SCORES_ASKED]
    read_features(memory, plan, asked, slot, now_ms, LAST_TOUCHED, scratch)
    last_rule, is_eligible = 0, True
    learned = False
    for entry in range(models + 1, models + 1 + ints[models]):
        record = ints[MODELS] + ints[entry] * MODEL_WORDS
        rule = ints[record + MODEL_ELIGIBLE]
        if rule != last_rule:
            is_eligible = rule == 0 or run_rule(plan, scratch, rule, 0)
            last_rule = rule
        value = plan.floats[record + MODEL_DEFAULT] if is_eligible else np.nan
        learned = learned or (is_eligible and version_of(plan, record) != 0)
        _put_score(plan, scratch, record, value)
    if learned:
        features = ints[scores + SCORES_FEATURES]
        read_features(memory, plan, features, slot, now_ms, LAST_TOUCHED, scratch)
        score(plan, scratch, scores)
    return bool(learned)


@inlined
def score(plan: Plan, scratch: Scratch, scores: int) -> None:
    """Score by the features that were read, where a version is in force and no score is missing."""
    ints = plan.ints
    _run_steps(plan, scratch, scores)
    models = ints[scores + SCORES_MODELS]
    for entry in range(models + 1, models + 1 + ints[models]):
        record = ints[MODELS] + ints[entry] * MODEL_WORDS
        if version_of(plan, record) != 0 and has_score(plan, scratch, record):
            _put_score(plan, scratch, record, probability(_logit(plan, scratch, record)))


@inlined
def has_score(plan: Plan, scratch: Scratch, record: int) -> bool:
    """Whether the user is eligible, so that what was read of a model last is not missing."""
    return not math.isnan(scratch[VALUES + plan.ints[record + MODEL_FEATURE]])


@inlined
def look(machine: Machine, scores: int, slot: int, now_ms: int) -> bool:
    """Score the models of a block, and hold their scores for the tags of the user.

    Returns whether a score that is held has changed; most users are visitors, who have none.
    """
    memory, ints = machine.memory, machine.plan.ints
    _read(machine, scores, slot, now_ms)
    models = ints[scores + SCORES_MODELS]
    is_changed = False
    for entry in range(models + 1, models + 1 + ints[models]):
        feature = ints[ints[MODELS] + ints[entry] * MODEL_WORDS + MODEL_FEATURE]
        at = _held_at(machine, feature, slot)
        held, score = memory.rows_float[at], machine.scratch[VALUES + feature]
        is_missing = math.isnan(held) and math.isnan(score)
        is_changed = is_changed or not (held == score or is_missing)
        memory.rows_float[at] = score
    return bool(is_changed)


@inlined
def is_look(machine: Machine, slot: int, instant_ms: int) -> bool:
    """Whether the scores held for the user are looked at now because it is time to."""
    ints = machine.plan.ints
    if ints[LOOK_SCORES] == 0 or ints[DRAINING] != 0:
        return False
    second = machine.memory.rows32[2 * slot * ints[ROW_WORDS] + USER_HASH] % DAY_SECONDS
    return bool(instant_ms % DAY_MS == second * 1000)


@inlined
def next_look_at(machine: Machine, slot: int, now_ms: int) -> int:
    """The user's next daily look after `now_ms`; NEVER if none can change a score that is held.

    That is so while scores are missing and time alone makes nobody eligible. There is none either
    while all is decided ahead of time, where it would go on for ever.
    """
    ints = machine.plan.ints
    scores = ints[LOOK_SCORES]
    if scores == 0 or ints[DRAINING] != 0:
        return NEVER
    models = ints[scores + SCORES_MODELS]
    for entry in range(models + 1, models + 1 + ints[models]):
        record = ints[MODELS] + ints[entry] * MODEL_WORDS
        held = machine.memory.rows_float[_held_at(machine, ints[record + MODEL_FEATURE], slot)]
        if ints[record + MODEL_LOOKED_DAILY] != 0 or not math.isnan(held):
            words = slot * ints[ROW_WORDS]
            second = machine.memory.rows32[2 * words + USER_HASH] % DAY_SECONDS
            today = now_ms // DAY_MS * DAY_MS + second * 1000
            return int(today if today > now_ms else today + DAY_MS)
    return NEVER


@inlined
def _held_at(machine: Machine, feature: int, slot: int) -> int:
    ints = machine.plan.ints
    cell = ints[ints[FEATURES_AT] + feature * FEATURE_WORDS + AT64]
    return int(slot * ints[ROW_WORDS] + cell)


@inlined
def version_of(plan: Plan, record: int) -> int:
    """The short name of the version that scores a model, 0 while none is in force."""
    return int(plan.ints[plan.ints[record + MODEL_NUMBERS] + NUMBERS_VERSION])


@inlined
def _put_score(plan: Plan, scratch: Scratch, record: int, value: float) -> None:
    """Note a model's score, of a complement what its model lacks to 1."""
    is_complement = plan.ints[record + MODEL_IS_COMPLEMENT] != 0
    scratch[VALUES + plan.ints[record + MODEL_FEATURE]] = 1.0 - value if is_complement else value


@inlined
def _run_steps(plan: Plan, scratch: Scratch, scores: int) -> None:
    """Fill the registers of a block's inputs, rounded to float32, and of its steps."""
    ints = plan.ints
    inputs = ints[scores + SCORES_INPUTS]
    for entry in range(inputs + 1, inputs + 1 + 2 * ints[inputs], 2):
        value = float(np.float32(scratch[VALUES + ints[entry + 1]]))
        known = -FEATURE_MAX <= value <= FEATURE_MAX
        scratch[REGISTERS + ints[entry]] = value if known else math.nan
    runs = ints[scores + SCORES_STEPS]
    at = runs + 1
    for _ in range(ints[runs]):
        at = _run_step_run(plan, scratch, at)


@inlined
def _run_step_run(plan: Plan, scratch: Scratch, run: int) -> int:
    """Compute a run of steps of one word; where the next run begins.

    The loop is made once for each word: a processor cannot guess which word comes next.
    """
    word = plan.ints[run + RUN_WORD]
    first = run + RUN_HEAD
    end = first + STEP_WORDS * plan.ints[run + RUN_COUNT]
    if word == LOG1P:
        _run_steps_of(LOG1P, plan, scratch, first, end)
    elif word == LOG:
        _run_steps_of(LOG, plan, scratch, first, end)
    elif word == LOG_EXPM1:
        _run_steps_of(LOG_EXPM1, plan, scratch, first, end)
    elif word == LINEAR:
        _run_steps_of(LINEAR, plan, scratch, first, end)
    elif word == CLIP:
        _run_steps_of(CLIP, plan, scratch, first, end)
    elif word == HINGE:
        _run_steps_of(HINGE, plan, scratch, first, end)
    elif word == SUM:
        _run_steps_of(SUM, plan, scratch, first, end)
    elif word == PRODUCT:
        _run_steps_of(PRODUCT, plan, scratch, first, end)
    else:
        _run_steps_of(word, plan, scratch, first, end)
    return int(end)


@inlined
def _run_steps_of(word: int, plan: Plan, scratch: Scratch, first: int, end: int) -> None:
    for step in range(first, end, STEP_WORDS):
        registers = plan.ints[step + STEP_REGISTERS]
        scratch[REGISTERS + (registers & REGISTER_MASK)] = value_of(
            word,
            scratch[REGISTERS + (registers >> REGISTER_BITS & REGISTER_MASK)],
            scratch[REGISTERS + (registers >> 2 * REGISTER_BITS)],
            plan.floats[step + STEP_LOW],
            plan.floats[step + STEP_HIGH],
        )


@inlined
def _logit(plan: Plan, scratch: Scratch, record: int) -> float:
    """The logit of a model whose steps were run, in the order of `flows.learn_loops.logit_of`."""
    numbers = plan.ints[record + MODEL_NUMBERS]
    logit = plan.floats[numbers + NUMBERS_INTERCEPT]
    terms = plan.ints[record + MODEL_TERMS]
    for index in range(plan.ints[terms]):
        at = numbers + NUMBERS_HEAD + NUMBERS_WORDS * index
        logit += plan.floats[at + NUMBER_WEIGHT] * scaled_term(plan, scratch, record, index)
    return float(logit)


@inlined
def scaled_term(plan: Plan, scratch: Scratch, record: int, index: int) -> float:
    """A term of a model whose steps were run, scaled by the version in force and clipped."""
    numbers = plan.ints[record + MODEL_NUMBERS]
    at = numbers + NUMBERS_HEAD + NUMBERS_WORDS * index
    register = plan.ints[plan.ints[record + MODEL_TERMS] + 1 + index]
    return clipped(
        scratch[REGISTERS + register],
        plan.floats[at + NUMBER_MEAN],
        plan.floats[at + NUMBER_SCALE],
        plan.floats[numbers + NUMBERS_CLIP],
    )
