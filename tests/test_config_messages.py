"""Each mistake that people make in a config folder, and the words that help them out of it."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.config_folders import copy_defaults, edit, messages_of

MISTAKES = tomllib.loads(Path(__file__).with_name("config_messages.toml").read_text("utf-8"))[
    "mistake"
]


def name_of(mistake: dict[str, Any]) -> str:
    return f"{mistake['file']}: {mistake['new'].strip()[:60]!r}"


@pytest.mark.parametrize("mistake", MISTAKES, ids=map(name_of, MISTAKES))
def test_a_mistake_is_told_in_these_words(mistake: dict[str, Any], tmp_path: Path) -> None:
    folder = copy_defaults(tmp_path)
    edit(folder, mistake["file"], mistake["old"], mistake["new"])
    assert messages_of(folder) == mistake["says"]
