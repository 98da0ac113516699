"""The model as it is run: the same in any batches and when saved, alarms, and what they do."""

from __future__ import annotations

from pathlib import Path
from random import Random

import numpy as np
import pytest
from msgspec.structs import replace

from config.load import load
from config.schema import DriftPolicy
from flows.learn_model import BATCH, Settings, scores_by
from flows.learn_progress import LEARNED_MIN
from flows.learn_quality import calibration_of, quality_of
from flows.learn_saved import read_version, save
from flows.learn_sealed import UnreadableModelError
from flows.learn_watch import Alarm, ModelLearner, ModelSettings, load_model, settings_of
from tests.config_folders import copy_defaults, edit, problems_of
from tests.learning import POISON, RECIPE, made_up

COUNT = 6000
CHANGED_FROM = 4000


class Closed:
    """Closed examples, columns as they are taken; from some point on nobody does as before."""

    def __init__(self, changed_from: int = COUNT) -> None:
        self.features, self.outcomes = made_up(COUNT)
        self.outcomes[changed_from:] = ~self.outcomes[changed_from:]
        self.scores = np.random.default_rng(5).uniform(0.2, 0.3, COUNT)
        self.scores[~self.outcomes] -= 0.1
        self.scores[changed_from:] = 0.9 - 0.8 * self.outcomes[changed_from:]
        self.scores[:300] = np.nan
        self.closed_ms = np.arange(COUNT, dtype=np.int64) * 1000

    def into(self, model: ModelLearner, start: int = 0, end: int = COUNT) -> list[Alarm]:
        part = slice(start, end)
        return model.take(
            self.features[part], self.outcomes[part], self.scores[part], self.closed_ms[part]
        )


def new_model(drift: DriftPolicy = "note", calibrate: bool = False) -> ModelLearner:
    learner = Settings(recipe=RECIPE)
    return ModelLearner(ModelSettings(learner=learner, drift=drift, calibrate=calibrate))


POLICIES: tuple[DriftPolicy, ...] = ("note", "faster", "reset")


@pytest.mark.parametrize("drift", POLICIES)
@pytest.mark.parametrize("calibrate", [False, True])
def test_the_model_is_the_same_for_any_batches_and_stops(
    drift: DriftPolicy, calibrate: bool
) -> None:
    closed, whole = Closed(CHANGED_FROM), new_model(drift, calibrate)
    alarms = closed.into(whole)
    assert alarms
    random = Random(3)
    model, start, told = new_model(drift, calibrate), 0, []
    while start < COUNT:
        end = start + random.choice((1, 2, 63, 64, 65, 500))
        told += closed.into(model, start, end)
        loaded = load_model(model.save(), model.settings)
        assert loaded is not None
        model, start = loaded, end
    assert told == alarms
    assert model.save() == whole.save()
    assert model.version() == whole.version()


def test_without_alarm_or_line_the_learner_is_what_it_would_be_alone() -> None:
    closed, model = Closed(), new_model("reset")
    alone = new_model().learner
    assert closed.into(model) == []
    alone.learn(closed.features, closed.outcomes)
    assert save(model.learner) == save(alone)


def test_there_is_no_version_before_enough_was_learned_and_then_one_that_scores() -> None:
    closed, model = Closed(), new_model()
    closed.into(model, 0, LEARNED_MIN - 1)
    assert model.version() is None
    closed.into(model, LEARNED_MIN - 1, LEARNED_MIN)
    data = model.version()
    assert data is not None
    version = read_version(data)
    assert version.learned_count == model.learned_count == LEARNED_MIN - LEARNED_MIN % BATCH
    got = scores_by(version.program, version.scorer, closed.features)
    assert got.tobytes() == model.learner.scores(closed.features).tobytes()


def test_a_version_is_the_same_until_something_new_is_learned() -> None:
    closed, model = Closed(), new_model(calibrate=True)
    closed.into(model, 0, 640)
    before, count = model.version(), model.learned_count
    closed.into(model, 640, 703)
    assert (model.version(), model.learned_count) == (before, count)
    closed.into(model, 703, 704)
    assert model.version() != before
    assert model.learned_count == count + BATCH


def test_an_alarm_tells_when_scores_got_worse_and_by_how_much() -> None:
    closed, model = Closed(CHANGED_FROM), new_model()
    (alarm,) = closed.into(model)
    assert CHANGED_FROM * 1000 < alarm.closed_ms < (CHANGED_FROM + 200) * 1000
    assert alarm.loss_since > alarm.loss_before + 0.05
    assert model.figures.alarm_count == 1


def test_scores_that_get_better_are_no_alarm() -> None:
    closed, model = Closed(), new_model()
    closed.scores[:3000] = 0.9 - 0.8 * closed.outcomes[:3000]
    assert closed.into(model) == []


