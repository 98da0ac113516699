"""Makes the plan: the checked configuration as one array of words for compiled code.

What the words mean is in `flows.plan_words`. A new configuration makes a new array and compiles
nothing.
"""

from __future__ import annotations

import numpy as np
from msgspec import Struct

from config.fields import field_names
from config.opcodes import OP_CONST, OP_EVENT, OP_FEATURE, OP_TEXT
from config.schema import Config, EventDef, Feature, Field, Journey, Program, Stage, Tag
from flows import plan_words as words
from flows.output import Counts
from flows.plan_groups import learned_from, write_groups
from flows.plan_list import PlanList, float_bits
from flows.plan_scores import ScoresWriter
from flows.scopes import (
    affected_tags,
    ancestors_of,
    blockers_of,
    scores_read,
    stays_of,
    touched_by,
    with_parts,
)
from flows.turns import Turn, turns_of
from state.example_groups import groups_of
from state.layout import FEATURE_WORDS, Layout, Plan, held_models, lay_out, scale_of

CART_ROLES = {
    "Product Added": words.CART_ADD,
    "Product Removed": words.CART_REMOVE,
    "Cart Viewed": words.CART_REPLACE,
    "Order Completed": words.CART_ORDER,
}
STATUSES = {"live": words.STATUS_LIVE, "shadow": words.STATUS_SHADOW, "off": words.STATUS_OFF}
EMAIL = "email"


class PlanOf(Struct, frozen=True, kw_only=True):
    """A configuration made ready: what compiled code reads, and what Python needs beside it.

    texts: the texts that rules compare with, numbered from 1 in this order. registers: how many
    inputs and steps models' terms have. counts: what output buffers are made for.
    """

    plan: Plan
    layout: Layout
    columns: tuple[str, ...]
    texts: tuple[str, ...]
    registers: int
    counts: Counts


def make_plan(config: Config) -> PlanOf:
    """The plan and the layout of rows for a checked configuration."""
    columns = field_names(config.events)
    layout = lay_out(config, columns)
    writer = _Writer(config, columns, layout)
    writer.write()
    ints = np.array(writer.words, np.int64)
    return PlanOf(
        plan=Plan(ints=ints, floats=ints.view(np.float64)),
        layout=layout,
        columns=columns,
        texts=tuple(writer.texts),
        registers=len(writer.scores.program.registers),
        counts=Counts(
            features=len(config.profile_features),
            texts=sum(feature.keep for feature in config.features if feature.kind == "recent"),
            tags=len(config.tags),
            models=len(config.models),
            reasons=max(writer.reason_counts, default=0),
            sampled=max((len(group.features) for group in groups_of(config)), default=0),
        ),
    )


def layout_bytes(config: Config) -> dict[str, int]:
    """Bytes per user of each feature and of what every row has, in the order of the row."""
    return lay_out(config, field_names(config.events)).bytes_of


