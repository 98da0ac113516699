"""Resolving the escapes of JSON texts: rare, so plain rather than fast."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from config.jit import compiled, inlined
from config.words import byte_at
from connectors.tokens import (
    BACKSLASH,
    ESCAPED_TEXT,
    TEXT,
    hex_value,
    kind_of,
    length_of,
    new_token,
    start_of,
)

_REPLACEMENT = 0xFFFD


@compiled
def resolve_escapes(data: NDArray[np.uint8], tokens: NDArray[np.int64], room_from: int) -> int:
    """Make texts with escapes plain ones, in `data` from `room_from` on; returns where they end."""
    for node in range(len(tokens)):
        token = tokens[node]
        if kind_of(token) == ESCAPED_TEXT:
            start = room_from
            room_from = unescape(data, start_of(token), length_of(token), data, start)
            tokens[node] = new_token(TEXT, start, room_from - start)
    return room_from


@compiled
def unescape(
    data: NDArray[np.uint8], start: int, length: int, out: NDArray[np.uint8], at: int
) -> int:
    """Write a scanned text without its escapes to `out`, from `at` on; returns where it ends there.

    What is written is never longer than what was read. A surrogate without its other half becomes
    U+FFFD.
    """
    position, end = start, start + length
    while position < end:
        byte = byte_at(data, position)
        if byte != BACKSLASH:
            out[at] = byte
            at += 1
            position += 1
        elif byte_at(data, position + 1) != 0x75:
            out[at] = _short_escape(byte_at(data, position + 1))
            at += 1
            position += 2
        else:
            code = _code_unit(data, position + 2)
            position += 6
            if (
                0xD800 <= code < 0xDC00
                and byte_at(data, position) == BACKSLASH
                and byte_at(data, position + 1) == 0x75
            ):
                low = _code_unit(data, position + 2)
                if 0xDC00 <= low < 0xE000:
                    code = 0x10000 + ((code - 0xD800) << 10 | (low - 0xDC00))
                    position += 6
            at = _encode(_REPLACEMENT if 0xD800 <= code < 0xE000 else code, out, at)
    return at


@inlined
def _code_unit(data: NDArray[np.uint8], position: int) -> int:
    code = 0
    for digit in range(position, position + 4):
        code = code << 4 | hex_value(byte_at(data, digit))
    return code


@inlined
def _short_escape(byte: int) -> int:
    if byte == 0x62:
        return 8
    if byte == 0x66:
        return 12
    if byte == 0x6E:
        return 10
    if byte == 0x72:
        return 13
    if byte == 0x74:
        return 9
    return byte


@compiled
def _encode(code: int, out: NDArray[np.uint8], at: int) -> int:
    """Write a character as UTF-8; returns where it ends."""
    if code < 0x80:
        out[at] = code
        return at + 1
    if code < 0x800:
        out[at] = 0xC0 | code >> 6
    elif code < 0x10000:
        out[at] = 0xE0 | code >> 12
    else:
        out[at] = 0xF0 | code >> 18
    shift = 0 if code < 0x800 else 6 if code < 0x10000 else 12
    at += 1
    while shift >= 0:
        out[at] = 0x80 | code >> shift & 0x3F
        at += 1
        shift -= 6
    return at
