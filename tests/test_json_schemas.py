"""The JSON Schemas of the config files: fresh, valid, and right about every config we know."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from jsonschema import Draft7Validator

from config.json_schemas import FOLDER, json_schema, schema_text, write_schemas
from config.load import PACKAGED
from config.shapes import FILES
from tests.config_folders import write_minimal
from tests.conftest import ROOT
from tests.test_config_messages import MISTAKES, problems_after
from tests.world_configs import write_config

ABOUT_SHAPE = re.compile(
    r"expected (text|true or false|a whole number|a number,|one of|a duration(?! of at most)"
    r"|a list of texts|a table|a share|a rate above|a currency|a key|either an event or a tag"
    r"|a rule in quotes|two different features|up to 8 names|letters, digits"
    r"|a group with at least|a stage's name)"
    r"|no key|'.*' is there twice|a tile needs a window|'\w+' is not supported yet|so no key"
    r"|has a meaning of its own"
)
"""What is said of mistakes that a schema can know: not which names exist, not what a rule means."""


def refused(file: str, text: str) -> list[str]:
    """What the schema of a file says about its text."""
    name = "journey" if file.startswith("journeys/") else file.removesuffix(".toml")
    errors = Draft7Validator(json_schema(name)).iter_errors(tomllib.loads(text))
    return [f"{file} {error.json_path}: {error.message[:200]}" for error in errors]


def is_toml(text: str) -> bool:
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return False
    return True


def refused_in(folder: Path) -> list[str]:
    files = [*folder.glob("*.toml"), *folder.glob("journeys/*.toml")]
    assert len(files) >= 4
    return [
        message
        for path in files
        for message in refused(path.relative_to(folder).as_posix(), path.read_text("utf-8"))
    ]


def test_the_schemas_are_as_written_by_the_shapes(tmp_path: Path) -> None:
    write_schemas(tmp_path)
    assert {path.name for path in FOLDER.iterdir()} == {path.name for path in tmp_path.iterdir()}
    for name in FILES:
        fresh = (FOLDER / f"{name}.json").read_text("utf-8") == schema_text(name)
        assert fresh, "write them anew: python -m config.json_schemas"


@pytest.mark.parametrize("name", FILES)
def test_the_schemas_are_valid_by_the_official_one(name: str) -> None:
    schema = json_schema(name)
    assert schema["$schema"] == Draft7Validator.META_SCHEMA["$id"]
    Draft7Validator.check_schema(schema)


@pytest.mark.parametrize("name", FILES)
def test_every_key_and_every_choice_of_it_is_described(name: str) -> None:
    text = schema_text(name)
    assert text.count('"x-taplo"') == text.count('"enumValues"')

    def look(part: object, place: str) -> None:
        if isinstance(part, dict):
            for key, inner in part.get("properties", {}).items():
                assert inner is False or inner.get("description") or "if" in place, f"{place}.{key}"
            for key, inner in part.items():
                if key not in ("if", "then", "else", "oneOf"):
                    look(inner, f"{place}.{key}")
        elif isinstance(part, list):
            for inner in part:
                look(inner, place)

    look(json_schema(name), name)


def test_the_default_config_fits_its_schemas() -> None:
    assert refused_in(PACKAGED) == []


def test_configs_of_the_tests_fit_the_schemas(tmp_path: Path) -> None:
    assert refused_in(write_minimal(tmp_path)) == []
    for seed in range(5):
        assert refused_in(write_config(seed, tmp_path / str(seed))) == []
    for path in sorted((ROOT / "tests" / "golden").glob("*/config/**/*.toml")):
        folder = next(parent for parent in path.parents if parent.name == "config")
        assert refused(path.relative_to(folder).as_posix(), path.read_text("utf-8")) == []


def test_mistakes_of_shape_are_refused_by_the_schemas_too(tmp_path: Path) -> None:
    known, missed = 0, []
    for number, mistake in enumerate(MISTAKES):
        problems = problems_after(mistake, tmp_path / str(number))
        if not all(ABOUT_SHAPE.search(problem.message) for problem in problems):
            continue
        text = (tmp_path / str(number) / "shop" / mistake["file"]).read_text("utf-8")
        if not is_toml(text):
            continue
        known += 1
        if not refused(mistake["file"], text):
            missed.append((mistake["new"], [problem.message for problem in problems]))
    assert known > 40
    assert missed == []


@pytest.mark.parametrize("path", sorted(PACKAGED.rglob("*.toml")), ids=lambda path: path.stem)
def test_each_default_file_names_its_schema_in_its_first_line(path: Path) -> None:
    first = path.read_text("utf-8").split("\n", 1)[0]
    assert first.startswith("#:schema ")
    assert (path.parent / first.removeprefix("#:schema ")).resolve().parent == FOLDER
    assert (path.parent / first.removeprefix("#:schema ")).is_file()
