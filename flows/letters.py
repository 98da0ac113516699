"""Dead letters, read back: which is which, and which of them are wanted."""

from __future__ import annotations

import base64
import binascii
from collections import defaultdict
from collections.abc import Iterable, Iterator

import msgspec
import numpy as np
from msgspec import UNSET, Struct

from connectors.dead_letters import DeadLetterLine
from connectors.triggers import instant_ms

NUMBERS_MAX = 50_000_000
"""Letters of a partition that are told apart; each takes eight bytes of memory."""

RECENT_MAX = 65_536
TIME_BITS = 20
"""How much of the log time stands beside the offset in a letter's number: 17 minutes of it."""

OFFSET_MAX = 2 ** (63 - TIME_BITS) - 1
NO_PARTITION = NO_TIME = -1
"""What the letters of a file lack."""

_line = msgspec.json.Decoder(DeadLetterLine)


class Position(Struct, frozen=True, order=True):
    """Where the record of a letter is in the log; of a file's, the partition is NO_PARTITION.

    >>> str(Position(2, 4711)), str(Position(NO_PARTITION, 7))
    ('2:4711', '7')
    """

    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.partition}:{self.offset}" if self.partition >= 0 else f"{self.offset}"


class Letter(Struct, frozen=True, kw_only=True):
    """A dead letter; `value` is its record, byte for byte. version: "" where it is not told."""

    position: Position
    log_ms: int
    reason: str
    detail: str
    version: str
    value: bytes

    @property
    def number(self) -> int:
        """What tells it from the other letters of its partition, also of a log made anew."""
        return self.position.offset << TIME_BITS | self.log_ms & (1 << TIME_BITS) - 1


class Wanted(Struct, frozen=True, kw_only=True):
    """Which letters are wanted: those that meet each condition that is given.

    since_ms: whose records came then or later, by the clock of the log.
    """

    reasons: frozenset[str] = frozenset()
    since_ms: int | None = None
    positions: frozenset[Position] = frozenset()

    def has(self, letter: Letter) -> bool:
        """Whether a letter is wanted."""
        return (
            (not self.reasons or letter.reason in self.reasons)
            and (self.since_ms is None or letter.log_ms >= self.since_ms)
            and (not self.positions or letter.position in self.positions)
        )


class Numbers:
    """A set of many numbers of 63 bits, eight bytes each."""

    def __init__(self) -> None:
        self._sorted = np.zeros(0, np.int64)
        self._recent: set[int] = set()

    def __contains__(self, number: int) -> bool:
        if number in self._recent:
            return True
        at = int(np.searchsorted(self._sorted, number))
        return at < len(self._sorted) and int(self._sorted[at]) == number

    def add(self, number: int) -> bool:
        """Add a number; whether it is new.

        Raises:
            OSError: there are more than NUMBERS_MAX.
        """
        if number in self:
            return False
        self._recent.add(number)
        if len(self._recent) >= RECENT_MAX:
            recent = np.fromiter(self._recent, np.int64, len(self._recent))
            self._sorted = np.union1d(self._sorted, recent)
            self._recent.clear()
            if len(self._sorted) > NUMBERS_MAX:
                raise OSError(
                    f"expected at most {NUMBERS_MAX:,} dead letters in a partition, got more; "
                    "shorten the topic's retention.ms"
                )
        return True


def position_of(text: str) -> Position:
    """The position that a text names; raises `ValueError`.

    >>> position_of("2:4711")
    Position(partition=2, offset=4711)
    """
    partition, colon, offset = text.rpartition(":")
    if not offset.isdecimal() or (colon and not partition.isdecimal()):
        raise ValueError(f"expected a position like 2:4711 (partition:offset), got {text!r}")
    return Position(int(partition) if colon else NO_PARTITION, int(offset))


def letter_of(line: bytes) -> Letter | None:
    """The letter of a line; None of a line that is none.

    >>> letter = letter_of(b'{"reason":"bad_json","detail":"","offset":3,"value":"{"}')
    >>> str(letter.position), letter.value
    ('3', b'{')
    """
    try:
        read = _line.decode(line)
        log_ms = instant_ms(read.time) if read.time is not UNSET else NO_TIME
        value = _value_of(read)
    except (msgspec.DecodeError, UnicodeError, ValueError):
        return None
    partition = read.partition if read.partition is not UNSET else NO_PARTITION
    if value is None or not 0 <= read.offset <= OFFSET_MAX:
        return None
    return Letter(
        position=Position(partition, read.offset),
        log_ms=log_ms,
        reason=read.reason,
        detail=read.detail,
        version=read.version if read.version is not UNSET else "",
        value=value,
    )


def distinct(letters: Iterable[Letter | None]) -> Iterator[Letter | None]:
    """Each letter once: engines write those again that they had not committed when they ended."""
    seen: dict[int, Numbers] = defaultdict(Numbers)
    for letter in letters:
        if letter is None or seen[letter.position.partition].add(letter.number):
            yield letter


def _value_of(line: DeadLetterLine) -> bytes | None:
    """The record; raises `ValueError` where its base64 is none."""
    if line.value_base64 is not UNSET:
        try:
            return base64.b64decode(line.value_base64, validate=True)
        except binascii.Error as error:
            raise ValueError("not base64") from error
    return line.value.encode() if line.value is not UNSET else None
