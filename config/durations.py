"""Durations as people write them ("30m", "7d"), in milliseconds and back."""

from __future__ import annotations

import re

UNITS_MS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000}
DURATION = re.compile(r"([0-9]{1,9})([smhd])", re.ASCII)
SPELLED = re.compile(r"\s*([0-9]{1,6}(?:\.[0-9]{1,3})?)\s*([A-Za-z]{1,10})\.?\s*", re.ASCII)
WORDS_MS = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), UNITS_MS["s"]),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), UNITS_MS["m"]),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), UNITS_MS["h"]),
    **dict.fromkeys(("d", "day", "days"), UNITS_MS["d"]),
    **dict.fromkeys(("w", "week", "weeks"), 7 * UNITS_MS["d"]),
    **dict.fromkeys(("y", "year", "years"), 365 * UNITS_MS["d"]),
}
"""Units as people spell them. No months: they are of different lengths."""


def parse_duration(text: str) -> int | None:
    """Milliseconds of a whole number and its unit (s, m, h, d); None when `text` is not that.

    >>> parse_duration("30m"), parse_duration("0s"), parse_duration("1.5h"), parse_duration("1 day")
    (1800000, 0, None, None)
    """
    found = DURATION.fullmatch(text)
    return int(found[1]) * UNITS_MS[found[2]] if found else None


def nearest_duration(text: str) -> str | None:
    """The duration that a text like "1 day" or "1.5h" probably means; None where none is meant.

    >>> nearest_duration("1 day"), nearest_duration("1.5h"), nearest_duration("a while")
    ('1d', '90m', None)
    """
    found = SPELLED.fullmatch(text)
    if found is None:
        return None
    # Not "1M", which may mean a month.
    word = found[2].lower() if len(found[2]) > 1 else found[2]
    duration_ms = round(float(found[1]) * WORDS_MS.get(word, 0))
    return format_duration(duration_ms) if duration_ms >= UNITS_MS["s"] else None


def format_duration(duration_ms: int) -> str:
    """The shortest text that `parse_duration` reads as `duration_ms` (cut to whole seconds).

    >>> format_duration(86_400_000), format_duration(5_400_000), format_duration(0)
    ('1d', '90m', '0s')
    """
    for unit, unit_ms in UNITS_MS.items():
        if duration_ms >= unit_ms and duration_ms % unit_ms == 0:
            return f"{duration_ms // unit_ms}{unit}"
    return f"{duration_ms // 1_000}s"
