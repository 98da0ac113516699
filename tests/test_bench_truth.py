"""The simulated half of `make bench-models`: examples with the truth, and how they are judged."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np
import pytest

from bench.model_truth import fitted_in_hindsight, unlike_engine, weekly_ratios, weeks_until_near
from bench.simulated_truth import Told, read_told, run_hourly
from config.limits import DAY_MS, HOUR_MS
from config.load import load
from flows.learn_watch import ModelLearner, settings_of
from tests.learning import FEATURES, made_up

MODEL = next(model for model in load().models if model.name == "purchase_30d")
COUNT = 3000
NAN = float("nan")


def made_up_told() -> Told:
    """An example closes every ten minutes, two days after it was sampled."""
    features, outcomes = made_up(COUNT)
    closed_ms = 400 * DAY_MS + np.arange(COUNT, dtype=np.int64) * (HOUR_MS // 6)
    return Told(
        sampled_ms=closed_ms - 2 * DAY_MS,
        closed_ms=closed_ms,
        features=features,
        outcomes=outcomes,
        scores=np.full(COUNT, NAN),
        truth=np.where(outcomes, 0.6, 0.2),
    )


def text_of(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")


def test_an_example_has_the_truth_of_the_nearest_midnight_that_knows_its_user(
    tmp_path: Path,
) -> None:
    examples, truth = tmp_path / "examples.jsonl", tmp_path / "truth.jsonl"
    lines = [
        {
            "subject": user,
            "time": text_of(at_ms + 30 * DAY_MS),
            "data": {
                "model": MODEL.name,
                "sampled_at": text_of(at_ms),
                "outcome": user == "ada",
                "score": None,
                "features": dict.fromkeys(FEATURES, 1.0) | {"usual_gap_days": None},
            },
        }
        for user, at_ms in (
            ("ada", 10 * DAY_MS + HOUR_MS),
            ("ada", 10 * DAY_MS + 20 * HOUR_MS),
            ("new", 10 * DAY_MS + HOUR_MS),
        )
    ]
    known = [
        {"user": user, "at": text_of(day * DAY_MS), "purchase_7d": 0.0, "purchase_30d": chance}
        for user, day, chance in (("ada", 10, 0.1), ("ada", 11, 0.2), ("new", 11, 0.3))
    ]
    examples.write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in lines))
    truth.write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in known))
    told = read_told(examples, truth, [MODEL])[MODEL.name]
    assert told.truth.tolist() == [0.1, 0.2, 0.3]
    assert told.outcomes.tolist() == [True, True, False]
    assert np.isnan(told.features[:, FEATURES.index("usual_gap_days")]).all()
    assert np.isnan(told.scores).all()


def test_each_score_knows_what_had_closed_by_the_hour_before_it() -> None:
    told = made_up_told()
    scores = run_hourly(settings_of(MODEL), told).scores
    for row in (1500, 2345):
        model = ModelLearner(settings_of(MODEL))
        hour_ms = -(-int(told.sampled_ms[row]) // HOUR_MS) * HOUR_MS - HOUR_MS
        closed = slice(int((told.closed_ms <= hour_ms).sum()))
        model.take(
            told.features[closed],
            told.outcomes[closed],
            scores[closed],
            told.closed_ms[closed],
        )
        assert scores[row] == model.scores(told.features[row : row + 1])[0]
    assert np.isnan(scores[:400]).all()


def test_weeks_are_judged_two_at_a_time_against_what_could_have_been_known() -> None:
    outcomes = np.tile([True, False], 60)
    weeks = np.repeat([0, 1, 2], 40)
    reference = np.where(outcomes, 0.8, 0.2)
    scores = np.where(weeks == 0, 0.5, reference)
    ratios = weekly_ratios(scores, reference, outcomes, weeks)
    assert ratios == pytest.approx([2.053, 1.0], abs=1e-3)
    assert weeks_until_near(ratios) == 1


def test_a_fit_in_hindsight_is_better_than_the_share_alone() -> None:
    told = made_up_told()
    fitted = fitted_in_hindsight(MODEL, told)
    assert fitted[told.outcomes].mean() > fitted[~told.outcomes].mean() + 0.05


def test_scores_unlike_the_engines_are_counted_missing_ones_too() -> None:
    ours = np.array([NAN, 0.25, 0.5, NAN, 0.1])
    given = np.array([NAN, 0.25, 0.6, 0.5, NAN])
    assert unlike_engine(ours, given) == 3


def test_examples_after_an_instant_keep_all_their_columns() -> None:
    told = made_up_told()
    late = told.since(int(told.sampled_ms[100]))
    assert len(late.truth) == len(late.features) == COUNT - 100


def test_an_answer_has_the_truth_of_its_trigger_and_none_if_the_shop_was_not_told_of_it(
    tmp_path: Path,
) -> None:
    model = next(model for model in load().models if model.name == "response_email")
    examples, truth = tmp_path / "examples.jsonl", tmp_path / "truth.jsonl"
    lines = [
        {
            "subject": "ada",
            "time": text_of(13 * DAY_MS),
            "data": {
                "model": model.name,
                "sampled_at": text_of(10 * DAY_MS),
                "trigger": trigger,
                "outcome": False,
                "score": None,
                "features": dict.fromkeys(model.recipe.program.features, 1.0),
            },
        }
        for trigger in ("known", "unknown")
    ]
    known = [
        {"user": "ada", "at": text_of(10 * DAY_MS), "purchase_7d": 0.5, "purchase_30d": 0.5},
        {"user": "ada", "at": text_of(10 * DAY_MS), "trigger": "known", "answered": 0.25},
    ]
    examples.write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in lines))
    truth.write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in known))
    told = read_told(examples, truth, [model])[model.name]
    assert told.truth.tolist() == [0.25, 0.0]
