"""Texts of the world made fit for a terminal: no control characters, no line too long."""

from __future__ import annotations

from unicodedata import combining, east_asian_width

COLUMNS = 80


def printable(text: str) -> str:
    r"""`text` with everything that a terminal could obey, or hide, written as an escape.

    >>> printable("a\x1b[2Jé" + chr(0x202E))
    'a\\x1b[2Jé\\u202e'
    """
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in text
    )


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
