"""What the compiled loop works on, in one value: a partition's memory, the plan, texts, buffers."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from config.limits import (
    FEATURES_MAX,
    FIELDS_MAX,
    MODELS_MAX,
    RULE_COMPARISONS_MAX,
    RULE_STACK_MAX,
)
from flows.output import Output
from state.layout import Plan
from state.memory import Memory
from state.texts import Texts

STACK = 0
TRACE = STACK + RULE_STACK_MAX
VALUES = TRACE + 2 * RULE_COMPARISONS_MAX
FIELDS = VALUES + FEATURES_MAX + MODELS_MAX
SHARES = FIELDS + FIELDS_MAX
REGISTERS = SHARES + FEATURES_MAX
"""Where things stand in the scratch array, float64: the rule interpreter's stack; both sides of
each comparison of the last rule; the features as read, by index, propensities behind them; the
entry event's fields, by column; what each feature of a model adds to its logit; the values of the
steps of terms."""

Scratch = NDArray[np.float64]


def new_scratch(registers: int) -> Scratch:
    """Room for what one step computes, with this many steps of terms."""
    return np.zeros(REGISTERS + registers)


class Machine(NamedTuple):
    """What every function from `flows.apply` down to `flows.report` is given."""

    memory: Memory
    plan: Plan
    texts: Texts
    scratch: Scratch
    output: Output
