"""A table of known texts: keys of messages, event names, currencies; found by their bytes.

Each name lives in a *space* (the object that a key belongs to, "event names", ...) and stands for a
code.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from config.jit import inlined
from config.words import first_bytes, same_bytes, word_at

UNKNOWN = -1
"""What `find` returns for a text that is no name of the space."""

_LABEL, _WORD, _START, _CODE = range(4)
_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_LAST_FACTOR = np.uint64(0xD6E8FEB86659FD93)
_20_BITS_LEFT = np.uint64(44)


class Names(NamedTuple):
    """slots: (a power of two, 4) int64, open addressing, label 0 = free; data: the names' bytes."""

    slots: NDArray[np.int64]
    data: NDArray[np.uint8]


def new_names(codes: Mapping[tuple[int, str], int]) -> Names:
    """The table that gives (space, name) its code; spaces are 0 or more, codes too."""
    texts = [(space, name.encode(), code) for (space, name), code in codes.items()]
    room = 1 << max(6, (len(texts) * 8).bit_length())
    assert room <= 1 << 20, "a config names fewer than 100,000 things"
    slots = np.zeros((room, 4), np.int64)
    data = np.frombuffer(b"".join(text for _, text, _ in texts) + bytes(16), np.uint8).copy()
    start = 0
    for space, text, code in texts:
        at = int(_place(data, start, len(text), space)) & (room - 1)
        while slots[at, _LABEL] != 0:
            at = (at + 1) & (room - 1)
        word = np.uint64(int.from_bytes(text[:8].ljust(8, b"\0"), "little")).astype(np.int64)
        slots[at] = (_label(space, len(text)), word, start, code)
        start += len(text)
    return Names(slots, data)


@inlined
def find(names: Names, data: NDArray[np.uint8], start: int, length: int, space: int) -> int:
    """The code of the text at `start` in a space, or UNKNOWN."""
    mask = len(names.slots) - 1
    at = _place(data, start, length, space) & mask
    label = _label(space, length)
    word = np.int64(first_bytes(data, start, length))
    while True:
        found = names.slots[at, _LABEL]
        if found == 0:
            return UNKNOWN
        if found == label and names.slots[at, _WORD] == word:
            name = names.slots[at, _START]
            if length <= 8 or same_bytes(data, start, names.data, name, length):
                return int(names.slots[at, _CODE])
        at = (at + 1) & mask


@inlined
def _label(space: int, length: int) -> int:
    return (space << 20 | length) + 1


@inlined
def _place(data: NDArray[np.uint8], start: int, length: int, space: int) -> int:
    """Where to look first: a mix of the first and last eight bytes, the length and the space."""
    mixed = first_bytes(data, start, length) ^ np.uint64(_label(space, length)) * _LAST_FACTOR
    if length > 8:
        mixed ^= word_at(data, start + length - 8) * _LAST_FACTOR
    return int(np.int64((mixed * _FACTOR) >> _20_BITS_LEFT))
