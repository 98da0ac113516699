"""Windows that roll: rings of tiles, and what else changes with each event of a user.

Every function here is compiled, works on one user's row in place and takes `record`, the index of
the feature's record in `plan.ints` (see `state.layout`). A tile is `floor(event time / tile)`; it
counts at an instant X while X < (tile index + 1) x tile + window. A ring remembers the newest tile
it was moved to (its head); cells behind it hold older tiles, so that reading never changes a row.
"""

from __future__ import annotations

import math

from config.jit import compiled, inlined
from state.layout import (
    AT16,
    AT32,
    AT64,
    CELLS,
    GAP,
    GAP_MEAN,
    HALF_LIFE,
    KEEP,
    OVER,
    READS,
    ROW_WORDS,
    TILE,
    WINDOW,
    Plan,
)
from state.memory import NEVER, Memory
from state.seconds import NO_SECOND, cell_of, instant_in

DAY_MS = 86_400_000
CELL_MAX = 32_767
SUM_MAX = 2**62
SPAN_SECONDS_MAX = 3_000_000_000
"""95 years, whose square an int64 holds."""


@inlined
def whole_second(instant_ms: int) -> int:
    """The instant, rounded up to a whole second."""
    return -(-instant_ms // 1000) * 1000


@inlined
def in_window(plan: Plan, record: int, at_ms: int, now_ms: int) -> bool:
    """Whether the tile of an event at `at_ms` counts at `now_ms`."""
    window = plan.ints[record + WINDOW]
    if window == 0 or now_ms < at_ms + window:
        return True
    tile = plan.ints[record + TILE]
    return bool(now_ms < (at_ms // tile + 1) * tile + window)


@inlined
def move_ring(memory: Memory, plan: Plan, record: int, slot: int, now_ms: int) -> None:
    """Empty the cells whose tiles make room for those up to `now_ms`; the head is then its tile."""
    words = slot * plan.ints[ROW_WORDS]
    head_at = 2 * words + plan.ints[record + AT32]
    head = int(memory.rows32[head_at])
    if now_ms < (head + 1) * plan.ints[record + TILE]:
        return
    tile = now_ms // plan.ints[record + TILE]
    cells = plan.ints[record + CELLS]
    cells16 = 4 * words + plan.ints[record + AT16]
    cells64 = words + plan.ints[record + AT64]
    at = (head + 1) % cells
    for _ in range(min(tile - head, cells)):
        if plan.ints[record + AT64] != 0:
            memory.rows64[cells64 + at] = 0
        else:
            memory.rows16[cells16 + at] = 0
        at = at + 1 if at + 1 < cells else 0
    memory.rows32[head_at] = tile


@inlined
def add_to_tile(
    memory: Memory, plan: Plan, record: int, slot: int, at_ms: int, amount: int
) -> None:
    """Add `amount` to the cell of `at_ms`: in the window, of a ring that was moved to now."""
    words = slot * plan.ints[ROW_WORDS]
    cell = 0
    if plan.ints[record + WINDOW] != 0:
        tile = int(memory.rows32[2 * words + plan.ints[record + AT32]])
        if at_ms < tile * plan.ints[record + TILE]:
            tile = at_ms // plan.ints[record + TILE]
        cell = tile % plan.ints[record + CELLS]
    if plan.ints[record + AT64] != 0:
        cell += words + plan.ints[record + AT64]
        total = memory.rows64[cell] + amount
        memory.rows64[cell] = max(-SUM_MAX, min(SUM_MAX, total))
    else:
        cell += 4 * words + plan.ints[record + AT16]
        total = int(memory.rows16[cell]) + amount
        memory.rows16[cell] = max(-CELL_MAX, min(CELL_MAX, total))


@compiled
def ring_total(memory: Memory, plan: Plan, record: int, slot: int, now_ms: int) -> int:
    """The sum of all cells whose tiles count at `now_ms`."""
    words = slot * plan.ints[ROW_WORDS]
    wide = plan.ints[record + AT64]
    if plan.ints[record + WINDOW] == 0:
        return int(memory.rows64[words + wide])
    head = int(memory.rows32[2 * words + plan.ints[record + AT32]])
    if now_ms - plan.ints[record + WINDOW] >= (head + 1) * plan.ints[record + TILE]:
        return 0
    oldest, count = _tiles_counting(memory, plan, record, words, now_ms)
    cells = plan.ints[record + CELLS]
    first = oldest % cells
    to_end = min(count, cells - first)
    total = 0
    if wide != 0:
        for at in range(words + wide + first, words + wide + first + to_end):
            total += memory.rows64[at]
        for at in range(words + wide, words + wide + count - to_end):
            total += memory.rows64[at]
        return total
    narrow = 4 * words + plan.ints[record + AT16]
    for at in range(narrow + first, narrow + first + to_end):
        total += memory.rows16[at]
    for at in range(narrow, narrow + count - to_end):
        total += memory.rows16[at]
    return total


@inlined
def _tiles_counting(
    memory: Memory, plan: Plan, record: int, words: int, now_ms: int
) -> tuple[int, int]:
    """The oldest tile of a ring that counts at `now_ms`, and how many do, up to the head."""
    head = int(memory.rows32[2 * words + plan.ints[record + AT32]])
    tile, window = plan.ints[record + TILE], plan.ints[record + WINDOW]
    oldest = max(max((now_ms - window) // tile, head - plan.ints[record + CELLS] + 1), 0)
    return oldest, max(0, head - oldest + 1)


@compiled
def ring_turns_at(memory: Memory, plan: Plan, record: int, slot: int, now_ms: int) -> int:
    """When the oldest non-empty tile counting at `now_ms` leaves the window; NEVER if none does."""
    window = plan.ints[record + WINDOW]
    if window == 0:
        return NEVER
    words = slot * plan.ints[ROW_WORDS]
    oldest, count = _tiles_counting(memory, plan, record, words, now_ms)
    wide = plan.ints[record + AT64]
    narrow = 4 * words + plan.ints[record + AT16]
    cells = plan.ints[record + CELLS]
    at = oldest % cells
    for tile in range(oldest, oldest + count):
        value = memory.rows64[words + wide + at] if wide != 0 else memory.rows16[narrow + at]
        if value != 0:
            return int((tile + 1) * plan.ints[record + TILE] + window)
        at = at + 1 if at + 1 < cells else 0
    return NEVER


@inlined
def tile_leaves(memory: Memory, plan: Plan, record: int, slot: int, instant_ms: int) -> bool:
    """Whether a tile with something in it leaves the window at exactly `instant_ms`."""
    since_window = instant_ms - plan.ints[record + WINDOW]
    if since_window % plan.ints[record + TILE] != 0:
        return False
    tile = since_window // plan.ints[record + TILE] - 1
    words = slot * plan.ints[ROW_WORDS]
    head = int(memory.rows32[2 * words + plan.ints[record + AT32]])
    cells = plan.ints[record + CELLS]
    if not head - cells < tile <= head:
        return False
    wide = plan.ints[record + AT64]
    if wide != 0:
        return bool(memory.rows64[words + wide + tile % cells] != 0)
    return bool(memory.rows16[4 * words + plan.ints[record + AT16] + tile % cells] != 0)


@inlined
def start_session(memory: Memory, plan: Plan, record: int, slot: int, at_ms: int) -> bool:
    """Note activity at `at_ms`; whether it starts a session."""
    last_at = slot * plan.ints[ROW_WORDS] + plan.ints[record + OVER]
    last = memory.rows64[last_at]
    starts = last < 0 or at_ms > last + plan.ints[record + GAP]
    memory.rows64[last_at] = max(last, at_ms)
    return bool(starts)


@inlined
def note_gap(memory: Memory, plan: Plan, record: int, slot: int, at_ms: int) -> None:
    """Take an event into a gap's cells: latest, then the one before it or the earliest, count."""
    words = slot * plan.ints[ROW_WORDS]
    at = 2 * words + plan.ints[record + AT32]
    cells = memory.rows32
    second = cell_of(whole_second(at_ms))
    latest, other = cells[at], cells[at + 1]
    cells[at] = max(latest, second)
    if plan.ints[record + READS] == GAP_MEAN:
        cells[at + 1] = second if other == NO_SECOND else min(other, second)
    else:
        cells[at + 1] = latest if second >= latest else max(other, second)
    cells[at + 2] += 1


@inlined
def gap_days(memory: Memory, plan: Plan, record: int, slot: int) -> float:
    """Days between the last two events, or the mean over all; NaN before the second."""
    words = slot * plan.ints[ROW_WORDS]
    at = 2 * words + plan.ints[record + AT32]
    count = int(memory.rows32[at + 2])
    if count < 2:
        return float("nan")
    latest, other = instant_in(memory.rows32[at]), instant_in(memory.rows32[at + 1])
    days = float((latest - other) / 1000 / 86400)
    return days / (count - 1) if plan.ints[record + READS] == GAP_MEAN else days


@compiled
def note_variation(memory: Memory, plan: Plan, record: int, slot: int, at_ms: int) -> None:
    """Take an event into a variation's cells: latest, the one before it, earliest, count, squares.

    The last is the sum of the squares of all gaps in seconds. An event between the earliest and the
    one before the latest is passed over: which gap it divides is not known any more.
    """
    words = slot * plan.ints[ROW_WORDS]
    at = 2 * words + plan.ints[record + AT32]
    cells = memory.rows32
    second = cell_of(whole_second(at_ms))
    latest, before, earliest = int(cells[at]), int(cells[at + 1]), int(cells[at + 2])
    added = 0
    if latest == NO_SECOND:
        cells[at] = cells[at + 2] = second
    elif second >= latest:
        added = (second - latest) ** 2
        cells[at], cells[at + 1] = second, latest
    elif second <= earliest:
        added = (earliest - second) ** 2
        cells[at + 2] = second
        if before == NO_SECOND:
            cells[at + 1] = second
    elif second >= before:
        added = (second - before) ** 2 + (latest - second) ** 2 - (latest - before) ** 2
        cells[at + 1] = second
    else:
        return
    cells[at + 3] += 1
    memory.rows64[words + plan.ints[record + AT64]] += added


@compiled
def gap_variation(memory: Memory, plan: Plan, record: int, slot: int) -> float:
    """The deviation of all gaps by their mean, exactly 0 where they are equal; NaN below two.

    The distances of gaps from their mean, cut to a second, have whole numbers for squares: so
    nothing is lost where two large sums differ by little.
    """
    words = slot * plan.ints[ROW_WORDS]
    at = 2 * words + plan.ints[record + AT32]
    gaps = int(memory.rows32[at + 3]) - 1
    span = int(memory.rows32[at]) - int(memory.rows32[at + 2])
    if gaps < 2 or span > SPAN_SECONDS_MAX:
        return float("nan")
    cut, rest = span // gaps, span % gaps
    squares = memory.rows64[words + plan.ints[record + AT64]]
    squares += gaps * cut * cut - 2 * cut * span
    if squares == 0:
        return 0.0
    return float(math.sqrt((squares - rest * rest / gaps) / gaps) * gaps / span)


@inlined
def note_latest(memory: Memory, plan: Plan, record: int, slot: int, at_ms: int) -> None:
    """Take an event into a count of days."""
    at = 2 * slot * plan.ints[ROW_WORDS] + plan.ints[record + AT32]
    memory.rows32[at] = max(memory.rows32[at], cell_of(whole_second(at_ms)))


@inlined
def latest_at(memory: Memory, plan: Plan, record: int, slot: int) -> int:
    """The latest event time of a count of days, rounded up to a second; -1 before the first."""
    return instant_in(memory.rows32[2 * slot * plan.ints[ROW_WORDS] + plan.ints[record + AT32]])


@inlined
def days_since(memory: Memory, plan: Plan, record: int, slot: int, now_ms: int) -> float:
    """Whole days since the latest event; NaN before the first."""
    last = latest_at(memory, plan, record, slot)
    if last < 0:
        return float("nan")
    return float(max(0, (now_ms - last) // DAY_MS))


@compiled
def note_affinity(
    memory: Memory, plan: Plan, record: int, slot: int, at_ms: int, text: int, weight: int
) -> None:
    """Add `weight` to the score of `text`, decayed to the latest event time seen."""
    words = slot * plan.ints[ROW_WORDS]
    wide = words + plan.ints[record + AT64]
    texts = 2 * words + plan.ints[record + AT32]
    keep = plan.ints[record + KEEP]
    half_life = plan.floats[record + HALF_LIFE]
    added = float(weight)
    if at_ms > memory.rows64[wide]:
        factor = 2.0 ** (-(at_ms - memory.rows64[wide]) / half_life)
        for index in range(keep):
            memory.rows_float[wide + 1 + index] *= factor
        memory.rows64[wide] = at_ms
    elif at_ms < memory.rows64[wide]:
        added = weight * 2.0 ** (-(memory.rows64[wide] - at_ms) / half_life)
    place = 0
    while place < keep and memory.rows32[texts + place] not in (0, text):
        place += 1
    if place == keep:
        place = _lowest_score(memory, wide + 1, keep)
        if added <= memory.rows_float[wide + 1 + place]:
            return
        memory.rows_float[wide + 1 + place] = 0.0
    memory.rows32[texts + place] = text
    memory.rows_float[wide + 1 + place] += added
    if memory.rows_float[wide + 1 + place] <= 0.0:
        _close_up(memory, wide + 1, texts, place, keep)


@compiled
def _lowest_score(memory: Memory, scores: int, keep: int) -> int:
    lowest = 0
    for index in range(1, keep):
        if memory.rows_float[scores + index] < memory.rows_float[scores + lowest]:
            lowest = index
    return lowest


@compiled
def _close_up(memory: Memory, scores: int, texts: int, place: int, keep: int) -> None:
    for index in range(place, keep - 1):
        memory.rows_float[scores + index] = memory.rows_float[scores + index + 1]
        memory.rows32[texts + index] = memory.rows32[texts + index + 1]
    memory.rows_float[scores + keep - 1] = 0.0
    memory.rows32[texts + keep - 1] = 0


@compiled
def top_text(memory: Memory, plan: Plan, record: int, slot: int) -> int:
    """The number of the text with the highest score, 0 when there is none."""
    words = slot * plan.ints[ROW_WORDS]
    scores = words + plan.ints[record + AT64] + 1
    texts = 2 * words + plan.ints[record + AT32]
    best = 0
    for index in range(1, plan.ints[record + KEEP]):
        if memory.rows_float[scores + index] > memory.rows_float[scores + best]:
            best = index
    return int(memory.rows32[texts + best])


@compiled
def note_recent(memory: Memory, plan: Plan, record: int, slot: int, text: int) -> None:
    """Put `text` first among the recent ones."""
    texts = 2 * slot * plan.ints[ROW_WORDS] + plan.ints[record + AT32]
    place = 0
    last = plan.ints[record + KEEP] - 1
    while place < last and memory.rows32[texts + place] not in (0, text):
        place += 1
    for index in range(place, 0, -1):
        memory.rows32[texts + index] = memory.rows32[texts + index - 1]
    memory.rows32[texts] = text
