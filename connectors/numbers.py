"""JSON numbers to whole units (thousandths, cents), exactly: by digits, never through a float."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from config.jit import compiled, inlined
from config.words import byte_at
from connectors.tokens import CASE, MINUS, NINE, PLUS, ZERO

NUMBER_MAX = 2**53
"""The largest number that events may hold."""

OUT_OF_RANGE = -(2**63)
"""What `whole_units` returns beyond NUMBER_MAX."""

_POWERS = (1, 10, 100, 1000)
_EXPONENT_MAX = 1_000_000
_LETTER_E = 0x65


@compiled
def whole_units(data: NDArray[np.uint8], start: int, length: int, digits: int) -> int:
    """The scanned number x 10^digits (0 to 3), rounded half away from zero, or OUT_OF_RANGE."""
    end = start + length
    is_negative = byte_at(data, start) == MINUS
    position = start + 1 if is_negative else start
    limit = NUMBER_MAX * _POWERS[digits]
    mantissa_end = _mantissa_end(data, position, end)
    whole = _digits_wanted(data, position, mantissa_end) + digits
    if mantissa_end < end:
        whole += _exponent(data, mantissa_end + 1, end)
    units, taken, is_up, is_beyond = 0, 0, False, False
    while position < mantissa_end:
        digit = byte_at(data, position) - ZERO
        position += 1
        if digit < 0:
            continue
        if taken < whole:
            units = units * 10 + digit
            if units > limit:
                return OUT_OF_RANGE
        else:
            is_up = is_up or (taken == whole and digit >= 5)
            is_beyond = is_beyond or digit > 0
        taken += 1
    while units > 0 and taken < whole:
        units *= 10
        taken += 1
        if units > limit:
            return OUT_OF_RANGE
    if units == limit and is_beyond:
        return OUT_OF_RANGE
    units += is_up
    return -units if is_negative else units


@inlined
def _mantissa_end(data: NDArray[np.uint8], position: int, end: int) -> int:
    while position < end and byte_at(data, position) | CASE != _LETTER_E:
        position += 1
    return position


@inlined
def _digits_wanted(data: NDArray[np.uint8], position: int, end: int) -> int:
    """How many digits stand before the point."""
    start = position
    while position < end and ZERO <= byte_at(data, position) <= NINE:
        position += 1
    return position - start


@compiled
def _exponent(data: NDArray[np.uint8], position: int, end: int) -> int:
    """The exponent, cut to where its size no longer matters to a number of a record's length."""
    is_negative = byte_at(data, position) == MINUS
    if is_negative or byte_at(data, position) == PLUS:
        position += 1
    exponent = 0
    while position < end:
        exponent = min(exponent * 10 + byte_at(data, position) - ZERO, _EXPONENT_MAX)
        position += 1
    return -exponent if is_negative else exponent
