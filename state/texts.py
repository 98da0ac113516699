"""Byte strings to small whole numbers: one open-addressing table for user ids, one for texts.

A number is given in order of arrival and never reaches a decision. Strings are compared byte for
byte, so two of them with one hash stay two. What number 0 stands for is for
the user of a table to say.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from config.jit import compiled, inlined, prefetch
from config.words import hash_text, same_bytes

COUNT = 0
BYTES = 1
HEAD = 2
"""Words of `entries` before those of the first string."""
LOOK_AHEAD = 16
"""How many look-ups before its turn a slot is asked for: a miss takes longer than a look-up."""

READ_AHEAD = 8
"""Bytes behind the last string: they are hashed and compared eight at a time."""


class Texts(NamedTuple):
    """A table of strings, each with a number.

    slots: number + 1 or 0, a power of two long.
    entries: strings and bytes in use, then each string's hash and start (its end is the next's).
    data: the strings' bytes.
    """

    slots: NDArray[np.int32]
    entries: NDArray[np.int64]
    data: NDArray[np.uint8]


def new_texts(strings: int = 1024) -> Texts:
    """An empty table with room for `strings` strings of 32 bytes."""
    room = 1 << max(4, (2 * strings - 1).bit_length())
    return Texts(
        slots=np.zeros(room, np.int32),
        entries=np.zeros(HEAD + room + 2, np.int64),
        data=np.zeros(room // 2 * 32 + READ_AHEAD, np.uint8),
    )


def with_room(texts: Texts, strings: int, size: int) -> Texts:
    """The table, grown if need be, so that `strings` more strings of `size` bytes in all fit."""
    count, used = int(texts.entries[COUNT]), int(texts.entries[BYTES])
    slots, entries, data = texts
    if used + size + READ_AHEAD > len(data):
        data = np.zeros(max(used + size, len(data) * 3 // 2) + READ_AHEAD, np.uint8)
        data[:used] = texts.data[:used]
    if 2 * (count + strings) > len(slots):
        room = 1 << (2 * (count + strings) - 1).bit_length()
        slots = np.zeros(room, np.int32)
        entries = np.zeros(HEAD + room + 2, np.int64)
        in_use = HEAD + 2 * count + 2
        entries[:in_use] = texts.entries[:in_use]
        _rehash(slots, entries)
    return Texts(slots, entries, data)


def text_of(texts: Texts, number: int) -> bytes:
    """The bytes of a string by its number."""
    start, _, end = texts.entries[HEAD + 2 * number + 1 : HEAD + 2 * number + 4].tolist()
    return texts.data[start:end].tobytes()


def texts_of(texts: Texts, numbers: NDArray[np.int64]) -> list[bytes]:
    """The bytes of strings by their numbers."""
    at = HEAD + 2 * numbers
    bounds = zip(texts.entries[at + 1].tolist(), texts.entries[at + 3].tolist(), strict=True)
    return [texts.data.data[start:end].tobytes() for start, end in bounds]


def number_of(texts: Texts, text: bytes) -> int:
    """The number of a string, given one if it is new; the caller has made room."""
    data, _ = joined([text])
    return int(intern(texts, data, 0, len(text)))


def find_number(texts: Texts, text: bytes) -> int:
    """The number of a string, -1 when the table does not have it.

    >>> find_number(new_texts(), b"ada")
    -1
    """
    data = np.frombuffer(text + bytes(READ_AHEAD), np.uint8)
    return int(_find(texts, data, len(text)))


def joined(strings: Sequence[bytes]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Strings in one array, readable a little beyond the last; where each begins and ends."""
    ends = np.cumsum(np.fromiter(map(len, strings), np.int64, len(strings)))
    data = np.frombuffer(bytearray().join([*strings, bytes(READ_AHEAD)]), np.uint8)
    return data, np.concatenate((np.zeros(1, np.int64), ends))


