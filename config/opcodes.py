"""The opcodes of rule programs, which `config.rules` writes and the compiled loop interprets.

A program is a row of (opcode, operand) pairs that work on a stack of at most `RULE_STACK_MAX`
values. There are no jumps: `and` and `or` evaluate both sides, so that every comparison can be
explained. A truth is 1.0 or 0.0; what stands for a missing value is for the interpreter to choose.
"""

from __future__ import annotations

OP_CONST = 0
"""Push constants[operand]."""
OP_TEXT = 1
"""Push the text texts[operand]."""
OP_FEATURE = 2
"""Push feature `operand` of the config: a number, a text or texts, as the feature is."""
OP_TAG = 3
"""Push whether tag `operand` of the config is held."""
OP_EVENT = 4
"""Push value column `operand` (see `config.fields.field_names`) of the entry event."""
OP_ADD = 5
OP_SUBTRACT = 6
OP_MULTIPLY = 7
OP_DIVIDE = 8
OP_NEGATE = 9
OP_MIN = 10
OP_MAX = 11
OP_ABS = 12
OP_HAS = 13
"""Replace a value by whether it is there; follows OP_FEATURE or OP_EVENT directly."""
OP_NOT = 14
OP_AND = 15
OP_OR = 16
OP_EQ = 17
"""The comparisons take two numbers; false when one is missing."""
OP_NE = 18
OP_LT = 19
OP_LE = 20
OP_GT = 21
OP_GE = 22
OP_TEXT_EQ = 23
"""The comparisons of two texts; false when one is missing."""
OP_TEXT_NE = 24

FIRST_COMPARISON = OP_EQ
"""This opcode and those above it are comparisons, the i-th of them `Program.comparisons[i]`."""
