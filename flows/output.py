"""What the compiled loop reports, row by row, in fixed buffers.

These are decisions, tag transitions, and examples that have closed.

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

EXAMPLE_FEATURES = 10
(
    EXAMPLE_USER,
    EXAMPLE_MODEL,
    EXAMPLE_SAMPLED,
    EXAMPLE_CLOSED,
    EXAMPLE_OUTCOME,
    EXAMPLE_TAGS,
    EXAMPLE_VERSION,
    EXAMPLE_SCORE,
    EXAMPLE_TRIGGER,
) = range(EXAMPLE_FEATURES - 1)
"""Words of an example's row; the score is float64, and so are the features behind it. A trigger's
id takes two words."""

FILLED_WORDS = 4
FILLED_DECISIONS, FILLED_LINES, FILLED_TRANSITIONS, FILLED_EXAMPLES = range(FILLED_WORDS)
ROW_SIZE, ROW_TRACE, ROW_TEXTS, ROW_SCORES, ROW_REASONS, EXAMPLE_SIZE = range(4, 10)
LINES_AT, TRANSITIONS_AT, EXAMPLES_AT = range(10, 13)
DECISIONS_AT = 13
"""Words of the buffer: rows in use; how long a decision's row is and where in it the trace, the
texts, the scores and the reasons begin; how long an example's row is; where the lines, the
transitions and the examples begin; then the decisions."""

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
    examples: (examples, row size) int64.
    """

    rows: NDArray[np.int64]
    floats: NDArray[np.float64]
    lines: NDArray[np.int64]
    transitions: NDArray[np.int64]
    examples: NDArray[np.int64]


class Counts(NamedTuple):
    """How much a configuration has of what buffers hold.

    `reasons`: of how many models a stage's rule tells why, at most. `sampled`: the most features
    that an example has.
    """

    features: int
    texts: int
    tags: int
    models: int
    reasons: int
    sampled: int


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
    examples_at = transitions_at + transitions * TRANSITION_WORDS
    example_size = EXAMPLE_FEATURES + counts.sampled
    ints = np.zeros(examples_at + (DECISIONS_MAX + MARGIN) * example_size, np.int64)
    ints[ROW_SIZE:LINES_AT] = size, trace_at, texts_at, scores_at, reasons_at, example_size
    ints[LINES_AT:DECISIONS_AT] = lines_at, transitions_at, examples_at
    return Output(ints, ints.view(np.float64))


def reported(output: Output) -> Reported:
    """Copies of what is in the buffer, which is then empty."""
    ints = output.ints
    decisions, lines, transitions, examples = ints[:FILLED_WORDS].tolist()
    size, example_size = ints[[ROW_SIZE, EXAMPLE_SIZE]].tolist()
    lines_at, transitions_at, examples_at = ints[LINES_AT:DECISIONS_AT].tolist()
    ints[:FILLED_WORDS] = 0

    def table(first: int, count: int, width: int) -> NDArray[np.int64]:
        return ints[first : first + count * width].reshape(count, width).copy()

    rows = table(DECISIONS_AT, decisions, size)
    return Reported(
        rows=rows,
        floats=rows.view(np.float64),
        lines=table(lines_at, lines, LINE_WORDS),
        transitions=table(transitions_at, transitions, TRANSITION_WORDS),
        examples=table(examples_at, examples, example_size),
    )


@inlined
def has_room(output: Output) -> bool:
    """Whether one more step of the loop surely fits."""
    ints = output.ints
    return bool(
        ints[FILLED_DECISIONS] + MARGIN <= DECISIONS_MAX
        and ints[FILLED_LINES] <= DECISIONS_MAX
        and ints[FILLED_TRANSITIONS] <= DECISIONS_MAX
        and ints[FILLED_EXAMPLES] <= DECISIONS_MAX
    )


@inlined
def new_decision(output: Output) -> int:
    """Where the row of one more decision begins in the buffer."""
    row = output.ints[FILLED_DECISIONS]
    output.ints[FILLED_DECISIONS] = row + 1
    return int(DECISIONS_AT + row * output.ints[ROW_SIZE])


@inlined
def new_example(output: Output) -> int:
    """Where the row of one more example begins in the buffer."""
    row = output.ints[FILLED_EXAMPLES]
    output.ints[FILLED_EXAMPLES] = row + 1
    return int(output.ints[EXAMPLES_AT] + row * output.ints[EXAMPLE_SIZE])


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
