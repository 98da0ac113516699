"""Open examples of one shape made into those of another: by model, feature and tag.

A model's examples go on where outcome, `within` and `every` (or `channel`) are what they were and
the snapshots have all that it reads now, by the same definitions. Else they are dropped: a snapshot
cannot be taken again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from state.example_groups import SNAPSHOT_WORDS, TRIGGER_WORDS, ExampleGroup, SampledModel
from state.examples import (
    GROUP_BITS,
    GROUP_SHIFT,
    INSTANT_SHIFT,
    MODEL_BITS,
    OUTCOME_SHIFT,
    SNAPSHOT_HEAD,
)
from state.layout import EXAMPLES_HEAD
from state.memory import NODE_WORDS, NODES_MADE, Memory, with_nodes

CELLS = NODE_WORDS - 1
_HEAD, _TAGS = range(SNAPSHOT_WORDS)

Ints = NDArray[np.int64]


class Snapshots(NamedTuple):
    """Snapshots of one group: whose they are, which in a list, and their words.

    rows, ranks: (n,). words: (n, group.words) int64.
    """

    rows: Ints
    ranks: Ints
    words: Ints


class Between(NamedTuple):
    """What the old groups become. `tags`: bits of tags held, the old to the new."""

    old: Sequence[ExampleGroup]
    new: Sequence[ExampleGroup]
    tags: Callable[[Ints], Ints]


def convert_examples(
    memory: Memory, row_words: int, between: Between
) -> tuple[Memory, dict[str, int]]:
    """The memory, grown if need be, with the lists of examples converted; what was dropped.

    The latter is how many open examples, by model. `row_words` are those of the rows as they are
    now.
    """
    heads = memory.rows32.reshape(-1, 2 * row_words)[:, EXAMPLES_HEAD]
    numbers = {group.key: index for index, group in enumerate(between.new)}
    dropped: Counter[str] = Counter()
    moved: dict[int, Snapshots] = {}
    for index, found in enumerate(_found(memory.nodes, heads, between.old)):
        group = between.old[index]
        number = numbers.get(group.key, -1)
        ways = _model_ways(group, between.new[number]) if number >= 0 else {}
        dropped.update(_dropped(found, group, ways))
        if ways:
            moved[number] = _moved(found, group, number, ways, between)
    memory = _relink(memory, row_words, between.new, moved)
    return memory, dict(dropped)


def walked(nodes: Ints, heads: NDArray[np.int32] | Ints) -> Iterator[tuple[Ints, Ints]]:
    """All lists at once, node by node: which rows have one more node, and which it is."""
    rows = np.flatnonzero(heads)
    at = heads[rows].astype(np.int64)
    while len(rows):
        following = nodes[at]
        yield rows, at
        rows, at = rows[following != 0], following[following != 0]


def _found(
    nodes: Ints, heads: NDArray[np.int32], groups: Sequence[ExampleGroup]
) -> list[Snapshots]:
    """All snapshots of each group."""
    sizes = np.array([group.nodes for group in groups], np.int64)
    left = np.zeros(len(heads), np.int64)
    steps: list[tuple[Ints, Ints, Ints]] = []
    for rank, (rows, at) in enumerate(walked(nodes, heads)):
        begins = left[rows] == 0
        first, of = at[begins], rows[begins]
        left[of] = sizes[nodes[first + SNAPSHOT_HEAD] >> GROUP_SHIFT & GROUP_BITS]
        left[rows] -= 1
        steps.append((of, np.full(len(of), rank), first))
    nothing = [np.zeros(0, np.int64)] * 3
    rows, ranks, starts = (np.concatenate(each) for each in zip(nothing, *steps, strict=True))
    of_group = nodes[starts + SNAPSHOT_HEAD] >> GROUP_SHIFT & GROUP_BITS
    return [
        Snapshots(rows[own], ranks[own], _words(nodes, starts[own], group))
        for index, group in enumerate(groups)
        for own in [of_group == index]
    ]


def _words(nodes: Ints, starts: Ints, group: ExampleGroup) -> Ints:
    """The words of snapshots, given their first nodes."""
    parts, at = [], starts
    for _ in range(group.nodes):
        parts.append(nodes[at[:, None] + np.arange(1, NODE_WORDS)])
        at = nodes[at]
    return np.concatenate(parts, axis=1)[:, : group.words]


def _model_ways(old: ExampleGroup, new: ExampleGroup) -> dict[int, int]:
    """Which models go on: place in the old group to place in the new one."""
    kept = {model.name: index for index, model in enumerate(old.models)}
    both = {feature.name for feature in {*old.features} & {*new.features}}

    def goes_on(model: SampledModel) -> bool:
        before = old.models[kept[model.name]] if model.name in kept else None
        return (
            before is not None
            and (before.outcome, before.within_ms) == (model.outcome, model.within_ms)
            and both.issuperset(model.reads)
        )

    return {kept[model.name]: index for index, model in enumerate(new.models) if goes_on(model)}


def _dropped(found: Snapshots, group: ExampleGroup, ways: dict[int, int]) -> dict[str, int]:
    """How many open examples of each model are not among the `ways`."""
    heads = found.words[:, _HEAD]
    return {
        model.name: count
        for index, model in enumerate(group.models)
        if index not in ways and (count := int(np.count_nonzero(heads >> index & 1)))
    }


def _moved(
    found: Snapshots, old: ExampleGroup, number: int, ways: dict[int, int], between: Between
) -> Snapshots:
    """The snapshots as those of the new group of this number; without those that nobody needs."""
    new = between.new[number]
    words = np.zeros((len(found.rows), new.words), np.int64)
    cells = _cells(words, new)
    cells[:, : len(new.models) + len(new.features)] = np.nan
    before, heads = _cells(found.words, old), found.words[:, _HEAD]
    words[:, _HEAD] = heads >> INSTANT_SHIFT << INSTANT_SHIFT | number << GROUP_SHIFT
    words[:, _TAGS] = between.tags(found.words[:, _TAGS])
    for place, after in ways.items():
        words[:, _HEAD] |= (heads >> place & 1) << after
        words[:, _HEAD] |= (heads >> OUTCOME_SHIFT + place & 1) << OUTCOME_SHIFT + after
        words[:, SNAPSHOT_WORDS + after] = found.words[:, SNAPSHOT_WORDS + place]
        cells[:, after] = before[:, place]
    kept = {feature: len(old.models) + index for index, feature in enumerate(old.features)}
    for index, feature in enumerate(new.features):
        if feature in kept:
            cells[:, len(new.models) + index] = before[:, kept[feature]]
    if new.channel:
        words[:, -TRIGGER_WORDS:] = found.words[:, -TRIGGER_WORDS:]
    is_open = words[:, _HEAD] & MODEL_BITS != 0
    return Snapshots(found.rows[is_open], found.ranks[is_open], words[is_open])


def _cells(words: Ints, group: ExampleGroup) -> NDArray[np.float32]:
    """The float32 cells of snapshots, a view where their words lie together."""
    seen = np.ascontiguousarray(words).view(np.float32)
    return seen[:, 2 * (SNAPSHOT_WORDS + len(group.models)) :]


def _relink(
    memory: Memory, row_words: int, groups: Sequence[ExampleGroup], moved: dict[int, Snapshots]
) -> Memory:
    """Put the snapshots into new nodes, row by row in the order of their lists."""
    rows = np.concatenate([np.zeros(0, np.int64), *(one.rows for one in moved.values())])
    ranks = np.concatenate([np.zeros(0, np.int64), *(one.ranks for one in moved.values())])
    sizes = np.repeat(
        np.array([groups[number].nodes for number in moved], np.int64),
        [len(one.rows) for one in moved.values()],
    )
    order = np.lexsort((ranks, rows))
    memory = with_nodes(memory, int(sizes.sum()))
    nodes = memory.nodes
    firsts = np.zeros(len(rows), np.int64)
    firsts[order] = nodes[NODES_MADE] + np.cumsum(sizes[order]) - sizes[order]
    begin = 0
    for number, one in moved.items():
        end = begin + len(one.rows)
        _write(nodes, firsts[begin:end], one.words, groups[number])
        begin = end
    heads = memory.rows32.reshape(-1, 2 * row_words)[:, EXAMPLES_HEAD]
    heads[:] = 0
    nodes[NODES_MADE] += int(sizes.sum())
    last_first = np.diff(rows[order], append=-1) != 0
    nodes[NODE_WORDS * (firsts + sizes - 1)[order][last_first]] = 0
    first_first = np.diff(rows[order], prepend=-1) != 0
    heads[rows[order][first_first]] = NODE_WORDS * firsts[order][first_first]
    return memory


def _write(nodes: Ints, firsts: Ints, words: Ints, group: ExampleGroup) -> None:
    """Write snapshots into the nodes from those numbers on, each linked to the one behind it."""
    padded = np.zeros((len(words), group.nodes * CELLS), np.int64)
    padded[:, : group.words] = words
    for part in range(group.nodes):
        at = NODE_WORDS * (firsts + part)
        nodes[at] = at + NODE_WORDS
        nodes[at[:, None] + np.arange(1, NODE_WORDS)] = padded[:, CELLS * part : CELLS * (part + 1)]
