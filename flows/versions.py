"""Which versions of models are in force in a partition: they fit their models, or the default is.

The numbers of a version are written over those of the version before it, in the plan.
"""

from __future__ import annotations

import numpy as np

from config.schema import Config
from config.terms import TermProgram
from flows import plan_words as words
from flows.learn_program import compiled_program
from flows.learn_saved import Version
from state.layout import Plan

SHORT_DIGITS = 16
"""Of a version's name, in hex: what decisions tell it by."""


class Versions:
    """The versions that one engine scores by."""

    def __init__(self, config: Config, plan: Plan) -> None:
        """None yet."""
        self._plan = plan
        self._models = {
            model.name: (index, model.recipe.program)
            for index, model in enumerate(config.models)
            if not model.complement
        }

    def adopt(self, name: str, version: Version) -> bool:
        """Let a version be in force from now on; False if it does not fit the model.

        Then none is in force, also where one was. The name of a complement, or of no model of the
        config, changes nothing.
        """
        if name not in self._models:
            return False
        index, program = self._models[name]
        ints, floats = self._plan
        record = int(ints[words.MODELS]) + index * words.MODEL_WORDS
        numbers = int(ints[record + words.MODEL_NUMBERS])
        ints[numbers + words.NUMBERS_VERSION] = 0
        if not fits(version, program):
            return False
        scorer = version.scorer
        floats[numbers + words.NUMBERS_CLIP : numbers + words.NUMBERS_HEAD] = scorer.bounds
        first = numbers + words.NUMBERS_HEAD
        table = np.column_stack((scorer.means, scorer.scales, scorer.weights))
        floats[first : first + table.size] = table.ravel()
        ints[numbers + words.NUMBERS_VERSION] = short_name(version)
        return True


def fits(version: Version, program: TermProgram) -> bool:
    """Whether a version scores by this program: the same features, steps and terms.

    What its steps are called does not matter.
    """
    if version.terms == program:
        return True
    ours, theirs = compiled_program(program), version.program
    return version.terms.features == program.features and all(
        np.array_equal(one, other)
        for one, other in (
            (ours.steps, theirs.steps),
            (ours.constants, theirs.constants),
            (ours.terms, theirs.terms),
        )
    )


def short_name(version: Version) -> int:
    """The first digits of a version's name as a signed number of 64 bits."""
    return int.from_bytes(bytes.fromhex(version.id[:SHORT_DIGITS]), signed=True)
