"""The docs say what is there: commands run, files exist, every key and word is documented."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
from msgspec import Struct

import config
from config.problems import Problem
from connectors.late import TOO_LATE
from connectors.reasons import REASONS as DEAD_LETTER_REASONS
from flows import exits
from flows.check import Checked
from flows.cli import beckon
from flows.config_tree import FeatureBytes
from flows.counters import JourneyCounters
from flows.output import REASONS as SUPPRESSION_REASONS
from flows.problem_tree import problem_tree
from flows.summary import Measured, Summary
from tests.config_folders import copy_shop, edit, problems_of
from tests.conftest import ROOT

README = (ROOT / "README.md").read_text()
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
GLOSSARY = (ROOT / "docs" / "glossary.md").read_text()
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
PATIENCE_SECONDS = 300


def in_code(word: str, page: str) -> bool:
    """Whether a page has `word` in code font, alone or with what belongs to it."""
    return re.search(rf"`[^`\n]*(?<![\w-]){re.escape(word)}(?![\w-])[^`\n]*`", page) is not None


def table_under(heading: str, page: str) -> list[list[str]]:
    """The rows of the first table after a heading, as cells."""
    section = page.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    rows = [line.strip("|").split(" | ") for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


def test_the_commands_of_the_readme_run(tmp_path: Path) -> None:
    commands = "\n".join(re.findall(r"```sh\n(.*?)```", README, re.DOTALL))
    assert commands.count("beckon") > 5
    tool = tmp_path / "bin" / "beckon"
    tool.parent.mkdir()
    tool.write_text(f"#!{sys.executable}\nfrom flows.cli import main\nmain()\n")
    tool.chmod(0o755)
    shutil.copytree(
        Path(config.__file__).parent, tmp_path / "config", ignore=shutil.ignore_patterns("*.py*")
    )
    path = f"{tool.parent}{os.pathsep}{os.environ['PATH']}"
    ended = subprocess.run(
        ["sh", "-e", "-c", commands],
        cwd=tmp_path,
        env={**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr.decode()
    assert b'"specversion":"1.0"' in ended.stdout
    assert b"Last triggers" in ended.stdout
    assert b'"sums_close":true' in ended.stdout
    assert len((tmp_path / "at_risk.csv").read_text().splitlines()) > 5


def test_the_verbs_of_the_readme_are_in_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text()
    verbs = set(re.findall(r"^    make (\w+)", README, re.MULTILINE))
    assert {"demo", "test"} <= verbs
    for verb in verbs | {"lint", "bench"}:
        assert re.search(rf"^{verb}:", makefile, re.MULTILINE), verb


@pytest.mark.parametrize("heading", ["Follow one event", "To change X, touch Y"])
def test_the_tables_of_the_readme_name_files_that_exist(heading: str) -> None:
    rows = table_under(heading, README)
    assert len(rows) >= 8
    for row in rows:
        files = re.findall(r"`([^`]+)`", row[1])
        assert files, f"{row[0]}: no file is named"
        missing = [name for name in files if not (ROOT / name).exists()]
        assert not missing, row[0]


def test_links_and_file_names_in_the_docs_lead_somewhere() -> None:
    for page in PAGES:
        text = page.read_text()
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", text):
            assert "://" in target or (page.parent / target).exists(), f"{page.name}: {target}"
        for name in re.findall(
            r"`((?:config|connectors|state|flows|bench|tests|docs)/[^`*<>]*)`", text
        ):
            assert (ROOT / name).exists(), f"{page.name}: {name}"


def test_every_command_and_option_is_documented() -> None:
    for name, command in beckon.commands.items():
        assert in_code(f"beckon {name}", OPERATIONS), name
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                option = max(parameter.opts, key=len)
                assert in_code(option, OPERATIONS), f"{name} {option}"


def test_every_exit_code_is_documented() -> None:
    documented = [int(row[0]) for row in table_under("Exit codes", OPERATIONS)]
    codes = [exits.DONE, exits.PROBLEMS, exits.USAGE, exits.WORLD, exits.INTERRUPTED]
    assert documented == codes


@pytest.mark.parametrize("struct", [Summary, JourneyCounters, Measured])
def test_every_key_of_the_summary_is_documented(struct: type[Struct]) -> None:
    section = OPERATIONS.split("\n## The summary's keys\n", 1)[1].split("\n## ", 1)[0]
    for key in struct.__struct_fields__:
        assert f"`{key}`" in section, key


@pytest.mark.parametrize("struct", [Checked, FeatureBytes, Problem])
def test_every_key_of_the_check_is_documented(struct: type[Struct]) -> None:
    section = OPERATIONS.split("\n## The keys of `beckon check --json`\n", 1)[1].split("\n## ", 1)[
        0
    ]
    for key in struct.__struct_fields__:
        assert f"`{key}`" in section, key


def test_the_tree_of_problems_in_the_docs_is_what_is_drawn(tmp_path: Path) -> None:
    folder = copy_shop(tmp_path)
    edit(folder, "tags.toml", '"spend_365d >= vip_spend"', '"spend_36d >= vip_spend"')
    edit(folder, "journeys/win_back.toml", '"7d"', '"1 week"')
    tree = problem_tree(str(folder), problems_of(folder))
    (section,) = re.findall(r"```text\nmy-config: .*?\n(.*?)```", OPERATIONS, re.DOTALL)
    told = [line.strip("│├└─ ") for line in section.splitlines()]
    assert told == [
        line
        for file in tree.branches
        for line in (file.text, *(part for one in file.branches for part in one.text.split("\n")))
    ]


def test_every_reason_is_documented() -> None:
    section = OPERATIONS.split("\n## Reasons\n", 1)[1].split("\n## ", 1)[0]
    documented = re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)
    assert documented == [*DEAD_LETTER_REASONS, *SUPPRESSION_REASONS.values(), TOO_LATE]


def test_every_environment_variable_is_documented() -> None:
    named = {
        variable
        for package in ("config", "connectors", "state", "flows", "bench", "tests")
        for path in (ROOT / package).rglob("*.py")
        for variable in re.findall(r"\"(BECKON_[A-Z_]+)\"", path.read_text())
    }
    documented = {row[0].strip("`") for row in table_under("Environment", OPERATIONS)}
    assert documented == named


def test_the_glossary_gives_each_word_one_meaning_in_order() -> None:
    words = re.findall(r"^\| ([a-z ]+) \|", GLOSSARY, re.MULTILINE)[1:]
    assert len(words) > 40
    assert words == sorted(set(words))


def test_the_changelog_speaks_of_this_version() -> None:
    version = re.search(r'^version = "([^"]+)"', (ROOT / "pyproject.toml").read_text(), re.M)
    assert version
    assert f"## {version.group(1)}" in (ROOT / "CHANGELOG.md").read_text()
