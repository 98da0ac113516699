"""The stable hash of texts, a second time."""

from __future__ import annotations

FACTOR = 0xC6A4A7935BD1E995
BITS = 2**64 - 1


def murmur64a(text: bytes) -> int:
    """MurmurHash64A with seed 0, as its author writes it."""
    mixed = len(text) * FACTOR & BITS
    for start in range(0, len(text) - 7, 8):
        word = int.from_bytes(text[start : start + 8], "little") * FACTOR & BITS
        mixed = (mixed ^ (word ^ word >> 47) * FACTOR & BITS) * FACTOR & BITS
    if tail := text[len(text) // 8 * 8 :]:
        mixed = (mixed ^ int.from_bytes(tail, "little")) * FACTOR & BITS
    mixed = (mixed ^ mixed >> 47) * FACTOR & BITS
    return mixed ^ mixed >> 47
