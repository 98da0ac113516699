"""The constant parts of decisions' records, made once from the configuration for `flows.render`."""

from __future__ import annotations

from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from config.limits import RULE_COMPARISONS_MAX
from config.opcodes import FIRST_COMPARISON, OP_FEATURE, OP_TEXT
from config.schema import Config, Journey, Program, Stage
from connectors.json_text import ESCAPED_BYTES, INSTANT_BYTES, NUMBER_BYTES
from connectors.triggers import SUPPRESSED, TRIGGER
from flows import output as out

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
    RULES,
    RIGHT,
    HOLDS,
    FAILS,
    END,
    FIRST_REASON,
) = range(20)
HEAD_TEXT = b'{"specversion":"1.0","id":"'
HEAD_BYTES = len(HEAD_TEXT)
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
FEATURE_RECORD_WORDS = 4
FEATURE_PART, FEATURE_KIND, FEATURE_FIRST, FEATURE_END = range(FEATURE_RECORD_WORDS)
KIND_NUMBER, KIND_TEXT, KIND_TEXTS = range(3)

IDS = 2
"""User and key: each stands in the record and in what its id is made of."""

INSTANTS = 6
FIXED_BYTES_OF_RULE = 40
"""What stands around the two sides of a comparison."""

TEXT_BYTES_MAX = 256 * ESCAPED_BYTES + 3
LINE_BYTES_MAX = 2 * TEXT_BYTES_MAX + 2 * NUMBER_BYTES + 60


class RenderPlan(NamedTuple):
    """The constant parts, and tables of records that name them.

    data, ends: part p is data[ends[p] : ends[p + 1]]. words: the tables. Heads of `words`: start of
    the journeys' first stage records, of the features' records, their number, of the tags' parts,
    their number, of the channels' parts, and minor units of the currency.
    """

    data: NDArray[np.uint8]
    ends: NDArray[np.int64]
    words: NDArray[np.int64]


STAGES_AT, FEATURES_AT, FEATURE_COUNT, TAGS_AT, TAG_COUNT, CHANNELS_AT, MINOR_UNITS = range(7)
HEAD_WORDS = 7


def make_render_plan(config: Config) -> RenderPlan:
    """All constant parts of the decisions of a configuration."""
    return _Parts(config).plan()


def bytes_max(config: Config) -> int:
    """What a decision takes at most, but for its lines: all constant parts, texts and numbers."""
    constant = sum(len(part) for part in _Parts(config).parts)
    in_features = sum(max(1, feature.keep) for feature in config.features)
    sides = 2 * RULE_COMPARISONS_MAX
    texts = in_features + sides + IDS * 2
    numbers = len(config.features) + sides
    commas = texts + numbers + len(config.tags)
    rule = RULE_COMPARISONS_MAX * FIXED_BYTES_OF_RULE
    return (
        constant
        + texts * TEXT_BYTES_MAX
        + numbers * NUMBER_BYTES
        + INSTANTS * INSTANT_BYTES
        + commas
        + rule
    )


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
        words[FEATURE_COUNT] = len(config.features)
        words[TAGS_AT] = self._append(words, [self._part(quoted(tag.name)) for tag in config.tags])
        words[TAG_COUNT] = len(config.tags)
        channels = [self._part(quoted(name)) for name in config.shop.channels]
        words[CHANNELS_AT] = self._append(words, channels)
        self._words = words

    def plan(self) -> RenderPlan:
        ends = np.cumsum([0] + [len(part) for part in self.parts])
        data = np.frombuffer(b"".join(self.parts), np.uint8)
        return RenderPlan(data.copy(), ends.astype(np.int64), np.array(self._words, np.int64))

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

    def _features(self) -> list[int]:
        found: list[int] = []
        cells = 0
        kinds = {"number": KIND_NUMBER, "text": KIND_TEXT, "texts": KIND_TEXTS}
        for feature in self._config.features:
            keep = feature.keep if feature.value == "texts" else 0
            part = self._part(b"%b:" % quoted(feature.name))
            found += [part, kinds[feature.value], cells, cells + keep]
            cells += keep
        return found


def quoted(text: str) -> bytes:
    """A text as JSON."""
    return msgspec.json.encode(text)


def _common_parts() -> list[bytes]:
    """The parts that HEAD .. FIRST_REASON and the reasons behind it number."""
    subject = b'","source":"beckon","type":"%b","subject":'
    parts = [
        HEAD_TEXT,
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
        b'],"scores":{},"rules":[',
        b',"right":',
        b',"holds":true}',
        b',"holds":false}',
        b"]}}",
    ]
    for outcome in range(out.HOLDOUT + 1):
        reason = out.REASONS.get(outcome)
        parts.append(b',"reason":"%b"' % reason.encode() if reason else b"")
    assert len(parts) == FIRST_OF_CONFIG, "a part without a number"
    return parts
