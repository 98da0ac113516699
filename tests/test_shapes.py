"""The shapes of the config files say what their readers read: no key more, no key less."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import pytest
from jsonschema import Draft7Validator

from config.events import read_events
from config.features import KINDS, read_features
from config.journeys import Around, read_journey
from config.json_schemas import json_schema
from config.load import load
from config.models import Around as AroundModels
from config.models import read_models
from config.places import Source
from config.problems import Place
from config.shapes import FILES
from config.shop import read_shop
from config.tables import Table
from config.tags import Seen, feature_types, read_tags
from tests.config_folders import problems_of
from tests.every_key import every_key, write_files

NOT_YET = {"edits", "variants"}
"""Keys that the readers know but refuse."""

SCHEMAS = {name: json_schema(name) for name in FILES}
MUTATIONS = 400


def schema_of(file: str) -> dict[str, Any]:
    return SCHEMAS["journey" if file.startswith("journeys/") else file.removesuffix(".toml")]


def accepts(file: str, content: object) -> bool:
    return bool(Draft7Validator(schema_of(file)).is_valid(as_editors_see(content)))


def as_editors_see(content: Any) -> Any:
    """A file's content, with instants as texts."""
    if isinstance(content, dict):
        return {key: as_editors_see(value) for key, value in content.items()}
    return content.isoformat() if isinstance(content, datetime) else content


class Asked(dict[str, Any]):
    """A table that remembers which keys its reader asked for."""

    def __init__(self, content: dict[str, Any]) -> None:
        super().__init__({key: remembering(value) for key, value in content.items()})
        self.keys_asked: set[str] = set()

    def get(self, key: str, default: Any = None) -> Any:
        self.keys_asked.add(key)
        return super().get(key, default)


def remembering(value: Any) -> Any:
    return Asked(value) if isinstance(value, dict) else value


def tables(schema: dict[str, Any], content: Any, root: dict[str, Any]) -> Iterator[Any]:
    """Each table of a file with the part of the schema that describes it."""
    if "$ref" in schema:
        schema = root["definitions"][schema["$ref"].rsplit("/", 1)[1]]
    for choice in schema.get("anyOf", ()):
        if Draft7Validator(choice | {"definitions": root.get("definitions", {})}).is_valid(content):
            yield from tables(choice, content, root)
            return
    if not isinstance(content, dict):
        return
    yield schema, content
    for key, value in content.items():
        part = schema.get("properties", {}).get(key, schema.get("additionalProperties"))
        assert isinstance(part, dict), f"the schema does not know {key}"
        yield from tables(part, value, root)


def described(part: Any) -> Iterator[dict[str, Any]]:
    """Every table that a schema describes by its keys."""
    if isinstance(part, list):
        for item in part:
            yield from described(item)
    elif isinstance(part, dict):
        if "additionalProperties" in part and part.get("properties"):
            yield part
        for key, value in part.items():
            if key not in ("if", "then", "else", "oneOf"):
                yield from described(value)


def read_all(files: dict[str, Any]) -> None:
    """Read the files as `load` does, from tables in memory."""
    found: list[Any] = []

    def table(name: str) -> Table:
        return Table(files[name], Place(found, name, source=Source("")))

    shop = read_shop(table("shop.toml"))
    events = read_events(table("events.toml"), shop.channels.values())
    features = read_features(table("features.toml"), events)
    read_tags(table("tags.toml"), Seen(feature_types(features), {}))
    read_models(table("models.toml"), AroundModels(features, events, shop.channels))
    around = Around(channels=None, events=events, columns={}, seen=Seen(None, None), tags=None)
    for name in files:
        if name.startswith("journeys/"):
            read_journey("any", table(name), around)
    assert not [problem for problem in found if "no key" in problem.message]


def test_the_readers_ask_for_exactly_the_keys_of_the_shapes() -> None:
    files = {name: Asked(cast(dict[str, Any], table)) for name, table in every_key().items()}
    read_all(files)
    asked: dict[str, set[str]] = {}
    used: dict[str, set[str]] = {}
    for file, content in files.items():
        for schema, table in tables(schema_of(file), content, schema_of(file)):
            if "properties" not in schema:
                continue
            asked.setdefault(json.dumps(schema), set()).update(table.keys_asked - NOT_YET)
            used.setdefault(json.dumps(schema), set()).update(table)
    for text, keys in asked.items():
        properties = set(json.loads(text)["properties"])
        assert keys == properties
        assert properties <= used[text], "the sample uses every key"
    for schema in SCHEMAS.values():
        assert [table for table in described(schema) if json.dumps(table) not in asked] == []


