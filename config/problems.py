"""What is wrong with a config folder: problems with their place, collected until all are known."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable
from typing import NamedTuple

from msgspec import Struct

from config.limits import NAME_LENGTH_MAX, PROBLEMS_MAX
from config.places import PLAIN_KEY, Keys, Source, Spot, in_quotes, printable, where

SHOWN_LENGTH_MAX = 60
KNOWN_SHOWN_MAX = 8
"""As many known names are listed where none is near; of more the list would be no help."""


class Problem(Struct, frozen=True, kw_only=True):
    """One thing to mend: file, place in it (`$.stage.reminder.when`) and what is wrong there.

    `nearest` is the known name that was probably meant and `fix` is what to do, where that is
    known. `where` names the place as the file does, `source` is what the line of it says.
    """

    file: str
    path: str
    where: str = ""
    line: int | None = None
    column: int | None = None
    source: str = ""
    message: str
    nearest: str | None = None
    fix: str | None = None

    def __str__(self) -> str:
        """One line, as all our messages read.

        >>> print(Problem(file="tags.toml", path="$.a", message="no tag 'vp'", nearest="vip"))
        tags.toml: no tag 'vp'; did you mean 'vip'? - at $.a
        """
        hint = f"; did you mean {self.nearest!r}?" if self.nearest is not None else ""
        if self.nearest is None and self.fix is not None:
            hint = f"; {self.fix}"
        place = f" - at {self.path}" if self.path != "$" else ""
        if not place and self.line is not None:
            place = f" - at line {self.line}, column {self.column}"
        return f"{self.file}: {self.message}{hint}{place}"


class ConfigError(Exception):
    """A config folder cannot be used. `problems` are all of them, in order of file and line."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        """Keep `problems`; the text of the error has one a line."""
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


class Place(NamedTuple):
    """A place in a file, and the list that problems found there are added to.

    The list is shared by all places of one `load`. It takes `PROBLEMS_MAX` problems; a last one
    says that there are more, so that hostile files cost bounded time and memory. `spot` is known
    from the start where the text is no TOML, and otherwise looked up in `source`.
    """

    found: list[Problem]
    file: str
    keys: Keys = ()
    source: Source | None = None
    spot: Spot | None = None

    @property
    def path(self) -> str:
        """The place as text.

        >>> Place([], "events.toml").at("Order Completed").at("require").at(0).path
        "$['Order Completed'].require[0]"
        """
        return "$" + "".join(map(path_step, self.keys))

    def at(self, key: str | int) -> Place:
        """The place of `key` in the table or list that is here."""
        return self._replace(keys=(*self.keys, key))

    def report(self, message: str, nearest: str | None = None, fix: str | None = None) -> None:
        """Add a problem, unless the list is full. The fix for a nearest name is to write it."""
        if len(self.found) < PROBLEMS_MAX:
            if fix is None and nearest is not None:
                fix = f"write {in_quotes(nearest)}"
            self.found.append(self._problem(message, nearest, fix))
        elif len(self.found) == PROBLEMS_MAX:
            message = f"more than {PROBLEMS_MAX} problems; the others are not listed"
            fix = "mend these first, then check again"
            self.found.append(Problem(file=self.file, path="$", message=message, fix=fix))

    def report_unknown(self, what: str, name: str, known: Collection[str]) -> None:
        """Add the problem that there is no such thing, with the nearest that there is."""
        if len(self.found) > PROBLEMS_MAX:
            return
        nearest = nearest_name(name, known)
        listed = ", ".join(map(in_quotes, list(known)[:KNOWN_SHOWN_MAX]))
        fix = f"the known ones are {listed}" if 0 < len(known) <= KNOWN_SHOWN_MAX else None
        self.report(f"no {what} {shown(name)}", nearest, None if nearest else fix)

    def _problem(self, message: str, nearest: str | None, fix: str | None) -> Problem:
        spot = self.spot
        if spot is None and self.source is not None:
            spot = self.source.spot(self.keys)
        return Problem(
            file=self.file,
            path=self.path,
            where=where(self.keys, spot.heading) if spot is not None else "",
            line=spot.line if spot is not None else None,
            column=spot.column if spot is not None else None,
            source=self.source.line(spot.line) if spot is not None and self.source else "",
            message=printable(message),
            nearest=nearest,
            fix=printable(fix) if fix is not None else None,
        )


def path_step(key: str | int) -> str:
    """A key as the last step of a path."""
    if isinstance(key, int):
        return f"[{key}]"
    return f".{key}" if PLAIN_KEY.fullmatch(key) else f"[{shown(key)}]"


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
