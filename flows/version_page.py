"""Versions of models, as a person reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from msgspec import Struct
from rich.box import SIMPLE_HEAD
from rich.table import Table

from config.terms import TermProgram
from connectors.triggers import instant_text
from flows.learn_saved import Version
from flows.version_history import Logged
from flows.versions import fits

EVERYWHERE = "all"
SECOND_LENGTH = len("2026-11-22T17:10:07")
"""Of an instant, up to its second: a row has no room for more."""


class ListedVersion(Struct, frozen=True, kw_only=True):
    """A line of the list. `learned`: examples it knows, None where it cannot be read.

    fits: whether the config in force has the model with its terms; else the default scores.
    """

    model: str
    version: str
    logged_at: str
    learned: int | None
    fits: bool
    in_force: list[int]
    rollback: bool
    held: bool


class Weight(Struct, frozen=True, kw_only=True):
    """A term of a version: what a deviation of it adds to the logit, around which mean."""

    term: str
    weight: float
    mean: float
    deviation: float


class ShownVersion(Struct, frozen=True, kw_only=True):
    """A version: what it has learned, and its terms, those with the largest weights first."""

    model: str
    version: str
    learned: int
    intercept: float
    terms: list[Weight]


def listed(
    versions: Sequence[Logged],
    in_force: Mapping[tuple[str, str], list[int]],
    held: Mapping[str, str],
    programs: Mapping[str, TermProgram],
) -> list[ListedVersion]:
    """The lines of the list, by model and newest first.

    in_force: in which partitions the profiles keep a version as the last. held: the versions that
    were chosen. programs: the terms that models of the config have.
    """
    lines = []
    for one in versions:
        program = programs.get(one.model)
        is_fit = program is not None and one.version is not None and fits(one.version, program)
        line = ListedVersion(
            model=one.model,
            version=one.name,
            logged_at=instant_text(one.log_ms),
            learned=one.version.learned_count if one.version is not None else None,
            fits=is_fit,
            in_force=in_force.get((one.model, one.name), []) if is_fit else [],
            rollback=one.rollback,
            held=held.get(one.model) == one.name,
        )
        lines.append(line)
    return sorted(lines, key=lambda line: line.model)


def list_table(lines: Sequence[ListedVersion], partitions: int) -> Table:
    """The list as a table."""
    table = Table(box=SIMPLE_HEAD)
    for column in ("model", "version", "in the log since", "examples", "in force", "notes"):
        table.add_column(column, justify="right" if column == "examples" else "left")
    for line in lines:
        where = ", ".join(map(str, line.in_force))
        is_other = line.learned is not None and not line.fits
        notes = (("rollback", line.rollback), ("held", line.held), ("other terms", is_other))
        table.add_row(
            line.model or "?",
            line.version or "?",
            f"{line.logged_at[:SECOND_LENGTH]}Z",
            f"{line.learned:,}" if line.learned is not None else "unreadable",
            EVERYWHERE if len(line.in_force) == partitions else where,
            ", ".join(note for note, holds in notes if holds),
        )
    return table


def shown(model: str, name: str, version: Version) -> ShownVersion:
    """A version with the weights of its terms."""
    scorer = version.scorer
    with np.errstate(divide="ignore"):
        deviations = np.where(scorer.scales > 0.0, 1.0 / scorer.scales, 0.0)
    rows = zip(
        version.terms.terms,
        scorer.weights.tolist(),
        scorer.means.tolist(),
        deviations.tolist(),
        strict=True,
    )
    weights = [
        Weight(term=term, weight=weight, mean=mean, deviation=deviation)
        for term, weight, mean, deviation in rows
    ]
    return ShownVersion(
        model=model,
        version=name,
        learned=version.learned_count,
        intercept=float(scorer.bounds[1]),
        terms=sorted(weights, key=lambda one: -abs(one.weight)),
    )


def weights_table(page: ShownVersion) -> Table:
    """The terms of a version as a table."""
    title = (
        f"{page.model}, version {page.version}: {page.learned:,} examples, "
        f"intercept {page.intercept:+.3f}"
    )
    table = Table(title=title, box=SIMPLE_HEAD, title_justify="left")
    for column in ("term", "weight", "mean", "deviation"):
        table.add_column(column, justify="left" if column == "term" else "right")
    for one in page.terms:
        numbers = (f"{one.weight:+.3f}", f"{one.mean:.4g}", f"{one.deviation:.4g}")
        table.add_row(one.term, *numbers)
    return table