def test_faster_learning_forgets_sooner_for_a_while() -> None:
    closed, noted, hurried = Closed(CHANGED_FROM), new_model(), new_model("faster")
    closed.into(noted)
    closed.into(hurried, 0, CHANGED_FROM)
    assert hurried.learner.memory == noted.learner.memory
    closed.into(hurried, CHANGED_FROM, CHANGED_FROM + 500)
    assert hurried.learner.memory == noted.learner.memory / 10.0
    closed.into(hurried, CHANGED_FROM + 500)
    assert loss_after(hurried, closed) < loss_after(noted, closed) - 0.02
    more = Closed()
    for _ in range(2):
        more.into(hurried)
    assert hurried.learner.memory == noted.learner.memory


def test_a_reset_begins_with_the_weights_anew_and_waits_for_enough() -> None:
    closed, noted, reset = Closed(CHANGED_FROM), new_model(), new_model("reset")
    closed.into(noted)
    closed.into(reset, 0, CHANGED_FROM + 200)
    assert reset.version() is None
    assert not reset.learner.regressions[0].weights.any() or reset.watched.taken_count < LEARNED_MIN
    means = reset.learner.moments.means.copy()
    assert means.any()
    closed.into(reset, CHANGED_FROM + 200)
    assert reset.version() is not None
    assert loss_after(reset, closed) < loss_after(noted, closed) - 0.02


def loss_after(model: ModelLearner, closed: Closed) -> float:
    """The log loss over everybody who behaves as after the change."""
    changed = slice(CHANGED_FROM, None)
    scores = model.learner.scores(closed.features[changed])
    return quality_of(scores, closed.outcomes[changed]).log_loss


def test_calibration_corrects_versions_where_it_helps() -> None:
    closed, plain, corrected = Closed(CHANGED_FROM), new_model(), new_model(calibrate=True)
    closed.into(plain, 0, CHANGED_FROM + 600)
    closed.into(corrected, 0, CHANGED_FROM + 600)
    assert save(plain.learner) == save(corrected.learner)
    assert plain.version() != corrected.version()
    assert corrected.watched.line.line_loss < corrected.watched.line.plain_loss


@pytest.mark.parametrize("poison", POISON)
def test_poison_in_features_or_scores_is_as_if_it_were_missing(poison: float) -> None:
    poisoned, clean = Closed(), Closed()
    poisoned.features[::7, 2], clean.features[::7, 2] = poison, np.nan
    poisoned.scores[::5], clean.scores[::5] = poison, np.nan
    model, other = new_model("reset", calibrate=True), new_model("reset", calibrate=True)
    assert poisoned.into(model) == clean.into(other)
    assert model.save() == other.save()
    data = model.version()
    assert data is not None
    scorer = read_version(data).scorer
    assert all(np.isfinite(part).all() for part in scorer)


def test_figures_are_those_of_the_scores_that_were_given() -> None:
    closed, model = Closed(), new_model()
    closed.scores = np.random.default_rng(2).uniform(0.02, 0.9, COUNT)
    closed.into(model, 0, 2000)
    quality = quality_of(closed.scores[:2000], closed.outcomes[:2000])
    figures = model.figures
    assert (figures.taken_count, figures.scored_count) == (2000, 2000)
    assert figures.happened_count == int(closed.outcomes[:2000].sum())
    assert figures.log_loss == pytest.approx(quality.log_loss, rel=0.01)
    assert figures.calibration_error == pytest.approx(quality.calibration_error, abs=0.02)
    assert len(calibration_of(closed.scores, closed.outcomes)) == len(figures.bins)


def test_a_saved_model_serves_new_settings_unless_it_read_other_terms() -> None:
    closed, model = Closed(), new_model()
    closed.into(model, 0, 1000)
    learner = replace(model.settings.learner, memory=2000.0)
    changed = ModelSettings(learner=learner, drift="faster", calibrate=True)
    loaded = load_model(model.save(), changed)
    assert loaded is not None
    closed.into(loaded, 1000)
    assert loaded.learner.memory == 2000.0
    fewer = replace(RECIPE, sets=RECIPE.sets[:1])
    assert load_model(model.save(), replace(changed, learner=Settings(recipe=fewer))) is None
    with pytest.raises(UnreadableModelError, match="model: expected"):
        load_model(model.save()[:-1], changed)


def test_settings_are_those_of_models_toml(tmp_path: Path) -> None:
    folder = copy_defaults(tmp_path)
    edit(folder, "models.toml", "calibrate = true", 'drift = "reset"\nmemory = 5000')
    first, second = (settings_of(model) for model in load(folder).models[:2])
    assert (first.drift, first.calibrate, first.learner.memory) == ("reset", False, 5000.0)
    assert (second.drift, second.calibrate, second.learner.memory) == ("note", True, 10_000.0)
    edit(folder, "models.toml", '"reset"', '"resset"')
    (problem,) = problems_of(folder)
    assert "did you mean 'reset'" in str(problem)
