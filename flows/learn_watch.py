"""A model as it is run: a learner that is watched, and told when its scores get worse.

Beside the learner stand how good the scores were that users were given (`flows.learn_figures`),
whether their log loss has changed (`flows.learn_drift`), and a line that may correct its logits
(`flows.learn_calibration`). All of it is saved at once, and depends on the examples and their order
alone, never on how they were batched.
"""

from __future__ import annotations

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from config.schema import DriftPolicy, Model
from flows import learn_calibration as calibration
from flows import learn_drift as drift
from flows.learn_calibration import Line
from flows.learn_figures import Figures
from flows.learn_loops import Scorer
from flows.learn_model import MEMORY, Learner, Settings, kept_of, scores_by
from flows.learn_progress import is_enough_of
from flows.learn_saved import load, publish, save
from flows.learn_sealed import opened, sealed

FASTER = 10.0
"""With `drift = "faster"`, memory is so many times shorter after an alarm, for as many examples as
the shorter memory has, twice: until what came before the alarm has next to no weight."""

RECENT_MAX = 16
"""Examples whose features are remembered."""


class ModelSettings(Struct, frozen=True, kw_only=True):
    """What a model is made of; `drift`: what an alarm does."""

    learner: Settings
    drift: DriftPolicy = "note"
    calibrate: bool = False


class Alarm(Struct, frozen=True, kw_only=True):
    """Scores have got worse: the mean log loss before and since, as of an example's closing."""

    closed_ms: int
    loss_before: float
    loss_since: float


class Watched(Struct, kw_only=True):
    """What is known beside the learner.

    taken_count, happened_count: examples since the weights began, and those with the outcome.
    hurried_count: examples that are still to be learned with a shorter memory. alarmed: whether
    the batch that fills has seen an alarm. logits: of the examples that wait for it to be full.
    """

    taken_count: int = 0
    happened_count: int = 0
    hurried_count: int = 0
    alarmed: bool = False
    logits: list[float] = []
    outcomes: list[bool] = []
    figures: Figures = msgspec.field(default_factory=Figures)
    window: drift.Window = msgspec.field(default_factory=drift.Window)
    line: Line = msgspec.field(default_factory=Line)


class SavedModel(Struct, frozen=True, kw_only=True):
    """A model: the learner's own bytes, and what is known beside it."""

    learner: bytes
    watched: Watched


def settings_of(model: Model) -> ModelSettings:
    """The settings of a model of the config."""
    return ModelSettings(
        learner=Settings(recipe=model.recipe, memory=float(model.memory)),
        drift=model.drift,
        calibrate=model.calibrate,
    )


