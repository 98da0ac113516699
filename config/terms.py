"""Terms: what a model reads, computed from features by a short program of named steps.

A step names what it computes, its inputs (features or steps above it) and its constants.
`config.term_writer` makes programs of the expressions of models.toml; `flows.learn_program` runs
them.

==========  ====================  ======================================================
word        inputs; constants     value
==========  ====================  ======================================================
log1p       a                     log(1 + a), of 0 where a is negative
log         a                     log(a), of 1e-9 at least
log_expm1   a                     log(exp(a) - 1), of 1e-9 at least
linear      a; by, plus           a x by + plus
clip        a; low, high          a, held within both
hinge       a; knot               what a has above the knot, else 0
sum         a, b                  a + b
product     a, b                  a x b
ratio       a, b; floor           a / b, with b at least the floor
equals      a; code               1 where a is the code, else 0: one tier of several
filled      a; value              a, or the value where a is missing
first_of    a, b                  a, or b where a is missing
==========  ====================  ======================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from msgspec import Struct

STEPS_MAX = 512
"""Steps of a program; its features and terms are no more either."""


class Word(Struct, frozen=True, kw_only=True):
    """A word that a step may use: how many inputs and constants it takes."""

    inputs: int
    constants: int


WORDS: Mapping[str, Word] = MappingProxyType(
    {
        "log1p": Word(inputs=1, constants=0),
        "log": Word(inputs=1, constants=0),
        "log_expm1": Word(inputs=1, constants=0),
        "linear": Word(inputs=1, constants=2),
        "clip": Word(inputs=1, constants=2),
        "hinge": Word(inputs=1, constants=1),
        "sum": Word(inputs=2, constants=0),
        "product": Word(inputs=2, constants=0),
        "ratio": Word(inputs=2, constants=1),
        "equals": Word(inputs=1, constants=1),
        "filled": Word(inputs=1, constants=1),
        "first_of": Word(inputs=2, constants=0),
    }
)


class Step(Struct, frozen=True, kw_only=True):
    """One line of a program: `name` = `word` of `inputs` with `constants`."""

    name: str
    word: str
    inputs: tuple[str, ...]
    constants: tuple[float, ...] = ()


class TermProgram(Struct, frozen=True, kw_only=True):
    """What is read, what is computed of it in order, and which of both are the model's terms."""

    features: tuple[str, ...]
    steps: tuple[Step, ...]
    terms: tuple[str, ...]


class TermSet(Struct, frozen=True, kw_only=True):
    """Terms of a program that one regression reads, and how firmly its weights are held at 0.

    `prior`: how many examples' worth of evidence hold each of them.
    """

    terms: tuple[str, ...]
    prior: float


class Recipe(Struct, frozen=True, kw_only=True):
    """A program and the sets of its terms, one regression each; their logits are averaged."""

    program: TermProgram
    sets: tuple[TermSet, ...]
