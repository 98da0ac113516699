"""Rows of one shape made into rows of another: by name and definition, nothing else is lost.

What both configurations have is copied: a feature with the same definition, a tag, a journey with
a stage, a channel, each by its name. What is new starts as in the profile of a new user, and what
is gone is forgotten. A feature with another definition (a window of 14 days for one of 7) is one
that is gone and one that is new.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from config.limits import STAGES_MAX
from state.conversion import Conversion, conversion_between, tag_key
from state.convert_examples import Between, convert_examples, walked
from state.example_groups import example_nodes_max
from state.history import (
    EXIT_JOURNEY,
    GOAL_FROM,
    GOAL_STAGE,
    HISTORY_JOURNEY,
    HISTORY_SENT,
    STAGE_MASK,
)
from state.instances import WHAT
from state.layout import (
    CLOSED_CHANNELS,
    EXITS_HEAD,
    FIXED_WORDS,
    HISTORY_HEAD,
    INSTANCES_HEAD,
    MESSAGES,
    TAGS,
    USER_HASH,
    USER_HASH_MASK,
    Layout,
    Plan,
)
from state.memory import NEVER, Memory, new_memory
from state.packing import RowPacker
from state.row_shape import ROW_FORMAT, FeatureCells, RowShape, decode_shape
from state.texts import COUNT, HEAD, Texts, new_texts, number_of, with_room

ROWS_AT_ONCE = 8192
"""Rows that are unpacked at a time."""

STAGE_GONE = STAGES_MAX
"""Number of the stage of a last trigger whose stage the configuration does not have any more."""

GONE = -1
_NO_TEXT = b"\xff"
"""Takes number 0, which stands for "none"; no message's text is like it."""

_JOURNEY_MASK, _STAGE_SHIFT = 0xFFFF, 16
_INSTANCE_STAGE = 0xFFFF << _STAGE_SHIFT

Ints = NDArray[np.int64]


class ShapeError(Exception):
    """Rows that cannot be converted: expected what, got what."""

    def __init__(self, *, expected: str, got: str) -> None:
        super().__init__(f"expected {expected}, got {got}")
        self.expected = expected
        self.got = got


class _Rows(NamedTuple):
    """Rows as a matrix of int64, and the same memory as int32 and as int16."""

    wide: Ints
    halves: NDArray[np.int32]
    quarters: NDArray[np.int16]


class _Ways(NamedTuple):
    """How numbers of the one shape become those of the other; GONE where there is none.

    journeys: (journeys of old,). stages: (journeys of old, STAGES_MAX).
    """

    features: list[tuple[FeatureCells, FeatureCells]]
    tags: list[tuple[int, int]]
    channels: list[tuple[int, int]]
    journeys: Ints
    stages: Ints


def check_shapes(old: RowShape, new: RowShape) -> None:
    """Refuse what no copying can convert.

    Raises:
        ShapeError: amounts are in another currency, or the code reads rows of another format.
    """
    if old.format not in (1, ROW_FORMAT):
        raise ShapeError(expected=f"profiles of row format 1 or {ROW_FORMAT}", got=f"{old.format}")
    if old.currency != new.currency:
        raise ShapeError(expected=f"amounts in {new.currency}", got=old.currency)


def convert_stored(
    rows: list[bytes], shape: bytes, new: RowShape, template: Ints
) -> tuple[list[bytes], Conversion]:
    """As `convert_rows`, given the rows' shape as it was stored beside them.

    Raises:
        ShapeError: see `check_shapes`; or there is no shape.
    """
    if not shape:
        raise ShapeError(expected="a description of the profiles' layout beside them", got="none")
    return convert_rows(rows, decode_shape(shape), new, template)


def convert_rows(
    rows: list[bytes], old: RowShape, new: RowShape, template: Ints
) -> tuple[list[bytes], Conversion]:
    """Packed rows of shape `old` as packed rows of shape `new`, in the same order.

    `template` is a new user's row of the new shape.

    Raises:
        ShapeError: see `check_shapes`.
    """
    check_shapes(old, new)
    ways = _ways(old, new)
    packers = RowPacker(_layout(old)), RowPacker(_layout(new))
    dropped = np.zeros(len(old.journeys), np.int64)
    examples: Counter[str] = Counter()
    between = Between(old.groups, new.groups, lambda held: _bits(held, new, ways))
    converted: list[bytes] = []
    for first in range(0, len(rows), ROWS_AT_ONCE):
        part = rows[first : first + ROWS_AT_ONCE]
        memory, texts = _unpacked(part, packers[0], old)
        moved = _moved(memory, (old, new), ways, np.tile(template, (len(part), 1)))
        dropped += _renumber_lists(moved, new.words, ways)
        moved, lost = convert_examples(moved, new.words, between)
        examples.update(lost)
        converted += packers[1].pack(moved, _plan(new), texts, np.arange(len(part)))
    conversion = conversion_between(old, new, dropped.tolist())
    return converted, replace(conversion, examples=dict(examples))


