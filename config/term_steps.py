"""The steps of terms while they are written, and the program of those that a model needs."""

from __future__ import annotations

from collections.abc import Collection

from config.terms import Step, TermProgram


class Steps:
    """Steps by name, in their order; what is written twice is computed once."""

    def __init__(self) -> None:
        """None yet."""
        self.named: dict[str, Step] = {}
        self._names: dict[tuple[str, tuple[str, ...], tuple[float, ...]], str] = {}

    def add(self, word: str, *inputs: str, constants: tuple[float, ...] = ()) -> str:
        """The name of what `word` makes of the inputs."""
        key = (word, inputs, constants)
        if key not in self._names:
            name = f"{word}({', '.join((*inputs, *map(repr, constants)))})"
            self._names[key] = name
            self.named[name] = Step(name=name, word=word, inputs=inputs, constants=constants)
        return self._names[key]

    def define(self, name: str, value: str) -> None:
        """Let `name` stand for a value: for the step written last, or for a copy of another."""
        if value != next(reversed(self.named), None) or "(" not in value:
            copy = Step(name=name, word="linear", inputs=(value,), constants=(1.0, 0.0))
            self.named[name] = copy
            return
        last = self.named.pop(value)
        self._names[last.word, last.inputs, last.constants] = name
        self.named[name] = Step(
            name=name, word=last.word, inputs=last.inputs, constants=last.constants
        )

    def least(self, name: str) -> float:
        """What a value is never below, as far as its own step says; -inf where it does not."""
        step = self.named.get(name)
        return step.constants[0] if step is not None and step.word == "clip" else -float("inf")


def program_of(steps: Collection[Step], terms: tuple[str, ...]) -> TermProgram:
    """The program of these terms: the steps that they need, and the features in order of use."""
    needed, chosen = set(terms), []
    for step in reversed([*steps]):
        if step.name in needed:
            chosen.append(step)
            needed.update(step.inputs)
    chosen.reverse()
    computed = {step.name for step in chosen}
    read = (name for step in chosen for name in step.inputs if name not in computed)
    return TermProgram(features=tuple(dict.fromkeys(read)), steps=tuple(chosen), terms=terms)
