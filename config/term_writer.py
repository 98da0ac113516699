"""From the syntax tree of a term to its steps; what is made of numbers alone is calculated."""

from __future__ import annotations

import ast
import math
from collections.abc import Collection, Mapping

from msgspec import Struct

from config.expressions import Fault, Wording, excerpt_of, text_of
from config.limits import NUMBER_MAX, RULE_DEPTH_MAX
from config.names import TERM_FUNCTIONS
from config.problems import nearest_name, shown
from config.schema import Feature
from config.term_steps import Steps

Value = float | str | None
"""A number, the name of what holds the value, or None where that has a problem of its own."""

TERM = Wording(
    name="term",
    example="log1p(orders_total)",
    known="terms have + - * / == and " + ", ".join(TERM_FUNCTIONS),
    split="make a term of one part, and name it here",
    join="close each bracket",
)
UNBOUNDED = 1e300
"""The other limit of what min or max holds on one side."""

SIGNATURES: Mapping[str, str] = {
    "log1p": "x",
    "log": "x",
    "log_expm1": "x",
    "clip": "x, low, high",
    "hinge": "x, knot",
    "first_of": "x, y",
    "min": "x, 20",
    "max": "x, 1",
}
"""How the functions are called."""


class Seen(Struct, frozen=True, kw_only=True):
    """What a term sees: features (None: not known), numbers by name, terms above, and those below.

    `itself` is its own name, which it may not read.

    None in the place of a feature, a number or a term: it has a problem of its own.
    """

    features: Mapping[str, Feature | None] | None
    numbers: Mapping[str, float | None]
    above: Mapping[str, str | None]
    below: Collection[str]
    itself: str


