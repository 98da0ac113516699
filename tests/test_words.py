"""Reading eight bytes at a time, and the stable hash of texts."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from config.words import hash_text, plain_run_end, same_bytes
from tests.reference_hash import murmur64a


def array(text: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(text + bytes(8), np.uint8).copy()


@settings(deadline=None)
@given(st.binary(max_size=5), st.binary(max_size=40), st.binary(max_size=5))
def test_a_text_hashes_the_same_wherever_it_stands(
    before: bytes, text: bytes, after: bytes
) -> None:
    assert hash_text(array(before + text + after), len(before), len(text)) == murmur64a(text)


@settings(deadline=None)
@given(st.binary(max_size=20), st.binary(max_size=20))
def test_texts_are_the_same_only_byte_for_byte(one: bytes, other: bytes) -> None:
    length = min(len(one), len(other))
    expected = one[:length] == other[:length]
    assert same_bytes(array(b"ab" + one), 2, array(other), 0, length) == expected
    assert same_bytes(array(one), 0, array(b"x" + one), 1, len(one))


@settings(deadline=None)
@given(st.binary(max_size=40))
def test_a_run_of_plain_text_ends_at_the_first_byte_that_is_not(text: bytes) -> None:
    ends = [at for at, byte in enumerate(text + b"\n") if byte < 32 or byte > 127 or byte in b'"\\']
    assert plain_run_end(array(text + b"\n"), 0) == ends[0]
