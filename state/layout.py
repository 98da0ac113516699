"""Where each value stands in a user's row, decided once from the configuration.

A row is a run of int64 words. The first words are the same for every shop (`TAGS`, `MESSAGES`,
...); then come the features' words, and last the `keep` instants of tags. A feature is described to
compiled code by a record of `FEATURE_WORDS` int64 words (`KIND`, `OF`, ...), so code does not
depend on shapes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from config.schema import NUMBER_SCALE, Config, Feature, Field, Tag
from state.example_groups import example_nodes_max, groups_of
from state.seconds import NO_SECOND

MESSAGES_MAX = 32
CARTS_MAX = 4
LINES_MAX = 50
DISTINCT_MAX = 32
INSTANCES_MAX = 8
EXITS_MAX = 8

TAGS = 0
SWEEP_AT = 1
SENT_AT = 2
CARTS_EMPTIED_AT = 3
HEADS = 4
"""Five words of ten int32: see below."""
MESSAGES = 9
"""Of each of the last messages 46 bits of its id's hash: 31 as int32, then 15 as int16."""
FIXED_WORDS = MESSAGES + MESSAGES_MAX // 2 + MESSAGES_MAX // 4

INSTANCES_HEAD = 2 * HEADS
HISTORY_HEAD = 2 * HEADS + 1
EXITS_HEAD = 2 * HEADS + 2
CARTS_HEAD = 2 * HEADS + 3
MESSAGE_NEXT = 2 * HEADS + 4
CLOSED_CHANNELS = 2 * HEADS + 5
OPENED = 2 * HEADS + 6
USER_HASH = 2 * HEADS + 7
EXAMPLES_HEAD = 2 * HEADS + 8
LEARN_AT = 2 * HEADS + 9
"""int32 words of the row: list heads, ring position, consent bits, instances opened so far, the
low bits of the user id's hash, by which users are spread over a day or a week, and the second at
which the user is sampled or an example closes next."""

USER_HASH_MASK = 0x7FFFFFFF

FEATURE_WORDS = 16
KIND, OF, OF_LINES, WINDOW, TILE, CELLS, AT16, AT32, AT64 = range(9)
HALF_LIFE, GAP, KEEP, SCALE, OVER, UNDER, READS = range(9, 16)
"""Words of a feature's record. HALF_LIFE and SCALE are float64; AT16, AT32, AT64 count in their own
units from the row's start; READS tells apart what a gap or a cart reads, or text from numbers."""

COUNT, SUM, DISTINCT, DAYS_SINCE, LAST, FIRST = range(6)
RATIO, GAPS, CART, AFFINITY, SESSIONS, RECENT, PROPENSITY = range(6, 13)
KINDS = {
    "count": COUNT,
    "sum": SUM,
    "distinct": DISTINCT,
    "days_since": DAYS_SINCE,
    "last": LAST,
    "first": FIRST,
    "ratio": RATIO,
    "gap": GAPS,
    "cart": CART,
    "affinity": AFFINITY,
    "sessions": SESSIONS,
    "recent": RECENT,
    "propensity": PROPENSITY,
}
READS_NUMBER, READS_TEXT = 0, 1
READS_SCORE, READS_COMPLEMENT = 0, 1
GAP_LAST, GAP_MEAN, GAP_VARIATION = 0, 1, 2
CART_VALUE, CART_ITEMS, CART_LINES = 0, 1, 2
_READS = {
    "last": GAP_LAST,
    "mean": GAP_MEAN,
    "variation": GAP_VARIATION,
    "value": CART_VALUE,
    "items": CART_ITEMS,
    "lines": CART_LINES,
}

LINE_COLUMNS = ("item", "price", "quantity", "category")
NO_FIELD = -1
NO_SCORE = int(np.array(np.nan).view(np.int64))
"""A held score that is missing, as the int64 whose bits it has."""

NEVER_SWEPT = 2**62


class Plan(NamedTuple):
    """The configuration as compiled code reads it: one array, seen as int64 and as float64.

    Word 0 is the number of words of a row; the rest is laid out by `flows.plan`.
    """

    ints: NDArray[np.int64]
    floats: NDArray[np.float64]


ROW_WORDS = 0


