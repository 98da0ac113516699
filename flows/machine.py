"""All that the compiled loop works on, in one value: a partition's memory, the plan, texts, buffers."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flows.output import Output
from state.layout import Plan
from state.memory import Memory
from state.texts import Texts

STACK_MAX = 256


class Scratch(NamedTuple):
    """values: features as read, (features,) float64; events: the entry event's fields, (columns,);
    stack: of the rule interpreter; trace: both sides of each comparison of the last rule."""

    values: NDArray[np.float64]
    events: NDArray[np.float64]
    stack: NDArray[np.float64]
    trace: NDArray[np.float64]


def new_scratch(features: int, columns: int, comparisons: int) -> Scratch:
    """Room for a configuration of this many features, value columns and comparisons in a rule."""
    return Scratch(
        values=np.full(max(1, features), np.nan),
        events=np.full(max(1, columns), np.nan),
        stack=np.zeros(STACK_MAX),
        trace=np.full(max(1, 2 * comparisons), np.nan),
    )


class Machine(NamedTuple):
    """What every function from `flows.apply` down to `flows.report` is given."""

    memory: Memory
    plan: Plan
    texts: Texts
    scratch: Scratch
    output: Output
