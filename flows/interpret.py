"""The interpreter of rule programs (`config.opcodes`): one compiled loop for all rules.

A missing value is NaN. The same run decides and explains: each comparison leaves its two sides in
the scratch array.
"""

from __future__ import annotations

import numpy as np

from config.jit import compiled, inlined
from config.opcodes import (
    FIRST_COMPARISON,
    OP_ABS,
    OP_ADD,
    OP_AND,
    OP_CONST,
    OP_DIVIDE,
    OP_EQ,
    OP_EVENT,
    OP_FEATURE,
    OP_GT,
    OP_HAS,
    OP_LE,
    OP_LT,
    OP_MIN,
    OP_MULTIPLY,
    OP_NE,
    OP_NEGATE,
    OP_NOT,
    OP_OR,
    OP_SUBTRACT,
    OP_TAG,
    OP_TEXT,
    OP_TEXT_EQ,
    OP_TEXT_NE,
)
from connectors.columns import MISSING, Columns
from flows.features import text_number
from flows.machine import FIELDS, STACK, TRACE, VALUES, Machine, Scratch
from flows.plan_words import (
    COLUMN_IS_TEXT,
    COLUMN_KIND_WORDS,
    COLUMN_KINDS,
    COLUMN_SCALE,
    PROGRAM_CODE,
    PROGRAM_EVENT_FIELDS,
)
from state.layout import Plan


@inlined
def run_rule(plan: Plan, scratch: Scratch, program: int, held: int) -> bool:
    """Whether a rule holds, on features read into the scratch array and the tags in `held`."""
    return run_range(plan, scratch, plan.ints[program + PROGRAM_CODE], held) == 1.0


@compiled
def run_range(plan: Plan, scratch: Scratch, code: int, held: int) -> float:
    """The value of a run of (opcode, operand) pairs: its count stands at `code`, then the pairs."""
    ints, stack = plan.ints, scratch
    top = STACK - 1
    traced = TRACE
    for at in range(code + 1, code + 1 + 2 * ints[code], 2):
        opcode = ints[at]
        if opcode <= OP_EVENT:
            top += 1
            stack[top] = _pushed(plan, scratch, opcode, at + 1, held)
        elif opcode >= FIRST_COMPARISON:
            top -= 1
            left, right = stack[top], stack[top + 1]
            scratch[traced] = left
            scratch[traced + 1] = right
            traced += 2
            stack[top] = 1.0 if compares(opcode, left, right) else 0.0
        elif opcode == OP_NEGATE or opcode == OP_ABS or opcode == OP_HAS or opcode == OP_NOT:
            stack[top] = _changed(opcode, stack[top])
        else:
            top -= 1
            stack[top] = _combined(opcode, stack[top], stack[top + 1])
    return float(stack[STACK])


@compiled
def load_event_fields(machine: Machine, columns: Columns, index: int, program: int) -> None:
    """Read the fields of event `index` that a rule names into the scratch array."""
    plan = machine.plan
    listed = plan.ints[program + PROGRAM_EVENT_FIELDS]
    for entry in range(listed + 1, listed + 1 + plan.ints[listed]):
        column = plan.ints[entry]
        cell = columns.values[index, column]
        kind = plan.ints[COLUMN_KINDS] + column * COLUMN_KIND_WORDS
        if cell == MISSING:
            machine.scratch[FIELDS + column] = np.nan
        elif plan.ints[kind + COLUMN_IS_TEXT]:
            machine.scratch[FIELDS + column] = text_number(machine.texts, columns.data, cell)
        else:
            machine.scratch[FIELDS + column] = cell / plan.floats[kind + COLUMN_SCALE]


@inlined
def _pushed(plan: Plan, scratch: Scratch, opcode: int, at: int, held: int) -> float:
    if opcode == OP_FEATURE:
        return float(scratch[VALUES + plan.ints[at]])
    if opcode == OP_CONST:
        return float(plan.floats[at])
    if opcode == OP_TEXT:
        return float(plan.ints[at])
    if opcode == OP_TAG:
        return float(held >> plan.ints[at] & 1)
    return float(scratch[FIELDS + plan.ints[at]])


@inlined
def compares(opcode: int, left: float, right: float) -> bool:
    """Whether a comparison holds; one with a missing side (NaN) does not."""
    if left != left or right != right:
        return False
    if opcode == OP_EQ or opcode == OP_TEXT_EQ:
        return left == right
    if opcode == OP_NE or opcode == OP_TEXT_NE:
        return left != right
    if opcode == OP_LT:
        return left < right
    if opcode == OP_LE:
        return left <= right
    if opcode == OP_GT:
        return left > right
    return left >= right


@inlined
def _changed(opcode: int, value: float) -> float:
    if opcode == OP_NEGATE:
        return -value
    if opcode == OP_ABS:
        return abs(value)
    if opcode == OP_HAS:
        return 0.0 if value != value else 1.0
    return 1.0 - value


@inlined
def _combined(opcode: int, left: float, right: float) -> float:
    if opcode == OP_AND:
        return left * right
    if opcode == OP_OR:
        return max(left, right)
    if opcode == OP_ADD:
        return left + right
    if opcode == OP_SUBTRACT:
        return left - right
    if opcode == OP_MULTIPLY:
        return left * right
    if opcode == OP_DIVIDE:
        return left / right if right != 0.0 else np.nan
    if left != left or right != right:
        return np.nan
    return min(left, right) if opcode == OP_MIN else max(left, right)
