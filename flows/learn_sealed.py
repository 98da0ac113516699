"""Bytes that say what they are and are checked when read: the form of all that learning stores.

First what they are and their format, then a digest of all that follows (BLAKE2b, 32 bytes), then
MessagePack; arrays are little-endian float64, so that they read back to the same bits.
"""

from __future__ import annotations

import hashlib
from typing import Literal, TypeVar

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

FORMAT = 1
DIGEST_BYTES = 32
SAVED_BYTES_MAX = 8_000_000

Kind = Literal["learner", "version", "model", "learning"]
Saved = TypeVar("Saved", bound=Struct)


class UnreadableModelError(ValueError):
    """Bytes that are no learner or version that this program can read."""


def sealed(kind: Kind, saved: Struct) -> bytes:
    """The bytes of a value."""
    payload = msgspec.msgpack.encode(saved)
    return _heading(kind) + _digest_of(payload) + payload


def opened(kind: Kind, data: bytes, shape: type[Saved]) -> Saved:
    """The value of bytes.

    Raises:
        UnreadableModelError: the bytes are damaged, of another kind, or of another format.
    """
    heading = _heading(kind)
    got = data[: len(heading)]
    if got != heading:
        raise UnreadableModelError(f"{kind}: expected {heading!r} at the start, got {got!r}")
    if len(data) > SAVED_BYTES_MAX:
        raise UnreadableModelError(
            f"{kind}: expected at most {SAVED_BYTES_MAX} bytes, got {len(data)}"
        )
    start = len(heading) + DIGEST_BYTES
    if data[len(heading) : start] != _digest_of(data[start:]):
        raise UnreadableModelError(f"{kind}: expected the digest of its bytes, got another one")
    try:
        return msgspec.msgpack.decode(data[start:], type=shape)
    except msgspec.DecodeError as error:
        raise UnreadableModelError(f"{kind}: expected its parts, got {error}") from error


def digest_of(kind: Kind, data: bytes) -> bytes:
    """The digest that sealed bytes bear: the same value has the same."""
    start = len(_heading(kind))
    return data[start : start + DIGEST_BYTES]


def bytes_of(values: NDArray[np.float64]) -> bytes:
    """An array, without its shape."""
    return values.astype("<f8").tobytes()


def array_of(data: bytes, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """The array of these bytes; ValueError where they do not fit its shape."""
    return np.frombuffer(data, "<f8").astype(np.float64).reshape(shape)


def _heading(kind: Kind) -> bytes:
    return f"beckon {kind} {FORMAT}\n".encode()


def _digest_of(payload: bytes) -> bytes:
    return hashlib.blake2b(payload, digest_size=DIGEST_BYTES).digest()