def give_hashes(memory: Memory, row_words: int, users: Texts) -> None:
    """Write each user's hash into the user's row: rows of format 1 have none."""
    count = int(users.entries[COUNT])
    hashes = users.entries[HEAD : HEAD + 2 * count : 2]
    memory.rows32.reshape(-1, 2 * row_words)[:count, USER_HASH] = hashes & USER_HASH_MASK


def _ways(old: RowShape, new: RowShape) -> _Ways:
    by_name = {cells.feature.name: cells for cells in old.features}
    tags = {tag_key(tag): index for index, tag in enumerate(old.tags)}
    journeys = {journey.name: index for index, journey in enumerate(new.journeys)}
    journey_ways = np.full(len(old.journeys), GONE, np.int64)
    stage_ways = np.full((len(old.journeys), STAGES_MAX + 1), GONE, np.int64)
    for index, journey in enumerate(old.journeys):
        journey_ways[index] = journeys.get(journey.name, GONE)
        if journey_ways[index] == GONE:
            continue
        stages = new.journeys[journey_ways[index]].stages
        for number, stage in enumerate(journey.stages):
            stage_ways[index, number] = stages.index(stage) if stage in stages else GONE
    return _Ways(
        features=[
            (before, cells)
            for cells in new.features
            if (before := by_name.get(cells.feature.name)) and _is_same(before, cells)
        ],
        tags=[
            (tags[key], index)
            for index, tag in enumerate(new.tags)
            if not tag.is_group and (key := tag_key(tag)) in tags
        ],
        channels=[
            (old.channels.index(name), index)
            for index, name in enumerate(new.channels)
            if name in old.channels
        ],
        journeys=journey_ways,
        stages=stage_ways,
    )


def _is_same(one: FeatureCells, other: FeatureCells) -> bool:
    """Whether the same is kept of both; of a score it depends on the tags whether it is."""
    counts = [[run.count for run in cells.runs] for cells in (one, other)]
    return one.feature == other.feature and counts[0] == counts[1]


def _unpacked(rows: list[bytes], packer: RowPacker, shape: RowShape) -> tuple[Memory, Texts]:
    """Rows in memory of their own, in their order from slot 0 on."""
    texts = with_room(new_texts(), 1, len(_NO_TEXT))
    number_of(texts, _NO_TEXT)
    memory = new_memory(shape.words, users=len(rows))
    return packer.unpack(memory, _plan(shape), texts, 0, rows)


def _moved(memory: Memory, shapes: tuple[RowShape, RowShape], ways: _Ways, blank: Ints) -> Memory:
    """Rows of the new shape over the same lists; `blank` are rows of new users, and are filled."""
    old, _ = shapes
    source, target = _seen(memory.rows64.reshape(-1, old.words)), _seen(blank)
    lacking = 1 if old.format == 1 else 0
    fixed = source.wide[:, : FIXED_WORDS - lacking]
    target.wide[:, : MESSAGES - lacking] = fixed[:, : MESSAGES - lacking]
    target.wide[:, MESSAGES:FIXED_WORDS] = fixed[:, MESSAGES - lacking :]
    for before, after in ways.features:
        for view, run, place in zip(range(3), before.runs, after.runs, strict=True):
            cells = source[view][:, run.first : run.first + run.count]
            target[view][:, place.first : place.first + place.count] = cells
    target.wide[:, TAGS] = _copy_tags(source, target, shapes, ways)
    closed = source.halves[:, CLOSED_CHANNELS]
    target.halves[:, CLOSED_CHANNELS] = sum(
        ((closed >> before & 1) << after for before, after in ways.channels),
        np.zeros(len(closed), np.int32),
    )
    flat = _seen(target.wide.reshape(-1))
    return Memory(
        rows64=flat.wide,
        rows32=flat.halves,
        rows16=flat.quarters,
        rows_float=flat.wide.view(np.float64),
        deadline=np.full(len(blank), NEVER, np.int64),
        nodes=memory.nodes,
        node_cells=memory.node_cells,
    )


def _seen(wide: Ints) -> _Rows:
    return _Rows(wide, wide.view(np.int32), wide.view(np.int16))


