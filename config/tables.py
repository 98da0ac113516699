"""Reading a TOML table key by key: each getter checks one key and reports what is wrong with it.

A getter never fails: where the value is unusable it reports that and returns a neutral value of the
right type, so that reading goes on and all problems are found. `close` reports the keys that nobody
asked for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeVar, cast

from msgspec import UNSET, UnsetType

from config.durations import format_duration, nearest_duration, parse_duration
from config.examples import fix_missing
from config.limits import DURATION_MS_MAX, LIST_LENGTH_MAX, NUMBER_MAX, TEXT_BYTES_MAX
from config.places import in_quotes
from config.problems import Place, nearest_name, shown

Choice = TypeVar("Choice", bound=str)

NUMBER = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,15})?", re.ASCII)
WHOLE = re.compile(r"-?[0-9]{1,15}", re.ASCII)

NOT_YET = "not supported yet"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
UNITS_FIX = 'write a whole number and its unit (s, m, h or d) in quotes, such as "2h"'


class Table:
    """A TOML table and its place. A key without a default must be there."""

    def __init__(self, content: object, place: Place) -> None:
        """Take a parsed value; one that is not a table is reported and read as if empty."""
        self.place = place
        self.is_table = isinstance(content, dict)
        self.content: dict[str, Any] = cast(dict[str, Any], content) if self.is_table else {}
        self.asked: set[str] = set()
        if not self.is_table:
            fix = "write its keys in curly brackets, { key = value }, or below a [heading]"
            if isinstance(content, list):
                fix = "write single brackets, [heading], and each heading once"
            place.report(f"expected a table, got {shown(content)}", fix=fix)

    def __contains__(self, key: str) -> bool:
        """Whether the file has `key` here, whatever its value."""
        return key in self.content

    def text(self, key: str, default: str | None = None, limit: int = TEXT_BYTES_MAX) -> str:
        """A text of 1 to `limit` bytes; "" when there is none that is usable."""
        value = self._take(key, default is None)
        if value is None:
            return default or ""
        return value if check_text(value, self.place.at(key), limit) else ""

    def flag(self, key: str, default: bool) -> bool:
        """True or false."""
        value = self._take(key, False)
        if value is not None and not isinstance(value, bool):
            fix = "write true or false, without quotes"
            self.place.at(key).report(f"expected true or false, got {shown(value)}", fix=fix)
        return value if isinstance(value, bool) else default

    def whole(self, key: str, low: int, high: int, default: int | None = None) -> int:
        """A whole number from `low` to `high`."""
        value = self._take(key, default is None)
        if value is None:
            return default if default is not None else low
        if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
            return value
        expected = f"a whole number from {low} to {high}"
        fix = whole_fix(value, low, high)
        self.place.at(key).report(f"expected {expected}, got {shown(value)}", fix=fix)
        return low

    def share(self, key: str, default: float | None = None) -> float:
        """A number from 0 to 1."""
        value = self._take(key, default is None)
        if value is None:
            return default or 0.0
        number = check_number(value, self.place.at(key))
        if number is not None and not 0 <= number <= 1:
            percent = number if 1 < number <= 100 else 10
            fix = f"write {percent / 100:g} for {percent:g} percent"
            self.place.at(key).report(f"expected a share from 0 to 1, got {shown(value)}", fix=fix)
            return default or 0.0
        return number or 0.0

    def choice(
        self, key: str, choices: Collection[Choice], default: Choice | None = None
    ) -> Choice:
        """One of `choices`; the first of them when what is there is unusable."""
        value = self._take(key, default is None, in_quotes(next(iter(choices))))
        if value is None:
            return default or next(iter(choices))
        if isinstance(value, str) and value in choices:
            return cast(Choice, value)
        expected = ", ".join(f'"{choice}"' for choice in choices)
        nearest = nearest_name(value, choices) if isinstance(value, str) else None
        message = f"expected one of {expected}, got {shown(value)}"
        self.place.at(key).report(message, nearest, None if nearest else "write one of these")
        return next(iter(choices))

    def duration(self, key: str, low_ms: int, default_ms: int | None = None) -> int:
        """A duration of at least `low_ms`, in milliseconds."""
        value = self._take(key, default_ms is None)
        if value is None:
            return default_ms if default_ms is not None else low_ms
        duration_ms = parse_duration(value) if isinstance(value, str) else None
        place = self.place.at(key)
        if duration_ms is None:
            nearest = nearest_duration(value) if isinstance(value, str) else None
            message = f'expected a duration such as "30m" or "7d", got {shown(value)}'
            place.report(message, nearest, None if nearest else UNITS_FIX)
        elif not low_ms <= duration_ms <= DURATION_MS_MAX:
            low, high = format_duration(low_ms), format_duration(DURATION_MS_MAX)
            fix = f'write "{low}" or longer' if duration_ms < low_ms else f'write "{high}" or less'
            message = f"expected a duration from {low} to {high}, got {shown(value)}"
            place.report(message, fix=fix)
        else:
            return duration_ms
        return low_ms

    def instant(self, key: str) -> int | UnsetType:
        """An instant after 1970, in milliseconds since; UNSET when there is none that is usable."""
        value = self._take(key, False)
        if value is None:
            return UNSET
        if isinstance(value, datetime) and value.tzinfo is not None and value > EPOCH:
            return (value - EPOCH) // timedelta(milliseconds=1)
        message = f"expected a date and time with its zone, got {shown(value)}"
        self.place.at(key).report(message, fix=instant_fix(value))
        return UNSET

    def texts(
        self, key: str, default: tuple[str, ...] | None = None, example: str | None = None
    ) -> tuple[str, ...]:
        """A list of different texts, not empty; unusable and repeated ones are left out."""
        value = self._take(key, default is None, example)
        if value is None:
            return default or ()
        place = self.place.at(key)
        if not isinstance(value, list) or not value:
            got = "an empty one" if value == [] else shown(value)
            fix = "name at least one" + (", or remove the key" if default is not None else "")
            if value != []:
                listed = in_quotes(value) if isinstance(value, str) and value else '"...", "..."'
                fix = f"write it in square brackets: [{listed}]"
            place.report(f"expected a list of texts, got {got}", fix=fix)
            return ()
        return check_texts(value, place)

    def table(self, key: str, *, required: bool = False) -> Table | None:
        """The table at `key`, None when there is none."""
        value = self._take(key, required)
        return None if value is None else Table(value, self.place.at(key))

    def rest(self) -> Iterator[tuple[str, object, Place]]:
        """All keys that nobody asked for yet, as (key, value, place); asks for them."""
        for key, value in self.content.items():
            if key not in self.asked:
                self.asked.add(key)
                yield key, value, self.place.at(key)

    def raw(self, key: str) -> object:
        """What stands at `key`, unchecked; None when nothing does."""
        return self._take(key, False)

    def not_yet(self, *keys: str) -> None:
        """Keys of the language that this version does not carry out: using one is a problem."""
        for key in keys:
            if self._take(key, False) is not None:
                self.place.at(key).report(f"'{key}' is {NOT_YET}", fix="remove it")

    def close(self) -> None:
        """Report the keys that nobody asked for."""
        unknown = [key for key in self.content if key not in self.asked]
        known = sorted(self.asked)
        for key in unknown:
            nearest = nearest_name(key, known)
            fix = f"write {nearest}" if nearest else f"remove it; known here: {', '.join(known)}"
            self.place.at(key).report(f"no key {shown(key)}", nearest, fix)

    def _take(self, key: str, required: bool, example: str | None = None) -> Any:
        """The value at `key`, None when it is not there; reports a missing one that is required."""
        self.asked.add(key)
        if required and key not in self.content and self.is_table:
            self.place.report(f"expected a key '{key}', got none", fix=fix_missing(key, example))
        return self.content.get(key)


def check_text(value: object, place: Place, limit: int = TEXT_BYTES_MAX) -> bool:
    """Whether `value` is a text of 1 to `limit` bytes; reports it if not."""
    if not isinstance(value, str):
        simple = isinstance(value, int | float)
        fix = f'write it in quotes: "{shown(value)}"' if simple else "write one text, in quotes"
        place.report(f"expected text, got {shown(value)}", fix=fix)
    elif not value:
        place.report("expected text, got an empty one", fix="write it between the quotes")
    elif (size := len(value.encode("utf-8", "replace"))) > limit:
        place.report(f"expected text of at most {limit} bytes, got {size}", fix="shorten it")
    else:
        return True
    return False


def check_texts(values: list[object], place: Place) -> tuple[str, ...]:
    """The usable ones of `values`, each once; reports the others."""
    if len(values) > LIST_LENGTH_MAX:
        message = f"expected at most {LIST_LENGTH_MAX} texts, got {len(values)}"
        place.report(message, fix="shorten the list")
    texts: dict[str, None] = {}
    for index, value in enumerate(values[:LIST_LENGTH_MAX]):
        if not check_text(value, place.at(index)):
            continue
        if value in texts:
            place.at(index).report(f"{shown(value)} is there twice", fix="remove one of the two")
        texts[str(value)] = None
    return tuple(texts)


def check_number(value: object, place: Place) -> float | None:
    """`value` as a finite number of at most 2^53 either way; None, reported, if it is not one."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        plain = isinstance(value, str) and NUMBER.fullmatch(value)
        fix = f"write it without quotes: {value}" if plain else "write a number such as 20 or 0.5"
        if isinstance(value, str) and value.endswith("%"):
            fix = "write a share, such as 0.1 for 10 percent"
        place.report(f"expected a number, got {shown(value)}", fix=fix)
        return None
    # Not "abs(value) > NUMBER_MAX": NaN is to fail too.
    if not abs(value) <= NUMBER_MAX:
        message = f"expected a number of at most {NUMBER_MAX:.0f}, got {shown(value)}"
        place.report(message, fix="write a number such as 20 or 0.5")
        return None
    return float(value)


