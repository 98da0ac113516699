"""From the syntax tree of a rule to the steps of its program, with types checked on the way."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Literal

from config.expressions import RULE, Fault, excerpt_of, text_of
from config.limits import NUMBER_MAX, PROGRAM_LENGTH_MAX, RULE_DEPTH_MAX, TEXT_BYTES_MAX
from config.names import FUNCTIONS
from config.opcodes import (
    OP_ABS,
    OP_ADD,
    OP_AND,
    OP_CONST,
    OP_DIVIDE,
    OP_EQ,
    OP_EVENT,
    OP_FEATURE,
    OP_GE,
    OP_GT,
    OP_HAS,
    OP_LE,
    OP_LT,
    OP_MAX,
    OP_MIN,
    OP_MULTIPLY,
    OP_NE,
    OP_NEGATE,
    OP_NOT,
    OP_OR,
    OP_SUBTRACT,
    OP_TAG,
    OP_TEXT,
    OP_TEXT_EQ,
    OP_TEXT_NE,
)
from config.problems import nearest_name, shown
from config.schema import Comparison
from config.scope import RuleType, Scope, Term, find_in_space, find_name

Operator = Literal["==", "!=", "<", "<=", ">", ">="]

ARITHMETIC: Mapping[type[ast.operator], int] = {
    ast.Add: OP_ADD,
    ast.Sub: OP_SUBTRACT,
    ast.Mult: OP_MULTIPLY,
    ast.Div: OP_DIVIDE,
}
COMPARISONS: Mapping[type[ast.cmpop], Operator] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
}
NUMBER_OPCODES: Mapping[Operator, int] = {
    "==": OP_EQ,
    "!=": OP_NE,
    "<": OP_LT,
    "<=": OP_LE,
    ">": OP_GT,
    ">=": OP_GE,
}
TEXT_OPCODES: Mapping[Operator, int] = {"==": OP_TEXT_EQ, "!=": OP_TEXT_NE}
TYPE_WORDS: Mapping[RuleType, str] = {
    "number": "a number",
    "text": "a text",
    "texts": "a list of texts",
    "truth": "a condition",
    "unknown": "something",
}
KNOWN_FIX = "rules have comparisons, and or not, + - * /, in (...), has, min, max, abs"
FAULTS_MAX = 20
STEPS_MAX = 2 * PROGRAM_LENGTH_MAX
"""Tree nodes that are looked at. `in` writes its left side again for each member, so nested ones
would otherwise take exponential time; a rule of more nodes has too long a program in any case."""


def type_fix(wanted: RuleType, got: RuleType, excerpt: str) -> str:
    """How to make what is wanted of what is there.

    >>> type_fix("truth", "number", "views_24h")
    'compare it, such as views_24h > 0'
    """
    example = "> 0" if got == "number" else "== 'shoes'"
    if wanted == "truth" and got in ("number", "text"):
        return f"compare it, such as {excerpt} {example}"
    return f"has({excerpt}) tells whether there are any" if wanted == "truth" else "use a number"


class RuleWriter:
    """Writes one rule. Afterwards its lists are the program's, unless there are `faults`.

    `reads_unknown` says that the rule names something that has a problem of its own.
    """

    def __init__(self, source: str, tree: ast.expr, scope: Scope) -> None:
        """Write nothing yet; `source` is what `tree` was parsed from."""
        self.source = source
        self.tree = tree
        self.scope = scope
        self.code: list[tuple[int, int]] = []
        self.constants: list[float] = []
        self.texts: list[str] = []
        self.comparisons: list[Comparison] = []
        self.features: set[int] = set()
        self.tags: set[int] = set()
        self.faults: list[Fault] = []
        self.reads_unknown = False
        self.steps = 0

    def write_rule(self) -> None:
        """Write the whole rule, which has to be a condition."""
        self.expect("truth", self.tree, 0)

    def expect(self, wanted: RuleType, node: ast.expr, depth: int) -> None:
        """Write `node`, which has to be of this type."""
        got = self.write(node, depth)
        if got not in (wanted, "unknown"):
            excerpt = self.excerpt(node)
            message = f"expected {TYPE_WORDS[wanted]}, got {TYPE_WORDS[got]}: {excerpt}"
            self.fault(message, fix=type_fix(wanted, got, excerpt))

    def write(self, node: ast.expr, depth: int) -> RuleType:
        """Write the steps that leave the value of `node` on the stack; returns its type."""
        self.steps += 1
        if depth > RULE_DEPTH_MAX:
            message = f"expected at most {RULE_DEPTH_MAX} levels of brackets and signs, got more"
            return self.fault(message, fix=RULE.split)
        if self.steps > STEPS_MAX:
            message = f"expected a rule of at most {PROGRAM_LENGTH_MAX} steps, got more"
            return self.fault(message, fix=RULE.split)
        match node:
            case ast.Constant():
                return self.constant(node)
            case ast.Name():
                return self.term(find_name(node.id, self.scope))
            case ast.Attribute():
                return self.attribute(node)
            case ast.UnaryOp():
                return self.unary(node, depth + 1)
            case ast.BinOp():
                return self.arithmetic(node, depth + 1)
            case ast.BoolOp():
                return self.junction(node, depth + 1)
            case ast.Compare():
                return self.compare(node, depth + 1)
            case ast.Call():
                return self.call(node, depth + 1)
        return self.foreign(node)

    def constant(self, node: ast.Constant) -> RuleType:
        """A number or a text."""
        value = node.value
        if isinstance(value, str):
            return self.text_constant(value)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return self.foreign(node)
        if not value <= NUMBER_MAX:
            message = f"expected numbers of at most {NUMBER_MAX:.0f}, got a larger one"
            return self.fault(message, fix="write a smaller number")
        self.push_number(float(value))
        return "number"

    def text_constant(self, text: str) -> RuleType:
        """A text in quotes, as long as an event's texts may be."""
        try:
            size = len(text.encode())
        except UnicodeEncodeError:
            return self.fault(f"expected Unicode text, got {shown(text)}", fix="write the letter")
        if size > TEXT_BYTES_MAX:
            message = f"expected a text of at most {TEXT_BYTES_MAX} bytes, got {size}"
            return self.fault(message, fix="shorten it")
        if text not in self.texts:
            self.texts.append(text)
        self.code.append((OP_TEXT, self.texts.index(text)))
        return "text"

    def attribute(self, node: ast.Attribute) -> RuleType:
        """`tags.group.name`, `event.field`."""
        parts: list[str] = []
        root: ast.expr = node
        while isinstance(root, ast.Attribute):
            parts.append(root.attr)
            root = root.value
        if not isinstance(root, ast.Name):
            return self.foreign(node)
        return self.term(find_in_space(root.id, ".".join(reversed(parts)), self.scope))

    def term(self, term: Term | Fault) -> RuleType:
        """What a name stands for."""
        if isinstance(term, Fault):
            return self.fault(*term)
        if term.type == "unknown":
            self.reads_unknown = True
        elif term.opcode == OP_CONST:
            self.push_number(term.value)
        else:
            self.code.append((term.opcode, term.operand))
        if term.opcode == OP_FEATURE:
            self.features.add(term.operand)
        elif term.opcode == OP_TAG:
            self.tags.add(term.operand)
        return term.type

    def unary(self, node: ast.UnaryOp, depth: int) -> RuleType:
        """`not`, and signs."""
        if isinstance(node.op, ast.Not):
            self.expect("truth", node.operand, depth)
            self.code.append((OP_NOT, 0))
            return "truth"
        if isinstance(node.op, ast.Invert):
            return self.foreign(node)
        self.expect("number", node.operand, depth)
        if isinstance(node.op, ast.USub):
            self.code.append((OP_NEGATE, 0))
        return "number"

    def arithmetic(self, node: ast.BinOp, depth: int) -> RuleType:
        """`+ - * /`."""
        opcode = ARITHMETIC.get(type(node.op))
        if opcode is None:
            return self.foreign(node)
        self.expect("number", node.left, depth)
        self.expect("number", node.right, depth)
        self.code.append((opcode, 0))
        return "number"

    def junction(self, node: ast.BoolOp, depth: int) -> RuleType:
        """`and`, `or`; all sides are evaluated."""
        opcode = OP_AND if isinstance(node.op, ast.And) else OP_OR
        for index, value in enumerate(node.values):
            self.expect("truth", value, depth)
            if index:
                self.code.append((opcode, 0))
        return "truth"

    def compare(self, node: ast.Compare, depth: int) -> RuleType:
        """A comparison, or a chain: `a < b < c` is `a < b and b < c`."""
        left = node.left
        for index, (operator, right) in enumerate(zip(node.ops, node.comparators, strict=True)):
            symbol = COMPARISONS.get(type(operator))
            if symbol is not None:
                self.comparison(left, symbol, right, depth)
            elif isinstance(operator, ast.In) and len(node.ops) == 1:
                self.membership(left, right, depth)
            elif isinstance(operator, ast.NotIn) and len(node.ops) == 1:
                message = "'not in' is not part of the rule language"
                self.fault(message, fix=f"write not {self.excerpt(left)} in (...)")
            else:
                self.foreign(node)
            if index:
                self.code.append((OP_AND, 0))
            left = right
        return "truth"

    def membership(self, left: ast.expr, right: ast.expr, depth: int) -> None:
        """`x in (a, b)` is `x == a or x == b`."""
        if not isinstance(right, ast.Tuple) or not right.elts:
            got = self.excerpt(right)
            message = "expected a list in round brackets, such as ('a', 'b') or (1,)"
            one = isinstance(right, ast.Constant)
            fix = f"write == {got}, or ({got},)" if one else "write ('a', 'b') with your values"
            self.fault(f"{message}, got {got}", fix=fix)
            return
        for index, member in enumerate(right.elts):
            self.comparison(left, "==", member, depth)
            if index:
                self.code.append((OP_OR, 0))

    def comparison(self, left: ast.expr, symbol: Operator, right: ast.expr, depth: int) -> None:
        """Two sides and the opcode that compares them."""
        start = len(self.code)
        left_type = self.write(left, depth)
        middle = len(self.code)
        right_type = self.write(right, depth)
        end = len(self.code)
        types = {left_type, right_type} - {"unknown"}
        if not types <= {"number"} and not types <= {"text"}:
            shown_sides = f"{self.excerpt(left)} {symbol} {self.excerpt(right)}"
            got = f"{TYPE_WORDS[left_type]} and {TYPE_WORDS[right_type]}: {shown_sides}"
            fix = "compare a number with a number, or a text with a text in single quotes"
            self.fault(f"expected two numbers or two texts to compare, got {got}", fix=fix)
        elif types == {"text"} and symbol not in TEXT_OPCODES:
            message = f"texts know only ==, != and in, got {symbol} after {self.excerpt(left)}"
            self.fault(message, fix="write ==, != or in")
        opcodes = TEXT_OPCODES if types == {"text"} else NUMBER_OPCODES
        self.code.append((opcodes.get(symbol, OP_EQ), 0))
        text = f"{text_of(self.source, left)} {symbol} {text_of(self.source, right)}"
        sides = Comparison(text=text, operator=symbol, left=(start, middle), right=(middle, end))
        self.comparisons.append(sides)

    def call(self, node: ast.Call, depth: int) -> RuleType:
        """`has(x)`, `abs(x)`, `min(a, b, ...)`, `max(a, b, ...)`."""
        name = node.func.id if isinstance(node.func, ast.Name) else text_of(self.source, node.func)
        if name not in FUNCTIONS:
            nearest = nearest_name(name, FUNCTIONS)
            fix = f"write {nearest}" if nearest else f"the functions are {', '.join(FUNCTIONS)}"
            return self.fault(f"no function {shown(name)}", nearest, fix)
        few, many = (2, len(node.args)) if name in ("min", "max") else (1, 1)
        if node.keywords or not few <= len(node.args) <= many:
            count = "one value" if few == 1 else "two values or more"
            fix = f"write {name}(x)" if few == 1 else f"write {name}(x, y)"
            return self.fault(f"{name}() takes {count}, got {self.excerpt(node)}", fix=fix)
        if name == "has":
            return self.presence(node.args[0], depth)
        for index, argument in enumerate(node.args):
            self.expect("number", argument, depth)
            if index:
                self.code.append((OP_MIN if name == "min" else OP_MAX, 0))
        if name == "abs":
            self.code.append((OP_ABS, 0))
        return "number"

    def presence(self, node: ast.expr, depth: int) -> RuleType:
        """`has(x)`: whether a feature or a field has a value."""
        value_type = self.write(node, depth)
        read = self.code[-1][0] if self.code else OP_CONST
        plain = isinstance(node, ast.Name | ast.Attribute) and read in (OP_FEATURE, OP_EVENT)
        if value_type != "unknown" and not plain:
            message = f"has() takes a feature or a field, got {self.excerpt(node)}"
            return self.fault(message, fix="write the name of a feature in the brackets")
        self.code.append((OP_HAS, 0))
        return "truth"

    def push_number(self, number: float) -> None:
        """A constant; equal ones share a place."""
        if number not in self.constants:
            self.constants.append(number)
        self.code.append((OP_CONST, self.constants.index(number)))

    def foreign(self, node: ast.expr) -> RuleType:
        """A piece of Python that is no piece of a rule."""
        return self.fault(f"{self.excerpt(node)} is not part of the rule language", fix=KNOWN_FIX)

    def fault(self, message: str, nearest: str | None = None, fix: str | None = None) -> RuleType:
        """Note a fault; the type of what has one."""
        if len(self.faults) < FAULTS_MAX:
            self.faults.append(Fault(message, nearest, fix))
        return "unknown"

    def excerpt(self, node: ast.expr) -> str:
        """The source of `node` for a message."""
        return excerpt_of(self.source, node)
