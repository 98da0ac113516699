"""Tables and trees for a person at a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from io import StringIO
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from config.places import printable
from flows.branches import Branch

if TYPE_CHECKING:
    from flows.summary import Summary

WIDTH_WITHOUT_TERMINAL = 100

Printable = RenderableType
"""What can be printed: tables, trees and texts."""


def show(tables: list[RenderableType], *, on_stderr: bool = False) -> None:
    """Print tables, one below the other, plainly where there is no terminal.

    What the terminal's encoding cannot say appears as a question mark.
    """
    console = Console(stderr=on_stderr, highlight=False, soft_wrap=False)
    if not console.is_terminal:
        console.width = WIDTH_WITHOUT_TERMINAL
    # Written by ourselves: rich would end the process where a reader has left.
    with console.capture() as printed:
        console.print(*tables, sep="\n")
    console.file.write(printed.get().encode(console.encoding, "replace").decode(console.encoding))
    console.file.flush()


def as_text(tables: list[RenderableType]) -> str:
    """What `show` prints where there is no terminal."""
    console = Console(highlight=False, width=WIDTH_WITHOUT_TERMINAL, file=StringIO())
    with console.capture() as printed:
        console.print(*tables, sep="\n")
    return printed.get()


def drawn(branch: Branch) -> Tree:
    """A tree with its branches; what could steer a terminal is left out of its texts."""
    tree = Tree(Text("\n".join(map(printable, branch.text.split("\n")))))
    tree.children = [drawn(below) for below in branch.branches]
    return tree


def summary_tables(summary: Summary) -> list[RenderableType]:
    """What a replay did."""
    tables: list[RenderableType] = [_log_table(summary), _journey_table(summary)]
    suppressed = _suppressed_table(summary)
    if suppressed.row_count:
        tables.append(suppressed)
    if any(known.closed for known in summary.examples.values()):
        tables.append(_model_table(summary))
    held = {name: count for name, count in summary.tags.items() if count}
    if held:
        tables.append(counts_table("tags held", held))
    if summary.sums_close:
        tables.append("Every scheduled stage has exactly one outcome: the sums close.")
    return tables


def counts_table(title: str, counts: Mapping[str, int]) -> Table:
    """Names and numbers, in the order given."""
    table = titled_table(title, ("", "count"))
    for name, count in counts.items():
        table.add_row(name, f"{count:,}")
    return table


def titled_table(title: str, columns: tuple[str, ...]) -> Table:
    """A table whose first column is text and whose others are numbers."""
    table = Table(title=title, box=SIMPLE_HEAD, title_justify="left")
    table.add_column(columns[0], overflow="fold")
    for column in columns[1:]:
        table.add_column(column, justify="right")
    return table


def _log_table(summary: Summary) -> Table:
    measured = summary.measured
    table = counts_table(
        "replay" + (", interrupted" if summary.interrupted else ""),
        {
            "records": summary.records,
            "events": summary.events,
            "users": summary.users,
            "duplicates": summary.duplicates,
            "late": summary.late,
            "dead letters": sum(summary.dead_letters.values()),
        }
        | {f"  {reason}": count for reason, count in summary.dead_letters.items()},
    )
    table.add_row("clock", summary.clock or "-")
    table.add_row("seconds", f"{measured.seconds:,.1f}")
    table.add_row("events per second", f"{measured.events_per_second:,}")
    table.add_row("events per CPU-second", f"{measured.events_per_cpu_second:,}")
    table.add_row("memory, MB", f"{measured.resident_mb:,}")
    return table


def _journey_table(summary: Summary) -> Table:
    columns = ("entered", "scheduled", "sent", "suppressed", "pending", "goals")
    table = titled_table("journeys", ("journey", *columns))
    for name, sums in summary.journeys.items():
        suppressed = sum(sums.suppressed.values())
        counts = (sums.entered, sums.scheduled, sums.sent, suppressed)
        table.add_row(name, *(f"{count:,}" for count in (*counts, sums.pending, sums.goals)))
    return table


def _model_table(summary: Summary) -> Table:
    table = titled_table(
        "models", ("model", "examples", "outcomes", "scored", "ROC AUC", "log loss")
    )
    for name, known in summary.examples.items():
        figures = summary.scores.get(name)
        cells = (figures.scored, figures.roc_auc, figures.log_loss) if figures else (None,) * 3
        scored = ("-" if one is None else f"{one:,}" for one in cells)
        table.add_row(name, f"{known.closed:,}", f"{known.outcomes:,}", *scored)
    return table


def _suppressed_table(summary: Summary) -> Table:
    table = titled_table("suppressed", ("journey, reason", "count"))
    for name, sums in summary.journeys.items():
        for reason, count in sums.suppressed.items():
            table.add_row(f"{name}, {reason}", f"{count:,}")
    return table