def instant_fix(value: object) -> str:
    """What to write in the place of a value that is no instant after 1970.

    >>> instant_fix(date(2026, 11, 21)), instant_fix(datetime(2026, 11, 21, 9, 30))
    ('write 2026-11-21T00:00:00Z', 'write 2026-11-21T09:30:00Z')
    """
    if isinstance(value, datetime) and value.tzinfo is None and value.year > EPOCH.year:
        return f"write {value.isoformat()}Z"
    if isinstance(value, date) and not isinstance(value, datetime) and value > EPOCH.date():
        return f"write {value}T00:00:00Z"
    return "write one such as 2026-11-21T00:00:00Z, without quotes"


def whole_fix(value: object, low: int, high: int) -> str:
    """What to write in the place of a value that is no whole number from `low` to `high`.

    >>> whole_fix(9, 1, 8), whole_fix("40", -10, 100), whole_fix(2.5, 1, 8)
    ('write 8 or less', 'write it without quotes: 40', 'write a number such as 2')
    """
    if isinstance(value, str) and WHOLE.fullmatch(value) and low <= int(value) <= high:
        return f"write it without quotes: {value}"
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        return f"write a number such as {min(max(5, low), high)}"
    if value > high:
        return f"write {high} or less"
    return f"write {low} or more" if value < low else f"write a number such as {int(value)}"


def check_each(
    table: Table | None, limit: int, check: Callable[[str, object, Place], None]
) -> None:
    """Call `check` for every key of `table` up to `limit` of them; more than that is a problem."""
    if table is None:
        return
    for index, (key, value, place) in enumerate(table.rest()):
        if index == limit:
            message = f"expected at most {limit} entries, got {len(table.content)}"
            table.place.report(message, fix="remove those that nothing needs")
            return
        check(key, value, place)
