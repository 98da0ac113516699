"""Models that learn beside a replay: decisions depend on the log alone, however it is replayed."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest

from config.load import load
from config.schema import Config
from flows.cli import beckon
from flows.compare import Collected, Entry, carrying
from flows.contenders import Configured, Contender, scores_in_turn
from flows.exits import DONE, run_command
from flows.inline_learning import version_as_read
from flows.judged import Gathering
from flows.learn_quality import quality_of
from flows.learn_saved import read_version
from flows.learn_watch import ModelLearner, settings_of
from flows.model_runs import gather_events
from flows.partition import Engine
from flows.replay import ReplayOptions, replay
from flows.slices import Decided
from tests.config_folders import copy_defaults, edit
from tests.conftest import Run
from tests.simulated import simulated

OUTPUTS = ("triggers", "decisions", "tags", "examples")
MODEL = "purchase_7d"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The defaults, with examples that close soon, and a tag that turns with scores."""
    folder = copy_defaults(tmp_path_factory.mktemp("config"))
    edit(folder, "models.toml", 'within    = "7d"', 'within    = "30h"')
    edit(folder, "models.toml", 'every     = "7d"', 'every     = "6h"')
    with (folder / "tags.toml").open("a") as file:
        file.write('\n[learned]\nlikely = "propensity.purchase_7d >= 0.12"\n')
    return folder


@pytest.fixture(scope="module")
def config(folder: Path) -> Config:
    return load(folder)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("log") / "events.jsonl"
    path.write_bytes(b"".join(line + b"\n" for line in simulated(users=500, days=12, seed=9).lines))
    return path


def replayed(into: Path, log: Path, *arguments: object) -> dict[str, bytes]:
    """The outputs of a replay that ends well, by name."""
    into.mkdir(exist_ok=True)
    options = [part for name in OUTPUTS for part in (f"--{name}", into / name)]
    command = [str(part) for part in ("replay", log, *options, *arguments)]
    assert run_command(beckon, command) == DONE
    return {name: (into / name).read_bytes() for name in OUTPUTS}


