"""What is needed to read rows that were made with another configuration: their shape.

A shape is stored once beside the rows (`state.store.Commit.shape`), as JSON, and is complete in
itself: it says where each feature's cells are, by its definition, and what the numbers of tags,
journeys, stages and channels stand for. So rows can be read whatever later code lays out.
"""

from __future__ import annotations

import hashlib

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from config.schema import Config, Feature, Tag
from state.example_groups import ExampleGroup, groups_of
from state.layout import (
    AT16,
    AT32,
    AT64,
    CELLS,
    FEATURE_WORDS,
    FIXED_WORDS,
    OVER,
    Layout,
)

ROW_FORMAT = 2
"""Goes up with what the words that every row has, or the nodes of its lists, mean.

Rows of format 1 can be read: they lack the word before those of the messages, and a user's hash.
"""

WIDTHS = (8, 4, 2)
"""Bytes of the cells that rows are made of: int64, int32, int16."""


class Run(Struct, frozen=True, array_like=True):
    """Cells of one width that lie together: the first (counted from the row's start), how many."""

    first: int
    count: int


class FeatureCells(Struct, frozen=True, kw_only=True):
    """A feature's name and definition, and its cells: one run per width of `WIDTHS`.

    Of a ratio nothing is kept, so the definition leaves out what it divides.
    """

    feature: Feature
    runs: tuple[Run, Run, Run]


class TagCells(Struct, frozen=True, kw_only=True):
    """A tag and where a row keeps what it knows of it; its bit is its index.

    `keep_word` is -1 for tags without `keep`, `since_cell` for groups.
    """

    name: str
    parent: int
    is_group: bool
    keep_word: int
    since_cell: int


class JourneyStages(Struct, frozen=True, kw_only=True):
    """A journey and its stages in their order; rows know both by their numbers."""

    name: str
    stages: tuple[str, ...]


class RowShape(Struct, frozen=True, kw_only=True):
    """How rows of one layout are to be read. `words` is a row's length in int64 words."""

    format: int
    words: int
    currency: str
    channels: tuple[str, ...]
    text_cells: tuple[int, ...]
    distinct_heads: tuple[int, ...]
    features: tuple[FeatureCells, ...]
    tags: tuple[TagCells, ...]
    journeys: tuple[JourneyStages, ...]
    groups: tuple[ExampleGroup, ...] = ()


def shape_of(config: Config, layout: Layout) -> RowShape:
    """The shape of the rows that `layout` lays out for `config`."""
    return RowShape(
        format=ROW_FORMAT,
        words=layout.words,
        currency=config.shop.currency,
        channels=tuple(config.shop.channels),
        text_cells=tuple(layout.text_cells.tolist()),
        distinct_heads=tuple(layout.distinct_heads.tolist()),
        features=tuple(
            _feature_cells(feature, layout, index) for index, feature in enumerate(config.features)
        ),
        tags=tuple(_tag_cells(tag, layout, index) for index, tag in enumerate(config.tags)),
        journeys=tuple(
            JourneyStages(name=journey.name, stages=tuple(stage.name for stage in journey.stages))
            for journey in config.journeys
        ),
        groups=groups_of(config),
    )


def encode_shape(shape: RowShape) -> bytes:
    """A shape as it is stored: the same bytes for the same shape."""
    return msgspec.json.encode(shape, order="deterministic")


def decode_shape(encoded: bytes) -> RowShape:
    """The shape that `encode_shape` encoded."""
    return msgspec.json.decode(encoded, type=RowShape)


def shape_digest(shape: RowShape) -> str:
    """Twelve hex digits, equal for equal shapes: what a checkpoint names its rows' layout by."""
    return hashlib.blake2b(encode_shape(shape), digest_size=6).hexdigest()


def _feature_cells(feature: Feature, layout: Layout, index: int) -> FeatureCells:
    record = layout.features[index * FEATURE_WORDS : (index + 1) * FEATURE_WORDS].tolist()
    wide, halves, quarters = _cell_counts(feature, record[CELLS])
    if feature.kind == "propensity":
        wide = layout.bytes_of[feature.name] // 8
    # The wide cells of a windowed sessions feature are not its ring, but one behind it.
    first_wide = record[AT64] or (record[OVER] if feature.kind == "sessions" else 0)
    runs = (
        Run(first_wide if wide else 0, wide),
        Run(record[AT32] if halves else 0, halves),
        Run(record[AT16] if quarters else 0, quarters),
    )
    size = sum(width * run.count for width, run in zip(WIDTHS, runs, strict=True))
    assert size == layout.bytes_of[feature.name], "a feature's runs must be all of its cells"
    assert not wide or first_wide >= FIXED_WORDS, "a feature's cells must be its own"
    return FeatureCells(feature=replace(feature, over=(0, 0)), runs=runs)


def _cell_counts(feature: Feature, cells: int) -> tuple[int, int, int]:
    """How many int64, int32 and int16 `state.layout` gives to a feature (`cells`: of its ring)."""
    windowed = feature.window_ms > 0
    keep = feature.keep
    is_text = feature.value == "text"
    counts = {
        "count": (0, 1, cells) if windowed else (1, 0, 0),
        "sum": (cells, 1, 0) if windowed else (1, 0, 0),
        "sessions": (1, 1, cells) if windowed else (2, 0, 0),
        "distinct": (0, 2, 0),
        "days_since": (0, 1, 0),
        "last": (1, 1, 0) if is_text else (2, 0, 0),
        "first": (1, 1, 0) if is_text else (2, 0, 0),
        "gap": (1, 4, 0) if feature.of == "variation" else (0, 3, 0),
        "affinity": (1 + keep, keep, 0),
        "recent": (0, keep, 0),
        "ratio": (0, 0, 0),
        "cart": (0, 0, 0),
        "propensity": (0, 0, 0),
    }
    return counts[feature.kind]


def _tag_cells(tag: Tag, layout: Layout, index: int) -> TagCells:
    return TagCells(
        name=tag.name,
        parent=tag.parent,
        is_group=tag.rule is None,
        keep_word=layout.keep_words[index],
        since_cell=layout.since_cells[index],
    )
