"""Terms read the plain, slow way: by Python's own syntax tree, over numbers; NaN is missing."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping
from functools import cache

LARGEST = 1e300
"""What min and max hold the other side within."""

Named = dict[str, float]

ARITHMETIC: Mapping[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
FUNCTIONS: Mapping[str, Callable[..., float]] = {
    "log1p": lambda x: math.log1p(max(x, 0.0)),
    "log": lambda x: math.log(max(x, 1e-9)),
    "log_expm1": lambda x: x if x > 30.0 else math.log(max(math.expm1(max(x, 0.0)), 1e-9)),
    "hinge": lambda x, knot: max(x - knot, 0.0),
    "clip": lambda x, low, high: min(max(x, low), high),
    "min": lambda x, y: max(min(x, y), -LARGEST),
    "max": lambda x, y: min(max(x, y), LARGEST),
}


def plain_value(text: str, named: Named) -> float:
    """The value of a term; NaN where it is missing."""
    return _value(_tree_of(text), named)


@cache
def _tree_of(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


def _value(node: ast.expr, named: Named) -> float:
    match node:
        case ast.Constant(value=int() | float() as number):
            return float(number)
        case ast.Name(id=name):
            return named[name]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand, named)
        case ast.BinOp(left=left, op=operation, right=right):
            return ARITHMETIC[type(operation)](_value(left, named), _value(right, named))
        case ast.Compare(left=left, comparators=[right]):
            return float(_value(left, named) == _value(right, named))
        case ast.Call(func=ast.Name(id=function), args=arguments):
            values = [_value(argument, named) for argument in arguments]
            if function == "first_of":
                return next((value for value in values if not math.isnan(value)), math.nan)
            missing = any(math.isnan(value) for value in values)
            return math.nan if missing else FUNCTIONS[function](*values)
    raise AssertionError(f"no term: {ast.dump(node)}")
