"""What is wrong with a text that is no TOML, in words for the person who wrote it."""

from __future__ import annotations

import re
from typing import NamedTuple

from config.places import Spot
from config.problems import shown


class SyntaxFault(NamedTuple):
    """What to say, what to do, and the place where the parser gave up."""

    message: str
    fix: str | None
    spot: Spot


ENDING = re.compile(r" \(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\)$")
GOT_LENGTH_MAX = 30
VALUE_FIX = 'texts need quotes: name = "text"; numbers, true and false need none'
PAIR_FIX = "write key = value, a [heading], or a comment after #"
FIXES = (
    ("Invalid value", "expected a value after the =", VALUE_FIX),
    ("Invalid statement", "expected a key or a [heading]", PAIR_FIX),
    ("Invalid initial character for a key part", "expected a key", PAIR_FIX),
    ("Expected '=' after a key", "expected a = after the key", PAIR_FIX),
    ("Expected newline or end of document", "expected nothing more on this line", VALUE_FIX),
    ("Expected ']' at the end of a table", "the heading is not closed", "add the ]"),
    ("Expected ']]' at the end of an array", "the heading is not closed", "add the ]]"),
    ("Unclosed array", "the list is not closed", "put , between its members and ] at its end"),
    ("Unclosed inline table", "the { is not closed", "put , between its keys and } on its line"),
    ("Unterminated string", "the text is not closed", "add the quotes at its end"),
    ("Illegal character '\\n'", "the text is not closed on its line", "add the quotes at its end"),
    ("Unescaped '\\'", "a \\ in quotes needs another one", "write \\\\, or use single quotes"),
    ("Invalid date or datetime", "no such date", "write one like 2026-11-21T00:00:00Z"),
)
"""How the parser's messages begin, and what they mean."""

HABITS = tuple(
    (re.compile(habit), fix)
    for habit, fix in (
        ("[\u201c\u201d\u201e\u2018\u2019]", 'write straight quotes: "'),
        (r",\d", "write a point in a number, such as 0.5"),
        ("%", "write a share, such as 0.1 for 10 percent"),
        (r"[smhd]\s*(#.*)?$", 'put the duration in quotes, such as "30m"'),
    )
)
"""What people write out of habit where the parser gave up, and what to write instead."""

OVERWRITTEN = "Cannot overwrite a value"
KEY = re.compile(r"\s*([^=#]+?)\s*=")
REMOVE_ONE = "remove or rename one of the two"
TWICE = re.compile(
    r"Cannot declare \((?P<keys>.*?),?\) twice|Duplicate inline table key (?P<key>.*)"
)


def syntax_fault(text: str, error: ValueError | RecursionError) -> SyntaxFault:
    """What `tomllib` did not like in `text`."""
    said = "too many nested brackets" if isinstance(error, RecursionError) else str(error)
    ending = ENDING.search(said)
    said = said[: ending.start()] if ending else said
    if ending is None or ending["line"] is None:
        spot = Spot(text.count("\n") + 1, 1, 0)
    else:
        spot = Spot(int(ending["line"]), int(ending["column"]), 0)
    twice = TWICE.fullmatch(said)
    if twice:
        name = (twice["keys"] or twice["key"]).replace("', '", ".")
        return SyntaxFault(f"{name} is there twice", REMOVE_ONE, spot)
    if said.startswith(OVERWRITTEN):
        # The parser stands behind the value by now.
        key = KEY.match(text.split("\n")[spot.line - 1])
        name = shown(key[1]) if key else "the key"
        return SyntaxFault(f"{name} is there twice", REMOVE_ONE, spot)
    rest = rest_of_line(text, spot)
    for beginning, message, fix in FIXES:
        if said.startswith(beginning):
            fixes = [better for habit, better in HABITS if habit.match(rest)]
            got = f", got {shown(rest[:GOT_LENGTH_MAX])}" if rest else ""
            return SyntaxFault(message + got, next(iter(fixes), fix), spot)
    return SyntaxFault(f"expected TOML, got: {said}", None, spot)


def rest_of_line(text: str, spot: Spot) -> str:
    """What stands where the parser gave up."""
    return text.split("\n")[spot.line - 1][spot.column - 1 :].strip()
