"""Figures as a table for people and as JSON for comparisons, with the machine that gave them."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct
from rich import box
from rich.console import Console
from rich.table import Table

from bench.measure import Figure


class Report(Struct, frozen=True, kw_only=True):
    """What `python -m bench` writes. `quick`: with small sizes, so goals mean nothing."""

    measured_at: str
    machine: str
    python: str
    quick: bool
    figures: list[Figure]


def report_of(figures: Sequence[Figure], *, quick: bool) -> Report:
    """The figures with the machine and the time they were measured at: now, here."""
    return Report(
        measured_at=datetime.now(UTC).isoformat(timespec="minutes"),
        machine=f"{_processor()}, {os.cpu_count()} cores, {platform.system()}",
        python=platform.python_version(),
        quick=quick,
        figures=list(figures),
    )


def hand_over(report: Report, console: Console, path: Path) -> None:
    """Show the report, write it to `path`, and say where it is."""
    print_table(report, console)
    write_json(report, path)
    print(f"written to {path}")


def write_json(report: Report, path: Path) -> None:
    """Write the report to `path`, indented."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(report)) + b"\n")


def print_table(report: Report, console: Console) -> None:
    """Show the figures beside their goals."""
    table = Table(
        title=f"{report.machine}, Python {report.python}, {report.measured_at}", box=box.SIMPLE
    )
    for heading in ("figure", "value", "unit", "goal", ""):
        justify: Literal["left", "right"] = "right" if heading in ("value", "goal") else "left"
        table.add_column(heading, justify=justify, no_wrap=True)
    for figure in report.figures:
        verdict = "" if figure.met is None or report.quick else ("met" if figure.met else "MISSED")
        table.add_row(figure.name, number(figure.value), figure.unit, goal(figure), verdict)
    console.print(table)


def number(value: float) -> str:
    """A figure with as many digits as are worth reading.

    >>> number(412345.6), number(1.2345), number(0.01234)
    ('412,346', '1.23', '0.0123')
    """
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) >= 1 else f"{value:.3g}"


def goal(figure: Figure) -> str:
    """A figure's goal in words.

    >>> goal(Figure(name="tick", value=1.0, unit="ms", at_most=20.0))
    'at most 20.00'
    """
    if figure.at_least is not None:
        return f"at least {number(figure.at_least)}"
    return "" if figure.at_most is None else f"at most {number(figure.at_most)}"


def _processor() -> str:
    """The processor's name where the system tells it, else its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
