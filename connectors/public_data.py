"""What the importers of public data sets share: rows of CSV in, Segment messages out."""

from __future__ import annotations

import csv
import hashlib
import io
import operator
from collections.abc import Iterator, Sequence
from decimal import Decimal, InvalidOperation
from typing import BinaryIO

import msgspec

MESSAGE_ID_BYTES = 16


class WrongFormatError(OSError):
    """The file is not what its format says."""


def read_rows(source: BinaryIO, columns: Sequence[str], data_set: str) -> Iterator[tuple[str, ...]]:
    """The named columns of each row, stripped of blanks; an empty tuple for a row cut short.

    Bytes that are no UTF-8 are replaced. Raises `WrongFormatError` when a column is missing from
    the header or the file is no CSV.
    """
    text = io.TextIOWrapper(source, encoding="utf-8-sig", errors="replace", newline="")
    try:
        rows = csv.reader(text)
        header = next(rows, [])
        missing = [column for column in columns if column not in header]
        if missing:
            expected, got = ", ".join(columns), ", ".join(header)[:200]
            raise WrongFormatError(f"{data_set}: expected a header with {expected}, got {got!r}")
        chosen = operator.itemgetter(*(header.index(column) for column in columns))
        for row in rows:
            yield tuple(map(str.strip, chosen(row))) if len(row) == len(header) else ()
    except csv.Error as error:
        raise WrongFormatError(
            f"{data_set}: expected rows of CSV, got something else: {error}"
        ) from error
    finally:
        text.detach()


def decimal_of(text: str) -> Decimal | None:
    """A finite decimal number, or None.

    >>> decimal_of("2.50"), decimal_of("free"), decimal_of("NaN")
    (Decimal('2.50'), None, None)
    """
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def number(value: Decimal) -> msgspec.Raw:
    """The number as JSON, digit for digit."""
    return msgspec.Raw(f"{value:f}".encode())


def message_id(*parts: str) -> str:
    """The same id for the same parts, in the form of a UUID."""
    text = "\0".join(parts).encode()
    digits = hashlib.blake2b(text, digest_size=MESSAGE_ID_BYTES).hexdigest()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def track(event: str, properties: dict[str, object]) -> dict[str, object]:
    """What a track message says, without ids and times."""
    return {"type": "track", "event": event, "properties": properties}


def write_message(
    out: BinaryIO, content: dict[str, object], id: str, profile: dict[str, str], at: str
) -> None:
    """Write one message as a JSON line: it happened at `at`, and was received at once."""
    envelope = {"messageId": id, **profile, "timestamp": at, "receivedAt": at}
    out.write(msgspec.json.encode(content | envelope) + b"\n")
