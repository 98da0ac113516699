"""`beckon init`: the default config as a folder of its own, ready to edit, with its schemas."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from config.load import PACKAGED
from config.toml_files import FILES, JOURNEYS_FOLDER

SCHEMAS_FOLDER = "schemas"
CONTENTS = {
    "shop.toml": "what holds for the whole shop: currency, channels, your event names",
    "events.toml": "which events exist, and which of their fields count",
    "features.toml": "what is known about each user",
    "tags.toml": "facts about a user, each with its rule",
    "models.toml": "propensities, and what they are learned from",
    f"{JOURNEYS_FOLDER}/": "plans of messages, a file each",
    f"{SCHEMAS_FOLDER}/": "what editors need to complete and check these files",
}
"""What a person finds in the folder."""


def default_files() -> tuple[Path, ...]:
    """The files of the default config, named below its folder, in the order to read them in."""
    inner = (
        path.relative_to(PACKAGED)
        for pattern in (f"{JOURNEYS_FOLDER}/*.toml", f"{SCHEMAS_FOLDER}/*.json")
        for path in sorted(PACKAGED.glob(pattern))
    )
    return (*(Path(f"{name}.toml") for name in FILES), *inner)


def in_the_way(directory: Path) -> str | None:
    """What stands where a config folder is to be made; None when it can be.

    >>> in_the_way(PACKAGED)
    'one with files in it'
    """
    if directory.is_dir():
        return "one with files in it" if any(directory.iterdir()) else None
    there = directory.exists() or directory.is_symlink()
    return "something else of this name" if there else None


def write_defaults(directory: Path) -> None:
    """Write the default config into `directory`, where nothing is in the way.

    The folder and those around it are made where they are missing; a new one appears only when it
    is complete. Raises `OSError` when it cannot be written.
    """
    if directory.is_dir():
        _fill(directory)
        return
    directory.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{directory.name}.", dir=directory.parent) as beside:
        complete = Path(beside) / directory.name
        complete.mkdir()
        _fill(complete)
        complete.rename(directory)


def _fill(directory: Path) -> None:
    """Copy the default files into an empty folder, which stays empty when that fails."""
    try:
        for file in default_files():
            target = directory / file
            target.parent.mkdir(exist_ok=True)
            # Not with its permissions: an installed package may be read-only, this is to be edited.
            shutil.copyfile(PACKAGED / file, target)
    except BaseException:
        for path in directory.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
        raise
