"""What is wrong with a config folder: problems with their place, collected until all are known."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import NamedTuple

from msgspec import Struct

from config.limits import NAME_LENGTH_MAX, PROBLEMS_MAX

PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
SHOWN_LENGTH_MAX = 60


class Problem(Struct, frozen=True, kw_only=True):
    """One thing to mend: file, place in it (`$.stage.reminder.when`) and what is wrong there.

    `nearest` is the known name that was probably meant, where there is one.
    """

    file: str
    path: str
    message: str
    nearest: str | None = None

    def __str__(self) -> str:
        """One line, as all our messages read.

        >>> print(Problem(file="tags.toml", path="$.a", message="no tag 'vp'", nearest="vip"))
        tags.toml: no tag 'vp'; did you mean 'vip'? - at $.a
        """
        hint = f"; did you mean {self.nearest!r}?" if self.nearest is not None else ""
        place = f" - at {self.path}" if self.path != "$" else ""
        return f"{self.file}: {self.message}{hint}{place}"


class ConfigError(Exception):
    """A config folder cannot be used. `problems` are all of them, in order of file and place."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        """Keep `problems`; the text of the error has one a line."""
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


class Place(NamedTuple):
    """A place in a file, and the list that problems found there are added to.

    The list is shared by all places of one `load`. It takes `PROBLEMS_MAX` problems; a last one
    says that there are more, so that hostile files cost bounded time and memory.
    """

    found: list[Problem]
    file: str
    path: str = "$"

    def at(self, key: str | int) -> Place:
        """The place of `key` in the table or list that is here."""
        if isinstance(key, int):
            step = f"[{key}]"
        else:
            step = f".{key}" if PLAIN_KEY.fullmatch(key) else f"[{shown(key)}]"
        return self._replace(path=self.path + step)

    def report(self, message: str, nearest: str | None = None) -> None:
        """Add a problem, unless the list is full."""
        if len(self.found) < PROBLEMS_MAX:
            problem = Problem(file=self.file, path=self.path, message=message, nearest=nearest)
            self.found.append(problem)
        elif len(self.found) == PROBLEMS_MAX:
            message = f"more than {PROBLEMS_MAX} problems; the others are not listed"
            self.found.append(Problem(file=self.file, path="$", message=message))

    def report_unknown(self, what: str, name: str, known: Iterable[str]) -> None:
        """Add the problem that there is no such thing, with the nearest that there is."""
        if len(self.found) <= PROBLEMS_MAX:
            self.report(f"no {what} {shown(name)}", nearest_name(name, known))


def nearest_name(name: str, known: Iterable[str]) -> str | None:
    """The known name most like `name`, if one is like it at all.

    >>> nearest_name("lifecyle.churned", ["value.vip", "lifecycle.churned"])
    'lifecycle.churned'
    """
    if len(name) > NAME_LENGTH_MAX:
        return None
    return next(iter(difflib.get_close_matches(name, known, n=1)), None)


def shown(value: object) -> str:
    r"""`value` for a message: short, printable, in the words of a TOML file.

    >>> shown("a\nb"), shown(True), shown({}), shown([1]), shown(2.5)
    ("'a\\nb'", 'true', 'a table', 'a list', '2.5')
    """
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, bool):
        return str(value).lower()
    # Texts are cut first: the repr of a long one is longer still, that of a huge number raises.
    if isinstance(value, str):
        return ascii_or_plain(value[:SHOWN_LENGTH_MAX]) + (
            "..." if len(value) > SHOWN_LENGTH_MAX else ""
        )
    if isinstance(value, int):
        return str(value) if abs(value) < 10**18 else "a huge number"
    return str(value)


def ascii_or_plain(text: str) -> str:
    """The repr of `text`; escaped throughout where it could not be written as UTF-8."""
    plain = repr(text)
    return plain if plain.isprintable() else ascii(text)
