"""Who holds a tag, as CSV for a spreadsheet and as the first rows for a terminal."""

from __future__ import annotations

import csv
from io import StringIO
from typing import BinaryIO

from config.places import printable
from connectors.triggers import instant_text
from flows.lookup import Audience
from flows.moments import instant, moments_at
from flows.plain_text import columns, folded

ROWS_SHOWN = 20
COLUMN_NAMES = ("user", "since")
LINES_AT_ONCE = 10_000
USER_COLUMNS = 36


def write_csv(audience: Audience, file: BinaryIO) -> None:
    """All rows, under a line with the columns' names; instants as in all our outputs."""
    file.write(csv_line(*COLUMN_NAMES))
    for first in range(0, len(audience.holders), LINES_AT_ONCE):
        rows = audience.holders[first : first + LINES_AT_ONCE]
        lines = [csv_line(user.decode(), instant_text(since_ms)) for user, since_ms in rows]
        file.write(b"".join(lines))


def csv_line(*cells: str) -> bytes:
    r"""A line of CSV; what holds a comma, a quote or a line end of either kind is quoted.

    >>> csv_line("a,b", 'say "hi" to', "x\ry")
    b'"a,b","say ""hi"" to","x\ry"\n'
    """
    line = StringIO(newline="")
    # Only what ends its lines is quoted by the csv module, so it must end them with both.
    csv.writer(line, lineterminator="\r\n").writerow(cells)
    return line.getvalue().removesuffix("\r\n").encode() + b"\n"


def first_rows(audience: Audience, zone: str) -> list[str]:
    """The first rows for a person: lines of at most 80 columns."""
    moments = moments_at(zone, audience.clock_ms)
    lines: list[str] = []
    for user, since_ms in audience.holders[:ROWS_SHOWN]:
        name = printable(user.decode())
        since = instant(since_ms)
        padding = " " * max(USER_COLUMNS - columns(name), 0)
        text = f"  {name}{padding}  since {moments.at(since)}, {moments.ago(since)}"
        lines += folded(text, indent=6)
    return lines


def count_sentence(audience: Audience, tag: str, zone: str, *, shown: bool) -> str:
    """How many hold the tag, and as of when; with `shown` that these were the first rows."""
    count = len(audience.holders)
    holders = "1 user holds" if count == 1 else f"{count:,} users hold"
    sentence = f"{holders} {tag} as of {moments_at(zone, audience.clock_ms).now()}"
    if shown and count > ROWS_SHOWN:
        sentence += f"\nThese are the first {ROWS_SHOWN}; --out FILE writes them all."
    return sentence
