"""Rules, read the slow way: the text is walked as a Python syntax tree over plain Python values.

A missing value is None. A threshold's value comes from the TOML file itself, so that the programs
which `config.load` compiles have no part in what the oracle says.
"""

from __future__ import annotations

import ast
import operator
import tomllib
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

Value = float | str | bool | tuple[str, ...] | None
Thresholds = Mapping[str, Mapping[str, float]]

COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


class Names(NamedTuple):
    """What a rule's names stand for at one instant."""

    feature: Callable[[str], Value]
    tags: frozenset[str] | set[str]
    event: Mapping[str, Value]
    thresholds: Mapping[str, float]


class Compared(NamedTuple):
    """One comparison as it turned out; a missing operand is None."""

    left: Value
    right: Value
    holds: bool


def thresholds_of(directory: Path) -> Thresholds:
    """The `[thresholds]` of each file: under "tags" and "models" of these, else by journey."""
    files = {"tags": directory / "tags.toml"}
    files |= {path.stem: path for path in (directory / "journeys").glob("*.toml")}
    files |= {path.stem: path for path in directory.glob("models.toml")}
    return {
        name: tomllib.loads(path.read_text()).get("thresholds", {}) for name, path in files.items()
    }


def holds(text: str, names: Names) -> bool:
    """Whether the rule holds."""
    return bool(value_of(syntax_tree(text), names, []))


def comparisons(text: str, names: Names) -> list[Compared]:
    """Every comparison of the rule, from left to right; chained ones and `in` in their parts."""
    compared: list[Compared] = []
    value_of(syntax_tree(text), names, compared)
    return compared


def names_read(text: str) -> set[str]:
    """The bare names of a rule: features and thresholds."""
    return {node.id for node in ast.walk(syntax_tree(text)) if isinstance(node, ast.Name)}


def propensities_read(text: str) -> set[str]:
    """The models whose scores a rule reads."""
    return read_in_space(text, "propensity")


def tags_read(text: str) -> set[str]:
    """The tags that a rule reads, groups as such."""
    return read_in_space(text, "tags")


def read_in_space(text: str, space: str) -> set[str]:
    nodes = [node for node in ast.walk(syntax_tree(text)) if isinstance(node, ast.Attribute)]
    beginnings = [node.value for node in nodes]
    names = [dotted_name(node).partition(".") for node in nodes if node not in beginnings]
    return {rest for found, _, rest in names if found == space}


@cache
def syntax_tree(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


def value_of(node: ast.expr, names: Names, compared: list[Compared]) -> Value:
    """The value of one node; comparisons met on the way are appended to `compared`."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.Constant(value=int(literal) | float(literal)):
            return float(literal)
        case ast.Name() | ast.Attribute():
            return value_of_name(dotted_name(node), names)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return not value_of(operand, names, compared)
        case ast.UnaryOp(op=sign, operand=operand):
            number = value_of(operand, names, compared)
            return -number if isinstance(number, float) and isinstance(sign, ast.USub) else number
        case ast.BoolOp(op=word, values=parts):
            truths = [bool(value_of(part, names, compared)) for part in parts]
            return all(truths) if isinstance(word, ast.And) else any(truths)
        case ast.BinOp(left=left, op=sign, right=right):
            return arithmetic(
                sign, value_of(left, names, compared), value_of(right, names, compared)
            )
        case ast.Compare():
            return chain(node, names, compared)
        case ast.Call(func=ast.Name(id=function), args=arguments):
            return call(function, [value_of(argument, names, compared) for argument in arguments])
    raise AssertionError(f"not in the language: {ast.unparse(node)}")


def dotted_name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{dotted_name(node.value)}.{node.attr}"
    assert isinstance(node, ast.Name)
    return node.id


def value_of_name(dotted: str, names: Names) -> Value:
    space, _, rest = dotted.partition(".")
    if not rest:
        if dotted in names.thresholds:
            return float(names.thresholds[dotted])
        return names.feature(dotted)
    if space == "propensity":
        return names.feature(dotted)
    assert space in ("tags", "event"), dotted
    return rest in names.tags if space == "tags" else names.event.get(rest)


def arithmetic(sign: ast.operator, left: Value, right: Value) -> Value:
    if left is None or right is None:
        return None
    assert isinstance(left, float) and isinstance(right, float)
    if isinstance(sign, ast.Div) and right == 0:
        return None
    return ARITHMETIC[type(sign)](left, right)


def chain(node: ast.Compare, names: Names, compared: list[Compared]) -> bool:
    """`a < b < c` holds when each link does; every link is looked at."""
    left, truth = node.left, True
    for sign, right in zip(node.ops, node.comparators, strict=True):
        if isinstance(sign, ast.In):
            assert isinstance(right, ast.Tuple | ast.List | ast.Set)
            links = [compare(ast.Eq(), left, one, names, compared) for one in right.elts]
            truth &= any(links)
        else:
            truth &= compare(sign, left, right, names, compared)
        left = right
    return truth


def compare(
    sign: ast.cmpop, left: ast.expr, right: ast.expr, names: Names, compared: list[Compared]
) -> bool:
    first, second = value_of(left, names, compared), value_of(right, names, compared)
    truth = first is not None and second is not None and COMPARISONS[type(sign)](first, second)
    compared.append(Compared(first, second, truth))
    return truth


def call(function: str, arguments: list[Value]) -> Value:
    if function == "has":
        return arguments[0] is not None
    numbers = [argument for argument in arguments if isinstance(argument, float)]
    if len(numbers) < len(arguments):
        return None
    if function == "abs":
        return abs(numbers[0])
    return min(numbers) if function == "min" else max(numbers)
