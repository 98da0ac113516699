"""Places: where a decision stands in the order of its partition."""

from __future__ import annotations

from typing import NamedTuple

import msgspec


class Place(NamedTuple):
    """A decision's place. Places of a partition only grow (docs/semantics.md).

    offset: of the record that it came with, else -1. stage: its number, in order of `after`.
    Texts compare as their UTF-8 bytes do, since both are in order of code points.
    """

    instant_ms: int
    offset: int
    user: str
    descending_priority: int
    journey: str
    has_key: bool
    key: str
    entry_ms: int
    stage: int


def encode_place(place: Place) -> bytes:
    """A place as a JSON array.

    >>> encode_place(Place(7, -1, "ada", -70, "cart", True, "c1", 3, 0))
    b'[7,-1,"ada",-70,"cart",true,"c1",3,0]'
    """
    return msgspec.json.encode(place)


def decode_place(encoded: bytes) -> Place:
    """The place that `encode_place` encoded.

    >>> decode_place(b'[7,-1,"ada",-70,"cart",true,"c1",3,0]').user
    'ada'
    """
    return msgspec.json.decode(encoded, type=Place)
