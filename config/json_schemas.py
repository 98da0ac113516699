"""JSON Schemas of the config files, by which editors complete and check them.

`python -m config.json_schemas` writes them anew, after a change of `config.shapes`. They are of
draft-07, the latest that the language servers for TOML are sure to know, and hold references only
where a table nests in itself: what stands beside a reference is lost to them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from config.shape_values import ANY_NAME, CHOICES, UNWRITTEN, Schema
from config.shapes import BETWEEN_KEYS, FILES

DRAFT = "http://json-schema.org/draft-07/schema#"
FOLDER = Path(__file__).parent / "schemas"
_REFERENCE = "#/definitions/"


def json_schema(name: str) -> Schema:
    """The schema of one of `FILES`.

    >>> json_schema("shop")["properties"]["strict"]["default"]
    False
    """
    shape = FILES[name]
    _, components = msgspec.json.schema_components([shape], ref_template=_REFERENCE + "{name}")
    parts = {part: dict(schema) for part, schema in components.items()}
    for owner, between in BETWEEN_KEYS.items():
        if owner.__name__ in parts:
            parts[owner.__name__] |= between
    for part in parts.values():
        del part["title"]
    nested = {part for part in parts if f'"{_REFERENCE}{part}"' in json.dumps(parts[part])}
    head: Schema = {"$schema": DRAFT, "title": f"Beckon: {file_of(name)}"}
    schema = {**head, **_written(parts[shape.__name__], parts, nested)}
    if nested:
        schema["definitions"] = {part: _written(parts[part], parts, nested) for part in nested}
    return schema


def file_of(name: str) -> str:
    """Where the files of a schema stand in a config folder.

    >>> file_of("tags"), file_of("journey")
    ('tags.toml', 'journeys/NAME.toml')
    """
    return "journeys/NAME.toml" if name == "journey" else f"{name}.toml"


def schema_text(name: str) -> str:
    """The schema as its file holds it."""
    return json.dumps(json_schema(name), indent=2, ensure_ascii=False) + "\n"


def write_schemas(folder: Path) -> None:
    """Write all schemas into `folder`, which is made where it is missing."""
    folder.mkdir(exist_ok=True)
    for name in FILES:
        (folder / f"{name}.json").write_text(schema_text(name), "utf-8")


def _written(part: Any, parts: Mapping[str, Schema], nested: set[str]) -> Any:
    """A part of a schema with everything in its place, as editors want it."""
    if isinstance(part, list):
        return [_written(item, parts, nested) for item in part]
    if not isinstance(part, dict):
        return part
    name = str(part.get("$ref", "")).removeprefix(_REFERENCE)
    if name in nested:
        return {"$ref": part["$ref"]}
    if name:
        beside = {key: value for key, value in part.items() if key != "$ref"}
        return _written(parts[name] | beside, parts, nested)
    written = {key: _written(value, parts, nested) for key, value in part.items()}
    written.pop("discriminator", None)
    if "properties" in written:
        _drop_unwritten(written)
        _say_kind(written)
        _spread(written)
    if "anyOf" in written:
        written["anyOf"] = _flat(written["anyOf"])
    return _with_choices(written)


def _drop_unwritten(table: Schema) -> None:
    """Take out of a table's keys what is none in a file."""
    table["properties"].pop(UNWRITTEN, None)
    table["required"] = [
        key for key in table.get("required", ()) if key not in (UNWRITTEN, ANY_NAME)
    ]
    if not table["required"]:
        del table["required"]


def _spread(table: Schema) -> None:
    """Let the names that a shape leaves open be keys of the table itself."""
    others = table["properties"].pop(ANY_NAME, None)
    if others is None:
        return
    declared = table["properties"]
    if not declared:
        del table["properties"]
    names = others["propertyNames"]
    if "not" in names:
        # It is said of all keys of the table, so it must not refuse those that are declared.
        taken = [word for word in names["not"]["enum"] if word not in declared]
        names = names | {"not": {"enum": taken}}
    spread = ("additionalProperties", "maxProperties")
    table |= {key: others[key] for key in spread if key in others} | {"propertyNames": names}


def _say_kind(table: Schema) -> None:
    """Describe the one kind that a table may have by what the table is."""
    kind = table["properties"].get("kind")
    if kind is not None:
        kind["description"] = f"`{kind['enum'][0]}`: {table['description']}"


def _flat(choices: list[Schema]) -> list[Schema]:
    """Choices of choices as choices."""
    return [
        inner
        for choice in choices
        for inner in (choice["anyOf"] if choice.keys() == {"anyOf"} else [choice])
    ]


def _with_choices(part: Schema) -> Schema:
    """A part with its choices in order, and their meanings where each editor looks for them."""
    if CHOICES not in part:
        return part
    meanings = part.pop(CHOICES)
    assert set(part["enum"]) == meanings.keys(), f"each choice has its meaning: {part}"
    said = "; ".join(f"`{choice}`: {meaning}" for choice, meaning in meanings.items())
    return part | {
        "description": f"{part['description']} {said}.",
        "enum": list(meanings),
        "x-taplo": {"docs": {"enumValues": list(meanings.values())}},
    }


if __name__ == "__main__":
    write_schemas(FOLDER)
