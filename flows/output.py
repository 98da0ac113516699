"""What the compiled loop reports: decisions and tag transitions, row by row, in fixed buffers.

A decision is reported with all that its record will say (features, texts, cart lines, the rule's
values), because the profile moves on before the batch ends. When a buffer is nearly full the loop
stops between two steps; Python takes what is there and calls it again.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from config.jit import compiled, inlined
from config.limits import RULE_COMPARISONS_MAX
from state.layout import LINES_MAX

DECISIONS_MAX = 2048
MARGIN = 64
"""More than one step (a user's deadline, or one event) can report: 8 instances and their goals."""

(
    GOAL,
    SENT,
    EXIT,
    REPLACED,
    OFF,
    BEFORE_LIVE,
    EXPIRED,
    RULE,
    COOLED,
    CONSENT,
    PRIORITY_TAKEN,
    SHADOW,
    HOLDOUT,
) = range(13)
"""Outcomes, in `OUTCOME`: a goal reached, a stage sent, or the reason why it was suppressed."""
REASONS = {
    EXIT: "exit",
    REPLACED: "replaced",
    OFF: "off",
    BEFORE_LIVE: "before_live",
    EXPIRED: "expired",
    RULE: "rule",
    COOLED: "cooldown",
    CONSENT: "consent",
    PRIORITY_TAKEN: "priority",
    SHADOW: "shadow",
    HOLDOUT: "holdout",
}

DECISION_WORDS = 13
(
    OUTCOME,
    USER,
    JOURNEY,
    STAGE,
    KEY,
    ENTRY,
    DEADLINE,
    INSTANT,
    OFFSET,
    CHANNEL,
    TAGS_HELD,
    FIRST_LINE,
    LINE_COUNT,
) = range(DECISION_WORDS)
LINE_WORDS = 4
TRANSITION_WORDS = 5
TURNED_USER, TURNED_TAG, TURNED_HELD, TURNED_INSTANT, TURNED_OFFSET = range(TRANSITION_WORDS)

FILLED_DECISIONS, FILLED_LINES, FILLED_TRANSITIONS = range(3)
ROW_SIZE, ROW_TRACE, ROW_TEXTS, ROW_SCORES, ROW_REASONS, LINES_AT, TRANSITIONS_AT = range(3, 10)
DECISIONS_AT = 10
"""Words of the buffer: rows in use; how long a decision's row is and where in it the trace, the
texts, the scores and the reasons begin; where the lines and the transitions begin; then the
decisions."""

SCORE_WORDS = 2
SCORE_VALUE, SCORE_VERSION = range(SCORE_WORDS)
REASONS_MAX = 5
"""Features that are told of a propensity that a rule reads: those that add most to it."""

REASON_WORDS = 3
REASON_MODEL, REASON_FEATURE, REASON_ADDS = range(REASON_WORDS)

NO_OFFSET = -1
"""Offset of what time alone brought about."""


class Output(NamedTuple):
    """The buffer as int64 and as float64.

    A decision's row: DECISION_WORDS, the features and both sides of each comparison (float64), the
    recent texts, of each model its score and the version that it is by (0: none), how many reasons
    there are, and they. A line: item, category, quantity, price.
    """

    ints: NDArray[np.int64]
    floats: NDArray[np.float64]


class Reported(NamedTuple):
    """What was in the buffer.

    rows: the decisions', (decisions, row size) int64; floats: the same memory as float64.
    lines: (lines, LINE_WORDS) int64. transitions: (transitions, TRANSITION_WORDS) int64.
    """

    rows: NDArray[np.int64]
    floats: NDArray[np.float64]
    lines: NDArray[np.int64]
    transitions: NDArray[np.int64]


class Counts(NamedTuple):
    """How much a configuration has of what buffers hold.

    `reasons`: of how many models a stage's rule tells why, at most.
    """

    features: int
    texts: int
    tags: int
    models: int
    reasons: int


def new_output(counts: Counts) -> Output:
    """An empty buffer for a configuration of this many of each."""
    trace_at = DECISION_WORDS + counts.features
    texts_at = trace_at + 2 * RULE_COMPARISONS_MAX
    scores_at = texts_at + counts.texts
    reasons_at = scores_at + SCORE_WORDS * counts.models
    size = reasons_at + 1 + REASON_WORDS * REASONS_MAX * counts.reasons
    lines_at = DECISIONS_AT + DECISIONS_MAX * size
    transitions_at = lines_at + (DECISIONS_MAX + MARGIN * LINES_MAX) * LINE_WORDS
    transitions = DECISIONS_MAX + (MARGIN + 2) * max(1, counts.tags)
    ints = np.zeros(transitions_at + transitions * TRANSITION_WORDS, np.int64)
    parts = (trace_at, texts_at, scores_at, reasons_at)
    ints[ROW_SIZE:DECISIONS_AT] = size, *parts, lines_at, transitions_at
    return Output(ints, ints.view(np.float64))


def reported(output: Output) -> Reported:
    """Copies of what is in the buffer, which is then empty."""
    ints = output.ints
    decisions, lines, transitions = ints[:3].tolist()
    size, lines_at, transitions_at = ints[[ROW_SIZE, LINES_AT, TRANSITIONS_AT]].tolist()
    rows = ints[DECISIONS_AT : DECISIONS_AT + decisions * size].reshape(decisions, size).copy()
    line_words = ints[lines_at : lines_at + lines * LINE_WORDS]
    turned = ints[transitions_at : transitions_at + transitions * TRANSITION_WORDS]
    ints[:3] = 0
    return Reported(
        rows=rows,
        floats=rows.view(np.float64),
        lines=line_words.reshape(lines, LINE_WORDS).copy(),
        transitions=turned.reshape(transitions, TRANSITION_WORDS).copy(),
    )


@inlined
def has_room(output: Output) -> bool:
    """Whether one more step of the loop surely fits."""
    ints = output.ints
    return bool(
        ints[FILLED_DECISIONS] + MARGIN <= DECISIONS_MAX
        and ints[FILLED_LINES] <= DECISIONS_MAX
        and ints[FILLED_TRANSITIONS] <= DECISIONS_MAX
    )


@inlined
def new_decision(output: Output) -> int:
    """Where the row of one more decision begins in the buffer."""
    row = output.ints[FILLED_DECISIONS]
    output.ints[FILLED_DECISIONS] = row + 1
    return int(DECISIONS_AT + row * output.ints[ROW_SIZE])


@compiled
def report_transition(
    output: Output, slot: int, tag: int, held: bool, instant_ms: int, offset: int
) -> None:
    """Report that a user gained or lost a tag."""
    ints = output.ints
    at = ints[TRANSITIONS_AT] + ints[FILLED_TRANSITIONS] * TRANSITION_WORDS
    ints[at + TURNED_USER] = slot
    ints[at + TURNED_TAG] = tag
    ints[at + TURNED_HELD] = held
    ints[at + TURNED_INSTANT] = instant_ms
    ints[at + TURNED_OFFSET] = offset
    ints[FILLED_TRANSITIONS] += 1
