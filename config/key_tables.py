"""The tables of docs/config.md: every key of every file, with type, default and meaning.

`python -m config.key_tables` writes them anew, after a change of `config.shapes`: between the marks
`<!-- generated: NAME -->` and `<!-- end -->` of the page, NAME being one of `TABLES`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from config.json_schemas import json_schema
from config.marked_pages import filled
from config.shape_values import Schema

PAGE = Path(__file__).parent.parent / "docs" / "config.md"
NAMES = {"events": "EVENT", "tags": "TAG"}
"""What stands for the names that people choose, where it is not NAME."""

PLAIN_TYPES = {"boolean": "true or false", "integer": "whole number"}

Rows = list[tuple[str, ...]]


class Key(NamedTuple):
    """A key of a file: the tables around it and its own name, what may stand there, and whether."""

    path: tuple[str, ...]
    part: Schema
    required: bool


def with_tables(page: str) -> str:
    """The page with what stands between its marks made anew."""
    return filled(page, {name: table().rstrip("\n") for name, table in TABLES.items()})


def keys_table(name: str) -> str:
    """All keys of one file."""
    schema = json_schema(name)
    keys = list(_keys(schema, (), NAMES.get(name, "NAME")))
    for group in schema.get("definitions", {}).values():
        keys += _keys(group | {"additionalProperties": False}, ("GROUP",), "")
    rows: Rows = [
        (_name(key), _type(key.part), _default(key), key.part["description"]) for key in keys
    ]
    return _table(("key", "type", "default", "means"), rows)


def kinds_table() -> str:
    """The kinds of features, with the keys that each of them has."""
    rows: Rows = []
    for kind in _kinds():
        # What is needed where no trait is read: which keys a trait has, those keys say themselves.
        required = [*kind["required"], *kind.get("else", {}).get("required", ())]
        keys = [key for key in kind["properties"] if key != "kind"]
        needed = [f"`{key}`" for key in keys if key in required]
        further = [f"`{key}`" for key in keys if key not in required]
        rows.append((f"`{_kind(kind)}`", _sentence(kind), ", ".join(needed), ", ".join(further)))
    return _table(("kind", "value", "needs", "may have"), rows)


def features_table() -> str:
    """The keys of features, each with the kinds that have it in the same sense."""
    kinds_by_row: dict[tuple[str, str, str, str], list[str]] = {}
    for kind in _kinds():
        for name, part in kind["properties"].items():
            if name != "kind":
                key = Key((name,), part, False)
                row = (_name(key), _type(part), _default(key), part["description"])
                kinds_by_row.setdefault(row, []).append(f"`{_kind(kind)}`")
    rows: Rows = [
        (name, ", ".join(kinds), type_, default, meaning)
        for (name, type_, default, meaning), kinds in sorted(kinds_by_row.items(), key=_by_name)
    ]
    return _table(("key", "of", "type", "default", "means"), rows)


TABLES: dict[str, Callable[[], str]] = {
    "shop": lambda: keys_table("shop"),
    "events": lambda: keys_table("events"),
    "kinds": kinds_table,
    "features": features_table,
    "tags": lambda: keys_table("tags"),
    "models": lambda: keys_table("models"),
    "journey": lambda: keys_table("journey"),
}


def _keys(table: Schema, path: tuple[str, ...], name: str) -> Iterator[Key]:
    """The keys of a table and of the tables in it; `name` stands for those that people choose."""
    for key, part in table.get("properties", {}).items():
        inner = part.get("additionalProperties", False)
        if "properties" in part:
            yield from _keys(part, (*path, key), name)
        elif inner and "properties" in inner:
            yield from _keys(inner, (*path, key, name), name)
        else:
            yield Key((*path, key), part, key in table.get("required", ()))
            yield from _tables_among(inner, (*path, key, "NAME"))
    others = table.get("additionalProperties", False)
    if others and "type" in others and "properties" in others:
        yield from _keys(others, (*path, name), "NAME")
    elif others:
        yield from (Key((*path, name), part, False) for part in _choices(others) if _plain(part))
        yield from _tables_among(others, (*path, name))


def _tables_among(part: Any, path: tuple[str, ...]) -> Iterator[Key]:
    """The keys of those choices that are tables."""
    for choice in _choices(part):
        if "properties" in choice:
            yield from _keys(choice, path, "NAME")


def _choices(part: Any) -> list[Schema]:
    return part.get("anyOf", [part]) if isinstance(part, dict) else []


def _plain(part: Schema) -> bool:
    return "properties" not in part and "$ref" not in part


def _kinds() -> list[Schema]:
    kinds: list[Schema] = json_schema("features")["additionalProperties"]["anyOf"]
    return kinds


def _kind(kind: Schema) -> str:
    return str(kind["properties"]["kind"]["enum"][0])


def _sentence(kind: Schema) -> str:
    """What a kind is, as a cell: without the full stop."""
    return str(kind["description"]).removesuffix(".")


def _by_name(item: tuple[tuple[str, ...], list[str]]) -> tuple[int, str]:
    """Keys that many kinds have come first; those of one name stay together."""
    order = ("`events`", "`of`", "`window`", "`tile`", "`keep`")
    name = item[0][0]
    return (order.index(name) if name in order else len(order), name)


def _name(key: Key) -> str:
    """A key as it is found in the file: below its heading, or as a heading itself."""
    *around, own = key.path
    if around:
        return f"`[{'.'.join(around)}]` `{own}`"
    return f"`[{own}]`" if key.part.get("type") == "object" else f"`{own}`"


def _type(part: Schema) -> str:
    """What may stand at a key, in words."""
    if "anyOf" in part:
        return " or ".join(map(_type, part["anyOf"]))
    if "enum" in part:
        return "choice" if "x-taplo" in part else ", ".join(f"`{one}`" for one in part["enum"])
    words = str(part.get("title") or PLAIN_TYPES[part["type"]])
    bounded = part["type"] in ("integer", "number") and "minimum" in part
    return f"{words}, {part['minimum']} to {part['maximum']}" if bounded else words


def _default(key: Key) -> str:
    """What holds where the key is not there."""
    if "default" in key.part:
        return f"`{json.dumps(key.part['default'])}`"
    return "needed" if key.required else ""


def _table(head: tuple[str, ...], rows: Rows) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n".replace("|  |", "| |") for cells in lines)


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text("utf-8")), "utf-8")
