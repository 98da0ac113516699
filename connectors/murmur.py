"""Kafka's own hash: which partition a key belongs to."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from config.jit import compiled

_SEED = 0x9747B28C
_FACTOR = 0x5BD1E995
_32_BITS = 0xFFFFFFFF


@compiled
def murmur2(data: NDArray[np.uint8], start: int, length: int) -> int:
    """Murmur2 of a key as the Java client computes it, as an unsigned number of 32 bits."""
    mixed = _SEED ^ length
    end = start + length
    while start + 4 <= end:
        word = data[start] | data[start + 1] << 8 | data[start + 2] << 16 | data[start + 3] << 24
        word = (word * _FACTOR) & _32_BITS
        word = ((word ^ (word >> 24)) * _FACTOR) & _32_BITS
        mixed = ((mixed * _FACTOR) & _32_BITS) ^ word
        start += 4
    if start < end:
        for position in range(end - 1, start - 1, -1):
            mixed ^= int(data[position]) << (8 * (position - start))
        mixed = (mixed * _FACTOR) & _32_BITS
    mixed = ((mixed ^ (mixed >> 13)) * _FACTOR) & _32_BITS
    return mixed ^ (mixed >> 15)


@compiled
def fill_partitions(
    data: NDArray[np.uint8],
    start: NDArray[np.int64],
    length: NDArray[np.int64],
    partitions: int,
    chosen: NDArray[np.int64],
) -> None:
    """Fill in the partition of each key, of so many, as Kafka's default partitioner does."""
    for row in range(len(start)):
        chosen[row] = (murmur2(data, start[row], length[row]) & 0x7FFFFFFF) % partitions