def test_the_shapes_have_all_kinds_of_features() -> None:
    branches = SCHEMAS["features"]["additionalProperties"]["anyOf"]
    assert {branch["properties"]["kind"]["enum"][0] for branch in branches} == set(KINDS)


def test_a_config_with_every_key_loads_and_fits_the_schemas(tmp_path: Path) -> None:
    assert problems_of(write_files(every_key(), tmp_path)) == ()
    for file, content in every_key().items():
        assert [
            error.message
            for error in Draft7Validator(schema_of(file)).iter_errors(as_editors_see(content))
        ] == []


def test_a_default_written_down_changes_nothing(tmp_path: Path) -> None:
    tried = 0
    for file, content in every_key().items():
        for schema, table in tables(schema_of(file), content, schema_of(file)):
            for key, part in schema.get("properties", {}).items():
                if "default" not in part or (key == "pick" and key not in table):
                    continue
                files = every_key()
                # The same table in the copy, found by its content.
                twin = next(
                    other
                    for _, other in tables(schema_of(file), files[file], schema_of(file))
                    if other == table
                )
                twin[key] = part["default"]
                said = load(write_files(files, tmp_path)).version
                del twin[key]
                assert load(write_files(files, tmp_path)).version == said, f"{file}: {key}"
                tried += 1
    assert tried >= 8


VALUES: tuple[Any, ...] = (
    *(True, 0, 1, -1, 0.5, 9, 17, 1001, -1001, 1e17, "", " ", "x", "30m", "0s", "1.5h", "366 d"),
    *("EUR", "orders > 0", "a..b", ".", "traits.country", "x" * 257, "x" * 1001, "live", "first"),
    *([], ["x"], ["x", "x"], [1], [""], ["page"], {}, {"x": 1}, {"when": 1}, {"page": 0}),
    *({"when": "orders > 0"}, {"path": "x", "type": "flag"}, {"keep": "2h"}, {"x": "1 > 0"}),
)
KEYS = (
    "x",
    "",
    "a b",
    "when",
    "keep",
    "pick",
    "thresholds",
    "events",
    "kind",
    "tile",
    "usd",
    "USD",
)


def mutated(content: Any, chance: random.Random) -> Any:
    """The value with one thing in it changed: taken out, put in, renamed, or replaced."""
    if isinstance(content, dict) and content and chance.random() < 0.85:
        key = chance.choice(list(content))
        if chance.random() < 0.7:
            return content | {key: mutated(content[key], chance)}
        rest = {name: value for name, value in content.items() if name != key}
        renamed = {chance.choice(KEYS): content[key]}
        return chance.choice((rest, rest | renamed, content | {chance.choice(KEYS): 1}))
    if isinstance(content, list) and chance.random() < 0.5:
        return chance.choice((content * 2, content[:-1], [*content, chance.choice(VALUES)]))
    return chance.choice(VALUES)


def test_what_the_schemas_refuse_is_refused_by_the_readers(tmp_path: Path) -> None:
    chance = random.Random(4)
    refused = 0
    for number in range(MUTATIONS):
        files = every_key()
        file = chance.choice(list(files))
        files[file] = mutated(files[file], chance)
        if not isinstance(files[file], dict) or accepts(file, files[file]):
            continue
        refused += 1
        assert problems_of(write_files(files, tmp_path)), f"mutation {number}: {files[file]}"
    assert refused > MUTATIONS // 3


@pytest.mark.parametrize(
    ("file", "table", "change"),
    [
        ("shop.toml", "rates", {"usd": 1}),
        ("tags.toml", "value", {"thresholds": "1 > 0"}),
        ("tags.toml", "value", {"pick": "last"}),
        ("features.toml", "orders", {"of": "amount"}),
        ("features.toml", "orders", {"tile": "1h"}),
        ("features.toml", "country", {"events": ["page"]}),
        ("features.toml", "last_item", {"type": "text"}),
        ("features.toml", "orders", {"kind": "cuont"}),
        ("journeys/cart.toml", "entry", {"tag": "value.vip"}),
        ("journeys/vip.toml", "entry", {"key": "cart_id"}),
        ("journeys/cart.toml", "goal", {"within": "0s"}),
    ],
)
def test_what_one_key_says_about_another_is_in_the_schemas(
    file: str, table: str, change: dict[str, Any], tmp_path: Path
) -> None:
    files = every_key()
    cast(dict[str, Any], files[file][table]).update(change)
    assert not accepts(file, files[file])
    assert problems_of(write_files(files, tmp_path))