def _copy_tags(
    source: _Rows, target: _Rows, shapes: tuple[RowShape, RowShape], ways: _Ways
) -> Ints:
    """Copy since when tags are held and kept; the new bits of those held, groups included.

    Tags of a group that picks one share a cell: it says since when the first one held is.
    """
    old, new = shapes
    bits = source.wide[:, TAGS]
    written: set[int] = set()
    for before, after in reversed(ways.tags):
        one, other = old.tags[before], new.tags[after]
        is_held = bits >> before & 1
        since = source.halves[:, one.since_cell]
        if other.since_cell in written:
            since = np.where(is_held, since, target.halves[:, other.since_cell])
        target.halves[:, other.since_cell] = since
        written.add(other.since_cell)
        if one.keep_word >= 0 and other.keep_word >= 0:
            target.wide[:, other.keep_word] = source.wide[:, one.keep_word]
    return _bits(bits, new, ways)


def _bits(bits: Ints, new: RowShape, ways: _Ways) -> Ints:
    """The new bits of tags of which these are the old ones, groups included."""
    held = np.zeros(len(bits), np.int64)
    for before, after in ways.tags:
        held |= (bits >> before & 1) << after
    for index, tag in reversed(list(enumerate(new.tags))):
        if tag.parent >= 0:
            held |= (held >> index & 1) << tag.parent
    return held


def _renumber_lists(memory: Memory, words: int, ways: _Ways) -> Ints:
    """Give the nodes of rows' lists their new numbers and unlink what is gone.

    Returns how many instances were dropped, by old journey.
    """
    nodes = memory.nodes
    halves = memory.rows32.reshape(-1, 2 * words)
    dropped = np.zeros(len(ways.journeys), np.int64)

    def keep_instances(at: Ints) -> NDArray[np.bool_]:
        what = nodes[at + WHAT]
        before = what & _JOURNEY_MASK
        journey = ways.journeys[before]
        stage = ways.stages[before, what >> _STAGE_SHIFT & _JOURNEY_MASK]
        kept = (journey != GONE) & (stage != GONE)
        np.add.at(dropped, before[~kept], 1)
        rest = what & ~(_JOURNEY_MASK | _INSTANCE_STAGE)
        nodes[at + WHAT] = rest | stage << _STAGE_SHIFT | journey
        return np.asarray(kept)

    def keep_history(at: Ints) -> NDArray[np.bool_]:
        before = nodes[at + HISTORY_JOURNEY]
        sent = nodes[at + HISTORY_SENT]
        stage = ways.stages[before, sent >> 1 & STAGE_MASK]
        stage = np.where(stage == GONE, STAGE_GONE, stage)
        nodes[at + HISTORY_SENT] = sent & ~(STAGE_MASK << 1) | stage << 1
        goal = nodes[at + GOAL_STAGE]
        stage = ways.stages[before, goal & STAGE_MASK]
        nodes[at + GOAL_FROM] = np.where(stage == GONE, -1, nodes[at + GOAL_FROM])
        nodes[at + GOAL_STAGE] = goal & ~STAGE_MASK | np.maximum(stage, 0)
        nodes[at + HISTORY_JOURNEY] = ways.journeys[before]
        return np.not_equal(ways.journeys[before], GONE)

    def keep_exits(at: Ints) -> NDArray[np.bool_]:
        journey = ways.journeys[nodes[at + EXIT_JOURNEY]]
        nodes[at + EXIT_JOURNEY] = journey
        return np.not_equal(journey, GONE)

    for head, keep in (
        (INSTANCES_HEAD, keep_instances),
        (HISTORY_HEAD, keep_history),
        (EXITS_HEAD, keep_exits),
    ):
        halves[:, head] = _filtered(nodes, halves[:, head].astype(np.int64), keep)
    return dropped


def _filtered(nodes: Ints, heads: Ints, keep: Callable[[Ints], NDArray[np.bool_]]) -> Ints:
    """Leave out of lists the nodes that `keep` says; the lists' new first nodes."""
    firsts, lasts = np.zeros_like(heads), np.zeros_like(heads)
    for rows, at in walked(nodes, heads):
        kept = keep(at)
        rows, at = rows[kept], at[kept]
        is_first = lasts[rows] == 0
        firsts[rows[is_first]] = at[is_first]
        nodes[lasts[rows[~is_first]]] = at[~is_first]
        lasts[rows] = at
    nodes[lasts[lasts != 0]] = 0
    return firsts


def _layout(shape: RowShape) -> Layout:
    """As much of a layout as packing needs."""
    return Layout(
        words=shape.words,
        template=np.zeros(0, np.int64),
        features=np.zeros(0, np.int64),
        text_cells=np.array(shape.text_cells, np.int64),
        distinct_heads=np.array(shape.distinct_heads, np.int64),
        keep_words=(),
        since_cells=(),
        bytes_of={},
        example_nodes=example_nodes_max(shape.groups),
    )


def _plan(shape: RowShape) -> Plan:
    """As much of a plan as packing needs: how long a row is."""
    ints = np.array([shape.words], np.int64)
    return Plan(ints=ints, floats=ints.view(np.float64))
