"""The second half of `make bench-models`: scores in a shop whose true probabilities are known.

python -m bench.model_truth                   five simulated shops (some minutes)
python -m bench.model_truth --only answers    one that answers its messages

The engine replays each log and closes the examples; they are scored and learned hour by hour, as a
replay does. Nobody can be as good as the truth, which knows every customer's mood and who has left.
So scores are also set beside a fit in hindsight: our terms, fitted on all that was sampled
(after a change: since then), each example left out of the fit that scores it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray
from rich import box
from rich.console import Console
from rich.table import Table
from sklearn.linear_model import (  # type: ignore[import-untyped]  # it ships no types
    LogisticRegression,
)
from sklearn.model_selection import (  # type: ignore[import-untyped]  # it ships no types
    StratifiedKFold,
    cross_val_predict,
)
from sklearn.pipeline import make_pipeline  # type: ignore[import-untyped]  # it ships no types
from sklearn.preprocessing import StandardScaler  # type: ignore[import-untyped]  # it ships no types

from bench.logs import folder
from bench.measure import BECKON, Figure, run
from bench.report import hand_over, report_of
from bench.simulated_truth import Told, read_told, run_hourly
from config.limits import DAY_MS
from config.load import load
from config.schema import Model
from flows.learn_program import compiled_program, terms_of
from flows.learn_quality import CALIBRATION_BINS, quality_of
from flows.learn_watch import settings_of
from flows.simulate import START_MS, SimulateOptions, simulate
from flows.simulate_answers import Trigger
from flows.simulate_days import Change
from flows.simulate_mailbox import read_triggers

MODELS = ("purchase_7d", "purchase_30d")
ANSWERS = "response_email"
TURNS = 2
"""How often the shop is told what was sent to it: then all but a few triggers can be answered."""

PARTS = ("plain", "answers", "changes")
CHANGES = ("prices", "competitor", "delivery")
USERS, DAYS, CHANGE_DAY, SEED = 10_000, 240, 130, 7
WEEK_MS = 7 * DAY_MS
NEAR = 1.05
"""A log loss so many times that of the fit in hindsight has caught up."""

WEEKS_TOGETHER = 2
"""Weeks whose examples are looked at together: one alone has too few."""

TERM_HELD = 1e6
FOLDS = 5

Scores = NDArray[np.float64]


def main() -> int:
    """Measure, print tables, write the figures as JSON."""
    parser = argparse.ArgumentParser(prog="python -m bench.model_truth")
    parser.add_argument("--json", type=Path, default=folder() / "truth.json", metavar="FILE")
    parser.add_argument("--only", choices=PARTS, help="one part of it")
    options = parser.parse_args()
    console, figures = Console(width=120), []
    chosen = (options.only,) if options.only else PARTS
    if "plain" in chosen:
        for model, told in told_of(None):
            figures += quality_figures(model, told, console)
    if "answers" in chosen:
        figures += quality_figures(*told_of_answers(), console)
    if "changes" in chosen:
        for change in CHANGES:
            for model, told in told_of(change):
                figures += change_figures(change, model, told, console)
    hand_over(report_of(figures, quick=False), console, options.json)
    return 0


def told_of(change: str | None, users: int = USERS, days: int = DAYS) -> list[tuple[Model, Told]]:
    """The examples of a simulated shop, with the truth, for each model of orders."""
    changes = (Change(day=CHANGE_DAY, what=change),) if change else ()
    shop = SimulateOptions(users=users, days=days, seed=SEED, truth_days=1, changes=changes)
    paths = replayed(shop)
    models = [model for model in load().models if model.name in MODELS]
    told = read_told(paths["examples"], paths["truth"], models)
    for path in paths.values():
        path.unlink()
    return [(model, told[model.name]) for model in models]


def told_of_answers(users: int = USERS, days: int = DAYS) -> tuple[Model, Told]:
    """The examples of a shop that answers what is sent to it, with the truth."""
    shop = SimulateOptions(users=users, days=days, seed=SEED, truth_days=days)
    paths = replayed(shop)
    for _ in range(TURNS):
        paths = replayed(shop, read_triggers(str(paths["triggers"]), users))
    (model,) = (model for model in load().models if model.name == ANSWERS)
    told = read_told(paths["examples"], paths["truth"], [model])
    for path in paths.values():
        path.unlink()
    return model, told[ANSWERS]


def replayed(shop: SimulateOptions, triggers: Sequence[Trigger] = ()) -> dict[str, Path]:
    """Simulate a shop that answers these triggers and replay it; where all of it is."""
    outputs = ("examples", "triggers")
    paths = {name: folder() / f"truth.{name}.jsonl" for name in ("events", "truth", *outputs)}
    with paths["events"].open("wb") as log, paths["truth"].open("wb") as true:
        simulate(shop, log, true, triggers)
    options = (part for name in outputs for part in (f"--{name}", str(paths[name])))
    run(*BECKON, "replay", str(paths["events"]), *options, "--json")
    return paths


def quality_figures(model: Model, told: Told, console: Console) -> list[Figure]:
    """How near scores are to what can be known, where nothing changes."""
    scores = run_hourly(settings_of(model), told).scores
    known = ~np.isnan(scores)
    ours, truth = scores[known], told.truth[known]
    fitted = fitted_in_hindsight(model, told)[known]
    quality, fit, best = (
        quality_of(given, told.outcomes[known]) for given in (ours, fitted, truth)
    )
    table = Table(title=f"{model.name}, {known.sum()} scores", box=box.SIMPLE)
    for heading in ("", "AUC", "log loss", "calibration error"):
        table.add_column(heading, justify="right")
    for name, figures in (("Beckon", quality), ("in hindsight", fit), ("the truth", best)):
        cells = (figures.roc_auc, figures.log_loss, figures.calibration_error)
        table.add_row(name, *(f"{cell:.4f}" for cell in cells))
    console.print(table)
    unlike = unlike_engine(scores, told.scores)
    return [
        Figure(name=f"{model.name}: AUC", value=quality.roc_auc, unit="AUC"),
        Figure(name=f"{model.name}: AUC of the fit in hindsight", value=fit.roc_auc, unit="AUC"),
        Figure(name=f"{model.name}: AUC of the truth", value=best.roc_auc, unit="AUC"),
        Figure(
            name=f"{model.name}: calibration error",
            value=quality.calibration_error,
            unit="share",
            at_most=0.02,
        ),
        Figure(
            name=f"{model.name}: calibration error against the truth",
            value=distance(ours, truth),
            unit="share",
            at_most=0.02,
        ),
        Figure(
            name=f"{model.name}: scores unlike the engine's", value=unlike, unit="", at_most=0.0
        ),
    ]


def distance(scores: Scores, truth: Scores) -> float:
    """How far mean scores are from the mean truth, on average over bins of equal count.

    >>> distance(np.arange(30.0) / 100.0, np.arange(30.0) / 100.0 + 0.01)
    0.01
    """
    bins = np.array_split(np.argsort(scores, kind="stable"), CALIBRATION_BINS)
    apart = [abs(scores[rows].mean() - truth[rows].mean()) for rows in bins]
    return round(float(np.mean(apart)), 9)


def unlike_engine(ours: Scores, given: Scores) -> int:
    """How many scores of the engine (float32) are not those of the same learning here."""
    both = np.isnan(ours) & np.isnan(given)
    return int((~(both | (np.abs(ours - given) < 1e-6))).sum())


def change_figures(change: str, model: Model, told: Told, console: Console) -> list[Figure]:
    """How long after a change scores are nearly as good again as in hindsight."""
    changed_ms = START_MS + (CHANGE_DAY - 1) * DAY_MS
    ran = run_hourly(settings_of(model), told)
    scores = ran.scores[told.sampled_ms >= changed_ms]
    after = told.since(changed_ms)
    weeks = (after.sampled_ms - changed_ms) // WEEK_MS
    ratios = weekly_ratios(scores, fitted_in_hindsight(model, after), after.outcomes, weeks)
    told_ratios = ", ".join(f"{ratio:.3f}" for ratio in ratios)
    console.print(
        f"{model.name} after {change}: log loss by that in hindsight, by week: {told_ratios}; "
        f"{len(ran.alarms)} alarms"
    )
    name = f"{model.name}: weeks until within 5 %, {change}"
    return [Figure(name=name, value=float(weeks_until_near(ratios)), unit="weeks")]


def weekly_ratios(
    scores: Scores, reference: Scores, outcomes: NDArray[np.bool_], weeks: NDArray[np.int64]
) -> list[float]:
    """The log loss of scores by that of others, for each week and the one after it."""
    ratios = []
    for week in range(int(weeks.max()) - WEEKS_TOGETHER + 2):
        rows = (weeks >= week) & (weeks < week + WEEKS_TOGETHER)
        ours, theirs = (quality_of(given[rows], outcomes[rows]) for given in (scores, reference))
        ratios.append(ours.log_loss / theirs.log_loss)
    return ratios


def weeks_until_near(ratios: list[float]) -> int:
    """After how many weeks a ratio is near 1 for good, as far as is known.

    >>> weeks_until_near([1.2, 1.04, 1.06, 1.04]), weeks_until_near([1.02]), weeks_until_near([1.2])
    (3, 0, 1)
    """
    far = [week for week, ratio in enumerate(ratios) if ratio > NEAR]
    return far[-1] + 1 if far else 0


def fitted_in_hindsight(model: Model, told: Told) -> Scores:
    """What a logistic regression on our terms says of each example, fitted on the others."""
    terms = terms_of(compiled_program(model.recipe.program), told.features)
    rows = np.clip(np.nan_to_num(terms), -TERM_HELD, TERM_HELD)
    fit = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=300))
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=SEED)
    chances = cross_val_predict(fit, rows, told.outcomes, cv=folds, method="predict_proba")
    return cast(Scores, chances[:, 1])


if __name__ == "__main__":
    sys.exit(main())