class Layout(Struct, frozen=True, kw_only=True):
    """The shape of a row.

    template: the row of a user of whom nothing is known, (words,) int64.
    features: (features x FEATURE_WORDS,) int64.
    text_cells: int32 offsets that hold numbers of texts.
    distinct_heads: int32 offsets of heads of lists of distinct texts.
    keep_words: tag -> word, -1.
    since_cells: tag -> int32 offset of the second it was gained at, -1 for groups.
    bytes_of: what each part takes, in bytes per user.
    example_nodes: the most nodes that a user's open examples take.
    """

    words: int
    template: NDArray[np.int64]
    features: NDArray[np.int64]
    text_cells: NDArray[np.int64]
    distinct_heads: NDArray[np.int64]
    keep_words: tuple[int, ...]
    since_cells: tuple[int, ...]
    bytes_of: dict[str, int]
    example_nodes: int


class _Row:
    """Hands out the words of a row: first all int64, then all int32, then all int16.

    Made twice: once to learn how much there is of each (`widths`), and again to know where each
    begins.
    """

    def __init__(self, widths: tuple[int, int, int] = (FIXED_WORDS, 0, 0)) -> None:
        wide, halves, quarters = widths
        self._halves_start = 2 * wide
        self._quarters_start = 4 * wide + 2 * (halves + halves % 2)
        self.size = (self._quarters_start + quarters + 3) // 4
        self._next = [FIXED_WORDS, 0, 0]
        self.defaults: dict[int, int] = {SWEEP_AT: NEVER_SWEPT, CARTS_EMPTIED_AT: -1, SENT_AT: -1}
        self.seconds_cells: list[int] = [LEARN_AT]
        self.text_cells: list[int] = []
        self.distinct_heads: list[int] = []

    @property
    def widths(self) -> tuple[int, int, int]:
        """How many int64, int32 and int16 were handed out."""
        wide, halves, quarters = self._next
        return wide, halves, quarters

    @property
    def bytes_used(self) -> int:
        """What was handed out so far, in bytes."""
        wide, halves, quarters = self._next
        return 8 * wide + 4 * halves + 2 * quarters

    def words(self, count: int, default: int = 0) -> int:
        """`count` int64; the offset of the first."""
        first = self._take(0, count)
        if default != 0:
            self.defaults.update(dict.fromkeys(range(first, first + count), default))
        return first

    def halves(self, count: int) -> int:
        """`count` int32; the offset of the first, in int32 units."""
        return self._halves_start + self._take(1, count)

    def seconds(self, count: int) -> int:
        """`count` int32 that hold no second yet (`state.seconds`); the offset of the first."""
        first = self.halves(count)
        self.seconds_cells.extend(range(first, first + count))
        return first

    def quarters(self, count: int) -> int:
        """`count` int16; the offset of the first, in int16 units."""
        return self._quarters_start + self._take(2, count)

    def texts(self, count: int) -> int:
        """Room for the numbers of `count` texts; the offset in int32 units."""
        first = self.halves(count)
        self.text_cells.extend(range(first, first + count))
        return first

    def _take(self, width: int, count: int) -> int:
        first = self._next[width]
        self._next[width] += count
        return first


def lay_out(config: Config, columns: tuple[str, ...]) -> Layout:
    """The layout of rows for `config`, its events' values standing in `columns` (`field_names`)."""
    sizing = _Row()
    _fill(sizing, config, columns)
    return _fill(_Row(sizing.widths), config, columns)


def _fill(row: _Row, config: Config, columns: tuple[str, ...]) -> Layout:
    bytes_of = {"message ids": 8 * (FIXED_WORDS - MESSAGES), "tags and lists": 8 * MESSAGES}
    records = np.zeros((len(config.features), FEATURE_WORDS), np.int64)
    held = {f"propensity.{name}" for name in held_models(config)}
    for record, feature in zip(records, config.features, strict=True):
        before = row.bytes_used
        _describe(record, feature, columns, 10**config.shop.minor_digits)
        if feature.kind != "propensity":
            _place(record, feature, row)
        elif feature.name in held:
            record[AT64] = row.words(1, NO_SCORE)
        bytes_of[feature.name] = row.bytes_used - before
    _share_scores(records, config)
    before = row.bytes_used
    keep_words = tuple(row.words(1) if tag.keep_ms else -1 for tag in config.tags)
    since_cells = _since_cells(config.tags, row)
    bytes_of["since when tags are held"] = row.bytes_used - before
    template = np.zeros(max(row.size, FIXED_WORDS), np.int64)
    for word, value in row.defaults.items():
        if word < len(template):
            template[word] = value
    halves = template.view(np.int32)
    for cell in row.seconds_cells:
        if cell < len(halves):
            halves[cell] = NO_SECOND
    return Layout(
        words=len(template),
        template=template,
        features=records.ravel(),
        text_cells=np.array(row.text_cells, np.int64),
        distinct_heads=np.array(row.distinct_heads, np.int64),
        keep_words=keep_words,
        since_cells=since_cells,
        bytes_of=bytes_of,
        example_nodes=example_nodes_max(groups_of(config)),
    )


