"""The JSON lines of a replay's outputs, in one order however many partitions there are."""

from __future__ import annotations

import base64
import heapq
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

import msgspec
from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from connectors.columns import DeadLetter
from connectors.dead_letters import DeadLetterLine, PlacedLetter
from connectors.triggers import instant_text
from flows.decisions import Batch

DEAD_LETTERS, PROFILES = "dead_letters", "profiles"
OUTPUTS = ("triggers", "decisions", "tags", "examples", DEAD_LETTERS)
"""What the flow writes as it runs; profiles are written at its end."""


class PlacedData(Struct):
    """The part of a decision's data that places it."""

    offset: int | None = None


class Placed(Struct):
    """The part of a decision or tag transition that says where it stands among others."""

    time: str
    subject: str
    data: PlacedData


class ProfileUser(Struct):
    """The part of a profile's line that it is sorted by."""

    user: str


placed = msgspec.json.Decoder(Placed)
profile_user = msgspec.json.Decoder(ProfileUser)


def rendered(name: str, batches: Sequence[Batch], letters: Sequence[DeadLetter]) -> list[bytes]:
    """The lines of output `name` for one stretch, in order of place."""
    if name == DEAD_LETTERS:
        return [dead_letter_line(letter) for letter in letters]
    if name == "triggers":
        return merged([batch.triggers() for batch in batches])
    if name == "decisions":
        return merged([batch.decisions() for batch in batches])
    if name == "examples":
        return merged([batch.examples() for batch in batches])
    assert name == "tags", "outputs are those of OUTPUTS"
    return merged([batch.transitions() for batch in batches])


def merged(partitions: list[list[bytes]]) -> list[bytes]:
    """Lines of several partitions, each in order of place, as one list in order of place.

    Of one user's lines at one place the order is that of their partition, so time, offset and user
    tell.

    >>> line = b'{"time":"2026-01-01T00:00:0%d.000Z","subject":"u","data":{"offset":null}}'
    >>> [text[8:32] for text in merged([[line % 1, line % 3], [line % 2]])] == [
    ...     b'"2026-01-01T00:00:0%d.000' % second for second in (1, 2, 3)
    ... ]
    True
    """
    if len(partitions) == 1:
        return partitions[0]
    return list(heapq.merge(*partitions, key=place))


def in_order(name: str, partitions: Sequence[Iterable[bytes]]) -> Iterable[bytes]:
    """All lines of output `name`, given those of each partition in its order.

    Dead letters have no place among those of other partitions: they come partition by partition.
    """
    if len(partitions) == 1:
        return partitions[0]
    if name == DEAD_LETTERS:
        return chain.from_iterable(partitions)
    if name == PROFILES:
        return merged_profiles(partitions)
    return heapq.merge(*partitions, key=place)


def place(line: bytes) -> tuple[str, int, bytes]:
    """What orders the lines of different users: instant, offset (none: -1), user id."""
    found = placed.decode(line)
    offset = found.data.offset
    return found.time, -1 if offset is None else offset, found.subject.encode()


def merged_profiles(partitions: Iterable[Iterable[bytes]]) -> Iterator[bytes]:
    """Profiles of several partitions, each sorted by user id, as one stream in that order."""
    return heapq.merge(*partitions, key=lambda line: profile_user.decode(line).user.encode())


def dead_letter_line(letter: DeadLetter) -> bytes:
    """A dead letter as JSON (see `DeadLetterLine`).

    >>> letter = DeadLetter(reason="bad_json", detail="", offset=3, value=b"{")
    >>> dead_letter_line(letter).decode()
    '{"reason":"bad_json","detail":"","offset":3,"value":"{"}'
    """
    value: str | UnsetType = UNSET
    value_base64: str | UnsetType = UNSET
    try:
        value = letter.value.decode()
    except UnicodeDecodeError:
        value_base64 = base64.b64encode(letter.value).decode()
    line = DeadLetterLine(
        reason=letter.reason,
        detail=letter.detail,
        offset=letter.offset,
        value=value,
        value_base64=value_base64,
    )
    if isinstance(letter, PlacedLetter):
        line = replace(
            line,
            partition=letter.partition,
            time=instant_text(letter.log_ms),
            version=letter.version,
        )
    return msgspec.json.encode(line)
