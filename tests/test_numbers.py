"""Decimal texts to whole units."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.numbers import NUMBER_MAX, OUT_OF_RANGE, whole_units

CASES = {
    ("0", 2): 0,
    ("-0.0", 2): 0,
    ("19.99", 2): 1999,
    ("1.005", 2): 101,
    ("-1.005", 2): -101,
    ("1.00499999999999999999999999", 2): 100,
    ("0.005", 2): 1,
    ("0.0049", 2): 0,
    ("12", 0): 12,
    ("12.5", 0): 13,
    ("1.2345", 3): 1235,
    ("1e3", 2): 100_000,
    ("1.5E-1", 3): 150,
    ("9007199254740992", 3): 9_007_199_254_740_992_000,
    ("-9007199254740992.000", 2): -900_719_925_474_099_200,
    ("9007199254740992.0000001", 3): OUT_OF_RANGE,
    ("9007199254740993", 0): OUT_OF_RANGE,
    ("9007199254740991.9999", 3): 9_007_199_254_740_992_000,
    ("1e400", 0): OUT_OF_RANGE,
    ("1e-400", 3): 0,
    ("0e999999999999999999999", 3): 0,
    ("1e99999999999999999999", 0): OUT_OF_RANGE,
    ("1e-99999999999999999999", 0): 0,
    ("0." + "0" * 5000 + "15e5001", 0): 2,
    ("9" * 5000 + "e-4999", 3): 10_000,
}


def convert(text: str, digits: int) -> int:
    data = np.frombuffer(b"7" + text.encode() + b",", np.uint8).copy()
    return whole_units(data, 1, len(text), digits)


@pytest.mark.parametrize(("text", "digits"), CASES, ids=lambda value: str(value)[:24])
def test_a_number_is_rounded_half_away_from_zero(text: str, digits: int) -> None:
    assert convert(text, digits) == CASES[text, digits]


@settings(deadline=None)
@given(
    st.from_regex(r"-?(0|[1-9][0-9]{0,22})(\.[0-9]{1,22})?([eE][+-]?[0-9]{1,2})?", fullmatch=True),
    st.integers(0, 3),
)
def test_a_number_is_what_exact_arithmetic_says(text: str, digits: int) -> None:
    number = abs(Fraction(text))
    expected = math.floor(number * 10**digits + Fraction(1, 2))
    if number > NUMBER_MAX:
        expected = OUT_OF_RANGE
    elif text.startswith("-"):
        expected = -expected
    assert convert(text, digits) == expected
