"""Tokens of JSON, and the scanning of those that hold no others: texts, numbers, literals.

Scanning is strict, as Python's `json` is, and stops at the first fault. Each record must be
followed by a control character and by eight readable bytes: so no scan runs beyond its record,
without a test for it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from config.jit import compiled, inlined
from config.words import byte_at, plain_run_end, word_at
from connectors.reasons import code_of

ABSENT, NULL, FALSE, TRUE, NUMBER, TEXT, ESCAPED_TEXT, OBJECT, ARRAY = range(9)
"""Kinds of tokens. An escaped text holds backslashes that `unescape` resolves."""

START_SHIFT = 21
"""A token is its start << START_SHIFT | its length << 4 | its kind."""

BAD_JSON = -code_of("bad_json")
NOT_A_NUMBER = -code_of("not_a_number")
"""A scan returns a fault as the negative code of its reason."""

QUOTE, BACKSLASH, COMMA, COLON, MINUS, PLUS, POINT = 0x22, 0x5C, 0x2C, 0x3A, 0x2D, 0x2B, 0x2E
OPEN_OBJECT, OPEN_ARRAY, CLOSE_OBJECT, CLOSE_ARRAY = 0x7B, 0x5B, 0x7D, 0x5D
ZERO, NINE, CASE = 0x30, 0x39, 0x20

_LETTER_E, _LETTER_F, _LETTER_N, _LETTER_T, _LETTER_U = 0x65, 0x66, 0x6E, 0x74, 0x75
_CAPITAL_I, _CAPITAL_N = 0x49, 0x4E
_TRUE = np.uint64(int.from_bytes(b"true", "little"))
_NULL = np.uint64(int.from_bytes(b"null", "little"))
_FALSE = np.uint64(int.from_bytes(b"false", "little"))
_NAN = np.uint64(int.from_bytes(b"NaN", "little"))
_INFINITY = np.uint64(int.from_bytes(b"Infinity", "little"))
_3_BYTES, _4_BYTES, _5_BYTES = np.uint64(2**24 - 1), np.uint64(2**32 - 1), np.uint64(2**40 - 1)


@inlined
def new_token(kind: int, start: int, length: int) -> int:
    """A token in one number; its text is bytes start .. start + length."""
    return start << START_SHIFT | length << 4 | kind


@inlined
def kind_of(token: int) -> int:
    """The kind of a token, ABSENT for 0."""
    return token & 15


@inlined
def start_of(token: int) -> int:
    """Where a token's text starts."""
    return token >> START_SHIFT


@inlined
def length_of(token: int) -> int:
    """How many bytes a token's text has."""
    return token >> 4 & 0x1FFFF


@inlined
def scan_scalar(data: NDArray[np.uint8], position: int) -> int:
    """Scan what starts here and is neither object nor array: its end << 4 | kind, or a fault."""
    byte = byte_at(data, position)
    if byte == QUOTE:
        return scan_text(data, position + 1)
    if byte == MINUS or ZERO <= byte <= NINE:
        return _scan_number(data, position)
    word = word_at(data, position)
    if byte == _LETTER_T and word & _4_BYTES == _TRUE:
        return (position + 4) << 4 | TRUE
    if byte == _LETTER_N and word & _4_BYTES == _NULL:
        return (position + 4) << 4 | NULL
    if byte == _LETTER_F and word & _5_BYTES == _FALSE:
        return (position + 5) << 4 | FALSE
    if byte == _CAPITAL_N and word & _3_BYTES == _NAN:
        return NOT_A_NUMBER
    if byte == _CAPITAL_I and word == _INFINITY:
        return NOT_A_NUMBER
    return BAD_JSON


@inlined
def scan_text(data: NDArray[np.uint8], position: int) -> int:
    """Scan a text, from after its opening quote to after its closing one: end << 4 | kind."""
    kind = TEXT
    while True:
        position = plain_run_end(data, position)
        byte = byte_at(data, position)
        if byte == QUOTE:
            return (position + 1) << 4 | kind
        if byte == BACKSLASH:
            kind = ESCAPED_TEXT
            position = _escape_end(data, position)
        else:
            position = character_end(data, position)
        if position < 0:
            return BAD_JSON


@compiled
def character_end(data: NDArray[np.uint8], position: int) -> int:
    """Where the character of several bytes (strict UTF-8) at `position` ends, or -1."""
    first, second = byte_at(data, position), byte_at(data, position + 1)
    if first < 0xC2 or first > 0xF4:
        return -1
    low = 0xA0 if first == 0xE0 else 0x90 if first == 0xF0 else 0x80
    high = 0x9F if first == 0xED else 0x8F if first == 0xF4 else 0xBF
    if second < low or second > high:
        return -1
    end = position + (2 if first < 0xE0 else 3 if first < 0xF0 else 4)
    for rest in range(position + 2, end):
        if byte_at(data, rest) & 0xC0 != 0x80:
            return -1
    return end


@compiled
def is_utf8(data: NDArray[np.uint8], position: int, end: int) -> bool:
    """Whether the bytes up to `end`, where a control character stands, are strict UTF-8."""
    while position < end:
        position = position + 1 if byte_at(data, position) < 0x80 else character_end(data, position)
        if position < 0:
            return False
    return True


@compiled
def _escape_end(data: NDArray[np.uint8], position: int) -> int:
    """Where the escape at `position` ends, or -1."""
    byte = byte_at(data, position + 1)
    if byte == _LETTER_U:
        for digit in range(position + 2, position + 6):
            if hex_value(byte_at(data, digit)) < 0:
                return -1
        return position + 6
    if byte in (QUOTE, BACKSLASH) or byte == 47:
        return position + 2
    if byte == 98 or byte in (_LETTER_F, _LETTER_N, _LETTER_T) or byte == 114:
        return position + 2
    return -1


@inlined
def hex_value(byte: int) -> int:
    """The value of a hexadecimal digit, or -1."""
    if ZERO <= byte <= NINE:
        return byte - ZERO
    letter = byte | CASE
    if 0x61 <= letter <= 0x66:
        return letter - 0x61 + 10
    return -1


@inlined
def _scan_number(data: NDArray[np.uint8], position: int) -> int:
    """Scan a number; what follows it is not looked at."""
    if byte_at(data, position) == MINUS:
        position += 1
        if byte_at(data, position) == _CAPITAL_I and word_at(data, position) == _INFINITY:
            return NOT_A_NUMBER
    end = _digits_end(data, position)
    if end == position or (byte_at(data, position) == ZERO and end > position + 1):
        return BAD_JSON
    if byte_at(data, end) == POINT:
        position = end + 1
        end = _digits_end(data, position)
        if end == position:
            return BAD_JSON
    if byte_at(data, end) | CASE == _LETTER_E:
        position = end + 1
        if byte_at(data, position) == PLUS or byte_at(data, position) == MINUS:
            position += 1
        end = _digits_end(data, position)
        if end == position:
            return BAD_JSON
    return end << 4 | NUMBER


@inlined
def _digits_end(data: NDArray[np.uint8], position: int) -> int:
    while ZERO <= byte_at(data, position) <= NINE:
        position += 1
    return position