class ModelLearner:
    """One model, from closed examples to versions."""

    def __init__(self, settings: ModelSettings) -> None:
        self.settings = settings
        self.learner = Learner(settings.learner)
        self.watched = Watched()
        self.recent = np.zeros((0, len(settings.learner.recipe.program.features)))
        """Features of the last examples, which its versions are proved with; it is not saved."""

    @property
    def learned_count(self) -> int:
        """Examples learned from: where it has grown, the version is another."""
        return self.learner.learned_count

    @property
    def is_enough(self) -> bool:
        """Whether so much is learned, since the weights began, that scores say something."""
        return is_enough_of(self.watched.taken_count, self.watched.happened_count)

    @property
    def figures(self) -> Figures:
        """How good the scores were that users were given."""
        return self.watched.figures

    def take(
        self,
        features: NDArray[np.float64],
        outcomes: NDArray[np.bool_],
        scores: NDArray[np.float64],
        closed_ms: NDArray[np.int64],
    ) -> list[Alarm]:
        """Take in closed examples in their order; return what there is to be told of them.

        features: (n, features) as the program reads them; NaN is missing. scores: (n,) as they
        were given at the sampled instant; what is no probability counts as none given.
        """
        alarms: list[Alarm] = []
        start = 0
        while start < len(outcomes):
            end = start + self.settings.learner.batch - len(self.learner.waiting_outcomes)
            part = slice(start, end)
            alarms += self._watch(outcomes[part], scores[part], closed_ms[part])
            self._learn(features[part], outcomes[part])
            start = end
        self.recent = np.vstack((self.recent, features[-RECENT_MAX:]))[-RECENT_MAX:]
        return alarms

    @property
    def line(self) -> Line | None:
        """What corrects its logits, where something does."""
        line = self.watched.line
        return line if self.settings.calibrate and calibration.is_used(line) else None

    def scorer(self) -> Scorer:
        """What scores need, as it is now."""
        plain, line = self.learner.scorer(), self.line
        return plain if line is None else calibration.calibrated(plain, line)

    def scores(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """The probability of the outcome for each row of features, as the model is now."""
        return scores_by(self.learner.program, self.scorer(), features)

    def version(self) -> bytes | None:
        """What a `model` record carries; None while too little is learned for it."""
        if not self.is_enough:
            return None
        return publish(self.learner, self.scorer())

    def save(self) -> bytes:
        """All that is known, for `load_model`."""
        return sealed("model", SavedModel(learner=save(self.learner), watched=self.watched))

    def _watch(
        self,
        outcomes: NDArray[np.bool_],
        scores: NDArray[np.float64],
        closed_ms: NDArray[np.int64],
    ) -> list[Alarm]:
        """Look at the scores that were given; examples of one batch at most."""
        watched, alarms = self.watched, []
        rows = zip(outcomes.tolist(), scores.tolist(), closed_ms.tolist(), strict=True)
        for outcome, score, at_ms in rows:
            if not 0.0 <= score <= 1.0:
                continue
            logit = calibration.logit_of(score)
            loss = calibration.log_loss(logit, outcome)
            watched.figures.add(logit, outcome, loss)
            change = drift.take(watched.window, loss)
            if change is not None and change.after > change.before:
                alarm = Alarm(closed_ms=at_ms, loss_before=change.before, loss_since=change.after)
                alarms.append(alarm)
        watched.figures.alarm_count += len(alarms)
        watched.alarmed |= bool(alarms)
        return alarms

    def _learn(self, features: NDArray[np.float64], outcomes: NDArray[np.bool_]) -> None:
        """Learn from examples of one batch; what is due when it is full is done then."""
        watched = self.watched
        happened_count = int(np.count_nonzero(outcomes))
        watched.taken_count += len(outcomes)
        watched.happened_count += happened_count
        watched.figures.taken_count += len(outcomes)
        watched.figures.happened_count += happened_count
        if self.settings.calibrate:
            scores = self.learner.scores(features).tolist()
            watched.logits += [calibration.logit_of(score) for score in scores]
            watched.outcomes += outcomes.tolist()
        self.learner.memory = self.settings.learner.memory / (
            FASTER if watched.hurried_count else 1.0
        )
        self.learner.learn(features, outcomes)
        if len(self.learner.waiting_outcomes) == 0:
            self._end_batch()

    def _end_batch(self) -> None:
        watched, batch = self.watched, self.settings.learner.batch
        watched.figures.fade(kept_of(MEMORY, batch))
        if watched.logits:
            calibration.learn(watched.line, watched.logits, watched.outcomes)
            watched.logits, watched.outcomes = [], []
        watched.hurried_count = max(watched.hurried_count - batch, 0)
        if watched.alarmed:
            self._react()
            watched.alarmed = False

    def _react(self) -> None:
        """Do what an alarm is to do, with the next batch."""
        watched = self.watched
        if self.settings.drift == "faster":
            watched.hurried_count = int(2.0 * self.settings.learner.memory / FASTER)
        elif self.settings.drift == "reset":
            self.learner.forget()
            watched.taken_count, watched.happened_count, watched.line = 0, 0, Line()


def load_model(data: bytes, settings: ModelSettings) -> ModelLearner | None:
    """The model that was saved, with the settings of now; None where it read other terms.

    Raises:
        UnreadableModelError: the bytes are damaged, of another kind, or of another format.
    """
    saved = opened("model", data, SavedModel)
    learner = load(saved.learner)
    kept = msgspec.structs.replace(learner.settings, memory=settings.learner.memory)
    if kept != settings.learner:
        return None
    model = ModelLearner(settings)
    learner.settings = settings.learner
    model.learner, model.watched = learner, saved.watched
    return model


def figures_of(data: bytes) -> Figures:
    """How good the scores were of the model that was saved.

    Raises:
        UnreadableModelError: the bytes are damaged, of another kind, or of another format.
    """
    return opened("model", data, SavedModel).watched.figures
