"""Comparisons of a rule, told with the values that it saw: which held, which missed nearly."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Sequence
from functools import lru_cache
from math import inf
from typing import NamedTuple

from config.expressions import Fault, names_in, parse_expression
from config.rule_writer import COMPARISONS
from connectors.triggers import Compared

RULES_CACHED_MAX = 1024
OPPOSITES = {"==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}
NAME_SPACES = ("event", "propensity")
SMALLEST = 1e-9


class Terms(NamedTuple):
    """What a rule asks: of each comparison, and of tags, whether it has to hold or must not."""

    comparisons: tuple[bool, ...]
    tags: tuple[tuple[str, bool], ...]


class Sides(NamedTuple):
    """A comparison's text in its parts."""

    left: str
    sign: str
    right: str


def fact(compared: Compared, features: Collection[str]) -> str:
    """A comparison as it turned out, with the values of both sides; only `features` are named.

    >>> cart = Compared(rule="cart_value >= low", left=57.2, right=60.0, holds=False)
    >>> fact(cart, ["cart_value"])
    'cart_value 57.20 < 60'
    """
    sides = _sides(compared.rule)
    if compared.left is None:
        return f"{sides.left} is missing"
    if compared.right is None:
        return f"{sides.right} is missing"
    sign = sides.sign if compared.holds else OPPOSITES[sides.sign]
    left, right = value_texts(compared.left, compared.right)
    named = {*features, *NAME_SPACES}
    shown = [
        f"{side} {value}" if names_in(side) & named else value
        for side, value in ((sides.left, left), (sides.right, right))
    ]
    return f"{shown[0]} {sign} {shown[1]}"


def value_texts(*values: float | str) -> list[str]:
    """Values as people write them, with more digits where they would look the same.

    >>> value_texts(64.9, 20.0), value_texts(0.4999, 0.5), value_texts("DE", "FR")
    (['64.90', '20'], ['0.4999', '0.5000'], ["'DE'", "'FR'"])
    """
    for digits in (2, 4, 6):
        texts = [_value_text(value, digits) for value in values]
        if len(set(texts)) == len(set(values)):
            break
    return texts


def nearest_miss(compared: Sequence[Compared], terms: Terms) -> Compared | None:
    """Of the comparisons that kept a rule from holding, the one that was closest to turning.

    >>> cart = Compared(rule="cart_value >= low", left=57.2, right=60.0, holds=False)
    >>> visits = Compared(rule="visits > 9", left=1.0, right=9.0, holds=False)
    >>> nearest_miss([visits, cart], Terms((True, True), ())) is cart
    True
    """
    missed = [one for one, wanted in _with_wanted(compared, terms) if one.holds != wanted]
    return min(missed, key=distance, default=None)


def supporting(compared: Sequence[Compared], terms: Terms) -> list[Compared]:
    """The comparisons of known values that turned out as a rule wants them.

    >>> returns = Compared(rule="refund_share >= many", left=0.1, right=0.8, holds=False)
    >>> supporting([returns], Terms((False,), ())) == [returns]
    True
    """
    return [
        one
        for one, wanted in _with_wanted(compared, terms)
        if one.holds == wanted and one.left is not None and one.right is not None
    ]


def distance(compared: Compared) -> float:
    """How far a comparison was from turning, as a share of the larger side; 1 for texts.

    >>> distance(Compared(rule="cart_value >= low", left=57.0, right=60.0, holds=False))
    0.05
    """
    left, right = compared.left, compared.right
    if isinstance(left, float) and isinstance(right, float):
        return abs(left - right) / max(abs(left), abs(right), SMALLEST)
    return inf if left is None or right is None else 1.0


@lru_cache(maxsize=RULES_CACHED_MAX)
def terms_of(rule: str) -> Terms:
    """What a rule asks of its comparisons, in their order, and of tags.

    >>> terms_of("a > 1 and not (b in (1, 2) or tags.value.vip)")
    Terms(comparisons=(True, False, False), tags=(('value.vip', False),))
    """
    tree = parse_expression(rule)
    assert not isinstance(tree, Fault), "a rule of a config was parsed before"
    comparisons: list[bool] = []
    tags: list[tuple[str, bool]] = []
    _add_terms(tree, True, comparisons, tags)
    return Terms(tuple(comparisons), tuple(tags))


def _with_wanted(compared: Sequence[Compared], terms: Terms) -> Iterator[tuple[Compared, bool]]:
    return zip(compared, terms.comparisons, strict=True)


def _add_terms(
    node: ast.expr, wanted: bool, comparisons: list[bool], tags: list[tuple[str, bool]]
) -> None:
    """Collect in the order in which `config.rule_writer` writes comparisons."""
    match node:
        case ast.UnaryOp(op=ast.Not()):
            _add_terms(node.operand, not wanted, comparisons, tags)
        case ast.BoolOp():
            for value in node.values:
                _add_terms(value, wanted, comparisons, tags)
        case ast.Compare(ops=[ast.In()], comparators=[ast.Tuple(elts=members)]):
            comparisons += [wanted] * len(members)
        case ast.Compare():
            comparisons += [wanted] * len(node.ops)
        case ast.Attribute():
            space, _, name = ast.unparse(node).partition(".")
            if space == "tags":
                tags.append((name, wanted))


@lru_cache(maxsize=RULES_CACHED_MAX)
def _sides(comparison: str) -> Sides:
    tree = parse_expression(comparison)
    assert isinstance(tree, ast.Compare), "the text of a comparison is one"
    left, right = ast.unparse(tree.left), ast.unparse(tree.comparators[0])
    return Sides(left, COMPARISONS[type(tree.ops[0])], right)


def _value_text(value: float | str, digits: int) -> str:
    if isinstance(value, str):
        return f"'{value}'"
    return f"{value:,.0f}" if value == int(value) and digits == 2 else f"{value:,.{digits}f}"
