"""Words come back from their bytes as they were, and their zeros take no room."""

from __future__ import annotations

import numpy as np
import pytest

from state.word_packing import PACKED_WORD_BYTES, pack_words, unpack_words


def packed(words: list[int]) -> bytes:
    source = np.array(words, np.int64)
    content = np.full(3 + len(words) * PACKED_WORD_BYTES, 255, np.uint8)
    return content[3 : pack_words(source, len(words), content, 3)].tobytes()


def unpacked(content: bytes, count: int) -> tuple[list[int], int]:
    words = np.full(count, -7, np.int64)
    end = unpack_words(np.frombuffer(bytearray(content), np.uint8), 0, words, count)
    return words.tolist(), end


@pytest.mark.parametrize(
    ("words", "content"),
    [
        ([0], b"\x00\x00"),
        ([0] * 256, b"\x00\xff"),
        ([0] * 257, b"\x00\xff\x00\x00"),
        ([0x0800000003020000], b"\x8c\x02\x03\x08"),
        ([-1], b"\xff" * 9),
        ([1, 0, 0, 256], b"\x01\x01\x00\x01\x02\x01"),
    ],
)
def test_a_word_is_a_byte_that_names_its_bytes_and_those_that_are_not_zero(
    words: list[int], content: bytes
) -> None:
    assert packed(words) == content
    assert unpacked(content, len(words)) == (words, len(content))


@pytest.mark.parametrize("seed", range(20))
def test_any_words_come_back(seed: int) -> None:
    random = np.random.default_rng(seed)
    shifts = random.integers(0, 64, 3000)
    words = (random.integers(-(2**63), 2**63, 3000) >> shifts) * random.integers(0, 2, 3000)
    content = packed(words.tolist())
    assert unpacked(content, len(words)) == (words.tolist(), len(content))


def test_the_first_words_can_be_read_alone() -> None:
    content = packed([5, 0, 0, 9])
    assert unpacked(content, 1) == ([5], 2)
    assert unpacked(content, 2) == ([5, 0], 4)
