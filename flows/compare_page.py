"""A comparison of models as tables, for a terminal."""

from __future__ import annotations

from config.durations import format_duration
from flows.compare import Contest, Standing
from flows.learn_progress import EITHER_MIN, LEARNED_MIN
from flows.show import Printable, titled_table

COLUMNS = ("", "ROC AUC", "more", "from", "to", "log loss", "more", "from", "to")


def contest_tables(contest: Contest) -> list[Printable]:
    """A row for each contender, with its differences from the first."""
    title = (
        f"{contest.model}: an outcome within {format_duration(contest.within_ms)}; "
        f"{contest.compared_count:,} scores of {contest.user_count:,} users"
    )
    if not contest.compared_count:
        return [
            f"{contest.model}: {contest.example_count:,} examples have closed, too few for scores "
            f"of all: {LEARNED_MIN} of them, {EITHER_MIN} of either outcome, make a model."
        ]
    table = titled_table(title, COLUMNS)
    for number, standing in enumerate(contest.standings):
        table.add_row(*cells_of(standing, is_first=number == 0))
    return [table]


def cells_of(standing: Standing, *, is_first: bool) -> list[str]:
    """A contender's row; the first has no differences, and few outcomes give no intervals."""
    cells = [standing.name]
    for figure, value in (
        ("roc_auc", standing.quality.roc_auc),
        ("log_loss", standing.quality.log_loss),
    ):
        cells.append(f"{value:.4f}")
        known = standing.intervals.get(figure)
        cells.append("" if is_first else f"{standing.more[figure]:+.4f}")
        if is_first or known is None:
            cells += ["", ""]
        else:
            cells += [f"{limit:+.4f}" for limit in (known.low, known.high)]
    return cells