class TermWriter:
    """Writes one term into `steps`. What is wrong with it is in `faults` afterwards."""

    def __init__(self, source: str, seen: Seen, steps: Steps) -> None:
        """Write nothing yet; `source` is what the tree was parsed from."""
        self.source = source
        self.seen = seen
        self.steps = steps
        self.faults: list[Fault] = []

    def write_term(self, tree: ast.expr) -> str | None:
        """The name of the term's value; None where it has none."""
        value = self.write(tree, 0)
        if isinstance(value, float):
            message = f"expected a term that reads a feature, got the number {value:g}"
            self.fault(message, fix="put it below [thresholds]")
            return None
        return value

    def write(self, node: ast.expr, depth: int) -> Value:
        """The value of `node`, with the steps that it needs written."""
        if depth > RULE_DEPTH_MAX:
            message = f"expected at most {RULE_DEPTH_MAX} levels of brackets and signs, got more"
            return self.fault(message, fix=TERM.split)
        match node:
            case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
                return self.number(number)
            case ast.Name():
                return self.name(node.id)
            case ast.UnaryOp(op=ast.USub()):
                return self.linear(self.write(node.operand, depth + 1), -1.0, 0.0)
            case ast.UnaryOp(op=ast.UAdd()):
                return self.write(node.operand, depth + 1)
            case ast.BinOp(op=ast.Add() | ast.Sub() | ast.Mult() | ast.Div()):
                left, right = (self.write(side, depth + 1) for side in (node.left, node.right))
                return self.arithmetic(node, left, right)
            case ast.Compare(ops=[ast.Eq()], comparators=[other]):
                left, right = (self.write(side, depth + 1) for side in (node.left, other))
                return self.equality(node, left, right)
            case ast.Call():
                return self.call(node, depth + 1)
        excerpt = self.excerpt(node)
        return self.fault(f"{excerpt} is not part of the language of terms", fix=TERM.known)

    def number(self, number: float) -> Value:
        """A number that is small enough."""
        if not abs(number) <= NUMBER_MAX:
            message = f"expected numbers of at most {NUMBER_MAX:.0f}, got a larger one"
            return self.fault(message, fix="write a smaller number")
        return float(number)

    def name(self, name: str) -> Value:
        """What a name stands for: a number, a term above, or a feature."""
        seen = self.seen
        for known in (seen.numbers, seen.above):
            if name in known:
                return known[name]
        if name == seen.itself:
            message = f"expected a feature or a term above, got the term itself, {shown(name)}"
            return self.fault(message, fix="name another")
        if name in seen.below:
            message = f"expected a term that stands above this one, got {shown(name)}"
            return self.fault(message, fix=f"move {name} above")
        if seen.features is None:
            return None
        if name not in seen.features:
            nearest = nearest_name(name, [*seen.above, *seen.features, *seen.numbers])
            fix = f"write {nearest}" if nearest else "add it to features.toml, or as a term above"
            return self.fault(f"no feature or term {shown(name)}", nearest, fix)
        feature = seen.features[name]
        if feature is not None and feature.value != "number":
            message = f"expected a feature that is a number, got {shown(name)}, a {feature.value}"
            return self.fault(message, fix="name a feature that counts or adds up")
        return name if feature is not None else None

    def arithmetic(self, node: ast.BinOp, left: Value, right: Value) -> Value:
        """`+ - * /`."""
        if left is None or right is None:
            return None
        match node.op:
            case ast.Add():
                return self.sum(left, right)
            case ast.Sub() if isinstance(left, float):
                return self.linear(right, -1.0, left)
            case ast.Sub():
                return self.sum(left, self.linear(right, -1.0, 0.0))
            case ast.Mult():
                return self.product(left, right)
        return self.quotient(node, left, right)

    def sum(self, left: Value, right: Value) -> Value:
        """Of two values; a number is added in one step with what stands before it."""
        if isinstance(left, str) and isinstance(right, str):
            return self.steps.add("sum", left, right)
        if isinstance(right, float):
            return self.linear(left, 1.0, right)
        return self.linear(right, 1.0, left) if isinstance(left, float) else None

    def product(self, left: Value, right: Value) -> Value:
        """Of two values."""
        if isinstance(left, str) and isinstance(right, str):
            return self.steps.add("product", left, right)
        if isinstance(right, float):
            return self.linear(left, right, 0.0)
        return self.linear(right, left, 0.0) if isinstance(left, float) else None

    def quotient(self, node: ast.BinOp, left: Value, right: Value) -> Value:
        """`a / 2`, or `a / max(b, 1)`: what divides is a number, or held above 0."""
        if isinstance(right, float):
            if right == 0.0:
                message = f"expected another number to divide by, got {self.excerpt(node.right)}"
                return self.fault(message, fix="write / max(x, 1) for what may be 0")
            return self.linear(left, 1.0 / right, 0.0)
        assert right is not None, "both sides have a value"
        least = self.steps.least(right)
        if not least > 0.0:
            excerpt = self.excerpt(node.right)
            message = f"expected something held above 0 to divide by, got {excerpt}"
            return self.fault(message, fix=f"write / max({excerpt}, 1), or another least value")
        # A number over a value is missing where the value is.
        above = self.linear(right, 0.0, left) if isinstance(left, float) else left
        assert isinstance(above, str), "not a number any more"
        return self.steps.add("ratio", above, right, constants=(least,))

    def linear(self, value: Value, by: float, plus: float) -> Value:
        """Value x by + plus."""
        if isinstance(value, str):
            return self.steps.add("linear", value, constants=(by, plus))
        return self.number(value * by + plus) if value is not None else None

    def equality(self, node: ast.Compare, left: Value, right: Value) -> Value:
        """`a == 1`: 1 where it holds, else 0."""
        if left is None or right is None:
            return None
        if isinstance(left, str) and isinstance(right, float):
            return self.steps.add("equals", left, constants=(right,))
        message = f"expected a value == a number, got {self.excerpt(node)}"
        return self.fault(message, fix="write it as orders_total == 1")

    def call(self, node: ast.Call, depth: int) -> Value:
        """One of the functions."""
        # Finding a node's text goes through the whole source, so not where its name is at hand.
        called = node.func
        function = called.id if isinstance(called, ast.Name) else text_of(self.source, called)
        if function not in SIGNATURES:
            nearest = nearest_name(function, TERM_FUNCTIONS)
            fix = f"write {nearest}" if nearest else f"the functions are {', '.join(SIGNATURES)}"
            return self.fault(f"no function {shown(function)}", nearest, fix)
        wanted = SIGNATURES[function].count(",") + 1
        more = function == "first_of" and len(node.args) > wanted
        if node.keywords or (len(node.args) != wanted and not more):
            count = "one value" if wanted == 1 else f"{wanted} values"
            message = f"{function}() takes {count}, got {self.excerpt(node)}"
            return self.fault(message, fix=f"write {function}({SIGNATURES[function]})")
        values = [self.write(argument, depth) for argument in node.args]
        known = [value for value in values if value is not None]
        if len(known) < len(values):
            return None
        if function == "first_of":
            return self.first_of(node, known)
        if function in ("min", "max") and isinstance(known[0], float):
            known.reverse()
        first, *numbers = known
        constants = tuple(number for number in numbers if isinstance(number, float))
        if isinstance(first, float) or len(constants) < len(numbers):
            return self.calculated(node, function, known)
        return self.applied(function, first, constants)

    def applied(self, function: str, first: str, constants: tuple[float, ...]) -> Value:
        """A function of one value."""
        if function == "min":
            return self.steps.add("clip", first, constants=(-UNBOUNDED, *constants))
        if function == "max":
            return self.steps.add("clip", first, constants=(*constants, UNBOUNDED))
        if function == "clip" and constants[0] > constants[1]:
            message = f"expected the lower limit first, got {constants[0]:g} and {constants[1]:g}"
            return self.fault(message, fix="write clip(x, low, high)")
        return self.steps.add(function, first, constants=constants)

    def calculated(self, node: ast.Call, function: str, values: list[float | str]) -> Value:
        """A logarithm of a number, such as that of a knot; nothing else takes a number first."""
        (first, *_) = values
        if function in ("log", "log1p") and isinstance(first, float):
            if first > 0.0:
                return math.log(first) if function == "log" else math.log1p(first)
            message = f"expected a number above 0, got {self.excerpt(node)}"
            return self.fault(message, fix=f"write {function} of a number above 0")
        wanted = SIGNATURES[function]
        excerpt = self.excerpt(node)
        message = f"expected a value x that differs by user, and else numbers, got {excerpt}"
        return self.fault(message, fix=f"write {function}({wanted})")

    def first_of(self, node: ast.Call, values: list[float | str]) -> Value:
        """The first value that is there; only the last may be a number, which always is."""
        *before, last = values
        names = [name for name in before if isinstance(name, str)]
        if len(names) < len(before):
            excerpt = self.excerpt(node)
            message = f"expected a number at the end only, since it is always there, got {excerpt}"
            return self.fault(message, fix="remove what stands after the number")
        for name in reversed(names):
            if isinstance(last, float):
                last = self.steps.add("filled", name, constants=(last,))
            else:
                last = self.steps.add("first_of", name, last)
        return last

    def excerpt(self, node: ast.expr) -> str:
        """What stands at `node`, for a message."""
        return excerpt_of(self.source, node)

    def fault(self, message: str, nearest: str | None = None, fix: str | None = None) -> Value:
        """Note a fault; what has one has no value."""
        self.faults.append(Fault(message, nearest, fix))
        return None
