"""Comparing settings: the same examples for all, and differences on the same users."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flows.compare import standings_of
from flows.learn_bootstrap import Examined
from tests.config_folders import copy_defaults, edit
from tests.conftest import Run
from tests.simulated import simulated


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("log") / "events.jsonl"
    path.write_bytes(b"".join(line + b"\n" for line in simulated(users=400, days=12).lines))
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = copy_defaults(tmp_path)
    edit(folder, "models.toml", 'within    = "7d"', 'within    = "30h"')
    edit(folder, "models.toml", 'every     = "7d"', 'every     = "6h"')
    return folder


def other(folder: Path, old: str, new: str) -> Path:
    """A models.toml beside the folder with one thing changed."""
    path = folder.parent / "other.toml"
    text = (folder / "models.toml").read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return path


def compared(run: Run, *arguments: object) -> Any:
    ended = run("models", "compare", *arguments, "--json")
    assert ended.code == 0, ended.err
    return json.loads(ended.out)


def test_settings_and_challengers_stand_beside_the_config(
    run: Run, folder: Path, log: Path
) -> None:
    same = folder / "models.toml"
    others = ("--with", same, "--with", other(folder, "prior = 10", "prior = 90"))
    options = ("--config", folder, "--model", "purchase_7d", "--challenger", "sgd")
    (contest,) = compared(run, log, *options, *others)["contests"]
    ours, twin, firm, river = contest["standings"]
    assert contest["compared_count"] > 500
    assert [one["name"] for one in (ours, twin, river)] == ["this config", str(same), "River, sgd"]
    assert twin["quality"] == ours["quality"]
    assert twin["more"] == {"roc_auc": 0.0, "log_loss": 0.0}
    assert firm["quality"] != ours["quality"]
    for one in (firm, river):
        for figure, more in one["more"].items():
            assert more == pytest.approx(one["quality"][figure] - ours["quality"][figure])


def test_the_table_tells_differences_with_their_intervals(
    run: Run, folder: Path, log: Path
) -> None:
    options = ("--config", folder, "--model", "purchase_7d", "--challenger", "sgd")
    ended = run("models", "compare", log, *options)
    assert ended.code == 0
    assert "purchase_7d: an outcome within 30h" in ended.out
    assert "River, sgd" in ended.out


def test_what_cannot_be_compared_is_refused_before_the_log_is_read(
    run: Run, folder: Path, log: Path
) -> None:
    elsewhere = other(folder, "[model.purchase_7d]", "[model.purchase_8d]")
    for options, told in (
        ((), "expected --with FILE or --challenger NAME, to compare with; got none"),
        (("--model", "churn_30d", "--challenger", "sgd"), "say --model purchase_30d"),
        (("--model", "purchase_7d", "--with", elsewhere), "a model named purchase_7d"),
    ):
        ended = run("models", "compare", "no-such-log.jsonl", "--config", folder, *options)
        assert ended.code == 2
        assert told in " ".join(ended.err.split())


def test_of_a_log_without_examples_it_is_told_what_it_takes(
    run: Run, folder: Path, tmp_path: Path
) -> None:
    empty = tmp_path / "empty.jsonl"
    empty.touch()
    options = ("--config", folder, "--model", "purchase_7d", "--challenger", "sgd")
    ended = run("models", "compare", empty, *options)
    assert ended.code == 0
    assert "purchase_7d: 0 examples have closed, too few for scores" in ended.out


def test_settings_that_take_other_examples_are_refused(run: Run, folder: Path, log: Path) -> None:
    elsewhere = other(folder, 'within    = "30h"', 'within    = "20h"')
    ended = run("models", "compare", log, "--config", folder, "--with", elsewhere)
    assert ended.code == 2
    assert "expected model purchase_7d with the same 'within' as in the config" in ended.err


def test_a_model_that_learns_from_messages_is_not_compared(
    run: Run, folder: Path, log: Path
) -> None:
    ended = run(
        "models",
        "compare",
        log,
        *("--config", folder),
        *("--model", "response_email", "--challenger", "sgd"),
    )
    assert ended.code == 2
    assert "expected a model with 'every'" in ended.err


def test_unknown_challengers_and_faulty_settings_are_refused(
    run: Run, folder: Path, log: Path
) -> None:
    ended = run("models", "compare", log, "--config", folder, "--challenger", "sdg")
    assert ended.code == 2
    assert "expected one of sgd, ftrl" in ended.err
    assert "did you mean 'sgd'?" in ended.err
    faulty = other(folder, "days_since_order", "days_since_oder")
    ended = run("models", "compare", log, "--config", folder, "--with", faulty)
    assert ended.code == 1
    assert "other.toml" in ended.err
    assert "did you mean 'days_since_order'" in ended.err


def test_a_difference_is_surer_than_either_figure() -> None:
    chance = np.random.default_rng(1)
    users = np.repeat(np.arange(300), 10)
    likely = np.repeat(chance.beta(1.0, 3.0, 300), 10)
    outcomes = chance.random(3000) < likely
    scores = {"first": likely, "second": np.clip(likely + chance.normal(0, 0.1, 3000), 0.01, 0.99)}
    examined = Examined(users=users, outcomes=outcomes)
    first, second = standings_of(scores, examined)
    assert first.more == {"roc_auc": 0.0, "log_loss": 0.0}
    known = second.intervals["roc_auc"]
    assert known.low < second.more["roc_auc"] < known.high < 0.0
