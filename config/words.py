"""Bytes, eight at a time: what the scanner and the table of names are built from.

Whoever calls these guarantees that eight bytes can be read from `position` on. Words are little
endian.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from config.jit import compiled, inlined

_EACH = np.uint64(0x0101010101010101)
_HIGH = np.uint64(0x8080808080808080)
_QUOTES = np.uint64(0x2222222222222222)
_BACKSLASHES = np.uint64(0x5C5C5C5C5C5C5C5C)
_BLANKS = np.uint64(0x2020202020202020)
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
_FACTOR = np.uint64(0xC6A4A7935BD1E995)
_ONE, _EIGHT, _47, _56 = np.uint64(1), np.uint64(8), np.uint64(47), np.uint64(56)


@inlined
def byte_at(data: NDArray[np.uint8], position: int) -> int:
    """One byte. Without this numba asks at each access whether the position counts from the end."""
    return int(data[np.uint64(position)])


@inlined
def word_at(data: NDArray[np.uint8], position: int) -> np.uint64:
    """Eight bytes as one number; spelt out like this it is compiled to one load."""
    at = np.uint64(position)
    return (
        np.uint64(data[at])
        | np.uint64(data[at + np.uint64(1)]) << np.uint64(8)
        | np.uint64(data[at + np.uint64(2)]) << np.uint64(16)
        | np.uint64(data[at + np.uint64(3)]) << np.uint64(24)
        | np.uint64(data[at + np.uint64(4)]) << np.uint64(32)
        | np.uint64(data[at + np.uint64(5)]) << np.uint64(40)
        | np.uint64(data[at + np.uint64(6)]) << np.uint64(48)
        | np.uint64(data[at + np.uint64(7)]) << np.uint64(56)
    )


@inlined
def first_bytes(data: NDArray[np.uint8], position: int, length: int) -> np.uint64:
    """The word at `position`, with zeros for what is beyond its first `length` bytes."""
    word = word_at(data, position)
    if length >= 8:
        return word
    return word & ~(_ALL << np.uint64(length * 8))


@inlined
def plain_run_end(data: NDArray[np.uint8], position: int) -> int:
    """Where plain text ends: at a quote, a backslash, a control character or a byte from 0x80 on.

    A control character must follow the text. In each sum the lowest marked byte is exact, as
    borrows only move upwards.
    """
    while True:
        word = word_at(data, position)
        quotes = word ^ _QUOTES
        backslashes = word ^ _BACKSLASHES
        marks = ((quotes - _EACH) & ~quotes) | ((backslashes - _EACH) & ~backslashes)
        marks = (marks | ((word - _BLANKS) & ~word) | word) & _HIGH
        if marks != np.uint64(0):
            below = (marks & (~marks + _ONE)) - _ONE
            return position - 1 + int(np.int64(((below & _EACH) * _EACH) >> _56))
        position += 8


@inlined
def same_bytes(
    data: NDArray[np.uint8], position: int, other: NDArray[np.uint8], start: int, length: int
) -> bool:
    """Whether the two texts of `length` bytes are the same."""
    done = 0
    while done + 8 <= length:
        if word_at(data, position + done) != word_at(other, start + done):
            return False
        done += 8
    rest = length - done
    ends = first_bytes(data, position + done, rest), first_bytes(other, start + done, rest)
    return bool(ends[0] == ends[1])


@compiled
def hash_text(data: NDArray[np.uint8], start: int, length: int) -> np.uint64:
    """MurmurHash64A of a text, seed 0: the same in every process, so it may be stored."""
    mixed = np.uint64(length) * _FACTOR
    done = 0
    while done + 8 <= length:
        word = word_at(data, start + done) * _FACTOR
        word = (word ^ (word >> _47)) * _FACTOR
        mixed = (mixed ^ word) * _FACTOR
        done += 8
    if done < length:
        mixed = (mixed ^ first_bytes(data, start + done, length - done)) * _FACTOR
    mixed = (mixed ^ (mixed >> _47)) * _FACTOR
    return mixed ^ (mixed >> _47)
