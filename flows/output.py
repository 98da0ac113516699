"""What the compiled loop reports: decisions and tag transitions, row by row, in fixed buffers.

A decision is reported with all that its record will say (features, texts, cart lines, the rule's values),
because the profile moves on before the batch ends. When a buffer is nearly full the loop stops
between two steps; Python takes what is there and calls it again.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from config.jit import compiled
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
    EXPIRED,
    RULE,
    COOLED,
    CONSENT,
    PRIORITY_TAKEN,
    SHADOW,
    HOLDOUT,
) = range(12)
"""Outcomes, in `OUTCOME`: a goal reached, a stage sent, or the reason why it was suppressed."""
REASONS = {
    EXIT: "exit",
    REPLACED: "replaced",
    OFF: "off",
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

NO_OFFSET = -1
"""Offset of what time alone brought about."""


class Output(NamedTuple):
    """decisions: (rows, DECISION_WORDS) int64; features: (rows, features) float64; texts: (rows,
    recent texts) int64; trace: (rows, 2 x comparisons) float64; lines: (rows, LINE_WORDS) int64 of
    item, category, quantity, price; transitions: (rows, TRANSITION_WORDS) int64; filled: rows in use."""

    decisions: NDArray[np.int64]
    features: NDArray[np.float64]
    texts: NDArray[np.int64]
    trace: NDArray[np.float64]
    lines: NDArray[np.int64]
    transitions: NDArray[np.int64]
    filled: NDArray[np.int64]


def new_output(features: int, texts: int, comparisons: int, tags: int) -> Output:
    """Empty buffers for a configuration of this many of each."""
    rows = DECISIONS_MAX
    return Output(
        decisions=np.zeros((rows, DECISION_WORDS), np.int64),
        features=np.zeros((rows, max(1, features)), np.float64),
        texts=np.zeros((rows, max(1, texts)), np.int64),
        trace=np.zeros((rows, max(1, 2 * comparisons)), np.float64),
        lines=np.zeros((rows + MARGIN * LINES_MAX, LINE_WORDS), np.int64),
        transitions=np.zeros((rows + (MARGIN + 2) * max(1, tags), TRANSITION_WORDS), np.int64),
        filled=np.zeros(3, np.int64),
    )


@compiled
def has_room(output: Output) -> bool:
    """Whether one more step of the loop surely fits."""
    filled = output.filled
    return bool(
        filled[FILLED_DECISIONS] + MARGIN <= DECISIONS_MAX
        and filled[FILLED_LINES] <= DECISIONS_MAX
        and filled[FILLED_TRANSITIONS] <= DECISIONS_MAX
    )


@compiled
def report_transition(
    output: Output, slot: int, tag: int, held: bool, instant_ms: int, offset: int
) -> None:
    """Report that a user gained or lost a tag."""
    row = output.filled[FILLED_TRANSITIONS]
    output.transitions[row, TURNED_USER] = slot
    output.transitions[row, TURNED_TAG] = tag
    output.transitions[row, TURNED_HELD] = held
    output.transitions[row, TURNED_INSTANT] = instant_ms
    output.transitions[row, TURNED_OFFSET] = offset
    output.filled[FILLED_TRANSITIONS] = row + 1
