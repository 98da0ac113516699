"""The terms of all models as one program: what several models compute alike is computed once.

Each input and each step has a register, numbered in the order in which they are computed. Models
that differ in their horizon only share all steps but those that read it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from typing import NamedTuple

from config.schema import Model
from config.terms import Step
from flows.learn_program import CODES


class Register(NamedTuple):
    """An input (`feature` is its index), or a step: its word's code, registers and constants."""

    feature: int = -1
    word: int = 0
    inputs: tuple[int, int] = (0, 0)
    constants: tuple[float, float] = (0.0, 0.0)


class ScoreProgram:
    """The registers of some models' terms."""

    def __init__(self, models: Sequence[Model]) -> None:
        """Complements share all that their model has."""
        self.registers: list[Register] = []
        self.terms: dict[str, tuple[int, ...]] = {}
        self._numbers: dict[Register, int] = {}
        for model in models:
            named = {
                name: self._number(Register(feature=feature))
                for name, feature in zip(model.recipe.program.features, model.features, strict=True)
            }
            for step in model.recipe.program.steps:
                named[step.name] = self._number(_register_of(step, named))
            self.terms[model.name] = tuple(named[term] for term in model.recipe.program.terms)

    def needed(self, models: Collection[str]) -> list[int]:
        """The registers that these models need, in order."""
        needed = {register for model in models for register in self.terms[model]}
        for number in range(len(self.registers) - 1, -1, -1):
            if number in needed:
                needed.update(self._needs(number))
        return self._in_runs(sorted(needed))

    def _in_runs(self, numbers: list[int]) -> list[int]:
        """These in an order in which steps of one word stand together, where they can.

        Then a processor guesses right which word comes next.
        """
        left, done, order = numbers, set[int](), list[int]()
        while left:
            ready = [one for one in left if done.issuperset(self._needs(one))]
            words = Counter(self.registers[one].word for one in ready)
            chosen = max(words, key=lambda word: words[word])
            run = [one for one in ready if self.registers[one].word == chosen]
            order += run
            done.update(run)
            left = [one for one in left if one not in done]
        return order

    def _needs(self, number: int) -> tuple[int, ...]:
        register = self.registers[number]
        return register.inputs if register.feature < 0 else ()

    def _number(self, register: Register) -> int:
        if register not in self._numbers:
            self._numbers[register] = len(self.registers)
            self.registers.append(register)
        return self._numbers[register]


def features_by_term(model: Model) -> list[list[int]]:
    """Of each term of a model the features that it is computed from, by their place in it."""
    program = model.recipe.program
    read = {name: {place} for place, name in enumerate(program.features)}
    for step in program.steps:
        read[step.name] = set().union(*(read[name] for name in step.inputs))
    return [sorted(read[term]) for term in program.terms]


def _register_of(step: Step, named: dict[str, int]) -> Register:
    low, high = (*step.constants, 0.0, 0.0)[:2]
    return Register(
        word=CODES[step.word],
        inputs=(named[step.inputs[0]], named[step.inputs[-1]]),
        constants=(low, high),
    )
