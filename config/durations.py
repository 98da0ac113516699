"""Durations as people write them ("30m", "7d"), in milliseconds and back."""

from __future__ import annotations

import re

UNITS_MS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000}
DURATION = re.compile(r"([0-9]{1,9})([smhd])", re.ASCII)


def parse_duration(text: str) -> int | None:
    """Milliseconds of a whole number and its unit (s, m, h, d); None when `text` is not that.

    >>> parse_duration("30m"), parse_duration("0s"), parse_duration("1.5h"), parse_duration("1 day")
    (1800000, 0, None, None)
    """
    found = DURATION.fullmatch(text)
    return int(found[1]) * UNITS_MS[found[2]] if found else None


def format_duration(duration_ms: int) -> str:
    """The shortest text that `parse_duration` reads as `duration_ms` (cut to whole seconds).

    >>> format_duration(86_400_000), format_duration(5_400_000), format_duration(0)
    ('1d', '90m', '0s')
    """
    for unit, unit_ms in UNITS_MS.items():
        if duration_ms >= unit_ms and duration_ms % unit_ms == 0:
            return f"{duration_ms // unit_ms}{unit}"
    return f"{duration_ms // 1_000}s"
