"""Renders decisions to JSON lines, compiled: lines are long, and there are many.

The contract is in `connectors.triggers`, whose types the lines decode to; the constant parts are in
`flows.render_plan`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from config.jit import compiled, inlined
from config.schema import NUMBER_SCALE
from connectors.blake2b import Hashing, put_hash
from connectors.json_text import (
    Bytes,
    put_instant,
    put_null,
    put_number,
    put_whole,
)
from flows.identity import ID_BYTES, Decision, Naming, hash_decision, stage_record
from flows.interpret import compares
from flows.output import (
    CHANNEL,
    DEADLINE,
    DECISION_WORDS,
    FIRST_LINE,
    HOLDOUT,
    INSTANT,
    JOURNEY,
    KEY,
    LINE_COUNT,
    OFFSET,
    OUTCOME,
    REASON_ADDS,
    REASON_FEATURE,
    REASON_MODEL,
    REASON_WORDS,
    SCORE_WORDS,
    SENT,
    SHADOW,
    STAGE,
    TAGS_HELD,
    USER,
)
from flows.output import ENTRY as ENTRY_WORD
from flows.render_parts import (
    Decisions,
    put_comma,
    put_features,
    put_name,
    put_name_or_null,
    put_part,
    put_scores,
)
from flows.render_plan import (
    AFTER_BECAUSE,
    AFTER_SCORES,
    BECAUSE,
    CHANNELS_AT,
    COMPARISON_IS_TEXT,
    COMPARISON_OPCODE,
    COMPARISON_PART,
    COMPARISON_WORDS,
    END,
    ENTRY,
    EXPIRES,
    FAILS,
    FEATURE_COUNT,
    FEATURE_NAME,
    FEATURE_RECORD_WORDS,
    FEATURES,
    FEATURES_AT,
    FIRST_REASON,
    HEAD,
    HOLDS,
    ID_SUPPRESSED,
    ID_TRIGGER,
    LINE_CATEGORY,
    LINE_ITEM,
    LINE_PRICE,
    LINE_QUANTITY,
    MINOR_UNITS,
    MODEL_COUNT,
    MODEL_REASON,
    MODEL_RECORD_WORDS,
    MODELS_AT,
    RIGHT,
    ROW_SCORES,
    SCORES,
    STAGE_COMPARISON_COUNT,
    STAGE_COMPARISONS,
    STAGE_OPENING,
    STAGE_PURPOSE,
    STAGE_SENDS,
    STAGE_TTL_MS,
    SUBJECT_SUPPRESSED,
    SUBJECT_TRIGGER,
    TAG_COUNT,
    TAG_PART,
    TAG_RECORD_WORDS,
    TAGS,
    TAGS_AT,
    TIME,
    RenderPlan,
)
from flows.render_plan import DEADLINE as DEADLINE_PART
from flows.render_plan import OFFSET as OFFSET_PART
from flows.render_plan import REASON_ADDS as ADDS_PART
from state.texts import Texts

_CLOSING_BRACE = 125


@compiled
def render(
    plan: RenderPlan,
    names: tuple[Texts, Texts],
    decisions: Decisions,
    order: NDArray[np.int64],
    hashing: Hashing,
    buffer: Bytes,
    ends: NDArray[np.int64],
) -> None:
    """Write the decisions `order` into `buffer`, one after the other; `ends` tells where each ends.

    `names` are the tables of users and of texts.
    """
    naming = Naming(plan, names[0], hashing, buffer)
    at = 0
    for index in range(len(order)):
        row = order[index]
        cells = decisions.rows[row]
        kind = ID_TRIGGER if cells[OUTCOME] == SENT else ID_SUPPRESSED
        stage = (cells[JOURNEY], cells[STAGE], cells[KEY], cells[ENTRY_WORD])
        hash_decision(naming, names[1], Decision(kind, cells[USER], *stage), at)
        at = _put_decision(plan, names, decisions, row, hashing, buffer, at)
        ends[index] = at


@compiled
def _put_decision(
    plan: RenderPlan,
    names: tuple[Texts, Texts],
    decisions: Decisions,
    row: int,
    hashing: Hashing,
    buffer: Bytes,
    at: int,
) -> int:
    users, texts = names
    rows, words = decisions.rows, plan.words
    stage = stage_record(plan, rows[row, JOURNEY], rows[row, STAGE])
    outcome = rows[row, OUTCOME]
    sent = outcome == SENT
    at = put_hash(hashing, ID_BYTES, buffer, put_part(plan, HEAD, buffer, at))
    at = put_part(plan, SUBJECT_TRIGGER if sent else SUBJECT_SUPPRESSED, buffer, at)
    at = put_name(users, rows[row, USER], buffer, at)
    at = put_instant(buffer, put_part(plan, TIME, buffer, at), rows[row, INSTANT])
    if sent:
        at = put_part(plan, EXPIRES, buffer, at)
        at = put_instant(buffer, at, rows[row, INSTANT] + words[stage + STAGE_TTL_MS])
    at = put_part(plan, words[stage + STAGE_OPENING], buffer, at)
    at = put_name_or_null(texts, rows[row, KEY], buffer, at)
    at = put_instant(buffer, put_part(plan, ENTRY, buffer, at), rows[row, ENTRY_WORD])
    at = put_instant(buffer, put_part(plan, DEADLINE_PART, buffer, at), rows[row, DEADLINE])
    at = put_part(plan, FIRST_REASON + outcome, buffer, at)
    at = put_whole(buffer, put_part(plan, OFFSET_PART, buffer, at), rows[row, OFFSET])
    at = put_part(plan, words[stage + STAGE_SENDS], buffer, at)
    channel = rows[row, CHANNEL]
    if channel >= 0 and (sent or outcome == SHADOW or outcome == HOLDOUT):
        at = put_part(plan, words[words[CHANNELS_AT] + channel], buffer, at)
    else:
        at = put_null(buffer, at)
    at = put_part(plan, words[stage + STAGE_PURPOSE], buffer, at)
    at = _put_lines(plan, texts, decisions, row, buffer, at)
    at = put_part(plan, FEATURES, buffer, at)
    at = put_features(plan, texts, decisions, row, buffer, at)
    at = _put_tags(plan, rows[row, TAGS_HELD], buffer, at)
    at = put_scores(plan, decisions, row, buffer, put_part(plan, SCORES, buffer, at))
    at = _put_because(plan, decisions, row, buffer, at)
    at = _put_rules(plan, texts, decisions, row, buffer, at)
    return put_part(plan, END, buffer, at)


@compiled
def _put_lines(
    plan: RenderPlan, texts: Texts, decisions: Decisions, row: int, buffer: Bytes, at: int
) -> int:
    first = decisions.rows[row, FIRST_LINE]
    for line in range(first, first + decisions.rows[row, LINE_COUNT]):
        if line > first:
            at = put_comma(buffer, at)
        at = put_part(plan, LINE_ITEM, buffer, at)
        at = put_name(texts, decisions.lines[line, 0], buffer, at)
        at = put_part(plan, LINE_QUANTITY, buffer, at)
        at = put_number(buffer, at, decisions.lines[line, 2] / NUMBER_SCALE)
        at = put_part(plan, LINE_PRICE, buffer, at)
        at = put_number(buffer, at, decisions.lines[line, 3] / plan.words[MINOR_UNITS])
        at = put_part(plan, LINE_CATEGORY, buffer, at)
        at = put_name_or_null(texts, decisions.lines[line, 1], buffer, at)
        buffer[at] = _CLOSING_BRACE
        at += 1
    return at


@compiled
def _put_tags(plan: RenderPlan, held: int, buffer: Bytes, at: int) -> int:
    at = put_part(plan, TAGS, buffer, at)
    begin = at
    for tag in range(plan.words[TAG_COUNT]):
        if held >> tag & 1:
            if at > begin:
                at = put_comma(buffer, at)
            record = plan.words[TAGS_AT] + tag * TAG_RECORD_WORDS
            at = put_part(plan, plan.words[record + TAG_PART], buffer, at)
    return at


@compiled
def _put_because(plan: RenderPlan, decisions: Decisions, row: int, buffer: Bytes, at: int) -> int:
    """What adds most to the scores that the rule of a trigger reads; nothing where it reads none.

    Behind it the list of rules begins.
    """
    words = plan.words
    first = words[ROW_SCORES] + words[MODEL_COUNT] * SCORE_WORDS
    count = decisions.rows[row, first]
    if count == 0 or decisions.rows[row, OUTCOME] != SENT:
        return put_part(plan, AFTER_SCORES, buffer, at)
    at = put_part(plan, BECAUSE, buffer, at)
    for index in range(count):
        if index > 0:
            at = put_comma(buffer, at)
        cell = first + 1 + index * REASON_WORDS
        model = words[MODELS_AT] + decisions.rows[row, cell + REASON_MODEL] * MODEL_RECORD_WORDS
        feature = decisions.rows[row, cell + REASON_FEATURE] * FEATURE_RECORD_WORDS
        at = put_part(plan, words[model + MODEL_REASON], buffer, at)
        at = put_part(plan, words[words[FEATURES_AT] + feature + FEATURE_NAME], buffer, at)
        at = put_part(plan, ADDS_PART, buffer, at)
        at = put_number(buffer, at, decisions.floats[row, cell + REASON_ADDS])
        buffer[at] = _CLOSING_BRACE
        at += 1
    return put_part(plan, AFTER_BECAUSE, buffer, at)


@compiled
def _put_rules(
    plan: RenderPlan, texts: Texts, decisions: Decisions, row: int, buffer: Bytes, at: int
) -> int:
    """The comparisons of the stage's rule, each with the values of both sides."""
    rows = decisions.rows
    stage = stage_record(plan, rows[row, JOURNEY], rows[row, STAGE])
    trace = DECISION_WORDS + plan.words[FEATURE_COUNT]
    for index in range(plan.words[stage + STAGE_COMPARISON_COUNT]):
        record = plan.words[stage + STAGE_COMPARISONS] + index * COMPARISON_WORDS
        left = decisions.floats[row, trace + 2 * index]
        right = decisions.floats[row, trace + 2 * index + 1]
        is_text = plan.words[record + COMPARISON_IS_TEXT] != 0
        if index > 0:
            at = put_comma(buffer, at)
        at = put_part(plan, plan.words[record + COMPARISON_PART], buffer, at)
        at = _put_side(texts, left, is_text, buffer, at)
        at = _put_side(texts, right, is_text, buffer, put_part(plan, RIGHT, buffer, at))
        holds = compares(plan.words[record + COMPARISON_OPCODE], left, right)
        at = put_part(plan, HOLDS if holds else FAILS, buffer, at)
    return at


@inlined
def _put_side(texts: Texts, value: float, is_text: bool, buffer: Bytes, at: int) -> int:
    if is_text and value == value:
        return put_name(texts, int(value), buffer, at)
    return put_number(buffer, at, value)
