"""The plan's part about models: what is scored together, by which program and which numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain, groupby

from config.schema import Config, Model, Program
from flows import plan_words as words
from flows.plan_list import PlanList, float_bits
from flows.scopes import told_by_time, with_parts
from flows.score_program import Register, ScoreProgram, features_by_term


class ScoresWriter:
    """Writes models and scores blocks into a plan; what is the same is written once."""

    def __init__(self, config: Config, plan: PlanList) -> None:
        """Write nothing yet."""
        self._config = config
        self._plan = plan
        self.program = ScoreProgram(config.models)
        self._blocks: dict[tuple[int, ...], int] = {}
        self._rules: dict[Program, int] = {}

    def write_models(self, write_rule: Callable[[Program], int]) -> None:
        """Write the table of models, whose rules `write_rule` writes."""
        records: list[int] = []
        written: dict[str, list[int]] = {}
        for index, model in enumerate(self._config.models):
            if model.complement:
                record = list(written[model.complement])
                record[words.MODEL_IS_COMPLEMENT] = 1
            else:
                record = self._model(model, write_rule)
            record[words.MODEL_FEATURE] = len(self._config.profile_features) + index
            written[model.name] = record
            records += record
        self._plan.words[words.MODELS] = self._plan.run(records)
        self._plan.words[words.MODEL_COUNT] = len(self._config.models)

    def block(self, models: Sequence[int]) -> int:
        """Append what scores these models, by index, once; where it starts, 0 for no models."""
        key = tuple(models)
        if key and key not in self._blocks:
            self._blocks[key] = self._block([self._config.models[index] for index in key], key)
        return self._blocks.get(key, 0)

    def _model(self, model: Model, write_rule: Callable[[Program], int]) -> list[int]:
        plan, record = self._plan, [0] * words.MODEL_WORDS
        rule = model.eligible
        if rule is not None:
            if rule not in self._rules:
                self._rules[rule] = write_rule(rule)
            record[words.MODEL_ELIGIBLE] = self._rules[rule]
        record[words.MODEL_DEFAULT] = float_bits(model.default)
        record[words.MODEL_LOOKED_DAILY] = int(told_by_time(model, self._config.features))
        terms = self.program.terms[model.name]
        record[words.MODEL_NUMBERS] = plan.run(
            [0] * (words.NUMBERS_HEAD + words.NUMBERS_WORDS * len(terms))
        )
        record[words.MODEL_TERMS] = plan.listed(list(terms))
        record[words.MODEL_INPUTS] = plan.listed(list(model.features))
        parts = [word for places in features_by_term(model) for word in (len(places), *places)]
        record[words.MODEL_PARTS] = plan.run(parts)
        return record

    def _block(self, models: Sequence[Model], indices: tuple[int, ...]) -> int:
        plan, features = self._plan, self._config.features
        rules = [model.eligible for model in models if model.eligible is not None]
        asked = with_parts(features, {index for rule in rules for index in rule.features})
        read = with_parts(features, {index for model in models for index in model.features})
        needed = self.program.needed([model.name for model in models])
        registers = [(number, self.program.registers[number]) for number in needed]
        inputs = [(number, one.feature) for number, one in registers if one.feature >= 0]
        steps = [(number, one) for number, one in registers if one.feature < 0]
        runs = [
            (word, [_step_words(number, one) for number, one in run])
            for word, run in groupby(steps, lambda step: step[1].word)
        ]
        return plan.run(
            [
                plan.listed(list(indices)),
                plan.listed(asked),
                plan.listed([index for index in read if index not in asked]),
                plan.counted(inputs),
                plan.run(
                    [
                        len(runs),
                        *(one for word, run in runs for one in (word, len(run), *chain(*run))),
                    ]
                ),
            ]
        )


def _step_words(number: int, register: Register) -> list[int]:
    first, second = register.inputs
    bits = words.REGISTER_BITS
    packed = number | first << bits | second << 2 * bits
    return [packed, *map(float_bits, register.constants)]
