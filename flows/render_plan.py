"""The constant parts of what is rendered, made once from the configuration.

They are for `flows.render` (decisions), `flows.render_tags` and `flows.render_profile`.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from config.limits import NAME_LENGTH_MAX, RULE_COMPARISONS_MAX
from config.opcodes import FIRST_COMPARISON, OP_FEATURE, OP_TEXT
from config.schema import Config, Journey, Program, Stage
from connectors.json_text import ESCAPED_BYTES, INSTANT_BYTES, NUMBER_BYTES
from connectors.triggers import SUPPRESSED, TAG, TRIGGER
from flows import output as out
from state.layout import INSTANCES_MAX

(
    HEAD,
    SUBJECT_TRIGGER,
    SUBJECT_SUPPRESSED,
    TIME,
    EXPIRES,
    ENTRY,
    DEADLINE,
    OFFSET,
    LINE_ITEM,
    LINE_QUANTITY,
    LINE_PRICE,
    LINE_CATEGORY,
    FEATURES,
    TAGS,
    SCORES,
    SCORE_VERSION,
    SCORE_END,
    BECAUSE,
    REASON_ADDS,
    AFTER_SCORES,
    AFTER_BECAUSE,
    RIGHT,
    HOLDS,
    FAILS,
    END,
    SUBJECT_TAG,
    TAG_GAINED,
    TAG_LOST,
    TAG_END,
    ID_TRIGGER,
    ID_SUPPRESSED,
    ID_TAG,
    ID_GAINED,
    ID_LOST,
    PROFILE_USER,
    PROFILE_AT,
    PROFILE_FEATURES,
    PROFILE_SCORES,
    PROFILE_TAGS,
    PROFILE_INSTANCES,
    PROFILE_KEY,
    PROFILE_STAGE,
    PROFILE_DUE,
    PROFILE_TRIGGERS,
    PROFILE_SENT,
    PROFILE_SHADOW,
    PROFILE_HOLDOUT,
    PROFILE_TOO_LATE,
    PROFILE_CHANNELS,
    PROFILE_END,
    FIRST_REASON,
) = range(51)
FIRST_OF_CONFIG = FIRST_REASON + out.HOLDOUT + 1

STAGE_RECORD_WORDS = 8
(
    STAGE_OPENING,
    STAGE_SENDS,
    STAGE_PURPOSE,
    STAGE_ID,
    STAGE_NAME,
    STAGE_TTL_MS,
    STAGE_COMPARISONS,
    STAGE_COMPARISON_COUNT,
) = range(STAGE_RECORD_WORDS)
COMPARISON_WORDS = 3
COMPARISON_PART, COMPARISON_OPCODE, COMPARISON_IS_TEXT = range(COMPARISON_WORDS)
JOURNEY_RECORD_WORDS = 4
JOURNEY_OPENING, JOURNEY_HASHED, JOURNEY_STAGE_COUNT, JOURNEY_STAGES = range(JOURNEY_RECORD_WORDS)
"""What a profile names it with, and what its hold-out is hashed with; how many stages it has, and
the part that names the first one, which those of the others follow."""

TAG_RECORD_WORDS = 4
TAG_PART, TAG_ID, TAG_OPENING, TAG_PARENT = range(TAG_RECORD_WORDS)
FEATURE_RECORD_WORDS = 5
FEATURE_PART, FEATURE_KIND, FEATURE_FIRST, FEATURE_END, FEATURE_NAME = range(FEATURE_RECORD_WORDS)
MODEL_RECORD_WORDS = 2
MODEL_OPENING, MODEL_REASON = range(MODEL_RECORD_WORDS)
"""What stands before its score, and before a feature that adds to it."""
KIND_NUMBER, KIND_TEXT, KIND_TEXTS = range(3)

TEXTS_OFFSET = out.DECISION_WORDS + 2 * RULE_COMPARISONS_MAX
"""Words of a decision's row before its recent texts, but for the features'."""

IDS = 2
"""User and key: each stands in the record and in what its id is made of."""

ID_CHARACTERS = 32
TRANSITION_PARTS = 6
INSTANTS = 6
FIXED_BYTES_OF_RULE = 40
"""What stands around the two sides of a comparison."""

SCORE_BYTES_MAX = 40
"""What stands around a score but for its model's name, with the version's."""

REASON_BYTES_MAX = 2 * NAME_LENGTH_MAX + 60
TEXT_BYTES_MAX = 256 * ESCAPED_BYTES + 3
LINE_BYTES_MAX = 2 * TEXT_BYTES_MAX + 2 * NUMBER_BYTES + 60


class RenderPlan(NamedTuple):
    """The constant parts, and tables of records that name them.

    data, ends: part p is data[ends[p] : ends[p + 1]]. words: the tables. Heads of `words`: start of
    the journeys' first stage records, of the features' records, their number, of the tags' records,
    their number, of the channels' parts, their number, minor units of the currency, start of
    the journeys' records, of the models', their number, and where in a decision's row scores begin.
    holdouts: the share of each journey's.
    """

    data: NDArray[np.uint8]
    ends: NDArray[np.int64]
    words: NDArray[np.int64]
    holdouts: NDArray[np.float64]


HEAD_WORDS = 12
(
    STAGES_AT,
    FEATURES_AT,
    FEATURE_COUNT,
    TAGS_AT,
    TAG_COUNT,
    CHANNELS_AT,
    CHANNEL_COUNT,
    MINOR_UNITS,
    JOURNEYS_AT,
    MODELS_AT,
    MODEL_COUNT,
    ROW_SCORES,
) = range(HEAD_WORDS)


def make_render_plan(config: Config) -> RenderPlan:
    """All constant parts of the decisions of a configuration."""
    return _Parts(config).plan()


def bytes_max(config: Config) -> int:
    """What a decision takes at most, but for its lines: all constant parts, texts and numbers."""
    constant = sum(len(part) for part in _Parts(config).parts)
    in_features = _texts_max(config)
    sides = 2 * RULE_COMPARISONS_MAX
    texts = in_features + sides + IDS * 2
    reasons = len(config.models) * out.REASONS_MAX
    numbers = len(config.features) + sides + reasons
    commas = texts + numbers + len(config.tags)
    rule = RULE_COMPARISONS_MAX * FIXED_BYTES_OF_RULE
    return (
        constant
        + texts * TEXT_BYTES_MAX
        + numbers * NUMBER_BYTES
        + INSTANTS * INSTANT_BYTES
        + commas
        + rule
        + len(config.models) * SCORE_BYTES_MAX
        + reasons * REASON_BYTES_MAX
    )


def transition_bytes_max(config: Config) -> int:
    """What a tag's transition takes at most, also what its id is made of."""
    constant = sum(sorted(len(part) for part in _Parts(config).parts)[-TRANSITION_PARTS:])
    return constant + TEXT_BYTES_MAX + INSTANT_BYTES + NUMBER_BYTES + ID_CHARACTERS


