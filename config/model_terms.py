"""`[terms]` and `[set.NAME]` of models.toml: expressions, compiled for each horizon, in sets."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from config.expressions import Fault, names_in, parse_expression, source_of
from config.features import Features
from config.limits import LIST_LENGTH_MAX, PRIOR_MAX, SETS_MAX
from config.names import HORIZON, RESERVED_IN_TERMS, check_name
from config.problems import Place, nearest_name, shown
from config.tables import Table, check_each
from config.term_steps import Steps
from config.term_writer import TERM, Seen, TermWriter
from config.terms import TermSet
from config.thresholds import Thresholds


class Expression(NamedTuple):
    """A term as it stands in the file; `tree` is None where it cannot be read."""

    text: str
    tree: ast.expr | None
    place: Place


class Terms:
    """The terms of a file by name, and the steps that compute them within a horizon."""

    def __init__(self, features: Features | None, thresholds: Thresholds) -> None:
        """None yet."""
        self.features = features
        self.thresholds = thresholds
        self.expressions: dict[str, Expression] = {}
        self._steps: dict[float, Steps] = {}
        self._told: set[tuple[str, Fault]] = set()

    def within(self, horizon_days: float) -> Steps:
        """The steps of all terms, for models of this horizon; a fault is reported once."""
        if horizon_days not in self._steps:
            self._steps[horizon_days] = self._write(horizon_days)
        return self._steps[horizon_days]

    def _write(self, horizon_days: float) -> Steps:
        steps = Steps()
        numbers = {**self.thresholds, HORIZON: horizon_days}
        above: dict[str, str | None] = {}
        for name, expression in self.expressions.items():
            below = self.expressions.keys() - above.keys()
            seen = Seen(
                features=self.features, numbers=numbers, above=above, below=below, itself=name
            )
            writer = TermWriter(source_of(expression.text), seen, steps)
            value = writer.write_term(expression.tree) if expression.tree is not None else None
            for fault in writer.faults:
                if (name, fault) not in self._told:
                    self._told.add((name, fault))
                    expression.place.report(*fault)
            if value is not None:
                steps.define(name, value)
            above[name] = name if value is not None else None
        return steps


def read_terms(table: Table | None, features: Features | None, thresholds: Thresholds) -> Terms:
    """The terms of a file; one that is named like something else that terms see is a problem."""
    terms = Terms(features, thresholds)

    def read(name: str, text: object, place: Place) -> None:
        check_name("term", name, place)
        if name in RESERVED_IN_TERMS:
            message = f"{shown(name)} is a word of terms, so it cannot name one"
            place.report(message, fix="choose another name")
        for what, taken in (("feature", features or {}), ("threshold", thresholds)):
            if name in taken:
                message = f"{shown(name)} is a {what} already, so it cannot name a term"
                place.report(message, fix=f"choose another name, such as {name[:50]}_term")
        terms.expressions[name] = read_expression(text, place)

    check_each(table, LIST_LENGTH_MAX, read)
    return terms


def read_expression(text: object, place: Place) -> Expression:
    """A term's expression."""
    if not isinstance(text, str):
        fix = f'write it in quotes, such as "{TERM.example}"'
        place.report(f"expected a term in quotes, got {shown(text)}", fix=fix)
        return Expression("", None, place)
    tree = parse_expression(text, TERM)
    if isinstance(tree, Fault):
        place.report(*tree)
        return Expression(text, None, place)
    return Expression(text, tree, place)


def read_sets(table: Table | None, terms: Collection[str]) -> dict[str, TermSet]:
    """The sets of terms by name, each after the one whose terms it has too."""
    sets: dict[str, TermSet] = {}

    def read(name: str, content: object, place: Place) -> None:
        check_name("set", name, place)
        sets[name] = read_set(Table(content, place), terms, sets)

    check_each(table, SETS_MAX, read)
    return sets


def read_set(table: Table, terms: Collection[str], above: Mapping[str, TermSet]) -> TermSet:
    """The terms of a set, after those of the set that it adds to."""
    names = table.texts("terms", example='["recency", "orders"]')
    base = table.text("adds_to", default="")
    prior = table.whole("prior", 1, PRIOR_MAX)
    table.close()
    if base and base not in above:
        table.place.at("adds_to").report_unknown("set above this one named", base, above)
    inherited = above[base].terms if base in above else ()
    for index, name in enumerate(names):
        place = table.place.at("terms").at(index)
        if name not in terms:
            nearest = nearest_name(name, terms)
            fix = None if nearest else "add it there, or remove it here"
            place.report(f"no term in [terms] named {shown(name)}", nearest, fix)
        elif name in inherited:
            message = f"{shown(name)} is in the set {shown(base)} already"
            place.report(message, fix="remove it here")
    known = tuple(name for name in names if name in terms and name not in inherited)
    return TermSet(terms=(*inherited, *known), prior=float(prior))


def check_unused(terms: Terms, sets: Table | None, models: Table | None) -> None:
    """Report terms and sets that nothing names: they look as if they did something."""
    used = frozenset().union(*(names_in(one.text) for one in terms.expressions.values()))
    used |= {*texts_at(sets, "terms")}
    for name, expression in terms.expressions.items():
        if name not in used:
            message = "no set and no other term uses this term"
            expression.place.report(message, fix="add it to the terms of a set, or remove it")
    chosen = {*texts_at(models, "sets"), *texts_at(sets, "adds_to")}
    if sets is None:
        return
    for name in sets.content.keys() - chosen:
        fix = "add it to the sets of a model, or remove it"
        sets.place.at(name).report("no model uses this set", fix=fix)


def texts_at(table: Table | None, key: str) -> Iterator[str]:
    """The texts that the tables of a table have at a key, alone or in lists."""
    for content in table.content.values() if table is not None else ():
        value = content[key] if isinstance(content, dict) and key in content else None
        texts = value if isinstance(value, list) else [value]
        yield from (text for text in texts if isinstance(text, str))
