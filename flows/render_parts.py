"""What several kinds of records are rendered from, compiled: parts of the plan, names, features."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from config.jit import compiled, inlined
from connectors.json_text import Bytes, put_hex, put_null, put_number, put_raw, put_text
from flows.output import DECISION_WORDS, SCORE_VALUE, SCORE_VERSION, SCORE_WORDS
from flows.render_plan import (
    FEATURE_COUNT,
    FEATURE_END,
    FEATURE_FIRST,
    FEATURE_KIND,
    FEATURE_PART,
    FEATURE_RECORD_WORDS,
    FEATURES_AT,
    KIND_NUMBER,
    KIND_TEXT,
    MODEL_COUNT,
    MODEL_OPENING,
    MODEL_RECORD_WORDS,
    MODELS_AT,
    ROW_SCORES,
    SCORE_END,
    TEXTS_OFFSET,
    RenderPlan,
)
from flows.render_plan import SCORE_VERSION as VERSION_PART
from state.texts import HEAD as TEXTS_HEAD
from state.texts import Texts

_COMMA, _BRACKET, _CLOSING_BRACKET = 44, 91, 93


class Decisions(NamedTuple):
    """The tables of decisions that are rendered (see `flows.output.Reported`)."""

    rows: NDArray[np.int64]
    floats: NDArray[np.float64]
    lines: NDArray[np.int64]


@compiled
def put_features(
    plan: RenderPlan, texts: Texts, decisions: Decisions, row: int, buffer: Bytes, at: int
) -> int:
    """Those that are not missing, each behind its name."""
    begin = at
    for feature in range(plan.words[FEATURE_COUNT]):
        record = plan.words[FEATURES_AT] + feature * FEATURE_RECORD_WORDS
        value = decisions.floats[row, DECISION_WORDS + feature]
        if value != value:
            continue
        if at > begin:
            at = put_comma(buffer, at)
        at = put_part(plan, plan.words[record + FEATURE_PART], buffer, at)
        kind = plan.words[record + FEATURE_KIND]
        if kind == KIND_NUMBER:
            at = put_number(buffer, at, value)
        elif kind == KIND_TEXT:
            at = put_name(texts, int(value), buffer, at)
        else:
            at = _put_recent(plan, texts, decisions, row, record, buffer, at)
    return at


@compiled
def put_scores(plan: RenderPlan, decisions: Decisions, row: int, buffer: Bytes, at: int) -> int:
    """Those that are by a version, each behind its model's name and with the version's."""
    begin = at
    for model in range(plan.words[MODEL_COUNT]):
        cell = plan.words[ROW_SCORES] + model * SCORE_WORDS
        version = decisions.rows[row, cell + SCORE_VERSION]
        if version == 0:
            continue
        if at > begin:
            at = put_comma(buffer, at)
        record = plan.words[MODELS_AT] + model * MODEL_RECORD_WORDS
        at = put_part(plan, plan.words[record + MODEL_OPENING], buffer, at)
        at = put_number(buffer, at, decisions.floats[row, cell + SCORE_VALUE])
        at = put_hex(buffer, put_part(plan, VERSION_PART, buffer, at), version)
        at = put_part(plan, SCORE_END, buffer, at)
    return at


@compiled
def _put_recent(
    plan: RenderPlan,
    texts: Texts,
    decisions: Decisions,
    row: int,
    record: int,
    buffer: Bytes,
    at: int,
) -> int:
    buffer[at] = _BRACKET
    at += 1
    begin = at
    first = TEXTS_OFFSET + plan.words[FEATURE_COUNT]
    for cell in range(plan.words[record + FEATURE_FIRST], plan.words[record + FEATURE_END]):
        number = decisions.rows[row, first + cell]
        if number != 0:
            if at > begin:
                at = put_comma(buffer, at)
            at = put_name(texts, number, buffer, at)
    buffer[at] = _CLOSING_BRACKET
    return at + 1


@compiled
def put_part(plan: RenderPlan, part: int, buffer: Bytes, at: int) -> int:
    """A constant part of the plan."""
    return put_raw(buffer, at, plan.data, plan.ends[part], plan.ends[part + 1])


@compiled
def put_bytes(texts: Texts, number: int, buffer: Bytes, at: int) -> int:
    """A name as it is."""
    entry = TEXTS_HEAD + 2 * number
    return put_raw(buffer, at, texts.data, texts.entries[entry + 1], texts.entries[entry + 3])


@compiled
def put_name(texts: Texts, number: int, buffer: Bytes, at: int) -> int:
    """A name as a JSON string."""
    entry = TEXTS_HEAD + 2 * number
    return put_text(buffer, at, texts.data, texts.entries[entry + 1], texts.entries[entry + 3])


@compiled
def put_name_or_null(texts: Texts, number: int, buffer: Bytes, at: int) -> int:
    """A name as a JSON string; null for number 0, which stands for none."""
    return put_name(texts, number, buffer, at) if number != 0 else put_null(buffer, at)


@inlined
def put_comma(buffer: Bytes, at: int) -> int:
    """What stands between the members of a list."""
    buffer[at] = _COMMA
    return at + 1
