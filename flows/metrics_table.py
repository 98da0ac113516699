"""The tables of metrics in docs/operations.md; `python -m flows.metrics_table` writes them anew."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from config.marked_pages import filled
from flows.learner_metrics import LEARNER_METRICS
from flows.metrics import METRICS, Metric

PAGE = Path(__file__).resolve().parent.parent / "docs" / "operations.md"


def with_metrics(page: str) -> str:
    """The page with its tables of metrics made anew."""
    return filled(page, {"metrics": _table(METRICS), "learner metrics": _table(LEARNER_METRICS)})


def _table(metrics: Iterable[Metric]) -> str:
    lines = ["| metric | kind | labels | means |", "|---|---|---|---|", *map(_row, metrics)]
    return "\n".join(lines)


def _row(metric: Metric) -> str:
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    cells = (f"`{metric.name}`", metric.kind, labels, metric.means)
    return f"| {' | '.join(cells)} |".replace("|  |", "| |")


if __name__ == "__main__":
    PAGE.write_text(with_metrics(PAGE.read_text("utf-8")), "utf-8")
