"""Texts measured and folded for a terminal: how wide they are, no line too long."""

from __future__ import annotations

from unicodedata import combining, east_asian_width

COLUMNS = 80


def columns(text: str) -> int:
    """How many columns of a terminal a printable text takes.

    >>> columns("abc"), columns("東京")
    (3, 4)
    """
    if text.isascii():
        return len(text)
    return sum(_letter_columns(letter) for letter in text)


def folded(text: str, *, indent: int, width: int = COLUMNS) -> list[str]:
    """`text` in lines of at most `width` columns, broken at blanks, all but the first indented.

    The caller has indented the first line. A word that is too long for a line is broken anywhere.

    >>> folded("one two three", indent=2, width=8)
    ['one two', '  three']
    >>> folded("12345678901", indent=2, width=8)
    ['12345678', '  901']
    """
    lines, line = [], ""
    for letter in text:
        line += letter
        if columns(line) > width:
            kept, _, rest = line.rpartition(" ")
            if not kept.strip():
                kept, rest = line[:-1], letter
            lines.append(kept.rstrip())
            line = " " * indent + rest
    return [*lines, line] if line.strip() else lines


def _letter_columns(letter: str) -> int:
    if combining(letter):
        return 0
    return 2 if east_asian_width(letter) in "WF" else 1
