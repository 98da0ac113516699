"""Byte strings to small whole numbers: one open-addressing table for user ids, one for texts.

A number is given in order of arrival and never reaches a decision. Strings are compared byte for
byte, so two of them with one hash stay two. What number 0 stands for is for
the user of a table to say.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from config.jit import compiled

COUNT = 0
BYTES = 1
_PRIME = np.uint64(0x9E3779B97F4A7C15)
_SHIFT = np.uint64(29)
_LOW = np.uint64(0xFFFFFFFF)


class Texts(NamedTuple):
    """slots: int32, number + 1 or 0, a power of two long; hashes, starts: one per string;
    data: the strings' bytes; fill: (strings, bytes) in use."""

    slots: NDArray[np.int32]
    hashes: NDArray[np.uint64]
    starts: NDArray[np.int64]
    data: NDArray[np.uint8]
    fill: NDArray[np.int64]


def new_texts(strings: int = 1024) -> Texts:
    """An empty table with room for `strings` strings of 32 bytes."""
    room = 1 << max(4, (2 * strings - 1).bit_length())
    return Texts(
        slots=np.zeros(room, np.int32),
        hashes=np.zeros(room // 2, np.uint64),
        starts=np.zeros(room // 2 + 1, np.int64),
        data=np.zeros(room // 2 * 32, np.uint8),
        fill=np.zeros(2, np.int64),
    )


def with_room(texts: Texts, strings: int, size: int) -> Texts:
    """The table, grown if need be, so that `strings` more strings of `size` bytes in all fit."""
    count, used = int(texts.fill[COUNT]), int(texts.fill[BYTES])
    slots, hashes, starts, data = texts.slots, texts.hashes, texts.starts, texts.data
    if used + size > len(data):
        data = np.zeros(max(used + size, len(data) * 3 // 2), np.uint8)
        data[:used] = texts.data[:used]
    if count + strings > len(hashes):
        room = 1 << (2 * (count + strings) - 1).bit_length()
        slots = np.zeros(room, np.int32)
        hashes = np.zeros(room // 2, np.uint64)
        starts = np.zeros(room // 2 + 1, np.int64)
        hashes[:count] = texts.hashes[:count]
        starts[: count + 1] = texts.starts[: count + 1]
        _rehash(slots, hashes, count)
    return Texts(slots, hashes, starts, data, texts.fill)


def text_of(texts: Texts, number: int) -> bytes:
    """The bytes of a string by its number."""
    return texts.data[texts.starts[number] : texts.starts[number + 1]].tobytes()


def number_of(texts: Texts, text: bytes) -> int:
    """The number of a string, given one if it is new; the caller has made room."""
    data = np.frombuffer(text, np.uint8)
    return int(intern(texts, data, 0, len(text)))


@compiled
def _rehash(slots: NDArray[np.int32], hashes: NDArray[np.uint64], count: int) -> None:
    mask = len(slots) - 1
    for number in range(count):
        at = np.int64(hashes[number] & _LOW) & mask
        while slots[at] != 0:
            at = (at + 1) & mask
        slots[at] = number + 1


@compiled
def text_hash(data: NDArray[np.uint8], start: int, length: int) -> np.uint64:
    """A stable 64-bit hash of `data[start : start + length]`."""
    value = np.uint64(length) * _PRIME
    for at in range(start, start + length):
        value = (value ^ np.uint64(data[at])) * _PRIME
        value ^= value >> _SHIFT
    return value


@compiled
def intern(texts: Texts, data: NDArray[np.uint8], start: int, length: int) -> int:
    """The number of the string `data[start : start + length]`, given one if it is new."""
    return find_or_add(texts, text_hash(data, start, length), data, start, length)


@compiled
def find_or_add(
    texts: Texts, hashed: np.uint64, data: NDArray[np.uint8], start: int, length: int
) -> int:
    """As `intern`, with the string's hash known. The caller has made room (`with_room`)."""
    slots = texts.slots
    mask = len(slots) - 1
    at = np.int64(hashed & _LOW) & mask
    while slots[at] != 0:
        number = np.int64(slots[at]) - 1
        if texts.hashes[number] == hashed and _same(texts, number, data, start, length):
            return number
        at = (at + 1) & mask
    number = texts.fill[COUNT]
    used = texts.fill[BYTES]
    for index in range(length):
        texts.data[used + index] = data[start + index]
    texts.hashes[number] = hashed
    texts.starts[number + 1] = used + length
    slots[at] = number + 1
    texts.fill[COUNT] = number + 1
    texts.fill[BYTES] = used + length
    return number


@compiled
def _same(
    texts: Texts, number: int, data: NDArray[np.uint8], start: int, length: int
) -> bool:
    first = texts.starts[number]
    if texts.starts[number + 1] - first != length:
        return False
    for index in range(length):
        if texts.data[first + index] != data[start + index]:
            return False
    return True


@compiled
def comes_before(texts: Texts, one: int, other: int) -> bool:
    """Whether string `one` sorts before string `other` by their bytes."""
    first, second = texts.starts[one], texts.starts[other]
    one_length = texts.starts[one + 1] - first
    other_length = texts.starts[other + 1] - second
    for index in range(min(one_length, other_length)):
        if texts.data[first + index] != texts.data[second + index]:
            return bool(texts.data[first + index] < texts.data[second + index])
    return bool(one_length < other_length)
