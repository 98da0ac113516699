"""An evaluation as tables, for a terminal and for report.txt."""

from __future__ import annotations

from collections.abc import Sequence

from config.durations import format_duration
from flows.evaluate import Group, ModelReport, Part
from flows.learn_progress import EITHER_MIN, LEARNED_MIN
from flows.learn_quality import FIGURES, CalibrationBin
from flows.show import Printable, titled_table

HEADINGS = ("ROC AUC", "PR AUC", "log loss", "Brier", "calib.")
"""What the tables call `FIGURES`."""

NOTE = (
    "Each score was given before its outcome could be known. Examples that were still open when "
    "the log ended are not counted. Intervals: 95 %, users drawn again and again. Calib.: the mean "
    "distance of score and share, over 15 bins of equal count."
)


def tables_of(report: ModelReport) -> list[Printable]:
    """All tables of a model."""
    if not report.whole.quality.example_count:
        return [headline(report), no_scores(report)]
    tables: list[Printable] = [headline(report), whole_table(report.whole)]
    tables.append(reliability_table(report.reliability))
    tables.append(parts_table("per month of the score", report.months))
    if report.versions:
        shown = f"the last {len(report.versions)} of {report.version_count:,} versions"
        tables.append(parts_table(shown + " of which there is enough", report.versions))
    for group in report.groups:
        tables += group_tables(group)
    return tables


def headline(report: ModelReport) -> str:
    """How much there is to judge the model by."""
    scored = report.example_count - report.unscored_count
    text = (
        f"{report.model}: an outcome within {format_duration(report.within_ms)}. "
        f"{report.example_count:,} examples have closed, {scored:,} of them with a score"
    )
    if report.first_scored_at is not None and report.last_scored_at is not None:
        text += f", from {report.first_scored_at[:10]} to {report.last_scored_at[:10]}"
    return text + "."


def no_scores(report: ModelReport) -> str:
    """Why there is nothing to judge, and what helps."""
    return (
        f"No scores: the first version takes {LEARNED_MIN} closed examples, {EITHER_MIN} of either "
        f"outcome, and an example closes {format_duration(report.within_ms)} after it was taken. "
        "A longer log helps, or a model with a shorter `within`."
    )


def whole_table(whole: Part) -> Printable:
    """A row for each figure, with its interval."""
    table = titled_table("all scores", ("figure", "value", "from", "to"))
    quality = whole.quality
    for figure, heading in zip(FIGURES, HEADINGS, strict=True):
        known = whole.intervals.get(figure)
        limits = (f"{known.low:.4f}", f"{known.high:.4f}") if known else ("-", "-")
        table.add_row(heading, number(getattr(quality, figure)), *limits)
    table.add_row("mean score", number(quality.score_mean), "", "")
    table.add_row("share of outcomes", number(quality.outcome_share), "", "")
    return table


def reliability_table(bins: Sequence[CalibrationBin]) -> Printable:
    """What was said and what came, bin by bin."""
    table = titled_table("reliability", ("scores", "mean score", "share of outcomes"))
    for one in bins:
        cells = (f"{one.score_mean:.4f}", f"{one.outcome_share:.4f}")
        table.add_row(f"{one.example_count:,}", *cells)
    return table


def parts_table(title: str, parts: Sequence[Part]) -> Printable:
    """A row for each part of the examples, with the mean score and the share of outcomes."""
    table = titled_table(title, ("", "scores", "said", "came", *HEADINGS))
    for part in parts:
        quality = part.quality
        shares = (f"{quality.score_mean:.1%}", f"{quality.outcome_share:.1%}")
        figures = (number(getattr(quality, figure)) for figure in FIGURES)
        table.add_row(part.name, f"{quality.example_count:,}", *shares, *figures)
    return table


def group_tables(group: Group) -> list[Printable]:
    """The figures per tag of a group, and the gaps between them."""
    tables: list[Printable] = [parts_table(f"per tag of {group.name}", group.tags)]
    if group.gaps:
        gaps = zip(HEADINGS, (group.gaps[figure] for figure in FIGURES), strict=True)
        told = ", ".join(f"{heading} {gap:.4f}" for heading, gap in gaps)
        tables.append(f"Largest gap between tags of {group.name}: {told}.")
    return tables


def number(value: float) -> str:
    """A figure as tables have it; a dash for one that is not known.

    >>> number(0.12345), number(float("nan"))
    ('0.1235', '-')
    """
    return f"{value:.4f}" if value == value else "-"
