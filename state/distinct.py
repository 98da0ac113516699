"""How many different texts a user's events named: exact to 32, by a list of chunks of seven.

A cell packs a text's number and the newest tile it was seen in (0 without a window).
"""

from __future__ import annotations

from config.jit import compiled
from state.layout import AT32, DISTINCT_MAX, ROW_WORDS, TILE, WINDOW, Plan
from state.memory import NEVER, NODE_WORDS, Memory, take_node
from state.rolling import in_window

TILE_SHIFT = 32
TEXT_MASK = (1 << TILE_SHIFT) - 1


@compiled
def note_distinct(
    memory: Memory, plan: Plan, record: int, slot: int, at_ms: int, text: int, now_ms: int
) -> None:
    """Remember that `text` was seen at `at_ms`, which is in the window at `now_ms`."""
    head = 2 * slot * plan.ints[ROW_WORDS] + plan.ints[record + AT32]
    tile = at_ms // plan.ints[record + TILE] if plan.ints[record + WINDOW] != 0 else 0
    count = memory.rows32[head + 1]
    for index in range(count):
        cell = _cell(memory, memory.rows32[head], index)
        if memory.nodes[cell] & TEXT_MASK == text:
            newest = max(memory.nodes[cell] >> TILE_SHIFT, tile)
            memory.nodes[cell] = newest << TILE_SHIFT | text
            return
    if count == DISTINCT_MAX:
        count = _drop_expired(memory, plan, record, head, now_ms)
    if count == DISTINCT_MAX:
        return
    if count % (NODE_WORDS - 1) == 0:
        _add_chunk(memory, head, count)
    memory.nodes[_cell(memory, memory.rows32[head], count)] = tile << TILE_SHIFT | text
    memory.rows32[head + 1] = count + 1


@compiled
def _cell(memory: Memory, first: int, index: int) -> int:
    node = first
    for _ in range(index // (NODE_WORDS - 1)):
        node = memory.nodes[node]
    return node + 1 + index % (NODE_WORDS - 1)


@compiled
def _add_chunk(memory: Memory, head: int, count: int) -> None:
    """Chain a chunk behind those that hold `count` cells, unless one is there already."""
    if memory.rows32[head] == 0:
        memory.rows32[head] = take_node(memory)
        return
    node = int(memory.rows32[head])
    for _ in range(count // (NODE_WORDS - 1) - 1):
        node = memory.nodes[node]
    if count != 0 and memory.nodes[node] == 0:
        memory.nodes[node] = take_node(memory)


@compiled
def _drop_expired(memory: Memory, plan: Plan, record: int, head: int, now_ms: int) -> int:
    """Close up over the cells whose tiles have left the window; how many stay."""
    kept = 0
    for index in range(memory.rows32[head + 1]):
        value = memory.nodes[_cell(memory, memory.rows32[head], index)]
        if _counts(plan, record, value, now_ms):
            memory.nodes[_cell(memory, memory.rows32[head], kept)] = value
            kept += 1
    for index in range(kept, memory.rows32[head + 1]):
        memory.nodes[_cell(memory, memory.rows32[head], index)] = 0
    memory.rows32[head + 1] = kept
    return kept


@compiled
def _counts(plan: Plan, record: int, value: int, now_ms: int) -> bool:
    return in_window(plan, record, (value >> TILE_SHIFT) * plan.ints[record + TILE], now_ms)


@compiled
def distinct_count(memory: Memory, plan: Plan, record: int, slot: int, now_ms: int) -> int:
    """How many remembered texts count at `now_ms`."""
    head = 2 * slot * plan.ints[ROW_WORDS] + plan.ints[record + AT32]
    total = 0
    for index in range(memory.rows32[head + 1]):
        value = memory.nodes[_cell(memory, memory.rows32[head], index)]
        if _counts(plan, record, value, now_ms):
            total += 1
    return total


@compiled
def distinct_turns_at(memory: Memory, plan: Plan, record: int, slot: int, now_ms: int) -> int:
    """When the first of the texts that count at `now_ms` leaves the window; NEVER if none does."""
    if plan.ints[record + WINDOW] == 0:
        return NEVER
    head = 2 * slot * plan.ints[ROW_WORDS] + plan.ints[record + AT32]
    first = NEVER
    for index in range(memory.rows32[head + 1]):
        value = memory.nodes[_cell(memory, memory.rows32[head], index)]
        if _counts(plan, record, value, now_ms):
            tile = value >> TILE_SHIFT
            leaves = (tile + 1) * plan.ints[record + TILE] + plan.ints[record + WINDOW]
            first = min(first, leaves)
    return first
