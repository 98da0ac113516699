"""`beckon check`: what is wrong drawn as a tree, what is there drawn as a tree, and the JSON."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from config.examples import KEY_EXAMPLES, fix_missing
from config.load import load
from config.problems import Problem
from flows.check import Checked, check_folder, checked_config
from flows.config_tree import config_tree
from flows.problem_tree import problem_tree
from tests.config_folders import SHOP, copy_shop, edit, problems_of, write_minimal
from tests.conftest import ROOT, Run

BROKEN = """
shop: 6 problems in 3 files
├── journeys/win_back.toml
│   ├── expected a key 'status', got none
│   │   fix: add it, such as status = "live"
│   └── [stage.offer] after, line 27
│       after = "1 week"
│       expected a duration such as "30m" or "7d", got '1 week'
│       fix: write "7d"
├── shop.toml
│   └── line 3, column 12
│       zone     = Europe/Berlin  # whose days and hours count, where th...
│       expected a value after the =, got 'Europe/Berlin  # whose days an'
│       fix: texts need quotes: name = "text"; numbers, true and false need none
└── tags.toml
    ├── [thresholds] vip_spend, line 8
    │   vip_spend        = 500
    │   no rule of this file uses this threshold
    │   fix: use it in a rule, or remove it
    └── [value] vip, line 23
        vip        = "spend_36d >= vip_spnd"
        no feature or threshold 'spend_36d'
        fix: write spend_365d
        no feature or threshold 'vip_spnd'
        fix: write vip_spend
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return copy_shop(tmp_path)


def break_it(folder: Path) -> None:
    edit(folder, "shop.toml", '"Europe/Berlin"', "Europe/Berlin")
    edit(folder, "tags.toml", '"spend_365d >= vip_spend"', '"spend_36d >= vip_spnd"')
    edit(folder, "journeys/win_back.toml", 'status   = "live"\n', "\n")
    edit(folder, "journeys/win_back.toml", '"7d"', '"1 week"')


def test_all_problems_are_drawn_as_a_tree_of_files_and_places(run: Run, folder: Path) -> None:
    break_it(folder)
    with contextlib.chdir(folder.parent):
        shown = run("check", "--config", "shop")
    assert (shown.code, shown.err) == (1, "")
    drawn = "\n".join(line.rstrip() for line in shown.out.splitlines())
    assert f"\n{drawn}\n" == BROKEN


def test_a_folder_that_is_not_there_is_one_problem_and_what_to_do(run: Run, tmp_path: Path) -> None:
    with contextlib.chdir(tmp_path):
        shown = run("check", "--config", "nowhere")
    assert shown.code == 1
    assert [line.strip("└─ ") for line in shown.out.splitlines()] == [
        "nowhere: 1 problem in 1 file",
        "expected a config folder, got none of this name",
        "fix: `beckon init DIR` writes a folder with all files",
    ]


def test_a_text_that_would_steer_the_terminal_is_not_printed_as_it_is(
    run: Run, folder: Path
) -> None:
    edit(folder, "shop.toml", '"EUR"', '"\\u001b[31mEUR" # \\u001b')
    edit(folder, "shop.toml", "strict   = false", '"\\u001b[2J" = 1')
    shown = run("check", "--config", folder)
    assert shown.code == 1
    assert "\x1b" not in shown.out


def test_the_tree_of_a_clean_folder_names_what_a_person_knows(run: Run) -> None:
    shown = run("check", "--config", SHOP)
    assert (shown.code, shown.err) == (0, "")
    for expected in (
        "shop.toml: EUR, Europe/Berlin",
        "channels email, push",
        "events.toml: 40 events",
        "features.toml: 33 features",
        "lifecycle: only the first that holds",
        "vip: spend_365d >= vip_spend",
        "checkout: checkouts_1h > 0, kept 2h",
        "models.toml: 3 models, up to 640 bytes per user who is sampled",
        "purchase_30d: Order Completed within 30d",
        "sampled every 7d when orders_total >= least_orders",
        "6 terms of 3 features; until learned 0.2",
        "churn_30d: one minus purchase_30d",
        "response_email: Email Opened or Email Link Clicked within 3d",
        "sampled at each email",
        "thresholds: least_orders 1",
        "journeys/win_back.toml: live, priority 40, holdout 10%",
        "enters on tag lifecycle.at_risk when spend_365d >= min_spend",
        "reminder: after 30m (for 2h) sends cart_reminder when cart_value >= min_cart_value",
        "thresholds: min_cart_value 20, offer_cart_value 60",
    ):
        assert expected in shown.out


