"""Words as bytes without their zeros, as Cap'n Proto packs them.

Each word is a byte whose bit i says that the word's byte i is not 0, and then those bytes. Behind
a word of zeros stands how many more of them follow. A row is mostly zeros and small numbers: this
makes it a third, in a fortieth of the time that a general compressor takes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from config.jit import compiled

WORD_BYTES = 8
PACKED_WORD_BYTES = WORD_BYTES + 1
"""What a word takes at most when it is packed."""

ZEROS_MAX = 255


@compiled
def pack_words(words: NDArray[np.int64], count: int, content: NDArray[np.uint8], start: int) -> int:
    """Write the first `count` words from `content[start]` on; where they end."""
    at = start
    index = 0
    while index < count:
        word = words[index]
        index += 1
        if word == 0:
            more = 0
            while index < count and words[index] == 0 and more < ZEROS_MAX:
                index += 1
                more += 1
            content[at] = 0
            content[at + 1] = more
            at += 2
            continue
        mask = 0
        end = at + 1
        for place in range(WORD_BYTES):
            byte = (word >> (8 * place)) & 0xFF
            content[end] = byte
            present = 1 if byte != 0 else 0
            mask |= present << place
            end += present
        content[at] = mask
        at = end
    return at


@compiled
def unpack_words(
    content: NDArray[np.uint8], start: int, words: NDArray[np.int64], count: int
) -> int:
    """Read the `count` words from `content[start]` on; where they end."""
    at = start
    index = 0
    while index < count:
        mask = int(content[at])
        at += 1
        if mask == 0:
            stop = min(index + 1 + int(content[at]), count)
            at += 1
            for zero in range(index, stop):
                words[zero] = 0
            index = stop
            continue
        word = 0
        for place in range(WORD_BYTES):
            if (mask >> place) & 1:
                word |= int(content[at]) << (8 * place)
                at += 1
        words[index] = word
        index += 1
    return at
