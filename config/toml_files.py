"""Reading the files of a config folder: TOML in, tables out, or a problem."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from config.limits import FILE_BYTES_MAX, JOURNEYS_MAX, LINE_LENGTH_MAX
from config.places import Source, Spot, printable
from config.problems import Place, Problem, nearest_name
from config.tables import NOT_YET, Table
from config.toml_errors import syntax_fault

REQUIRED = ("shop", "events", "features", "tags")
OPTIONAL = ("models",)
FILES = (*REQUIRED, *OPTIONAL)
LATER = ("suppression",)
JOURNEYS_FOLDER = "journeys"
INIT_FIX = "`beckon init DIR` writes a folder with all files"


class Folder(NamedTuple):
    """The files of a config folder; None is one that could not be read (and is reported)."""

    shop: Table | None
    events: Table | None
    features: Table | None
    tags: Table | None
    models: Table | None
    journeys: Mapping[str, Table | None]


def read_folder(directory: Path, label: str, found: list[Problem]) -> Folder:
    """Read all TOML files of `directory`; problems name them below `label`."""
    place = Place(found, label)
    nothing = Folder(None, None, None, None, None, {})
    try:
        if not directory.is_dir():
            place.report("expected a config folder, got none of this name", fix=INIT_FIX)
            return nothing
        check_names(directory, label, found)
        journeys = read_journeys(directory / JOURNEYS_FOLDER, f"{label}/{JOURNEYS_FOLDER}", found)
    except (OSError, ValueError) as error:
        message = f"expected a readable config folder, got: {reason(error)}"
        place.report(message, fix="check its name and who may read it")
        return nothing
    shop, events, features, tags = (
        read_table(directory / f"{name}.toml", Place(found, f"{label}/{name}.toml"))
        for name in REQUIRED
    )
    models = read_models_table(directory, label, found)
    return Folder(shop, events, features, tags, models, journeys)


def read_models_table(directory: Path, label: str, found: list[Problem]) -> Table | None:
    """The table of models.toml; an empty one where there is no such file."""
    path, place = directory / "models.toml", Place(found, f"{label}/models.toml")
    return read_table(path, place) if path.exists() else Table({}, place)


def check_names(directory: Path, label: str, found: list[Problem]) -> None:
    """Report TOML files that nothing reads: their settings would be silently without effect."""
    for path in sorted(directory.glob("*.toml")):
        place = Place(found, f"{label}/{printable(path.name)}")
        if path.stem in LATER:
            place.report(NOT_YET, fix="remove the file")
        elif path.stem not in FILES and not path.name.startswith("."):
            nearest = nearest_name(path.name, [f"{name}.toml" for name in FILES])
            fix = f"rename it to {nearest}" if nearest else "remove it, or move it to journeys/"
            place.report("no config file has this name", nearest, fix)


def read_journeys(directory: Path, label: str, found: list[Problem]) -> dict[str, Table | None]:
    """The journeys' tables by name, in order of name; none when there is no such folder."""
    if not directory.exists():
        return {}
    if not directory.is_dir():
        message = "expected a folder, got something else of this name"
        Place(found, label).report(message, fix="rename or remove it")
        return {}
    paths = sorted(path for path in directory.glob("*.toml") if not path.name.startswith("."))
    if len(paths) > JOURNEYS_MAX:
        message = f"expected at most {JOURNEYS_MAX} journeys, got {len(paths)}"
        Place(found, label).report(message, fix="remove those that are off")
    return {
        path.stem: read_table(path, Place(found, f"{label}/{printable(path.name)}"))
        for path in paths[:JOURNEYS_MAX]
    }


def read_table(path: Path, place: Place) -> Table | None:
    """The table of one file; None, with the problem reported, when it cannot be read as TOML."""
    try:
        if not path.exists():
            place.report("expected a file, got none of this name", fix=INIT_FIX)
            return None
        # Only regular files: reading a pipe would wait for ever.
        if not path.is_file():
            message = "expected a file, got something else of this name"
            place.report(message, fix="rename or remove it")
            return None
        with path.open("rb") as file:
            content = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        message = f"expected a readable file, got: {reason(error)}"
        place.report(message, fix="check who may read it")
        return None
    return parse_table(content, place)


def parse_table(content: bytes, place: Place) -> Table | None:
    """The table that `content` is; None, with the problem reported, when it is not TOML."""
    if len(content) > FILE_BYTES_MAX:
        message = f"expected a file of at most {FILE_BYTES_MAX} bytes, got a larger one"
        place.report(message, fix="remove what nothing needs")
        return None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        place = place._replace(spot=Spot(line, 1, 0))
        message = f"expected UTF-8 text, got byte 0x{content[error.start]:02x}"
        place.report(message, fix="save the file as UTF-8")
        return None
    for number, line_text in enumerate(text.split("\n"), start=1):
        if len(line_text) > LINE_LENGTH_MAX:
            place._replace(spot=Spot(number, 1, 0)).report(
                f"expected lines of at most {LINE_LENGTH_MAX} characters, got {len(line_text)}",
                fix="write the list over several lines",
            )
            return None
    place = place._replace(source=Source(text))
    try:
        return Table(tomllib.loads(text), place)
    except (ValueError, RecursionError) as error:
        fault = syntax_fault(text, error)
        place._replace(spot=fault.spot).report(fault.message, fix=fault.fix)
        return None


def reason(error: OSError | ValueError) -> str:
    """Why the system refused, without its numbers and paths."""
    return (isinstance(error, OSError) and error.strerror) or str(error)
