"""Rule programs evaluated one step at a time over plain Python values; None is missing."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

from config.limits import RULE_STACK_MAX
from config.opcodes import (
    OP_ABS,
    OP_ADD,
    OP_AND,
    OP_CONST,
    OP_DIVIDE,
    OP_EQ,
    OP_EVENT,
    OP_FEATURE,
    OP_GE,
    OP_GT,
    OP_HAS,
    OP_LE,
    OP_LT,
    OP_MAX,
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
from config.schema import Program

Value = float | str | tuple[str, ...] | None

ARITHMETIC: dict[int, Callable[[float, float], float | None]] = {
    OP_ADD: operator.add,
    OP_SUBTRACT: operator.sub,
    OP_MULTIPLY: operator.mul,
    OP_DIVIDE: lambda left, right: left / right if right else None,
    OP_MIN: min,
    OP_MAX: max,
    OP_AND: lambda left, right: float(left and right),
    OP_OR: lambda left, right: float(left or right),
}
COMPARISONS: dict[int, Callable[[Any, Any], bool]] = {
    OP_EQ: operator.eq,
    OP_NE: operator.ne,
    OP_LT: operator.lt,
    OP_LE: operator.le,
    OP_GT: operator.gt,
    OP_GE: operator.ge,
    OP_TEXT_EQ: operator.eq,
    OP_TEXT_NE: operator.ne,
}
SIGNS: dict[int, Callable[[float], float]] = {
    OP_NEGATE: operator.neg,
    OP_ABS: abs,
    OP_NOT: lambda truth: 1.0 - truth,
}


def evaluate(
    program: Program, features: Sequence[Value], tags: Sequence[bool], event: Sequence[Value]
) -> float:
    """1.0 if the rule holds, else 0.0."""
    (value,) = run(program, features, tags, event, (0, len(program.code)))
    assert value in (0.0, 1.0)
    return float(value)


def run(
    program: Program,
    features: Sequence[Value],
    tags: Sequence[bool],
    event: Sequence[Value],
    steps: tuple[int, int],
) -> list[Value]:
    """The stack after a half-open range of a program's steps."""
    stack: list[Value] = []
    for opcode, operand in program.code[slice(*steps)]:
        if opcode == OP_CONST:
            stack.append(program.constants[operand])
        elif opcode == OP_TEXT:
            stack.append(program.texts[operand])
        elif opcode == OP_FEATURE:
            stack.append(features[operand])
        elif opcode == OP_TAG:
            stack.append(float(tags[operand]))
        elif opcode == OP_EVENT:
            stack.append(event[operand])
        elif opcode == OP_HAS:
            stack.append(float(stack.pop() not in (None, ())))
        elif opcode in SIGNS:
            value = stack.pop()
            assert value is None or isinstance(value, float)
            stack.append(None if value is None else SIGNS[opcode](value))
        else:
            stack.append(joined(opcode, stack.pop(), stack.pop()))
        assert len(stack) <= RULE_STACK_MAX
    return stack


def joined(opcode: int, right: Value, left: Value) -> Value:
    """Two values made one."""
    missing = left is None or right is None
    if opcode in COMPARISONS:
        return 0.0 if missing else float(COMPARISONS[opcode](left, right))
    if missing:
        return None
    assert isinstance(left, float) and isinstance(right, float)
    return ARITHMETIC[opcode](left, right)