def test_bytes_are_told_in_sum_and_with_an_option_feature_by_feature(run: Run) -> None:
    summed, listed = run("check", "--config", SHOP), run("check", "--config", SHOP, "--features")
    total = re.search(r"([\d,]+) bytes per user", summed.out)
    assert total
    parts = [int(text.replace(",", "")) for text in re.findall(r" ([\d,]+) bytes  ", listed.out)]
    assert sum(parts) == int(total.group(1).replace(",", ""))
    assert re.search(r"spend_365d +\d+ bytes  sum in 365d", listed.out)


def test_every_tag_and_stage_of_the_defaults_is_in_their_tree() -> None:
    config = load()
    tree = config_tree(None, config, (), with_features=False)
    drawn = str(msgspec.to_builtins(tree))
    for tag in config.tags:
        assert tag.name.rpartition(".")[2] in drawn
    for journey in config.journeys:
        assert f"journeys/{journey.name}.toml" in drawn
        assert all(f"{stage.name}: after" in drawn for stage in journey.stages)


def test_the_least_that_loads_has_a_tree_as_well(run: Run, tmp_path: Path) -> None:
    shown = run("check", "--config", write_minimal(tmp_path), "--features")
    assert (shown.code, shown.err) == (0, "")
    assert "features.toml: 0 features" in shown.out


def test_the_json_of_a_broken_folder_is_what_the_tree_tells(run: Run, folder: Path) -> None:
    break_it(folder)
    shown = run("check", "--config", folder, "--json")
    assert (shown.code, shown.err) == (1, "")
    checked = msgspec.json.decode(shown.out, type=Checked, strict=True)
    assert checked.problems == problems_of(folder)
    assert (checked.config, checked.version, checked.features) == (str(folder), None, ())
    vip = next(problem for problem in checked.problems if problem.nearest == "spend_365d")
    assert vip == Problem(
        file=f"{folder}/tags.toml",
        path="$.value.vip",
        where="[value] vip",
        line=23,
        column=1,
        source='vip        = "spend_36d >= vip_spnd"',
        message="no feature or threshold 'spend_36d'",
        nearest="spend_365d",
        fix="write spend_365d",
    )


def test_the_json_of_a_clean_folder_has_its_version_and_bytes(run: Run) -> None:
    shown = run("check", "--config", SHOP, "--json")
    assert shown.code == 0
    checked = json.loads(shown.out)
    assert (checked["problems"], checked["version"]) == ([], load(SHOP).version)
    by_name = {part["name"]: part for part in checked["features"]}
    assert by_name["spend_365d"]["kind"] == "sum"
    assert by_name["spend_365d"]["bytes"] > 0
    assert by_name["message ids"]["kind"] is None
    assert check_folder(SHOP, checked_config(SHOP)).features


def test_problems_stand_in_the_order_of_the_lines_of_their_file(folder: Path) -> None:
    edit(folder, "shop.toml", "GBP = 1.17", "GBP = 0")
    edit(folder, "shop.toml", '"EUR"', '"Euro"')
    edit(folder, "shop.toml", "strict   = false", "strct = false")
    lines = [problem.line for problem in problems_of(folder)]
    assert lines == [2, 4, 8]


def test_a_tree_of_no_problem_of_a_known_place_has_no_line() -> None:
    problem = Problem(file="shop", path="$", message="expected a folder")
    tree = problem_tree("shop", (problem,))
    assert [branch.text for branch in tree.branches] == ["expected a folder"]


def test_there_is_an_example_for_every_key_that_a_file_must_have() -> None:
    calls = [
        call
        for path in (ROOT / "config").glob("*.py")
        for call in re.findall(
            r"\b(?:table|own)\.(?:text|texts|duration|whole|share)\(\"(\w+)\"([^()]*)\)",
            path.read_text(),
        )
    ]
    required = {key for key, more in calls if "default" not in more and "example" not in more}
    # These are read only where they are there.
    required -= {"key", "window", "tile", "complement"}
    assert len(required) > 10
    assert required <= KEY_EXAMPLES.keys()
    for key in required:
        assert key in fix_missing(key)


def test_a_terminal_that_cannot_spell_a_name_gets_the_others() -> None:
    shown = subprocess.run(
        [sys.executable, "-c", "from flows.cli import main; main()", "check"],
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=True,
    )
    assert b"+-- shop.toml: EUR" in shown.stdout
