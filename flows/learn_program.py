"""Programs of terms (`config.terms`), checked and run.

One compiled loop runs them for a batch, a single row and a score, with the same bits.
A missing feature is NaN, and so is all that needs it; the scaler takes it for the mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from config.terms import STEPS_MAX, WORDS, Step, TermProgram
from flows.learn_loops import (
    CLIP,
    EQUALS,
    FILLED,
    FIRST_OF,
    HINGE,
    LINEAR,
    LOG,
    LOG1P,
    LOG_EXPM1,
    PRODUCT,
    RATIO,
    SUM,
    Program,
    fill_terms,
)

CODES: Mapping[str, int] = MappingProxyType(
    {
        "log1p": LOG1P,
        "log": LOG,
        "log_expm1": LOG_EXPM1,
        "linear": LINEAR,
        "clip": CLIP,
        "hinge": HINGE,
        "sum": SUM,
        "product": PRODUCT,
        "ratio": RATIO,
        "equals": EQUALS,
        "filled": FILLED,
        "first_of": FIRST_OF,
    }
)
"""What the compiled loop calls each word."""


class ProgramError(ValueError):
    """A program that cannot be run; the message lists all that is wrong with it."""


def compiled_program(program: TermProgram) -> Program:
    """The program as the arrays that the compiled loop runs, with registers of its own.

    Raises:
        ProgramError: a step uses an unknown word or name, or takes another number of values; a
            name is given twice; there are too many.
    """
    registers = _registers_of(program)
    count = len(program.steps)
    steps = np.zeros((count, 3), np.int64)
    constants = np.zeros((count, 2))
    for row, step in enumerate(program.steps):
        inputs = [registers[name] for name in step.inputs]
        steps[row] = CODES[step.word], inputs[0], inputs[-1]
        constants[row, : len(step.constants)] = step.constants
    return Program(
        steps=steps,
        constants=constants,
        terms=np.array([registers[name] for name in program.terms], np.int64),
        registers=np.zeros(len(registers)),
    )


def terms_of(program: Program, features: NDArray[np.float64]) -> NDArray[np.float64]:
    """The terms of each row of features: (n, features) -> (n, terms); NaN is missing.

    >>> recency = Step(name="recency", word="log1p", inputs=("days_since_order",))
    >>> text = TermProgram(features=("days_since_order",), steps=(recency,), terms=("recency",))
    >>> terms_of(compiled_program(text), np.array([[0.0], [np.e - 1.0], [np.inf]])).round(6)
    array([[ 0.],
           [ 1.],
           [nan]])
    """
    rows = rows_for(program, features)
    terms = np.empty((len(rows), len(program.terms)))
    fill_terms(program, rows, terms)
    return terms


def rows_for(program: Program, features: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows as the compiled loops need them, which look at no bounds."""
    rows = np.ascontiguousarray(features, np.float64)
    wanted = len(program.registers) - len(program.steps)
    assert rows.ndim == 2 and rows.shape[1] == wanted, f"{rows.shape}: a row is {wanted} features"
    return rows


def _registers_of(program: TermProgram) -> dict[str, int]:
    """Where each name stands in the row of registers."""
    problems: list[str] = []
    registers: dict[str, int] = {}
    for name in program.features:
        _give(name, registers, problems)
    for step in program.steps:
        problems += _problems_of(step, registers)
        _give(step.name, registers, problems)
    problems += [f"terms: unknown name {name!r}" for name in program.terms if name not in registers]
    if not program.terms:
        problems.append("terms: expected at least one, got none")
    for what in ("features", "steps", "terms"):
        count = len(getattr(program, what))
        if count > STEPS_MAX:
            problems.append(f"{what}: expected at most {STEPS_MAX}, got {count}")
    if problems:
        raise ProgramError("; ".join(problems))
    return registers


def _give(name: str, registers: dict[str, int], problems: list[str]) -> None:
    if name in registers:
        problems.append(f"{name}: expected a name of its own, got one that is taken")
    registers[name] = len(registers)


def _problems_of(step: Step, known: Mapping[str, int]) -> list[str]:
    word = WORDS.get(step.word)
    if word is None:
        return [f"{step.name}: expected one of {', '.join(WORDS)}, got {step.word!r}"]
    problems = [f"{step.name}: unknown input {name!r}" for name in step.inputs if name not in known]
    for what, expected, got in (
        ("inputs", word.inputs, len(step.inputs)),
        ("constants", word.constants, len(step.constants)),
    ):
        if expected != got:
            problems.append(f"{step.name}: {step.word} takes {expected} {what}, got {got}")
    if not np.isfinite(step.constants).all():
        problems.append(f"{step.name}: expected finite constants, got {step.constants}")
    return problems
