"""Each mistake that people make in a config folder, and the words that help them out of it."""

from __future__ import annotations

import contextlib
import io
import tomllib
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from config.problems import Problem
from flows.problem_tree import problem_tree
from flows.show import drawn
from tests.config_folders import SHOP, copy_shop, edit, problems_of

MISTAKES = tomllib.loads(Path(__file__).with_name("config_messages.toml").read_text("utf-8"))[
    "mistake"
]


def name_of(mistake: dict[str, Any]) -> str:
    return f"{mistake['file']}: {mistake['new'].strip()[:60]!r}"


def problems_after(mistake: dict[str, Any], directory: Path) -> tuple[Problem, ...]:
    folder = copy_shop(directory)
    edit(folder, mistake["file"], mistake["old"], mistake["new"])
    with contextlib.chdir(directory):
        return problems_of(Path("shop"))


@pytest.mark.parametrize("mistake", MISTAKES, ids=map(name_of, MISTAKES))
def test_a_mistake_is_told_with_its_place_and_what_to_do(
    mistake: dict[str, Any], tmp_path: Path
) -> None:
    problems = problems_after(mistake, tmp_path)
    console = Console(width=100, file=io.StringIO())
    with console.capture() as printed:
        console.print(drawn(problem_tree("shop", problems)))
    read = "".join(f"{line.rstrip()}\n" for line in printed.get().splitlines())
    assert read == mistake["reads"]
    for problem in problems:
        assert problem.fix
        check_line(problem, tmp_path)


def check_line(problem: Problem, directory: Path) -> None:
    """The line is that of the file, and the column stands in it."""
    if problem.line is None:
        assert problem.path == "$"
        return
    lines = (directory / problem.file).read_text("utf-8").splitlines()
    assert problem.source == lines[problem.line - 1].rstrip()
    assert problem.column is not None
    assert 1 <= problem.column <= len(problem.source) + 1


def test_the_shop_without_mistakes_has_no_problems() -> None:
    assert problems_of(SHOP) == ()
    assert len(MISTAKES) >= 40