def profile_bytes_max(config: Config) -> int:
    """What a readable profile takes at most, with room to hash a name at its end."""
    parts = _Parts(config).parts
    constant = sum(len(part) for part in parts)
    instance = 3 * max(map(len, parts)) + TEXT_BYTES_MAX + 2 * INSTANT_BYTES
    return (
        constant
        + (_texts_max(config) + IDS) * TEXT_BYTES_MAX
        + (len(config.features) + IDS) * NUMBER_BYTES
        + len(config.models) * SCORE_BYTES_MAX
        + (1 + len(config.tags) + len(config.journeys)) * (INSTANT_BYTES + FIXED_BYTES_OF_RULE)
        + INSTANCES_MAX * instance
    )


def _texts_max(config: Config) -> int:
    """How many texts the features of a user are at most."""
    return sum(max(1, feature.keep) for feature in config.features)


class _Parts:
    """Collects the parts and the tables that name them."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self.parts: list[bytes] = _common_parts()
        words = [0] * HEAD_WORDS
        words[MINOR_UNITS] = 10**config.shop.minor_digits
        journeys = [self._journey(journey) for journey in config.journeys]
        words[STAGES_AT] = self._append(words, self._stages(journeys, len(words)))
        words[FEATURES_AT] = self._append(words, self._features())
        words[FEATURE_COUNT] = len(config.profile_features)
        words[TAGS_AT] = self._append(words, self._tags())
        words[TAG_COUNT] = len(config.tags)
        channels = [self._part(quoted(name)) for name in config.shop.channels]
        words[CHANNELS_AT] = self._append(words, channels)
        words[CHANNEL_COUNT] = len(channels)
        words[JOURNEYS_AT] = self._append(words, self._profile_journeys())
        words[MODELS_AT] = self._append(words, self._models())
        words[MODEL_COUNT] = len(config.models)
        kept = sum(feature.keep for feature in config.features if feature.kind == "recent")
        words[ROW_SCORES] = TEXTS_OFFSET + words[FEATURE_COUNT] + kept
        self._words = words

    def plan(self) -> RenderPlan:
        ends = np.cumsum([0] + [len(part) for part in self.parts])
        data = np.frombuffer(b"".join(self.parts), np.uint8)
        return RenderPlan(
            data=data.copy(),
            ends=ends.astype(np.int64),
            words=np.array(self._words, np.int64),
            holdouts=np.array([journey.holdout for journey in self._config.journeys], np.float64),
        )

    def _append(self, words: list[int], more: list[int]) -> int:
        words.extend(more)
        return len(words) - len(more)

    def _part(self, part: bytes) -> int:
        self.parts.append(part)
        return len(self.parts) - 1

    def _journey(self, journey: Journey) -> list[tuple[list[int], list[int]]]:
        """(record, comparisons) of each stage."""
        return [self._stage(journey, stage) for stage in journey.stages]

    def _stages(self, journeys: list[list[tuple[list[int], list[int]]]], start: int) -> list[int]:
        """One word per journey (its first stage's record), the records, then their comparisons."""
        records_at = start + len(journeys)
        stages = [stage for journey in journeys for stage in journey]
        comparisons_at = records_at + len(stages) * STAGE_RECORD_WORDS
        firsts: list[int] = []
        records: list[int] = []
        comparisons: list[int] = []
        for journey in journeys:
            firsts.append(records_at + len(records))
            for record, compared in journey:
                record[STAGE_COMPARISONS] = comparisons_at + len(comparisons)
                records += record
                comparisons += compared
        return firsts + records + comparisons

    def _stage(self, journey: Journey, stage: Stage) -> tuple[list[int], list[int]]:
        opening = (
            b',"datacontenttype":"application/json","data":{"journey":%b,"version":%b,"stage":%b'
            b',"instance":{"key":'
        ) % (quoted(journey.name), quoted(self._config.version), quoted(stage.name))
        record = [0] * STAGE_RECORD_WORDS
        record[STAGE_OPENING] = self._part(opening)
        record[STAGE_SENDS] = self._part(b',"send":%b,"channel":' % quoted(stage.send))
        record[STAGE_PURPOSE] = self._part(b',"purpose":%b,"lines":[' % quoted(journey.purpose))
        record[STAGE_ID] = self._part(b"\0%b\0" % journey.name.encode())
        record[STAGE_NAME] = self._part(b"\0%b" % stage.name.encode())
        record[STAGE_TTL_MS] = stage.ttl_ms
        compared = self._comparisons(stage.when) if stage.when is not None else []
        record[STAGE_COMPARISON_COUNT] = len(compared) // COMPARISON_WORDS
        return record, compared

    def _comparisons(self, program: Program) -> list[int]:
        opcodes = [opcode for opcode, _ in program.code if opcode >= FIRST_COMPARISON]
        found: list[int] = []
        for comparison, opcode in zip(program.comparisons, opcodes, strict=True):
            part = self._part(b'{"rule":%b,"left":' % quoted(comparison.text))
            found += [part, opcode, int(self._is_text(program, comparison.left))]
        return found

    def _is_text(self, program: Program, side: tuple[int, int]) -> bool:
        opcode, operand = program.code[side[1] - 1]
        if opcode == OP_FEATURE:
            return self._config.features[operand].value == "text"
        return opcode == OP_TEXT

    def _tags(self) -> list[int]:
        found: list[int] = []
        for tag in self._config.tags:
            name = quoted(tag.name)
            opening = b',"datacontenttype":"application/json","data":{"tag":' + name
            parts = (name, b"\0%b" % tag.name.encode(), opening)
            found += [*map(self._part, parts), tag.parent]
        return found

    def _profile_journeys(self) -> list[int]:
        found: list[int] = []
        for journey in self._config.journeys:
            parts = (b'{"journey":%b' % quoted(journey.name), journey.name.encode() + b"\0")
            found += [*map(self._part, parts), len(journey.stages), len(self.parts)]
            for stage in journey.stages:
                self._part(quoted(stage.name))
        return found

    def _features(self) -> list[int]:
        found: list[int] = []
        cells = 0
        kinds = {"number": KIND_NUMBER, "text": KIND_TEXT, "texts": KIND_TEXTS}
        for feature in self._config.profile_features:
            keep = feature.keep if feature.value == "texts" else 0
            part = self._part(b"%b:" % quoted(feature.name))
            name = self._part(quoted(feature.name))
            found += [part, kinds[feature.value], cells, cells + keep, name]
            cells += keep
        return found

    def _models(self) -> list[int]:
        forms = (b'%b:{"value":', b'{"score":%b,"feature":')
        names = [quoted(model.name) for model in self._config.models]
        return [self._part(form % name) for name in names for form in forms]


def quoted(text: str) -> bytes:
    """A text as JSON."""
    return msgspec.json.encode(text)


def _common_parts() -> list[bytes]:
    """The parts that HEAD .. FIRST_REASON and the reasons behind it number."""
    subject = b'","source":"beckon","type":"%b","subject":'
    parts = [
        b'{"specversion":"1.0","id":"',
        subject % TRIGGER.encode(),
        subject % SUPPRESSED.encode(),
        b',"time":',
        b',"expirytime":',
        b',"entry":',
        b'},"deadline":',
        b',"offset":',
        b'{"item":',
        b',"quantity":',
        b',"price":',
        b',"category":',
        b'],"features":{',
        b'},"tags":[',
        b'],"scores":{',
        b',"version":"',
        b'"}',
        b'},"because":[',
        b',"adds":',
        b'},"rules":[',
        b'],"rules":[',
        b',"right":',
        b',"holds":true}',
        b',"holds":false}',
        b"]}}",
        subject % TAG.encode(),
        b',"held":true,"offset":',
        b',"held":false,"offset":',
        b"}}",
        *(b"%b\0" % kind.encode() for kind in (TRIGGER, SUPPRESSED, TAG)),
        b"\0true\0",
        b"\0false\0",
        b'{"user":',
        b',"at":',
        b',"features":{',
        b'},"scores":{',
        b'},"tags":{',
        b'},"instances":[',
        b',"key":',
        b',"stage":',
        b',"due":',
        b'],"triggers":[',
        b',"outcome":"sent"}',
        b',"outcome":"shadow"}',
        b',"outcome":"holdout"}',
        b',"outcome":"too_late"}',
        b'],"closed_channels":[',
        b"]}",
    ]
    for outcome in range(out.HOLDOUT + 1):
        reason = out.REASONS.get(outcome)
        parts.append(b',"reason":"%b"' % reason.encode() if reason else b"")
    assert len(parts) == FIRST_OF_CONFIG, "a part without a number"
    return parts
