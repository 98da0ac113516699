"""Where things stand in a TOML text: the line, the column and the heading of each of its keys.

The texts are those that `tomllib` could read, so nothing is checked here again; a place that a text
does not have is found at the nearest one around it.
"""

from __future__ import annotations

import bisect
import re
import tomllib
from functools import cached_property
from typing import NamedTuple

Keys = tuple[str | int, ...]
"""The way to a value from the top of a file: names of tables, positions in lists."""

DEPTH_MAX = 16
"""What is nested deeper than the config language goes is found at the table around it."""

QUOTED = r'"""(?:\\.|[^\\])*?"{3,5}|' + r"'''.*?'{3,5}|" + r'"(?:\\.|[^"\\])*"|' + r"'[^']*'"
COMMENT = r"#[^\n]*"
BLANK = re.compile(rf"(?:\s|{COMMENT})*")
KEY = re.compile(rf"\s*(?P<key>{QUOTED}|[A-Za-z0-9_-]+)\s*(?P<more>\.?)", re.DOTALL)
SCALAR = re.compile(rf"{QUOTED}|[^,\]}}\n#]+", re.DOTALL)
NESTED = re.compile(
    rf"{QUOTED}|{COMMENT}|(?P<open>[\[{{])|(?P<close>[\]}}])|[^\[\]{{}}\"'#]+", re.DOTALL
)
PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)


class Spot(NamedTuple):
    """A place in a text: line and column from 1, and how many of its keys the heading names."""

    line: int
    column: int
    heading: int


class Source:
    """The text of one file."""

    def __init__(self, text: str) -> None:
        """Take the text; it is searched when a first place is asked for."""
        self.text = text

    def spot(self, keys: Keys) -> Spot | None:
        """Where `keys` lead, or those of them that lead anywhere; None for the file itself."""
        for length in range(min(len(keys), DEPTH_MAX), 0, -1):
            found = self._found.get(keys[:length])
            if found is not None:
                offset, heading = found
                line = bisect.bisect_right(self._starts, offset)
                return Spot(line, offset - self._starts[line - 1] + 1, heading)
        return None

    def line(self, number: int) -> str:
        """The text of a line, without its end and printable; "" beyond the last one."""
        lines = self.text.split("\n", number)
        if not 0 < number <= len(lines):
            return ""
        return printable(lines[number - 1].rstrip().replace("\t", " "))

    @cached_property
    def _found(self) -> dict[Keys, tuple[int, int]]:
        scanner = _Scanner(self.text)
        scanner.scan()
        return scanner.found

    @cached_property
    def _starts(self) -> list[int]:
        return [0, *(match.end() for match in re.finditer("\n", self.text))]


def where(keys: Keys, heading: int) -> str:
    """The place as the file says it: its heading, then the key below.

    >>> where(("stage", "offer", "after"), 2), where(("exit", "events", 0), 1)
    ('[stage.offer] after', '[exit] events, item 1')
    """
    head = f"[{_dotted(keys[:heading])}]" if heading else ""
    return f"{head} {_dotted(keys[heading:])}".strip()


def in_quotes(text: str) -> str:
    """A text as a TOML file has it.

    >>> print(in_quotes("Order Completed"), in_quotes('a 19" screen'))
    "Order Completed" 'a 19" screen'
    """
    plain = printable(text)
    return f'"{plain}"' if '"' not in plain else f"'{plain}'"


def printable(text: str) -> str:
    r"""A text with what a terminal could obey, or a file cannot hold, written as an escape.

    >>> printable("a\x1b[2J")
    'a\\x1b[2J'
    """
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in text
    )


def _dotted(keys: Keys) -> str:
    words = ""
    for key in keys:
        if isinstance(key, int):
            words += f", item {key + 1}"
        else:
            words += ("." if words else "") + (key if PLAIN_KEY.fullmatch(key) else in_quotes(key))
    return words


class _Scanner:
    """Goes through a text once and notes where each key and each member of a list begins."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.found: dict[Keys, tuple[int, int]] = {}
        self.members: dict[Keys, int] = {}

    def scan(self) -> None:
        """All headings and pairs."""
        heading: Keys = ()
        self.skip(BLANK)
        while self.at < len(self.text):
            start = self.at
            if self.text[start] == "[":
                heading = self.heading()
            else:
                self.pair(heading, len(heading))
            self.skip(BLANK)
            assert self.at > start, "a text that could be read is scanned to its end"

    def skip(self, pattern: re.Pattern[str]) -> None:
        """Go on behind what matches here, if anything does."""
        found = pattern.match(self.text, self.at)
        self.at = found.end() if found else self.at

    def note(self, keys: Keys, start: int, offset: int, heading: int) -> None:
        """`keys` begin at `offset`; those around them, beyond the first `start`, if still new."""
        for length in range(start + 1, min(len(keys), DEPTH_MAX + 1)):
            self.found.setdefault(keys[:length], (offset, min(heading, length)))
        if len(keys) <= DEPTH_MAX:
            self.found[keys] = (offset, heading)

    def heading(self) -> Keys:
        """`[a.b]` or `[[a.b]]`; returns the keys of what follows."""
        offset = self.at
        is_list = self.text.startswith("[[", offset)
        self.at += 1 + is_list
        *around, last = self.keys()
        self.at += 1 + is_list
        keys: Keys = ()
        for key in around:
            keys += (key,)
            if keys in self.members:
                keys += (self.members[keys] - 1,)
        keys += (last,)
        if is_list:
            self.found.setdefault(keys, (offset, len(keys)))
            self.members[keys] = self.members.get(keys, 0) + 1
            keys += (self.members[keys] - 1,)
        self.note(keys, 0, offset, len(keys))
        return keys

    def keys(self) -> list[str]:
        """A key, dotted or not; leaves the place behind it."""
        keys = []
        while found := KEY.match(self.text, self.at):
            self.at = found.end()
            keys.append(_unquoted(found["key"]))
            if not found["more"]:
                break
        return keys

    def pair(self, around: Keys, heading: int) -> None:
        """`key = value`."""
        offset = self.at
        keys = (*around, *self.keys())
        self.note(keys, len(around), offset, heading)
        self.at += 1
        self.skip(BLANK)
        self.value(keys, heading)

    def value(self, keys: Keys, heading: int) -> None:
        """A value, with what it holds."""
        first = self.text[self.at : self.at + 1]
        if first not in ("[", "{"):
            self.skip(SCALAR)
        elif len(keys) >= DEPTH_MAX:
            self.pass_over()
        else:
            self.hold(keys, heading, first)

    def hold(self, keys: Keys, heading: int, first: str) -> None:
        """The members of a list, or the pairs of an inline table."""
        end = "]" if first == "[" else "}"
        count = 0
        self.at += 1
        self.skip(BLANK)
        while self.text[self.at] != end:
            if first == "[":
                self.note((*keys, count), len(keys), self.at, heading)
                self.value((*keys, count), heading)
            else:
                self.pair(keys, heading)
            count += 1
            self.skip(BLANK)
            if self.text[self.at] == ",":
                self.at += 1
                self.skip(BLANK)
        self.at += 1

    def pass_over(self) -> None:
        """Go on behind the bracket that closes the one here."""
        depth = 0
        while found := NESTED.match(self.text, self.at):
            self.at = found.end()
            depth += bool(found["open"]) - bool(found["close"])
            if not depth:
                break


def _unquoted(key: str) -> str:
    """A key as `tomllib` reads it."""
    if key[0] not in "\"'":
        return key
    return key[1:-1] if "\\" not in key else next(iter(tomllib.loads(f"{key} = 0")))
