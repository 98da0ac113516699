"""`[thresholds]`: the named numbers of a file's rules."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from config.expressions import names_in
from config.limits import LIST_LENGTH_MAX
from config.names import check_name
from config.problems import Place, shown
from config.tables import Table, check_each, check_number

Thresholds = dict[str, float | None]
"""Numbers by name; None for one that is not a usable number."""


def read_thresholds(table: Table | None, features: Collection[str]) -> Thresholds:
    """The thresholds of a file; one that is named like a feature is a problem."""
    thresholds: Thresholds = {}

    def read(name: str, value: object, place: Place) -> None:
        check_name("threshold", name, place)
        if name in features:
            message = f"{shown(name)} is a feature already, so it cannot name a threshold"
            place.report(message, fix=f"choose another name, such as {name[:50]}_min")
        thresholds[name] = check_number(value, place)

    check_each(table, LIST_LENGTH_MAX, read)
    return thresholds


def check_used(table: Table | None, thresholds: Thresholds, rules: Iterable[object]) -> None:
    """Report thresholds that no rule of the file names: they look as if they did something."""
    if table is None:
        return
    used: set[str] = set()
    for rule in rules:
        used |= names_in(rule)
    for name in thresholds:
        if name not in used:
            message = "no rule of this file uses this threshold"
            table.place.at(name).report(message, fix="use it in a rule, or remove it")
