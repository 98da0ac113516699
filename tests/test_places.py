"""Every place of a TOML text is found in its line, however the text is written."""

from __future__ import annotations

import json
import random
import tomllib
from typing import Any

import pytest

from config.places import Keys, Source, Spot, where
from tests.conftest import ROOT

TEXT = '''# [not.a.heading]
currency = "EUR" # a = 1
"own name".'x.y' = """
[stage.fake]
when = 1 \\"""
"""""
[stage.offer]  # after
after = '''

SPOTS: list[tuple[Keys, Spot]] = [
    (("currency",), Spot(2, 1, 0)),
    (("own name",), Spot(3, 1, 0)),
    (("own name", "x.y"), Spot(3, 1, 0)),
    (("stage",), Spot(7, 1, 1)),
    (("stage", "offer"), Spot(7, 1, 2)),
    (("stage", "offer", "after"), Spot(8, 1, 2)),
    (("stage", "offer", "when"), Spot(7, 1, 2)),
    (("stage", "offer", "after", 3), Spot(8, 1, 2)),
]


class Writer:
    """Writes a random TOML text and notes the line of every key and list member in it."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.lines = [""]
        self.line_of: dict[Keys, int] = {}
        self.count = 0

    def put(self, text: str) -> None:
        first, *rest = text.split("\n")
        self.lines[-1] += first
        self.lines += rest

    def key(self) -> tuple[str, str]:
        """A new key, and how it is written."""
        self.count += 1
        shape = self.chance.choice(
            ("k{}", "k-{}", "{}", "a.b {}", "[x{}]", 'q"{}', "=#{}'", "\\{}")
        )
        key = shape.format(self.count)
        plain = key.replace("-", "").isalnum()
        return key, key if plain else json.dumps(key)

    def filler(self) -> str:
        return self.chance.choice(("", "", "\n", "# [c] = 'x\n", '\n\n# """\n', "  "))

    def document(self) -> str:
        for _ in range(self.chance.randrange(4)):
            self.pair((), "\n")
        for _ in range(self.chance.randrange(1, 6)):
            self.table()
        return "\n".join(self.lines)

    def table(self) -> None:
        """A heading of one to three keys, or a list of two tables, each with its pairs."""
        names = [self.key() for _ in range(self.chance.randint(1, 3))]
        keys = tuple(key for key, _ in names)
        written = self.chance.choice((".", " . ")).join(text for _, text in names)
        is_list = self.chance.random() < 0.3
        for index in range(2 if is_list else 1):
            self.put(self.filler() + "\n")
            for length in range(1, len(keys) + 1):
                self.line_of.setdefault(keys[:length], len(self.lines))
            around: Keys = (*keys, index) if is_list else keys
            self.line_of[around] = len(self.lines)
            self.put(f"[[{written}]]\n" if is_list else f"[{written}] # x = [\n")
            for _ in range(self.chance.randrange(4)):
                self.pair(around, "\n")

    def pair(self, around: Keys, end: str) -> None:
        if end == "\n":
            self.put(self.filler() + "\n")
        names = [self.key() for _ in range(self.chance.choice((1, 1, 2)))]
        keys = around
        for key, _ in names:
            keys = (*keys, key)
            self.line_of[keys] = len(self.lines)
        self.put(".".join(text for _, text in names) + self.chance.choice(("=", " = ")))
        self.value(keys, len(keys) - len(around))
        self.put(self.chance.choice(("", " # ]}")) + end if end == "\n" else end)

    def value(self, keys: Keys, depth: int) -> None:
        scalars = (
            *("1", "-2.5e3", "true", "1979-05-27 07:32:00", "2026-01-01T00:00:00Z", "nan", '""'),
            *("'a]#'", '"\\"],}"', '"""a\n[x]\n\'\'\'k = 1"""', "'''\n\"\"\"=\\'''", '"""a"""""'),
        )
        kind = self.chance.random()
        if depth > 3 or kind < 0.6:
            self.put(self.chance.choice(scalars))
        elif kind < 0.8:
            self.put("[")
            count = self.chance.randrange(4)
            for index in range(count):
                self.put(self.filler().rstrip(" "))
                self.line_of[(*keys, index)] = len(self.lines)
                self.value((*keys, index), depth + 1)
                self.put(" ," if index < count - 1 or self.chance.random() < 0.5 else "")
            self.put("\n]")
        else:
            self.put("{ ")
            count = self.chance.randrange(3)
            for index in range(count):
                self.pair(keys, ", " if index < count - 1 else "")
            self.put(" }")


def keys_of(value: Any, keys: Keys = ()) -> list[Keys]:
    """The ways to all that a parsed text holds."""
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    inner = [found for key, below in items for found in keys_of(below, (*keys, key))]
    return [keys, *inner] if keys else inner


@pytest.mark.parametrize("seed", range(150))
def test_every_place_of_a_random_text_is_found_in_its_line(seed: int) -> None:
    writer = Writer(seed)
    text = writer.document()
    source = Source(text)
    found = keys_of(tomllib.loads(text))
    assert set(found) == set(writer.line_of)
    for keys in found:
        spot = source.spot(keys)
        assert spot is not None
        assert spot.line == writer.line_of[keys], f"{keys} of\n{text}"


@pytest.mark.parametrize(("keys", "spot"), SPOTS)
def test_a_place_has_line_column_and_heading_and_an_absent_one_those_around(
    keys: Keys, spot: Spot
) -> None:
    assert Source(TEXT + '"1d"').spot(keys) == spot


def test_the_file_itself_and_what_is_nowhere_in_it_have_no_place() -> None:
    assert Source(TEXT + "1").spot(()) is None
    assert Source(TEXT + "1").spot(("nothing", "here")) is None


def test_a_line_of_a_text_is_told_without_its_end() -> None:
    source = Source("a = 1  \r\nb = 2")
    assert [source.line(number) for number in range(4)] == ["", "a = 1", "b = 2", ""]


def test_every_setting_of_the_default_files_is_found_where_its_name_stands() -> None:
    for path in sorted((ROOT / "config").rglob("*.toml")):
        text = path.read_text("utf-8")
        source = Source(text)
        for keys in keys_of(tomllib.loads(text)):
            spot = source.spot(keys)
            assert spot is not None
            if isinstance(keys[-1], str):
                assert keys[-1] in source.line(spot.line)[spot.column - 1 :]


def test_a_place_is_named_as_the_file_says_it() -> None:
    assert where(("Order Completed", "require"), 1) == '["Order Completed"] require'
    assert where(("intent", "checkout", "keep"), 1) == "[intent] checkout.keep"
    assert where(("channels", 1), 0) == "channels, item 2"
    assert where(("entry",), 1) == "[entry]"


def test_what_is_nested_without_end_takes_bounded_time() -> None:
    deep = "[a" + ".b" * 1_900 + "]\n" + "x = " + "[" * 150 + "'''[''', \"]\"" + "]" * 150 + "\n"
    source = Source(deep + "[z]\nlast = 1")
    assert source.spot(("z", "last")) == Spot(4, 1, 1)
    assert source.spot(("a", *("b" for _ in range(1_900)), "x")) is not None
