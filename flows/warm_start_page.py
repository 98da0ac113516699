"""What a warm start gives the live learner, and what it takes, as a person reads it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table

from connectors.triggers import instant_text
from flows.learn_figures import Figures
from flows.warm_start import Warmed

COLUMNS = ("model", "replayed", "log loss", "closed up to", "known live", "log loss", "then")


def warm_start_table(models: Sequence[Warmed]) -> Table:
    """A line per model."""
    table = Table(box=SIMPLE_HEAD)
    for column in COLUMNS:
        table.add_column(column, justify="left" if column in ("model", "then") else "right")
    for one in models:
        table.add_row(
            one.model,
            *figures_cells(one.replayed),
            instant_text(one.learned_to_ms),
            *figures_cells(one.known),
            then(one),
        )
    return table


def then(model: Warmed) -> str:
    """What becomes of a model."""
    if not model.taken:
        return "kept as live"
    return "in force" if model.fits else "waits for its config"


def figures_cells(figures: Figures) -> tuple[str, str]:
    """How many examples, and how good the scores were; dashes where there is nothing."""
    loss = figures.log_loss
    count = f"{figures.taken_count:,}" if figures.taken_count else "-"
    return count, "-" if math.isnan(loss) else f"{loss:.3f}"
