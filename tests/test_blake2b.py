"""The compiled hash against the one of Python's library, and the hold-out that is made of it."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.blake2b import blake2b, hashed_share, new_hashing, put_hash
from connectors.triggers import held_out

HASHING = new_hashing()


def hash_text(text: bytes, size: int) -> None:
    """Hash a text that stands among other bytes."""
    data = np.frombuffer(b"before" + text + b"whatever", np.uint8)
    blake2b(HASHING, data, 6, 6 + len(text), size)


@settings(deadline=None)  # the first example compiles
@given(st.binary(max_size=600), st.integers(1, 64))
def test_a_text_hashes_as_in_pythons_library(text: bytes, size: int) -> None:
    hash_text(text, size)
    assert HASHING.tobytes()[:size] == hashlib.blake2b(text, digest_size=size).digest()


@pytest.mark.parametrize("size", [0, 1, 127, 128, 129, 255, 256, 257])
def test_a_text_may_end_where_a_block_does(size: int) -> None:
    hash_text(b"x" * size, 16)
    into = np.zeros(40, np.uint8)
    assert put_hash(HASHING, 16, into, 3) == 35
    assert into[3:35].tobytes() == hashlib.blake2b(b"x" * size, digest_size=16).hexdigest().encode()


@settings(deadline=None)  # the first example compiles
@given(st.binary(max_size=40), st.floats(0, 1))
def test_a_user_is_in_a_hold_out_by_both_hashes_or_by_neither(user: bytes, share: float) -> None:
    hash_text(b"win_back\0" + user, 8)
    assert (hashed_share(HASHING) < share) == held_out(b"win_back", user, share)
