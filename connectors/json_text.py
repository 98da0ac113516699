"""Writes JSON into a byte buffer, compiled: texts, numbers, instants.

Each function writes at `at` and returns where the next byte goes; the caller has made room.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from config.jit import compiled

Bytes = NDArray[np.uint8]

DECIMALS = 1_000_000
"""Numbers are written with at most six decimals, rounded half up."""

DECIMALS_BELOW = 9_000_000_000.0
"""Numbers of this size and more are written as whole ones: a float64 has no six decimals there."""

NUMBER_MAX = 9.0e18
_QUOTE, _BACKSLASH, _BLANK, _ZERO, _MINUS, _POINT = 34, 92, 32, 48, 45, 46
_DAY_MS = 86_400_000
ESCAPED_BYTES = 6
"""What one byte of a text takes at most."""

HEX_DIGITS = 16
INSTANT_BYTES = 26
NUMBER_BYTES = 26


@compiled
def put_raw(buffer: Bytes, at: int, data: Bytes, start: int, end: int) -> int:
    """Copy bytes as they are; indices that cannot be negative make it a loop of wide moves."""
    into, source = np.uint64(at), np.uint64(start)
    for index in range(np.uint64(end - start)):
        buffer[into + index] = data[source + index]
    return at + end - start


@compiled
def put_text(buffer: Bytes, at: int, data: Bytes, start: int, end: int) -> int:
    """A JSON string of UTF-8 bytes: quotes around it, and escapes where JSON wants them."""
    buffer[at] = _QUOTE
    at += 1
    for index in range(start, end):
        byte = int(data[index])
        if byte == _QUOTE or byte == _BACKSLASH:
            buffer[at] = _BACKSLASH
            at += 1
        elif byte < _BLANK:
            at = _put_control(buffer, at, byte)
            continue
        buffer[at] = byte
        at += 1
    buffer[at] = _QUOTE
    return at + 1


@compiled
def _put_control(buffer: Bytes, at: int, byte: int) -> int:
    r"""A control character as \u00XX."""
    low = byte & 15
    buffer[at] = _BACKSLASH
    buffer[at + 1] = 117
    buffer[at + 2] = _ZERO
    buffer[at + 3] = _ZERO
    buffer[at + 4] = _ZERO + (byte >> 4)
    buffer[at + 5] = _ZERO + low if low < 10 else 87 + low
    return at + ESCAPED_BYTES


@compiled
def put_hex(buffer: Bytes, at: int, value: int) -> int:
    """The 64 bits of a number as sixteen hex digits, without quotes."""
    for place in range(HEX_DIGITS):
        digit = (value >> (4 * (HEX_DIGITS - 1 - place))) & 15
        buffer[at + place] = _ZERO + digit if digit < 10 else 87 + digit
    return at + HEX_DIGITS


@compiled
def put_whole(buffer: Bytes, at: int, value: int) -> int:
    """A whole number."""
    if value < 0:
        buffer[at] = _MINUS
        at += 1
        value = -value
    length = 1
    rest = value // 10
    while rest > 0:
        length += 1
        rest //= 10
    return put_digits(buffer, at, value, length)


@compiled
def put_digits(buffer: Bytes, at: int, value: int, length: int) -> int:
    """The last `length` decimal digits of a number that is not negative."""
    for index in range(length - 1, -1, -1):
        buffer[at + index] = _ZERO + value % 10
        value //= 10
    return at + length


@compiled
def put_number(buffer: Bytes, at: int, value: float) -> int:
    """A number with up to six decimals; null for NaN and what is beyond NUMBER_MAX."""
    size = abs(value)
    if not size <= NUMBER_MAX:
        return put_null(buffer, at)
    if size >= DECIMALS_BELOW:
        return put_whole(buffer, at, int(np.floor(value + 0.5)))
    scaled = int(np.floor(value * DECIMALS + 0.5))
    if scaled < 0:
        buffer[at] = _MINUS
        at += 1
        scaled = -scaled
    at = put_whole(buffer, at, scaled // DECIMALS)
    decimals = scaled % DECIMALS
    if decimals == 0:
        return at
    length = 6
    while decimals % 10 == 0:
        decimals //= 10
        length -= 1
    buffer[at] = _POINT
    return put_digits(buffer, at + 1, decimals, length)


@compiled
def put_null(buffer: Bytes, at: int) -> int:
    """The word null."""
    buffer[at] = 110
    buffer[at + 1] = 117
    buffer[at + 2] = 108
    buffer[at + 3] = 108
    return at + 4


@compiled
def put_instant(buffer: Bytes, at: int, at_ms: int) -> int:
    """An instant as RFC 3339 in UTC with milliseconds, in quotes.

    The calendar is the proleptic Gregorian one, by counting days from 1 March of the year 0 in eras
    of 400 years.
    """
    days = at_ms // _DAY_MS + 719_468
    era = days // 146_097
    of_era = days - era * 146_097
    year = (of_era - of_era // 1460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year + year // 4 - year // 100)
    shifted = (5 * of_year + 2) // 153
    day = of_year - (153 * shifted + 2) // 5 + 1
    month = shifted + 3 if shifted < 10 else shifted - 9
    year += era * 400 + (1 if month <= 2 else 0)
    rest = at_ms % _DAY_MS
    buffer[at] = _QUOTE
    at = _put_part(buffer, put_digits(buffer, at + 1, year, 4), _MINUS, month, 2)
    at = _put_part(buffer, at, _MINUS, day, 2)
    at = _put_part(buffer, at, 84, rest // 3_600_000, 2)
    at = _put_part(buffer, at, 58, rest // 60_000 % 60, 2)
    at = _put_part(buffer, at, 58, rest // 1000 % 60, 2)
    at = _put_part(buffer, at, _POINT, rest % 1000, 3)
    buffer[at] = 90
    buffer[at + 1] = _QUOTE
    return at + 2


@compiled
def _put_part(buffer: Bytes, at: int, separator: int, value: int, length: int) -> int:
    buffer[at] = separator
    return put_digits(buffer, at + 1, value, length)
