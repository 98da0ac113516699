"""Durations: one way to write each, and nothing else is read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.durations import UNITS_MS, format_duration, nearest_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "duration_ms"),
    [("0s", 0), ("1s", 1_000), ("30m", 1_800_000), ("24h", 86_400_000), ("7d", 604_800_000)],
)
def test_a_whole_number_and_a_unit_is_a_duration(text: str, duration_ms: int) -> None:
    assert parse_duration(text) == duration_ms


@pytest.mark.parametrize(
    "text",
    [
        *("", "7", "d", "1.5h", "-1h", "+1h", " 1h", "1h ", "1 h", "1H", "1w", "1ms", "1h30m"),
        *("1h\n", "\u0661h", "1_0h", "1e3s", "9" * 10 + "s", "9" * 100_000 + "s"),
    ],
)
def test_anything_else_is_none(text: str) -> None:
    assert parse_duration(text) is None


@given(st.integers(0, 999_999_999), st.sampled_from(sorted(UNITS_MS)))
def test_what_is_formatted_reads_back_as_the_same_duration(count: int, unit: str) -> None:
    duration_ms = parse_duration(f"{count}{unit}")
    assert duration_ms is not None
    text = format_duration(duration_ms)
    assert parse_duration(text) == duration_ms
    assert len(text) <= len(f"{count}{unit}")


@given(st.text())
def test_no_text_is_too_strange_to_be_refused(text: str) -> None:
    duration_ms = parse_duration(text)
    assert duration_ms is None or duration_ms >= 0


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        *(
            ("1 day", "1d"),
            ("2 hours", "2h"),
            ("1.5h", "90m"),
            ("30 Min.", "30m"),
            ("1 week", "7d"),
        ),
        *(("1 year", "365d"), ("90sec", "90s")),
        *(("1M", None), ("1 month", None), ("7", None), ("soon", None), ("0.1s", None), ("", None)),
    ],
)
def test_the_duration_that_is_probably_meant_is_known(text: str, meant: str | None) -> None:
    assert nearest_duration(text) == meant
    assert meant is None or parse_duration(meant)
