"""Config folders to change and to break."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from config.load import PACKAGED, load
from config.problems import ConfigError, Problem

SHOP = Path(__file__).with_name("shop")
MINIMAL = {
    "shop.toml": 'currency = "EUR"\nzone = "UTC"\n',
    "events.toml": '["Product Viewed"]\nfields = { item = "product_id" }\n',
    "features.toml": "",
    "tags.toml": "",
}


def write_minimal(directory: Path) -> Path:
    """The least that loads."""
    for name, text in MINIMAL.items():
        (directory / name).write_text(text)
    return directory


def copy_defaults(directory: Path) -> Path:
    """A folder `shop` in `directory` with the default TOML files."""
    ignore = shutil.ignore_patterns("*.py", "__pycache__")
    return Path(shutil.copytree(PACKAGED, directory / "shop", ignore=ignore))


def copy_shop(directory: Path) -> Path:
    """A folder `shop` in `directory` with a shop that stays as it is while the defaults change."""
    return Path(shutil.copytree(SHOP, directory / "shop"))


def edit(folder: Path, file: str, old: str, new: str) -> None:
    """Put `new` in the place of the first `old`, which has to be there."""
    text = (folder / file).read_text("utf-8")
    assert old in text, f"{file} holds no {old!r}"
    (folder / file).write_text(text.replace(old, new, 1), "utf-8")


def with_setting(text: str, key: str, old: str, new: str) -> str:
    """A file's text with another value of a key, whose first value `old` has to be there."""
    changed, count = re.subn(
        rf"^({key} *= ){re.escape(old)}", rf"\g<1>{new}", text, count=1, flags=re.M
    )
    assert count == 1, f"no {key} = {old}"
    return changed


def problems_of(folder: Path) -> tuple[Problem, ...]:
    """What `load` says is wrong; nothing when nothing is."""
    try:
        load(folder)
    except ConfigError as error:
        assert error.problems, "an error says what is wrong"
        return error.problems
    return ()


def messages_of(folder: Path) -> list[str]:
    """The problems as lines, with the names of files below the folder."""
    return [str(problem).replace(f"{folder}/", "") for problem in problems_of(folder)]
