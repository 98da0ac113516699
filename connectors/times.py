"""ISO 8601 times to milliseconds since 1970."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from config.jit import compiled, inlined
from config.words import byte_at
from connectors.tokens import COLON, MINUS, NINE, PLUS, POINT, ZERO

UNUSABLE = -(2**63)
"""What `instant_ms` returns for a text that is no time."""

DAY_MS = 86_400_000
MINUTE_MS = 60_000

FAR_MS = 2**42
"""Times from here on (the year 2109) are taken for mistakes."""

_LETTER_T, _LETTER_Z, _BLANK = 0x54, 0x5A, 0x20
_DATE_LENGTH, _MINUTE_LENGTH, _SECOND_LENGTH = 10, 16, 19


@compiled
def instant_ms(data: NDArray[np.uint8], start: int, length: int) -> int:
    """The instant of `YYYY-MM-DD`, T or a blank, `HH:MM`, `:SS`, `.fraction`, `Z` or `+HH[:]MM`.

    A date alone is its midnight; without a zone it is UTC. A fraction is cut, not rounded. What is
    not of this form, or no date of the calendar, is UNUSABLE.
    """
    if length < _DATE_LENGTH or length == _DATE_LENGTH + 1:
        return UNUSABLE
    if byte_at(data, start + 4) != MINUS or byte_at(data, start + 7) != MINUS:
        return UNUSABLE
    century, year = _two_digits(data, start), _two_digits(data, start + 2)
    month, day = _two_digits(data, start + 5), _two_digits(data, start + 8)
    if (century | year | month | day) < 0:
        return UNUSABLE
    days = _days(century * 100 + year, month, day)
    if days == UNUSABLE:
        return UNUSABLE
    if length == _DATE_LENGTH:
        return days * DAY_MS
    of_day_ms = _of_day_ms(data, start, length)
    if of_day_ms == UNUSABLE:
        return UNUSABLE
    return days * DAY_MS + of_day_ms


@compiled
def _of_day_ms(data: NDArray[np.uint8], start: int, length: int) -> int:
    """Milliseconds since midnight of the text's date, less what its zone is ahead; or UNUSABLE."""
    if length < _MINUTE_LENGTH:
        return UNUSABLE
    if byte_at(data, start + 10) != _LETTER_T and byte_at(data, start + 10) != _BLANK:
        return UNUSABLE
    hour, minute, second = _two_digits(data, start + 11), _two_digits(data, start + 14), 0
    if byte_at(data, start + 13) != COLON or hour < 0 or hour > 23 or minute < 0 or minute > 59:
        return UNUSABLE
    position, end, fraction_ms = start + _MINUTE_LENGTH, start + length, 0
    if position < end and byte_at(data, position) == COLON:
        if length < _SECOND_LENGTH:
            return UNUSABLE
        second = _two_digits(data, position + 1)
        position = start + _SECOND_LENGTH
        if second < 0 or second > 59:
            return UNUSABLE
        if position < end and byte_at(data, position) == POINT:
            digits, unit_ms = 0, 100
            position += 1
            while position < end and ZERO <= byte_at(data, position) <= NINE:
                fraction_ms += (byte_at(data, position) - ZERO) * unit_ms
                unit_ms //= 10
                digits += 1
                position += 1
            if digits == 0:
                return UNUSABLE
    ahead_ms = _zone_ms(data, position, end)
    if ahead_ms == UNUSABLE:
        return UNUSABLE
    return ((hour * 60 + minute) * 60 + second) * 1000 + fraction_ms - ahead_ms


@inlined
def _zone_ms(data: NDArray[np.uint8], position: int, end: int) -> int:
    """How far the zone is ahead of UTC, or UNUSABLE."""
    if position == end or (byte_at(data, position) == _LETTER_Z and position + 1 == end):
        return 0
    if byte_at(data, position) != PLUS and byte_at(data, position) != MINUS:
        return UNUSABLE
    colon = 1 if position + 6 == end and byte_at(data, position + 3) == COLON else 0
    if position + 5 + colon != end:
        return UNUSABLE
    hours, minutes = _two_digits(data, position + 1), _two_digits(data, end - 2)
    if hours < 0 or hours > 23 or minutes < 0 or minutes > 59:
        return UNUSABLE
    ahead_ms = (hours * 60 + minutes) * MINUTE_MS
    return ahead_ms if byte_at(data, position) == PLUS else -ahead_ms


@inlined
def _two_digits(data: NDArray[np.uint8], position: int) -> int:
    """The number that two digits make, or -1."""
    tens, ones = byte_at(data, position) - ZERO, byte_at(data, position + 1) - ZERO
    if tens < 0 or tens > 9 or ones < 0 or ones > 9:
        return -1
    return tens * 10 + ones


@inlined
def _days(year: int, month: int, day: int) -> int:
    """Days since 1970 of a date (H. Hinnant: days_from_civil, in years from March), or UNUSABLE."""
    if year < 1 or month < 1 or month > 12 or day < 1:
        return UNUSABLE
    is_leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    short = 30 + ((month + (month >> 3)) & 1)
    if day > (28 + is_leap if month == 2 else short):
        return UNUSABLE
    march_year = year - 1 if month <= 2 else year
    era = march_year // 400
    of_era = march_year - era * 400
    of_year = (153 * (month - 3 if month > 2 else month + 9) + 2) // 5 + day - 1
    return era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719_468
