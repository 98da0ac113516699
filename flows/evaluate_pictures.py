"""A model's page of pictures: what was said against what came, and ranking and loss over time.

The same report makes the same bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from numpy.typing import NDArray

from config.durations import format_duration
from flows.evaluate import ModelReport, Part

SETTINGS: dict[Any, Any] = {
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "font.size": 9,
    "grid.alpha": 0.3,
    "svg.hashsalt": "beckon",
}
SIZE_INCHES = (13.0, 4.2)
OURS, REFERENCE = "tab:blue", "0.45"
WITHOUT_DATE = {"Date": None, "Creator": None}
BAND_ALPHA = 0.2
ROOM = 1.05
"""How much further the axes go than what is drawn."""


def page_of(report: ModelReport) -> bytes:
    """The page as SVG, of a model that has scored."""
    file = BytesIO()
    with matplotlib.rc_context():
        # Whatever style the user has made their own.
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(SETTINGS)
        drawn(report).savefig(file, format="svg", metadata=WITHOUT_DATE)
    return file.getvalue()


def drawn(report: ModelReport) -> Figure:
    """The page, in the settings that are in force."""
    figure = Figure(figsize=SIZE_INCHES, layout="constrained")
    figure.suptitle(title_of(report))
    reliability, ranking, loss = figure.subplots(1, 3)
    weeks = [week for week in report.weeks if week.intervals]
    draw_reliability(reliability, report)
    draw_over_time(ranking, weeks, "roc_auc")
    ranking.set_title("ranking: ROC AUC per week")
    draw_over_time(loss, weeks, "log_loss")
    loss.set_title("log loss per week: lower is better")
    draw_shares_loss(loss, weeks)
    for axes in (reliability, ranking, loss):
        axes.legend(loc="best", frameon=False)
    return figure


def title_of(report: ModelReport) -> str:
    """What the page shows, with how much of it there is."""
    quality = report.whole.quality
    return (
        f"{report.model}: an outcome within {format_duration(report.within_ms)}; "
        f"{quality.example_count:,} scores of {report.whole.user_count:,} users, "
        f"{quality.outcome_share:.1%} followed by it"
    )


def draw_reliability(axes: Axes, report: ModelReport) -> None:
    """The share of outcomes among examples with neighbouring scores, bins of equal count."""
    said = [one.score_mean for one in report.reliability]
    came = [one.outcome_share for one in report.reliability]
    end = min(max(*said, *came) * ROOM, 1.0)
    axes.plot([0.0, end], [0.0, end], color=REFERENCE, linestyle=":", label="said = came")
    axes.plot(said, came, color=OURS, marker="o", markersize=4, label="a fifteenth of all scores")
    axes.set_xlim(0.0, end)
    axes.set_ylim(0.0, end)
    axes.set_aspect("equal")
    axes.set_xlabel("mean score")
    axes.set_ylabel("share that was followed by the outcome")
    axes.set_title("reliability: what was said, what came")


def draw_over_time(axes: Axes, weeks: Sequence[Part], figure: str) -> None:
    """A figure per week of the score, within its interval."""
    days = days_of(weeks)
    axes.plot(days, values_of(weeks, figure), color=OURS, marker=".", label="each week")
    low = np.array([week.intervals[figure].low for week in weeks])
    high = np.array([week.intervals[figure].high for week in weeks])
    axes.fill_between(days, low, high, color=OURS, alpha=BAND_ALPHA, linewidth=0.0, label="95 %")
    locator = AutoDateLocator()  # type: ignore[no-untyped-call]  # it ships no types
    axes.xaxis.set_major_locator(locator)
    formatter = ConciseDateFormatter(locator)  # type: ignore[no-untyped-call]  # nor does it
    axes.xaxis.set_major_formatter(formatter)


def draw_shares_loss(axes: Axes, weeks: Sequence[Part]) -> None:
    """The loss of a score that is each week's own share for everybody: hindsight, no ranking."""
    shares = np.array([week.quality.outcome_share for week in weeks])
    losses = -(shares * np.log(shares) + (1.0 - shares) * np.log1p(-shares))
    axes.plot(
        days_of(weeks), losses, color=REFERENCE, linestyle=":", label="the week's share alone"
    )


def days_of(weeks: Sequence[Part]) -> NDArray[np.datetime64]:
    """When each begins."""
    return np.array([week.name for week in weeks], "datetime64[D]")


def values_of(weeks: Sequence[Part], figure: str) -> NDArray[np.float64]:
    """A figure of each."""
    return np.array([getattr(week.quality, figure) for week in weeks])