@compiled
def intern_all(texts: Texts, data: NDArray[np.uint8], bounds: NDArray[np.int64]) -> None:
    """Give strings of `data` numbers where they are new, in their order; there is room for all."""
    for index in range(len(bounds) - 1):
        intern(texts, data, bounds[index], bounds[index + 1] - bounds[index])


@compiled
def _rehash(slots: NDArray[np.int32], entries: NDArray[np.int64]) -> None:
    mask = len(slots) - 1
    for number in range(entries[COUNT]):
        at = entries[HEAD + 2 * number] & mask
        while slots[at] != 0:
            at = (at + 1) & mask
        slots[at] = number + 1


@inlined
def intern(texts: Texts, data: NDArray[np.uint8], start: int, length: int) -> int:
    """The number of the string `data[start : start + length]`, given one if it is new."""
    hashed = int(np.int64(hash_text(data, start, length)))
    return find_or_add(texts, hashed, data, start, length)


@compiled
def find_or_add(texts: Texts, hashed: int, data: NDArray[np.uint8], start: int, length: int) -> int:
    """As `intern`, with the string's hash known. The caller has made room (`with_room`)."""
    at = _slot_of(texts, hashed, data, start, length)
    if texts.slots[at] != 0:
        return int(np.int64(texts.slots[at]) - 1)
    return _add(texts, hashed, data, start, length, at)


@compiled
def _find(texts: Texts, data: NDArray[np.uint8], length: int) -> int:
    """The number of the string `data[:length]`, -1 when the table does not have it."""
    hashed = int(np.int64(hash_text(data, 0, length)))
    return int(np.int64(texts.slots[_slot_of(texts, hashed, data, 0, length)]) - 1)


@inlined
def _slot_of(texts: Texts, hashed: int, data: NDArray[np.uint8], start: int, length: int) -> int:
    """The slot of a string, or the empty one that it would take."""
    slots, entries = texts.slots, texts.entries
    mask = len(slots) - 1
    at = hashed & mask
    while slots[at] != 0:
        entry = HEAD + 2 * (np.int64(slots[at]) - 1)
        if (
            entries[entry] == hashed
            and entries[entry + 3] - entries[entry + 1] == length
            and same_bytes(data, start, texts.data, entries[entry + 1], length)
        ):
            return int(at)
        at = (at + 1) & mask
    return int(at)


@compiled
def find_all(
    texts: Texts,
    data: NDArray[np.uint8],
    strings: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]],
    numbers: NDArray[np.int64],
) -> None:
    """The numbers of many strings of `data`, given by their hashes, starts and lengths."""
    hashes, starts, lengths = strings
    mask = len(texts.slots) - 1
    for index in range(len(numbers)):
        if index + LOOK_AHEAD < len(numbers):
            prefetch(texts.slots, hashes[index + LOOK_AHEAD] & mask)
        start, length = starts[index], lengths[index]
        numbers[index] = find_or_add(texts, hashes[index], data, start, length)


@compiled
def _add(
    texts: Texts, hashed: int, data: NDArray[np.uint8], start: int, length: int, at: int
) -> int:
    entries = texts.entries
    number, used = entries[COUNT], entries[BYTES]
    for index in range(length):
        texts.data[used + index] = data[start + index]
    entries[HEAD + 2 * number] = hashed
    entries[HEAD + 2 * number + 3] = used + length
    texts.slots[at] = number + 1
    entries[COUNT] = number + 1
    entries[BYTES] = used + length
    return int(number)


@compiled
def comes_before(texts: Texts, one: int, other: int) -> bool:
    """Whether string `one` sorts before string `other` by their bytes."""
    entries = texts.entries
    first, second = entries[HEAD + 2 * one + 1], entries[HEAD + 2 * other + 1]
    one_length = entries[HEAD + 2 * one + 3] - first
    other_length = entries[HEAD + 2 * other + 3] - second
    for index in range(min(one_length, other_length)):
        if texts.data[first + index] != texts.data[second + index]:
            return bool(texts.data[first + index] < texts.data[second + index])
    return bool(one_length < other_length)
