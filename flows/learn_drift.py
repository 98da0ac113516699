"""Drift: whether what comes now has another mean than what came before (ADWIN, Bifet and Gavalda).

A window of values is kept as buckets of 1, 2, 4, ... values, so that it can be long and take little
room. Now and then each cut between two buckets is looked at: where the means of both sides differ
more than chance explains, the older side no longer tells of the present. It decides as River's
`drift.ADWIN` does (a test compares them), whose state can only be pickled.
"""

from __future__ import annotations

import math

from msgspec import Struct

DELTA = 0.002
"""How likely a cut may be found in values whose mean never changed."""

CLOCK = 32
"""Cuts are looked at after so many values each."""

BUCKETS_MAX = 5
"""Buckets of one size; from one more on, the two oldest become one of twice the size."""

SIDE_MIN = 5
WINDOW_MIN = 10
"""The least values of a side of a cut; and the window is looked at when it has more than these."""


class Bucket(Struct, frozen=True, array_like=True):
    """Neighbouring values: their sum, and that of their squared differences from their mean."""

    total: float
    squares: float


class Side(Struct):
    """The values before or behind a cut."""

    count: float
    total: float


class Change(Struct, frozen=True, kw_only=True):
    """The mean of the whole window, and of what was left of it when the old side was cut off."""

    before: float
    after: float


class Window(Struct, kw_only=True):
    """What is remembered: buckets of 1, 2, 4, ... values in rows, the oldest of a row first."""

    taken: int = 0
    count: float = 0.0
    total: float = 0.0
    squares: float = 0.0
    rows: list[list[Bucket]] = []


def take(window: Window, value: float) -> Change | None:
    """Take in a value; what changed, if that can be seen now: then the window starts anew.

    >>> window = Window()
    >>> changes = [take(window, float(number >= 500)) for number in range(1000)]
    >>> [number for number, change in enumerate(changes) if change]
    [511]
    """
    _insert(window, value)
    window.taken += 1
    if window.taken % CLOCK or window.count <= WINDOW_MIN:
        return None
    before = window.total / window.count
    if not _cut_off(window):
        return None
    after = window.total / window.count
    window.taken, window.count, window.total, window.squares, window.rows = 0, 0.0, 0.0, 0.0, []
    return Change(before=before, after=after)


def _insert(window: Window, value: float) -> None:
    if window.count > 0.0:
        apart = value - window.total / window.count
        window.squares += window.count * apart * apart / (window.count + 1.0)
    window.count += 1.0
    window.total += value
    bucket = Bucket(value, 0.0)
    for size, row in enumerate(window.rows):
        row.append(bucket)
        if len(row) <= BUCKETS_MAX:
            return
        bucket = _merged(row.pop(0), row.pop(0), float(1 << size))
    window.rows.append([bucket])


def _merged(first: Bucket, second: Bucket, count: float) -> Bucket:
    """One bucket of two that hold `count` values each."""
    apart = first.total / count - second.total / count
    between = count * count * apart * apart / (count + count)
    return Bucket(first.total + second.total, first.squares + second.squares + between)


def _cut_off(window: Window) -> bool:
    """Drop the oldest bucket as long as a cut tells its sides apart; whether one did."""
    found = False
    while _has_cut(window):
        found = True
        _drop_oldest(window)
    return found


def _has_cut(window: Window) -> bool:
    """Whether the means on both sides of any cut differ, older buckets first."""
    older, younger = Side(0.0, 0.0), Side(window.count, window.total)
    for size in range(len(window.rows) - 1, -1, -1):
        count = float(1 << size)
        for bucket in window.rows[size]:
            older.count += count
            older.total += bucket.total
            younger.count -= count
            younger.total -= bucket.total
            if min(older.count, younger.count) >= SIDE_MIN and _differ(window, older, younger):
                return True
    return False


def _differ(window: Window, older: Side, younger: Side) -> bool:
    """Whether two means are further apart than chance explains (the paper's epsilon).

    Where rounding leaves squares below 0 there is no telling, and no cut.
    """
    if window.squares < 0.0:
        return False
    doubt = math.log(2.0 * math.log(window.count) / DELTA)
    shares = 1.0 / (older.count - SIDE_MIN + 1.0) + 1.0 / (younger.count - SIDE_MIN + 1.0)
    deviation = math.sqrt(2.0 * shares * (window.squares / window.count) * doubt)
    apart = older.total / older.count - younger.total / younger.count
    return abs(apart) > deviation + 2.0 / 3.0 * doubt * shares


def _drop_oldest(window: Window) -> None:
    row = window.rows[-1]
    bucket, count = row.pop(0), float(1 << (len(window.rows) - 1))
    window.count -= count
    window.total -= bucket.total
    apart = bucket.total / count - window.total / window.count
    between = count * window.count * apart * apart / (count + window.count)
    window.squares -= bucket.squares + between
    if not row:
        window.rows.pop()
