"""docs/config.md: its tables are fresh, its examples load, its rules mean what the page says."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from config.key_tables import TABLES, with_tables
from config.load import load
from config.marked_pages import MARKED
from config.rules import compile_rule
from config.schema import Config, Program
from config.scope import Scope
from config.tags import feature_types
from flows.cli import beckon
from tests.conftest import ROOT
from tests.rule_evaluation import Value, evaluate
from tests.test_shapes import NOT_YET

PAGE = (ROOT / "docs" / "config.md").read_text("utf-8")
EXAMPLE = re.compile(r"```toml\n(#:schema (?:\.\./)?schemas/(\w+)\.json\n.*?)```", re.DOTALL)
RULE_ROW = re.compile(r"^\| `([^`]+)` \| .* \| (yes|no) \|$", re.MULTILINE)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Config:
    """The config that the page's examples make up."""
    folder = tmp_path_factory.mktemp("page")
    (folder / "journeys").mkdir()
    names = []
    for text, name in EXAMPLE.findall(PAGE):
        file = "journeys/abandoned_cart" if name == "journey" else name
        (folder / f"{file}.toml").write_text(text, "utf-8")
        names.append(name)
    assert names == ["shop", "events", "features", "tags", "models", "journey"]
    return load(folder)


def test_the_tables_of_the_page_are_as_written_by_the_shapes() -> None:
    assert [found[2] for found in MARKED.finditer(PAGE)] == list(TABLES)
    assert with_tables(PAGE) == PAGE, "write them anew: python -m config.key_tables"


def test_what_is_not_supported_yet_is_said() -> None:
    section = PAGE.split("\n## Not yet\n", 1)[1]
    assert [key for key in sorted(NOT_YET) if f"`{key}`" not in section] == []


def test_the_examples_of_the_page_are_one_config(shop: Config) -> None:
    assert [journey.name for journey in shop.journeys] == ["abandoned_cart"]
    assert [model.name for model in shop.models] == ["purchase_30d", "churn_30d"]
    assert len(shop.profile_features) == 9


def test_the_rules_of_the_page_answer_for_a_newcomer_as_it_says(shop: Config) -> None:
    scope = Scope(
        features=feature_types({feature.name: feature for feature in shop.features}),
        propensities={
            feature.name.removeprefix("propensity."): index
            for index, feature in enumerate(shop.features)
        },
        tags={tag.name: index for index, tag in enumerate(shop.tags)},
    )
    never_missing = ("count", "sum", "cart")
    newcomer: list[Value] = [
        0.0 if feature.kind in never_missing else None for feature in shop.features
    ]
    rows = RULE_ROW.findall(PAGE)
    assert len(rows) >= 8
    for rule, answer in rows:
        program = compile_rule(rule, scope)
        assert isinstance(program, Program), f"{rule}: {program}"
        holds = evaluate(program, newcomer, [False] * len(shop.tags), [])
        assert holds == (answer == "yes"), rule


def test_the_event_of_the_recipes_can_be_added(tmp_path: Path, shop: Config) -> None:
    (recipe,) = re.findall(r"```toml\n(\[\"Store Visited\"\].*?)```", PAGE, re.DOTALL)
    text = next(text for text, name in EXAMPLE.findall(PAGE) if name == "events")
    for text_of, name in EXAMPLE.findall(PAGE):
        file = tmp_path / f"{name}.toml"
        if name != "journey":
            file.write_text(text_of if name != "events" else text + recipe, "utf-8")
    assert len(load(tmp_path).events) == len(shop.events) + 1


def test_the_commands_of_the_page_are_there_with_their_options() -> None:
    (block,) = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    commands = [line.split("#")[0].split() for line in block.splitlines()]
    assert len(commands) >= 4
    for program, name, *arguments in commands:
        assert program == "beckon"
        options = {
            option
            for parameter in beckon.commands[name].params
            if isinstance(parameter, click.Option)
            for option in parameter.opts
        }
        assert {part for part in arguments if part.startswith("-")} <= options
