"""Tables for a person at a terminal: of a replay, of a config folder, of counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console, RenderableType
from rich.table import Table

if TYPE_CHECKING:
    from config.schema import Config
    from flows.summary import Summary

WIDTH_WITHOUT_TERMINAL = 100


def show(tables: list[RenderableType], *, on_stderr: bool = False) -> None:
    """Print tables, one below the other, plainly where there is no terminal."""
    console = Console(stderr=on_stderr, highlight=False, soft_wrap=False)
    if not console.is_terminal:
        console.width = WIDTH_WITHOUT_TERMINAL
    # Written by ourselves: rich would end the process where a reader has left.
    with console.capture() as printed:
        console.print(*tables, sep="\n")
    console.file.write(printed.get())
    console.file.flush()


def summary_tables(summary: Summary) -> list[RenderableType]:
    """What a replay did."""
    tables: list[RenderableType] = [_log_table(summary), _journey_table(summary)]
    suppressed = _suppressed_table(summary)
    if suppressed.row_count:
        tables.append(suppressed)
    held = {name: count for name, count in summary.tags.items() if count}
    if held:
        tables.append(counts_table("tags held", held))
    if summary.sums_close:
        tables.append("Every scheduled stage has exactly one outcome: the sums close.")
    return tables


def counts_table(title: str, counts: Mapping[str, int]) -> Table:
    """Names and numbers, in the order given."""
    table = _table(title, ("", "count"))
    for name, count in counts.items():
        table.add_row(name, f"{count:,}")
    return table


def config_tables(config: Config, bytes_per_user: Mapping[str, int]) -> list[RenderableType]:
    """What a config folder holds, and what each part of a profile costs in memory."""
    return [
        counts_table(
            f"config {config.version}",
            {
                "events": len(config.events),
                "features": len(config.features),
                "tags": sum(tag.rule is not None for tag in config.tags),
                "journeys": len(config.journeys),
            },
        ),
        _journeys_held(config),
        _feature_table(config, bytes_per_user),
    ]


def _table(title: str, columns: tuple[str, ...]) -> Table:
    """A table whose first column is text and whose others are numbers."""
    table = Table(title=title, box=SIMPLE_HEAD, title_justify="left")
    table.add_column(columns[0])
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
    table = _table("journeys", ("journey", *columns))
    for name, sums in summary.journeys.items():
        suppressed = sum(sums.suppressed.values())
        counts = (sums.entered, sums.scheduled, sums.sent, suppressed)
        table.add_row(name, *(f"{count:,}" for count in (*counts, sums.pending, sums.goals)))
    return table


def _suppressed_table(summary: Summary) -> Table:
    table = _table("suppressed", ("journey, reason", "count"))
    for name, sums in summary.journeys.items():
        for reason, count in sums.suppressed.items():
            table.add_row(f"{name}, {reason}", f"{count:,}")
    return table


def _journeys_held(config: Config) -> Table:
    table = Table("journey", "status", "stages", "about", box=SIMPLE_HEAD)
    for journey in config.journeys:
        stages = ", ".join(stage.name for stage in journey.stages)
        table.add_row(journey.name, journey.status, stages, journey.about)
    return table


def _feature_table(config: Config, bytes_per_user: Mapping[str, int]) -> Table:
    kinds = {feature.name: feature.kind for feature in config.features}
    table = Table("bytes per user", "kind", box=SIMPLE_HEAD)
    table.add_column("bytes", justify="right")
    for name, count in bytes_per_user.items():
        table.add_row(name, kinds.get(name, "-"), f"{count:,}")
    table.add_section()
    table.add_row("all", "", f"{sum(bytes_per_user.values()):,}")
    return table