def held_models(config: Config) -> frozenset[str]:
    """The models whose scores rows hold, since rules of tags read them; of a complement, its model.

    A tag is told by the score held, which changes only when it is looked at: so it does not matter
    how often a tag settles.
    """
    read = {index for tag in config.tags if tag.rule for index in tag.rule.features}
    first = len(config.profile_features)
    return frozenset(
        model.complement or model.name
        for index, model in enumerate(config.models)
        if first + index in read
    )


def _share_scores(records: NDArray[np.int64], config: Config) -> None:
    """A complement is read from the score of its model."""
    first = len(config.profile_features)
    place = {model.name: first + index for index, model in enumerate(config.models)}
    for model in config.models:
        if model.complement:
            record = records[place[model.name]]
            record[AT64] = records[place[model.complement], AT64]
            record[READS] = READS_COMPLEMENT


def _since_cells(tags: tuple[Tag, ...], row: _Row) -> tuple[int, ...]:
    """Of tags in a group that picks one, at most one is held: they share a cell."""
    cells: list[int] = []
    shared: dict[int, int] = {}
    for tag in tags:
        if tag.rule is None:
            cells.append(-1)
        elif tag.parent >= 0 and tags[tag.parent].pick_first:
            if tag.parent not in shared:
                shared[tag.parent] = row.seconds(1)
            cells.append(shared[tag.parent])
        else:
            cells.append(row.seconds(1))
    return tuple(cells)


def scale_of(field: Field, minor_units: int) -> float:
    """What a cell of this field is divided by to read as people write it."""
    if field.type == "money":
        return float(minor_units)
    return float(NUMBER_SCALE) if field.type == "number" else 1.0


def _describe(
    record: NDArray[np.int64], feature: Feature, columns: tuple[str, ...], minor_units: int
) -> None:
    record[KIND] = KINDS[feature.kind]
    record[OF] = NO_FIELD
    record[WINDOW] = feature.window_ms
    record[TILE] = feature.tile_ms
    record[GAP] = feature.gap_ms
    record[KEEP] = feature.keep
    if feature.kind == "ratio":
        record[OVER], record[UNDER] = feature.over
    floats = record.view(np.float64)
    floats[SCALE] = 1.0
    floats[HALF_LIFE] = float(feature.half_life_ms)
    if isinstance(feature.of, Field):
        name = feature.of.name
        record[OF] = columns.index(name) if name in columns else NO_FIELD
        record[OF_LINES] = LINE_COLUMNS.index(name) if name in LINE_COLUMNS else NO_FIELD
        floats[SCALE] = scale_of(feature.of, minor_units)
        record[READS] = READS_TEXT if feature.of.type == "text" else READS_NUMBER
    else:
        record[OF_LINES] = NO_FIELD
        if isinstance(feature.of, str):
            record[READS] = _READS[feature.of]
    if feature.kind == "cart":
        floats[SCALE] = {"value": minor_units, "items": NUMBER_SCALE, "lines": 1}[str(feature.of)]


def _place(record: NDArray[np.int64], feature: Feature, row: _Row) -> None:
    cells = -(-feature.window_ms // feature.tile_ms) + 1 if feature.window_ms else 1
    record[CELLS] = cells
    kind = feature.kind
    if kind in ("count", "sessions", "sum") and feature.window_ms:
        record[AT32] = row.halves(1)
    if kind in ("count", "sessions") and feature.window_ms:
        record[AT16] = row.quarters(cells)
    elif kind in ("count", "sessions", "sum"):
        record[AT64] = row.words(cells)
    if kind == "sessions":
        record[OVER] = row.words(1, -1)
    elif kind == "distinct":
        record[AT32] = row.halves(2)
        row.distinct_heads.append(int(record[AT32]))
    elif kind == "days_since":
        record[AT32] = row.seconds(1)
    elif kind in ("last", "first"):
        record[AT64] = row.words(1 if feature.value == "text" else 2, -1)
        if feature.value == "text":
            record[AT32] = row.texts(1)
    elif kind == "gap":
        varies = feature.of == "variation"
        record[AT32] = row.seconds(3 if varies else 2)
        row.halves(1)
        record[AT64] = row.words(1) if varies else 0
    elif kind == "affinity":
        record[AT64] = row.words(1 + feature.keep)
        record[AT32] = row.texts(feature.keep)
    elif kind == "recent":
        record[AT32] = row.texts(feature.keep)