class _Writer(PlanList):
    """Appends tables and notes in the head where they start."""

    def __init__(self, config: Config, columns: tuple[str, ...], layout: Layout) -> None:
        super().__init__(words.HEAD_WORDS)
        self.config = config
        self.columns = columns
        self.layout = layout
        self.texts: list[str] = []
        self.turn_starts: dict[tuple[int, ...], int] = {}
        self.scores = ScoresWriter(config, self)
        self.reason_counts: list[int] = []

    def write(self) -> None:
        head = self.words
        head[0] = self.layout.words
        head[words.FEATURES] = self.run(self.layout.features.tolist())
        own = len(self.config.profile_features)
        head[words.FEATURE_COUNT] = own
        head[words.LIVE_FROM] = self.config.shop.live_from_ms or 0
        head[words.ALL_FEATURES] = self.listed(list(range(own)))
        for word, name in (
            (words.ITEM_COLUMN, "item"),
            (words.PRICE_COLUMN, "price"),
            (words.QUANTITY_COLUMN, "quantity"),
            (words.CATEGORY_COLUMN, "category"),
            (words.CART_COLUMN, "cart_id"),
            (words.CHANNEL_COLUMN, "channel"),
            (words.TRIGGER_COLUMN, "trigger"),
        ):
            head[word] = self.column(name)
        self.write_columns()
        self.write_channels()
        self.scores.write_models(self.program)
        head[words.ALL_SCORES] = self.scores.block(range(len(self.config.models)))
        self.write_tags()
        self.write_events()
        self.write_journeys()
        write_groups(self.config, self, self.scores)

    def column(self, name: str) -> int:
        return self.columns.index(name) if name in self.columns else -1

    def text(self, text: str) -> int:
        """The number of a text that rules compare with."""
        if text not in self.texts:
            self.texts.append(text)
        return self.texts.index(text) + 1

    def pairs(self, program: Program, start: int, end: int) -> list[int]:
        """A range of a program's code with its constants in place, opcode by operand."""
        pairs: list[int] = []
        for opcode, operand in program.code[start:end]:
            value = operand
            if opcode == OP_CONST:
                value = float_bits(program.constants[operand])
            elif opcode == OP_TEXT:
                value = self.text(program.texts[operand])
            pairs += [opcode, value]
        return pairs

    def program(self, program: Program | None) -> int:
        """Append a rule: its code, the features and event fields that it reads. 0 for no rule."""
        if program is None:
            return 0
        code = self.run([len(program.code), *self.pairs(program, 0, len(program.code))])
        first = len(self.config.profile_features)
        features = with_parts(self.config.features, {*program.features} - self.propensities())
        scores = [index - first for index in program.features if index >= first]
        read = sorted({operand for opcode, operand in program.code if opcode == OP_EVENT})
        lists = self.listed(features), self.listed(read)
        return self.run([code, *lists, self.scores.block(scores)])

    def propensities(self) -> set[int]:
        """The features that are scores of models."""
        return set(range(len(self.config.profile_features), len(self.config.features)))

    def write_columns(self) -> None:
        fields: dict[str, Field] = {}
        for event in self.config.events:
            for field in event.fields:
                if not field.line:
                    fields[field.name] = field
        minor_units = 10**self.config.shop.minor_digits
        cells: list[int] = []
        for name in self.columns:
            scale = scale_of(fields[name], minor_units)
            cells += [int(fields[name].type == "text"), float_bits(scale)]
        self.words[words.COLUMN_KINDS] = self.run(cells)

    def write_channels(self) -> None:
        cells: list[int] = []
        for name, trait in self.config.shop.channels.items():
            cells += [self.text(name), self.column(f"traits.{trait}")]
        self.words[words.CHANNELS] = self.run(cells)
        self.words[words.CHANNEL_COUNT] = len(self.config.shop.channels)
        self.words[words.EMAIL_CHANNEL] = self.text(EMAIL)

    def write_events(self) -> None:
        unknown = [0] * words.EVENT_WORDS
        records = [unknown, *(self.event(event) for event in self.config.events)]
        start = self.run([word for record in records for word in record])
        self.words[words.EVENTS] = start + words.EVENT_WORDS
        self.words[words.EVENT_COUNT] = len(self.config.events)

    def event(self, event: EventDef) -> list[int]:
        features = self.config.features
        ops: list[int] = []
        for index, feature in enumerate(features):
            if event.name in feature.events:
                source = self.source(feature, event)
                ops += [self.feature_at(index), feature.events[event.name], source]
        record = [0] * words.EVENT_WORDS
        record[words.OPS] = self.run(ops)
        record[words.OP_COUNT] = len(ops) // words.OP_WORDS
        touched = touched_by(event, features)
        if affected_tags(touched, self.config.tags, features):
            record[words.SCOPE] = self.scope(touched)
        for bit, journey in enumerate(self.config.journeys):
            record[words.ENTERS] |= int(journey.entry_event == event.name) << bit
            record[words.EXITS] |= int(event.name in journey.exit_events) << bit
            goal = journey.goal is not None and journey.goal.event == event.name
            record[words.GOALS] |= int(goal) << bit
        learned = learned_from(self.config, event.name, touched)
        record[words.OUTCOMES], record[words.WAKES] = learned
        record[words.CART_ROLE] = CART_ROLES.get(event.name, words.CART_NONE)
        if event.name == "Unsubscribed":
            record[words.CONSENT_ROLE] = words.CONSENT_UNSUBSCRIBE
        elif event.name == "identify":
            record[words.CONSENT_ROLE] = words.CONSENT_TRAITS
        return record

    def source(self, feature: Feature, event: EventDef) -> int:
        """Where a feature finds its values in an event: a value column, the lines, or nowhere."""
        if not isinstance(feature.of, Field):
            return words.SOURCE_NONE
        name = feature.of.name
        if any(field.name == name and not field.line for field in event.fields):
            return self.column(name)
        return words.SOURCE_LINES

    def feature_at(self, index: int) -> int:
        return self.words[words.FEATURES] + index * FEATURE_WORDS

    def write_tags(self) -> None:
        tags = self.config.tags
        records = [self.tag(index, tag) for index, tag in enumerate(tags)]
        self.words[words.TAGS] = self.run([word for record in records for word in record])
        everything = set(range(len(self.config.features)))
        self.words[words.ALL_TAGS] = self.scope(everything)
        held = self.held_scores(self.propensities())
        self.words[words.LOOK_SCORES] = self.scores.block(held)
        self.words[words.LOOK_SCOPE] = self.scope(self.propensities()) if held else 0
        self.write_sweeps()

    def write_sweeps(self) -> None:
        """What time can turn, cause by cause, each with what then settles."""
        features = self.config.features
        rules = [tag.rule for tag in self.config.tags if tag.rule]
        read = with_parts(features, {index for rule in rules for index in rule.features})
        windowed = [index for index in read if features[index].window_ms]
        windows = [word for index in windowed for word in (index, self.scope({index}))]
        self.words[words.SWEEP_WINDOWS] = self.run([len(windowed), *windows])
        turns = [turn for rule in rules for turn in turns_of(rule, features)]
        scopes = {self.turn(turn): self.scope({turn.feature}) for turn in turns}
        pairs = [word for pair in scopes.items() for word in pair]
        self.words[words.SWEEP_TURNS] = self.run([len(scopes), *pairs])
        reckoned = {
            operand
            for turn in turns
            if turn.other is not None
            for opcode, operand in turn.program.code[slice(*turn.other)]
            if opcode == OP_FEATURE
        }
        self.words[words.SWEEP_READS] = self.listed(with_parts(features, reckoned))

    def scope(self, touched: set[int]) -> int:
        """What settles once these features have changed."""
        tags, features = self.config.tags, self.config.features
        affected = affected_tags(touched, tags, features)
        rules = [rule for index in affected if (rule := tags[index].rule)]
        read = with_parts(features, {index for rule in rules for index in rule.features})
        windowed = [index for index in read if index in touched and features[index].window_ms]
        turns = [self.turn(turn) for rule in rules for turn in turns_of(rule, features)]
        settled = [index for index in affected if tags[index].rule]
        stays = stays_of(affected, tags)
        scores = self.scores.block(self.held_scores(touched))
        unscored = touched - self.propensities()
        is_split = scores != 0 and affected_tags(unscored, tags, features) != []
        rest = self.scope(unscored) if is_split else 0
        return self.run(
            [
                sum(1 << index for index in affected),
                self.listed(settled),
                self.run([len(stays), *(word for pair in stays for word in pair)]),
                self.listed([index for index in settled if tags[index].keep_ms]),
                self.listed(read),
                self.listed(windowed),
                self.listed(list(dict.fromkeys(turns))),
                scores,
                rest,
            ]
        )

    def held_scores(self, touched: set[int]) -> list[int]:
        """Of the models whose propensity is among these features, those whose scores are held."""
        first, held = len(self.config.profile_features), held_models(self.config)
        models = enumerate(self.config.models)
        return [index for index, model in models if first + index in touched and model.name in held]

    def tag(self, index: int, tag: Tag) -> list[int]:
        record = [0] * words.TAG_WORDS
        record[words.TAG_RULE] = self.program(tag.rule)
        record[words.TAG_KEEP_MS] = tag.keep_ms
        record[words.TAG_KEEP_WORD] = self.layout.keep_words[index]
        record[words.TAG_SINCE] = self.layout.since_cells[index]
        record[words.TAG_BLOCKERS] = blockers_of(index, self.config.tags)
        for ancestor in ancestors_of(index, self.config.tags):
            record[words.TAG_ANCESTORS] |= 1 << ancestor
        return record

    def turn(self, turn: Turn) -> int:
        """Append a turn, once however many rules have it; where it starts."""
        pairs = self.pairs(turn.program, *turn.other) if turn.other is not None else []
        key = (turn.feature, turn.when, *pairs)
        if key not in self.turn_starts:
            code = self.run([len(pairs) // 2, *pairs]) if pairs else 0
            self.turn_starts[key] = self.run([turn.feature, code, turn.when])
        return self.turn_starts[key]

    def write_journeys(self) -> None:
        journeys = self.config.journeys
        records = [self.journey(journey) for journey in journeys]
        self.words[words.JOURNEYS] = self.run([word for record in records for word in record])
        self.words[words.JOURNEY_COUNT] = len(journeys)

    def journey(self, journey: Journey) -> list[int]:
        channels = list(self.config.shop.channels)
        record = [0] * words.JOURNEY_WORDS
        record[words.STATUS] = STATUSES[journey.status]
        record[words.PRIORITY] = journey.priority
        record[words.COOLDOWN] = journey.cooldown_ms
        record[words.REENTRY_RESETS] = int(journey.reentry == "reset")
        record[words.ENTRY_TAG] = -1 if journey.entry_tag is None else journey.entry_tag
        record[words.ENTRY_WHEN] = self.program(journey.entry_when)
        record[words.KEY_COLUMN] = -1 if journey.key is None else self.column(journey.key)
        record[words.KEYED_BY_CART] = int(journey.key == "cart_id")
        record[words.EXIT_WHEN] = self.program(journey.exit_when)
        record[words.GOAL_WITHIN] = journey.goal.within_ms if journey.goal else 0
        record[words.CHANNEL_LIST] = self.listed(
            [channels.index(name) for name in journey.channels]
        )
        record[words.STAGE_COUNT] = len(journey.stages)
        record[words.STAGES] = self.run(
            [word for stage in journey.stages for word in self.stage(stage)]
        )
        return record

    def stage(self, stage: Stage) -> list[int]:
        record = [0] * words.STAGE_WORDS
        record[words.STAGE_AFTER] = stage.after_ms
        record[words.STAGE_TTL] = stage.ttl_ms
        record[words.STAGE_WHEN] = self.program(stage.when)
        told = scores_read(stage.when, self.config)
        record[words.STAGE_REASONS] = self.listed(told)
        self.reason_counts.append(len(told))
        return record
