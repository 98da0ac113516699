"""BLAKE2b, compiled: the stable hash that ids and hold-outs are made of (RFC 7693, without a key).

`hashlib` computes the same; calling it for each of many short texts takes longer than hashing them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from config.jit import compiled, inlined
from config.words import first_bytes, word_at
from connectors.json_text import Bytes

Hashing = NDArray[np.uint64]

STATE_WORDS, BLOCK_WORDS = 8, 16
MIXED, BLOCK = STATE_WORDS, STATE_WORDS + BLOCK_WORDS
"""Where the words that are mixed, and those of the block at hand, stand behind the state."""

BLOCK_BYTES = 8 * BLOCK_WORDS
ROUNDS = 12
_PARAMETERS = 0x01010000
_ZERO, _NINE, _A, _F = b"09af"
_HEX_DIGITS = np.frombuffer(b"0123456789abcdef", np.uint8)
_INITIAL = np.array(
    [
        0x6A09E667F3BCC908,
        0xBB67AE8584CAA73B,
        0x3C6EF372FE94F82B,
        0xA54FF53A5F1D36F1,
        0x510E527FADE682D1,
        0x9B05688C2B3E6C1F,
        0x1F83D9ABFB41BD6B,
        0x5BE0CD19137E2179,
    ],
    np.uint64,
)
_ORDERS = np.array(
    [
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
        [14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
        [11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4],
        [7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8],
        [9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13],
        [2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9],
        [12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11],
        [13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10],
        [6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5],
        [10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0],
    ]
)
"""In which order a round takes the words of a block; the eleventh begins anew."""


def new_hashing() -> Hashing:
    """Room for hashing one text after the other: the state, what is mixed, and a block."""
    return np.zeros(STATE_WORDS + 2 * BLOCK_WORDS, np.uint64)


@compiled
def blake2b(hashing: Hashing, data: Bytes, start: int, end: int, size: int) -> None:
    """Hash data[start : end] to `size` bytes, with which `hashing` then begins (little endian).

    Eight bytes must be readable behind the end.
    """
    for word in range(STATE_WORDS):
        hashing[word] = _INITIAL[word]
    hashing[0] ^= np.uint64(_PARAMETERS ^ size)
    at = start
    while end - at > BLOCK_BYTES:
        for word in range(BLOCK_WORDS):
            hashing[BLOCK + word] = word_at(data, at + 8 * word)
        at += BLOCK_BYTES
        _compress(hashing, at - start, False)
    for word in range(BLOCK_WORDS):
        rest = end - at - 8 * word
        hashing[BLOCK + word] = first_bytes(data, at + 8 * word, rest) if rest > 0 else np.uint64(0)
    _compress(hashing, end - start, True)


@compiled
def put_hash(hashing: Hashing, size: int, buffer: Bytes, at: int) -> int:
    """The first `size` bytes of a hash as hex digits; where the next byte goes."""
    for index in range(size):
        shift = np.uint64(8 * (index % 8))
        byte = int(hashing[index // 8] >> shift & np.uint64(0xFF))
        buffer[at] = _HEX_DIGITS[byte >> 4]
        buffer[at + 1] = _HEX_DIGITS[byte & 15]
        at += 2
    return at


@compiled
def written_hash(data: Bytes, start: int, length: int) -> tuple[int, int]:
    """The first two words of a hash of 16 bytes that `put_hash` has written; else zeros.

    As signed numbers with the same bits.
    """
    if length != 32:
        return 0, 0
    first, second = np.uint64(0), np.uint64(0)
    for index in range(32):
        byte = int(data[start + index])
        if _ZERO <= byte <= _NINE:
            digit = byte - _ZERO
        elif _A <= byte <= _F:
            digit = byte - _A + 10
        else:
            return 0, 0
        # Bytes are in order, and the higher half of each is written first.
        shift = np.uint64(8 * (index % 16 // 2) + 4 * (1 - index % 2))
        bits = np.uint64(digit) << shift
        if index < 16:
            first |= bits
        else:
            second |= bits
    return int(np.int64(first)), int(np.int64(second))


@compiled
def hashed_share(hashing: Hashing) -> float:
    """The first eight bytes of a hash, read as a share: at least 0 and at most 1."""
    word, value = hashing[0], np.uint64(0)
    for _ in range(8):
        value = value << np.uint64(8) | word & np.uint64(0xFF)
        word = word >> np.uint64(8)
    return float(value) / 2.0**64


@compiled
def _compress(hashing: Hashing, count: int, last: bool) -> None:
    """Take in the block, with which `count` bytes have been read."""
    for word in range(STATE_WORDS):
        hashing[MIXED + word] = hashing[word]
        hashing[MIXED + STATE_WORDS + word] = _INITIAL[word]
    hashing[MIXED + 12] ^= np.uint64(count)
    if last:
        hashing[MIXED + 14] = ~hashing[MIXED + 14]
    for turn in range(ROUNDS):
        order = turn % 10
        for column in range(4):
            _mix(hashing, order, 2 * column, (column, 4 + column, 8 + column, 12 + column))
        for column in range(4):
            diagonal = (
                column,
                4 + (column + 1) % 4,
                8 + (column + 2) % 4,
                12 + (column + 3) % 4,
            )
            _mix(hashing, order, 8 + 2 * column, diagonal)
    for word in range(STATE_WORDS):
        hashing[word] ^= hashing[MIXED + word] ^ hashing[MIXED + STATE_WORDS + word]


@inlined
def _mix(hashing: Hashing, order: int, first: int, chosen: tuple[int, int, int, int]) -> None:
    """Mix two words of the block into four words."""
    one, two, three, four = chosen
    a, b = hashing[MIXED + one], hashing[MIXED + two]
    c, d = hashing[MIXED + three], hashing[MIXED + four]
    a = a + b + hashing[BLOCK + _ORDERS[order, first]]
    d = _turned(d ^ a, np.uint64(32))
    c = c + d
    b = _turned(b ^ c, np.uint64(24))
    a = a + b + hashing[BLOCK + _ORDERS[order, first + 1]]
    d = _turned(d ^ a, np.uint64(16))
    c = c + d
    b = _turned(b ^ c, np.uint64(63))
    hashing[MIXED + one], hashing[MIXED + two] = a, b
    hashing[MIXED + three], hashing[MIXED + four] = c, d


@inlined
def _turned(word: np.uint64, by: np.uint64) -> np.uint64:
    """The bits of a word, turned to the right."""
    return word >> by | word << (np.uint64(64) - by)
