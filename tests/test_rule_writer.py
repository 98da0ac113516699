"""Random rules: what their programs are worth is what their texts say."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.rule_evaluation import Value, evaluate
from tests.test_rules import EVENT, FEATURES, TAGS, compiled


class Rule(NamedTuple):
    """A rule's text, and what it is worth by a way of its own."""

    text: str
    value: Callable[[], Value]


NAMED: dict[str, Value] = {
    "views": 12.0,
    "orders": 3.0,
    "gap": None,
    "many": 10.0,
    "event.price": 9.5,
}
LEAVES = st.sampled_from(sorted(NAMED)).map(lambda name: Rule(name, lambda: NAMED[name]))
CONSTANTS = st.integers(0, 4).map(lambda number: Rule(str(number), lambda: float(number)))


def lifted(left: Rule, right: Rule, join: Callable[[float, float], Value]) -> Callable[[], Value]:
    def value() -> Value:
        first, second = left.value(), right.value()
        if first is None or second is None:
            return None
        assert isinstance(first, float) and isinstance(second, float)
        return join(first, second)

    return value


def arithmetic(left: Rule, symbol: str, right: Rule) -> Rule:
    joins: dict[str, Callable[[float, float], Value]] = {
        "+": lambda a, b: a + b,
        "-": lambda a, b: a - b,
        "*": lambda a, b: a * b,
        "/": lambda a, b: a / b if b else None,
    }
    return Rule(f"({left.text} {symbol} {right.text})", lifted(left, right, joins[symbol]))


def extreme(left: Rule, name: str, right: Rule) -> Rule:
    pick = min if name == "min" else max
    return Rule(f"{name}({left.text}, {right.text})", lifted(left, right, pick))


def comparison(left: Rule, symbol: str, right: Rule) -> Rule:
    joins: dict[str, Callable[[float, float], bool]] = {
        "<": lambda a, b: a < b,
        ">=": lambda a, b: a >= b,
        "==": lambda a, b: a == b,
        "!=": lambda a, b: a != b,
    }
    value = lifted(left, right, joins[symbol])
    return Rule(f"{left.text} {symbol} {right.text}", lambda: value() or False)


def junction(left: Rule, word: str, right: Rule) -> Rule:
    if word == "and":
        return Rule(f"({left.text} and {right.text})", lambda: left.value() and right.value())
    return Rule(f"({left.text} or {right.text})", lambda: left.value() or right.value())


def negation(rule: Rule) -> Rule:
    return Rule(f"(not {rule.text})", lambda: not rule.value())


NUMBERS = st.recursive(
    LEAVES | CONSTANTS,
    lambda inner: (
        st.builds(arithmetic, inner, st.sampled_from("+-*/"), inner)
        | st.builds(extreme, inner, st.sampled_from(["min", "max"]), inner)
    ),
    max_leaves=5,
)
TRUTHS = st.recursive(
    st.builds(comparison, NUMBERS, st.sampled_from(["<", ">=", "==", "!="]), NUMBERS),
    lambda inner: (
        st.builds(junction, inner, st.sampled_from(["and", "or"]), inner) | inner.map(negation)
    ),
    max_leaves=6,
)


@settings(max_examples=200, deadline=None)
@given(TRUTHS)
def test_a_compiled_rule_is_worth_what_its_text_says(rule: Rule) -> None:
    program = compiled(rule.text)
    assert evaluate(program, FEATURES, TAGS, EVENT) == bool(rule.value())
