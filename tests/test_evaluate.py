"""Evaluation: figures of examples as they were scored, told and drawn."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np
import pytest

from config.load import load
from flows.cli import beckon
from flows.evaluate import ModelReport, report_of
from flows.example_lines import gather_lines
from flows.exits import DONE, USAGE, WORLD, run_command
from flows.judged import Judged, complement_of
from flows.learn_quality import quality_of
from flows.model_runs import gather_events
from tests.scored_lines import TIERS, UNSCORED_WEEKS, example_lines
from tests.simulated import simulated

USERS, WEEKS = 300, 20


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("examples") / "examples.jsonl"
    lines = [*example_lines(USERS, WEEKS)]
    # The topic brings some of them again.
    path.write_bytes(b"".join(line + b"\n" for line in [*lines, *lines[-50:]]))
    return path


@pytest.fixture(scope="module")
def judged(recorded: Path) -> Judged:
    tags = [tag.name for tag in load().tags]
    return gather_lines([str(recorded)], tags).judged("purchase_30d")


@pytest.fixture(scope="module")
def report(judged: Judged) -> ModelReport:
    config = load()
    (model,) = (one for one in config.models if one.name == "purchase_30d")
    return report_of(model, judged, config.tags)


def test_each_example_is_judged_once_and_those_without_a_version_are_only_counted(
    judged: Judged, report: ModelReport
) -> None:
    assert report.example_count == USERS * WEEKS
    assert report.unscored_count == USERS * UNSCORED_WEEKS
    assert report.whole.quality == quality_of(judged.scores, judged.outcomes)
    assert report.whole.user_count == USERS
    assert report.version_count == WEEKS - UNSCORED_WEEKS


def test_months_weeks_and_tags_divide_the_scores(report: ModelReport) -> None:
    scored = USERS * (WEEKS - UNSCORED_WEEKS)
    (value,) = report.groups
    assert [part.name for part in value.tags] == ["value.vip", "value.good", "value.low"]
    for parts in (report.months, report.weeks, value.tags):
        assert sum(part.quality.example_count for part in parts) == scored
        assert [part.name for part in report.weeks] == sorted(part.name for part in report.weeks)


def test_the_gap_of_a_group_is_that_of_its_best_and_worst_tag(report: ModelReport) -> None:
    (value,) = report.groups
    aucs = [part.quality.roc_auc for part in value.tags]
    assert len(aucs) == len(TIERS)
    assert value.gaps["roc_auc"] == pytest.approx(max(aucs) - min(aucs))


def test_intervals_hold_the_figure_and_are_wider_for_fewer_users(report: ModelReport) -> None:
    whole, part = report.whole, report.groups[0].tags[0]
    for one in (whole, part):
        known = one.intervals["roc_auc"]
        assert known.low < one.quality.roc_auc < known.high
    widths = [
        one.intervals["log_loss"].high - one.intervals["log_loss"].low for one in (whole, part)
    ]
    assert widths[0] < widths[1]


def test_a_complement_has_the_figures_of_its_model_but_for_the_share(judged: Judged) -> None:
    ours = quality_of(judged.scores, judged.outcomes)
    turned = complement_of(judged)
    other = quality_of(turned.scores, turned.outcomes)
    assert other.roc_auc == pytest.approx(ours.roc_auc)
    assert other.log_loss == pytest.approx(ours.log_loss)
    assert other.outcome_share == pytest.approx(1.0 - ours.outcome_share)


def test_the_command_writes_report_and_pictures_the_same_bytes_each_time(
    recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = [tmp_path / "first", tmp_path / "second"]
    command = ["models", "evaluate", "--examples", str(recorded), "--model", "purchase_30d"]
    for folder in folders:
        assert run_command(beckon, [*command, "--out", str(folder), "--json"]) == DONE
    printed = capsys.readouterr().out.splitlines()
    names = ["purchase_30d.svg", "report.json", "report.txt"]
    for name in names:
        first, second = (folder / name for folder in folders)
        assert first.read_bytes() == second.read_bytes()
    assert sorted(path.name for path in folders[0].iterdir()) == names
    assert json.loads(printed[0]) == json.loads((folders[0] / "report.json").read_bytes())
    assert "ROC AUC" in (folders[0] / "report.txt").read_text()


def test_a_model_without_scores_is_told_what_it_takes_and_has_no_picture(
    recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["models", "evaluate", "--examples", str(recorded), "--model", "purchase_7d"]
    (tmp_path / "purchase_7d.svg").write_text("of an earlier evaluation")
    assert run_command(beckon, [*command, "--out", str(tmp_path)]) == DONE
    assert "the first version takes 200 closed examples" in capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.json", "report.txt"]


def test_an_unknown_model_and_lines_that_are_no_examples_are_refused(
    recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["models", "evaluate", "--examples", "--out", str(tmp_path)]
    assert run_command(beckon, [*command, str(recorded), "--model", "purchase_3d"]) == USAGE
    assert "did you mean 'purchase_30d'?" in capsys.readouterr().err
    other = tmp_path / "other.jsonl"
    other.write_bytes(recorded.read_bytes().splitlines()[0] + b'\n{"type":"track"}\n')
    assert run_command(beckon, [*command, str(other)]) == WORLD
    assert "other.jsonl, line 2: expected an example" in capsys.readouterr().err


def test_records_that_could_not_be_used_are_told_with_the_way_to_see_them(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lines = [*simulated(users=20, days=2).lines, b'{"type": "track"}', b"{", b"[]", b"{]"]
    events = tmp_path / "events.jsonl"
    events.write_bytes(b"".join(line + b"\n" for line in lines))
    command = ["models", "evaluate", str(events), "--out", str(tmp_path / "out")]
    with caplog.at_level(logging.WARNING, "flows.model_runs"):
        assert run_command(beckon, command) == DONE
    (told,) = [one.message for one in caplog.records if one.name == "flows.model_runs"]
    assert told == (
        f"4 of {len(lines):,} records could not be used: bad_json 2, missing_id 1, "
        "not_an_object 1; `beckon replay EVENTS --dead-letters FILE` tells each"
    )


def test_a_folder_that_cannot_be_made_is_told_before_the_log_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    taken = tmp_path / "taken"
    taken.touch()
    assert run_command(beckon, ["models", "evaluate", "none.jsonl", "--out", str(taken)]) == WORLD
    assert "taken: File exists" in capsys.readouterr().err


def test_examples_of_a_log_and_of_its_output_tell_of_the_same_versions(tmp_path: Path) -> None:
    events, examples = tmp_path / "events.jsonl", tmp_path / "examples.jsonl"
    events.write_bytes(b"".join(line + b"\n" for line in simulated(users=1500, days=60).lines))
    command = ["replay", str(events), "--triggers", str(tmp_path / "sent"), "--examples"]
    assert run_command(beckon, [*command, str(examples)]) == DONE
    config = load()
    tags = [tag.name for tag in config.tags]
    model = next(one for one in config.models if one.name == "purchase_7d")
    reports = [
        report_of(model, gathered.judged(model.name), config.tags)
        for gathered in (
            gather_events(config, (str(events),)),
            gather_lines([str(examples)], tags),
        )
    ]
    assert reports[0].version_count > 10
    told = [
        [
            (part.name, part.quality.example_count, part.quality.outcome_share)
            for part in one.versions
        ]
        for one in reports
    ]
    assert told[0]
    assert told[0] == told[1]
    assert reports[0].example_count == reports[1].example_count


def test_scores_that_are_missing_stay_out_of_every_figure(judged: Judged) -> None:
    assert np.count_nonzero(np.isnan(judged.scores)) == USERS * UNSCORED_WEEKS
    assert np.array_equal(judged.is_scored, judged.versions > 0)