@pytest.fixture(scope="module")
def whole(folder: Path, log: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The outputs in one run, which every other way to run it has to give."""
    return replayed(tmp_path_factory.mktemp("whole"), log, "--config", folder)


@pytest.fixture(scope="module")
def gathered(config: Config, log: Path) -> Gathering:
    return gather_events(config, (str(log),))


def documents(lines: bytes) -> list[Any]:
    return [json.loads(line) for line in lines.splitlines()]


def test_versions_come_into_force_on_the_way_and_tags_turn_by_them(whole: dict[str, bytes]) -> None:
    examples = [one["data"] for one in documents(whole["examples"])]
    versions = {one["version"] for one in examples if one["model"] == MODEL}
    assert None in versions
    assert len(versions) > 20
    turned = [one for one in documents(whole["tags"]) if one["data"]["tag"] == "learned.likely"]
    assert len(turned) > 20


@pytest.mark.parametrize("options", [("--batch", 700), ("--partitions", 3, "--batch", 5000)])
def test_batches_and_partitions_change_no_byte(
    folder: Path, log: Path, tmp_path: Path, whole: dict[str, bytes], options: Any
) -> None:
    assert replayed(tmp_path, log, "--config", folder, *options) == whole


def test_a_replay_stopped_amid_an_hour_and_resumed_gives_the_same_bytes(
    folder: Path, log: Path, tmp_path: Path, whole: dict[str, bytes]
) -> None:
    lines = log.read_bytes().splitlines()
    stops = [json.loads(lines[len(lines) * part // 4])["receivedAt"] for part in (1, 2, 3)]
    state = ("--state", tmp_path / "state", "--partitions", 2, "--config", folder)
    joined = dict.fromkeys(OUTPUTS, b"")
    for until in [*(("--until", at) for at in stops), ()]:
        part = replayed(tmp_path / "part", log, *state, *until)
        joined = {name: joined[name] + part[name] for name in OUTPUTS}
    assert joined == whole


def test_a_run_killed_between_its_commits_is_repeated_whole(
    folder: Path, log: Path, tmp_path: Path, whole: dict[str, bytes]
) -> None:
    state = tmp_path / "state"
    options = ("--state", state, "--partitions", 3, "--config", folder)
    lines = log.read_bytes().splitlines()
    until = ("--until", json.loads(lines[len(lines) // 2])["receivedAt"])
    first = replayed(tmp_path / "first", log, *options, *until)
    kept = {path.name: path.read_bytes() for path in state.glob("partition-[01]*")}
    assert len(kept) == 2
    second = replayed(tmp_path / "second", log, *options)
    for name, content in kept.items():
        (state / name).write_bytes(content)
    again = replayed(tmp_path / "again", log, *options)
    assert again == second
    assert {name: first[name] + again[name] for name in OUTPUTS} == whole


def test_partitions_of_different_runs_are_refused(
    run: Run, folder: Path, log: Path, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    options = ("--state", state, "--partitions", 2, "--config", folder)
    lines = log.read_bytes().splitlines()
    first, second = (json.loads(lines[len(lines) * part // 4])["receivedAt"] for part in (1, 2))
    replayed(tmp_path, log, *options, "--until", first)
    oldest = (state / "partition-1.state").read_bytes()
    replayed(tmp_path, log, *options, "--until", second)
    replayed(tmp_path, log, *options)
    (state / "partition-1.state").write_bytes(oldest)
    ended = run("replay", log, *options)
    assert ended.code == 1
    assert "partition 0: expected to stand at offset" in ended.err


def contender_scores(
    config: Config, log: Path, contender: Contender
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """What a contender says of the examples of `MODEL`, in order of instant; and the instants."""
    (model,) = (one for one in config.models if one.name == MODEL)
    reads = model.recipe.program.features
    carriers = carrying(config, {MODEL: [Entry("it", reads, contender)]})
    collected = Collected(carriers.models)

    def watch(decided: Decided, engines: Sequence[Engine]) -> None:
        collected.take(decided.closed)

    options = ReplayOptions(events=(str(log),), config=carriers, learns=False)
    replay(options, Event(), watch)
    examples = collected.examples(0)
    return scores_in_turn(contender, examples, range(len(reads))), examples.sampled_ms


def test_scores_are_those_of_who_learns_afterwards_what_was_known_at_each_hour(
    config: Config, log: Path, gathered: Gathering
) -> None:
    (model,) = (one for one in config.models if one.name == MODEL)
    scores, sampled_ms = contender_scores(config, log, Configured(model))
    judged = gathered.judged(MODEL)
    assert len(scores) == len(judged.scores)
    assert np.count_nonzero(judged.is_scored) > 1000
    ours, theirs = np.lexsort((judged.scores, judged.sampled_ms)), np.lexsort((scores, sampled_ms))
    assert np.array_equal(judged.sampled_ms[ours], sampled_ms[theirs])
    np.testing.assert_allclose(judged.scores[ours], scores[theirs], rtol=1e-6)


def test_the_summary_tells_how_good_the_scores_were(
    run: Run, folder: Path, log: Path, gathered: Gathering
) -> None:
    ended = run("replay", log, "--config", folder, "--json")
    summary = json.loads(ended.out)
    judged = gathered.judged(MODEL)
    quality = quality_of(judged.scores, judged.outcomes)
    told = summary["scores"][MODEL]
    assert told["scored"] == quality.example_count
    assert summary["examples"][MODEL]["closed"] == len(judged.scores)
    assert told["roc_auc"] == pytest.approx(quality.roc_auc, abs=2e-4)
    assert told["log_loss"] == pytest.approx(quality.log_loss, abs=2e-4)


def test_a_state_whose_model_has_other_terms_now_goes_on_and_learns_anew(
    folder: Path,
    log: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    other = copy_defaults(tmp_path)
    for name in ("models.toml", "tags.toml"):
        (other / name).write_bytes((folder / name).read_bytes())
    edit(other, "models.toml", "- 3.5", "- 3.6")
    lines = log.read_bytes().splitlines()
    until = json.loads(lines[len(lines) // 2])["receivedAt"]
    state = ("--state", tmp_path / "state")
    replayed(tmp_path / "first", log, *state, "--config", folder, "--until", until)
    with caplog.at_level(logging.WARNING):
        outputs = replayed(tmp_path / "second", log, *state, "--config", other)
    assert "learns anew" in caplog.text
    versions = [one["data"]["version"] for one in documents(outputs["examples"])]
    assert versions[-1] is not None


def test_a_version_in_force_is_the_one_that_its_record_holds(config: Config) -> None:
    (model,) = (one for one in config.models if one.name == MODEL)
    learner = ModelLearner(settings_of(model))
    chance = np.random.default_rng(1)
    features = chance.exponential(9.0, (640, len(model.recipe.program.features)))
    outcomes = chance.random(640) < 0.3
    learner.take(features, outcomes, np.full(640, 0.3), np.arange(640))
    data = learner.version()
    assert data is not None
    made, read = version_as_read(learner, data), read_version(data)
    assert (made.id, made.learned_count, made.terms) == (read.id, read.learned_count, read.terms)
    for ours, theirs in zip(made.scorer, read.scorer, strict=True):
        assert np.array_equal(ours, theirs)
