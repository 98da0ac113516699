"""Expressions: the subset of Python that rules and terms are written in, parsed and never run.

Whatever is wrong with a text comes back as a fault; no text raises or takes long.
"""

from __future__ import annotations

import ast
import re
import warnings
from typing import NamedTuple

from config.limits import RULE_LENGTH_MAX
from config.problems import shown

EXCERPT_LENGTH_MAX = 60
NEAR_LENGTH_MAX = 20
WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
IN_QUOTES = re.compile(r"'[^']*'|\"[^\"]*\"")
SLIPS = tuple(
    (re.compile(slip, re.ASCII), fix)
    for slip, fix in (
        ("=>", "write >="),
        ("=<", "write <="),
        ("<>", "write !="),
        ("===", "write =="),
        (r"(?<![<>=!])=(?!=)", "write == to compare"),
        ("&", "write and"),
        (r"\|", "write or"),
        ("!(?!=)", "write not"),
        (r"\b[0-9]+[smhd]\b", "write the number alone: its unit is in the feature's name"),
        (r"\b(AND|OR|NOT|IN)\b", "write and, or, not, in with small letters"),
    )
)
"""What people write out of habit from other languages."""

BRACKET_FIXES = (
    ("was never closed", "close the bracket"),
    ("unmatched", "remove the bracket, or open it"),
    ("unterminated string", "add the quote at the end of the text"),
)


class Fault(NamedTuple):
    """What is wrong with an expression, the known name that was probably meant, and what to do."""

    message: str
    nearest: str | None = None
    fix: str | None = None


class Wording(NamedTuple):
    """How faults speak of a kind of expression: its name, an example, and what helps."""

    name: str
    example: str
    known: str
    split: str
    join: str


RULE = Wording(
    name="rule",
    example="views_24h > 5",
    known="compare with == != < <= > >=, and join comparisons with and, or, not",
    split="make a tag of one part, and name the tag here",
    join="close each bracket, and join comparisons with and or or",
)


def parse_expression(text: str, wording: Wording = RULE) -> ast.expr | Fault:
    """The syntax tree of an expression. One of several lines needs no brackets around it."""
    what = wording.name
    if len(text) > RULE_LENGTH_MAX:
        message = f"expected a {what} of at most {RULE_LENGTH_MAX} characters, got {len(text)}"
        return Fault(message, fix=wording.split)
    if not text.strip():
        fix = f'write one such as "{wording.example}"'
        return Fault(f"expected a {what}, got an empty text", fix=fix)
    try:
        with warnings.catch_warnings():
            # What Python only warns of ("1or 2", "\\d") is not to be read one way here.
            warnings.simplefilter("error")
            tree = ast.parse(source_of(text), mode="eval").body
    except SyntaxError as error:
        fix = syntax_fix(text, str(error.msg), wording)
        return Fault(f"cannot read this {what}{near(error)}", fix=fix)
    except (RecursionError, MemoryError):
        return Fault(f"cannot read this {what}: too many brackets or signs", fix=wording.split)
    except (ValueError, Warning) as error:
        return Fault(f"cannot read this {what}: {error}", fix=syntax_fix(text, "", wording))
    if is_wrapped(text) and (tree.lineno, tree.col_offset) == (1, 0):
        return Fault(f"cannot read this {what}: unmatched brackets, or a list", fix=wording.join)
    return tree


def names_in(text: object) -> frozenset[str]:
    """The bare names of an expression; all words of a text that is not one.

    >>> sorted(names_in("a > b and tags.value.vip")), sorted(names_in("a >"))
    (['a', 'b', 'tags'], ['a'])
    """
    if not isinstance(text, str):
        return frozenset()
    tree = parse_expression(text)
    if isinstance(tree, Fault):
        return frozenset(WORD.findall(text[:RULE_LENGTH_MAX]))
    return frozenset(node.id for node in ast.walk(tree) if isinstance(node, ast.Name))


def near(error: SyntaxError) -> str:
    """What stands where the parser gave up."""
    if not error.text or not error.offset:
        return ""
    rest = error.text[error.offset - 1 :].strip()[:NEAR_LENGTH_MAX]
    return f" from {shown(rest)} on" if rest else ""


def syntax_fix(text: str, said: str, wording: Wording) -> str:
    """What to write in the place of what people write out of habit; `said` is Python's message.

    >>> syntax_fix("a => 5", "invalid syntax", RULE), syntax_fix("a > 1 && b > 1", "", RULE)
    ('write >=', 'write and')
    """
    for beginning, fix in BRACKET_FIXES:
        if beginning in said:
            return fix
    bare = IN_QUOTES.sub("", text)
    for slip, fix in SLIPS:
        if slip.search(bare):
            return fix
    return wording.known


def source_of(text: str) -> str:
    """What is parsed for an expression: brackets let it run over several lines."""
    return f"({text}\n)" if is_wrapped(text) else text.strip()


def is_wrapped(text: str) -> bool:
    """Whether an expression has several lines."""
    return "\n" in text or "\r" in text


def excerpt_of(source: str, node: ast.expr) -> str:
    """What stands at `node`, for a message."""
    text = text_of(source, node)
    return text if len(text) <= EXCERPT_LENGTH_MAX else text[:EXCERPT_LENGTH_MAX] + "..."


def text_of(source: str, node: ast.expr) -> str:
    """What stands at `node`, on one line."""
    text = ast.get_source_segment(source, node) or ""
    return " ".join(text.split()) if is_wrapped(text) else text
