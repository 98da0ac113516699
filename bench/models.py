"""`make bench-models`: how good propensities are on a real shop, and beside what others reach.

python -m bench.models                 the three horizons, all rivals (ten minutes)
python -m bench.models --horizon 30    one of them
python -m bench.models --challengers   River's own models too (an hour)

The shop is the UCI year of invoices in the folder that BECKON_DATA names. Everybody who has ordered
is scored weekly; at each date each model knows what had matured by then. Intervals: 95 %, users
drawn 200 times.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from rich import box
from rich.console import Console
from rich.table import Table

from bench.horizons import EVERY_DAYS, config_of_horizons, model_of
from bench.logs import folder
from bench.measure import Figure
from bench.model_rivals import rivals, score_refitted
from bench.report import hand_over, report_of
from bench.retail import Shop, calendar_grid, read_shop, sampled
from config.schema import Config
from config.terms import Recipe
from flows.learn_bootstrap import Examined, Figures, intervals, resample
from flows.learn_challengers import CHALLENGERS, challenger
from flows.learn_loops import learn_batches
from flows.learn_model import BATCH, MEMORY, Settings, kept_of, new_newton
from flows.learn_progress import Examples, score_progressively
from flows.learn_quality import FIGURES, Quality, months_of, quality_of, quality_per
from flows.learn_watch import ModelLearner, ModelSettings, settings_of

DATA_VARIABLE = "BECKON_DATA"
FILE = "online_retail/online_retail.csv.xz"
OURS = "Beckon"
SEED = 1
WIDTH = 120
TIMED_EXAMPLES = 400_000
TIMED_TERMS = 40

Scores = dict[str, NDArray[np.float64]]


class Judged(Struct, frozen=True, kw_only=True):
    """What was scored, by whom: the rows that all models had a score for."""

    horizon_days: int
    grid: Examples
    scores: Scores


class Ours:
    """A model of the config, fed as rivals are: it does not see what scores users were given."""

    def __init__(self, settings: ModelSettings) -> None:
        self._model = ModelLearner(settings)

    def learn(self, features: NDArray[np.float64], outcomes: NDArray[np.bool_]) -> None:
        """Take in examples in their order."""
        unscored, count = np.full(len(outcomes), np.nan), len(outcomes)
        self._model.take(features, outcomes, unscored, np.zeros(count, np.int64))

    def scores(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """The probability of the outcome for each row."""
        return self._model.scores(features)


def main() -> int:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m bench.models")
    parser.add_argument("--horizon", type=int, choices=EVERY_DAYS, help="one instead of all")
    parser.add_argument("--challengers", action="store_true", help="River's own models too")
    parser.add_argument("--json", type=Path, default=folder() / "models.json", metavar="FILE")
    options = parser.parse_args()
    data = os.environ.get(DATA_VARIABLE)
    if data is None:
        print(f"{DATA_VARIABLE}: expected the folder with {FILE}, got nothing", file=sys.stderr)
        return 2
    console = Console(width=WIDTH)
    shop = read_shop(Path(data) / FILE)
    config = config_of_horizons()
    figures = [*speed_figures(model_of(config, 30).recipe)]
    for horizon_days in [options.horizon] if options.horizon else EVERY_DAYS:
        judged = judge(shop, config, horizon_days, challengers=options.challengers)
        figures += show(judged, console)
    hand_over(report_of(figures, quick=False), console, options.json)
    return 0


def judge(shop: Shop, config: Config, horizon_days: int, *, challengers: bool) -> Judged:
    """Let every model score the grid, each date by what it could know."""
    model = model_of(config, horizon_days)
    grid, examples = calendar_grid(shop, config, model), sampled(shop, config, model)
    recipe, horizon_ms = model.recipe, model.within_ms
    scores: Scores = {
        OURS: score_progressively(Ours(settings_of(model)), examples, grid, horizon_ms)
    }
    for name, refitted in rivals(recipe).items():
        scores[name] = score_refitted(refitted, examples, grid, horizon_ms)
    if challengers:
        for name in CHALLENGERS:
            rival = challenger(name, recipe.program)
            scores[f"River, {name}"] = score_progressively(rival, examples, grid, horizon_ms)
    known = ~np.isnan(scores[OURS])
    return Judged(
        horizon_days=horizon_days,
        grid=grid.chosen(known),
        scores={name: given[known] for name, given in scores.items()},
    )


def show(judged: Judged, console: Console) -> list[Figure]:
    """Print how good each model is, in all and per month; return ours beside the best."""
    grid = judged.grid
    quality = {name: quality_of(given, grid.outcomes) for name, given in judged.scores.items()}
    drawn = resample(judged.scores, Examined(users=grid.users, outcomes=grid.outcomes), seed=SEED)
    days, share = judged.horizon_days, quality[OURS].outcome_share
    title = f"{days} days: {len(grid.users)} scores, {share:.1%} followed by an order"
    console.print(quality_table(title, quality, drawn))
    console.print(month_table(judged))
    rest = [name for name in quality if name != OURS]
    best_auc = max(rest, key=lambda name: quality[name].roc_auc)
    best_loss = min(rest, key=lambda name: quality[name].log_loss)
    for name in sorted({best_auc, best_loss}):
        print_difference(name, quality, drawn, console)
    ours = quality[OURS]
    gained = ours.roc_auc - quality[best_auc].roc_auc
    ratio = ours.log_loss / quality[best_loss].log_loss
    return [
        Figure(name=f"{days} d: AUC", value=ours.roc_auc, unit="AUC"),
        Figure(
            name=f"{days} d: AUC, more than {best_auc}", value=gained, unit="AUC", at_least=-0.003
        ),
        Figure(name=f"{days} d: log loss", value=ours.log_loss, unit="nats"),
        Figure(name=f"{days} d: log loss / {best_loss}", value=ratio, unit="times", at_most=1.01),
    ]


def quality_table(title: str, quality: dict[str, Quality], drawn: Figures) -> Table:
    """A row for each model, with the interval of each figure."""
    table = Table(title=title, box=box.SIMPLE)
    table.add_column("model")
    for figure in FIGURES:
        table.add_column(figure, justify="right")
    for name, known in quality.items():
        sure = intervals(drawn[name])
        cells = (
            f"{getattr(known, figure):.4f}\n{sure[figure].low:.4f}-{sure[figure].high:.4f}"
            for figure in FIGURES
        )
        table.add_row(name, *cells)
    return table


def print_difference(
    name: str, quality: dict[str, Quality], drawn: Figures, console: Console
) -> None:
    """Print by how much ours differs from another, on the same draws of users."""
    sure = intervals(drawn[OURS] - drawn[name])
    for figure in ("roc_auc", "log_loss"):
        difference = getattr(quality[OURS], figure) - getattr(quality[name], figure)
        low, high = sure[figure].low, sure[figure].high
        console.print(f"{figure}, ours - {name}: {difference:+.4f} ({low:+.4f} to {high:+.4f})")


def month_table(judged: Judged) -> Table:
    """Ours per month of the score."""
    months = months_of(judged.grid.at_ms)
    table = Table(title=f"{OURS}, {judged.horizon_days} days, per month", box=box.SIMPLE)
    for heading in ("month", "scores", "ordered", "mean score", *FIGURES):
        table.add_column(heading, justify="right")
    for month, known in quality_per(months, judged.scores[OURS], judged.grid.outcomes):
        table.add_row(
            month,
            str(known.example_count),
            f"{known.outcome_share:.4f}",
            f"{known.score_mean:.4f}",
            *(f"{getattr(known, figure):.4f}" for figure in FIGURES),
        )
    return table


def speed_figures(recipe: Recipe) -> list[Figure]:
    """Examples learned per CPU-second: as a model is run; by a regression alone, from arrays."""
    chance = np.random.default_rng(SEED)
    learner = ModelLearner(ModelSettings(learner=Settings(recipe=recipe), calibrate=True))
    features = chance.exponential(30.0, (TIMED_EXAMPLES, len(recipe.program.features)))
    outcomes = chance.random(TIMED_EXAMPLES) < 0.2
    regression = new_newton([*range(TIMED_TERMS)], 30.0, BATCH)
    scaled = chance.standard_normal((TIMED_EXAMPLES, TIMED_TERMS))
    kept, happened = kept_of(MEMORY, BATCH), outcomes.astype(np.float64)
    given, closed_ms = chance.random(TIMED_EXAMPLES), np.zeros(TIMED_EXAMPLES, np.int64)
    learner.take(features[:BATCH], outcomes[:BATCH], given[:BATCH], closed_ms[:BATCH])
    started = time.process_time()
    learner.take(features, outcomes, given, closed_ms)
    between = time.process_time()
    learn_batches(regression, kept, scaled, happened)
    ended = time.process_time()
    unit = "examples/CPU-s"
    return [
        Figure(
            name="learned, with terms, drift and calibration",
            value=TIMED_EXAMPLES / (between - started),
            unit=unit,
            at_least=60_000.0,
        ),
        Figure(
            name=f"one regression alone, {TIMED_TERMS} terms",
            value=TIMED_EXAMPLES / (ended - between),
            unit=unit,
            at_least=300_000.0,
        ),
    ]


if __name__ == "__main__":
    sys.exit(main())
