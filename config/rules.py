"""Rules: a small typed subset of Python expressions, compiled to postfix programs.

Rule text is parsed with `ast` and never run. Whatever is wrong with it comes back as faults, all of
them at once; no text raises or takes long. `config.opcodes` says what the programs consist of.
"""

from __future__ import annotations

import ast
import re
import warnings

from config.limits import PROGRAM_LENGTH_MAX, RULE_COMPARISONS_MAX, RULE_LENGTH_MAX
from config.problems import Place, shown
from config.rule_writer import RuleWriter
from config.schema import Program
from config.scope import SPLIT_FIX, Fault, Scope

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


def compile_rule(text: str, scope: Scope) -> Program | tuple[Fault, ...]:
    """The program of a rule, or what is wrong with it.

    An empty tuple means that the rule names something that has a problem of its own.

    >>> program = compile_rule("views > 5", Scope(features={"views": (0, "number")}))
    >>> assert isinstance(program, Program)
    >>> program.code, program.constants
    (((2, 0), (0, 0), (21, 0)), (5.0,))
    >>> compile_rule("vews > 5", Scope(features={"views": (0, "number")}))
    (Fault(message="no feature or threshold 'vews'", nearest='views', fix='write views'),)
    """
    tree = parse_rule(text)
    if isinstance(tree, Fault):
        return (tree,)
    writer = RuleWriter(source_of(text), tree, scope)
    writer.write_rule()
    if writer.faults or writer.reads_unknown:
        return tuple(dict.fromkeys(writer.faults))
    faults = check_size(writer)
    return faults or Program(
        text=text,
        code=tuple(writer.code),
        constants=tuple(writer.constants),
        texts=tuple(writer.texts),
        comparisons=tuple(writer.comparisons),
        features=tuple(sorted(writer.features)),
        tags=tuple(sorted(writer.tags)),
    )


def read_rule(text: object, scope: Scope, place: Place) -> Program | None:
    """The program of a rule in a file; None, with all its faults reported, if there is none."""
    if not isinstance(text, str):
        fix = 'write it in quotes, such as "orders_total > 0"'
        place.report(f"expected a rule in quotes, got {shown(text)}", fix=fix)
        return None
    program = compile_rule(text, scope)
    if isinstance(program, Program):
        return program
    for fault in program:
        place.report(fault.message, fault.nearest, fault.fix)
    return None


def names_in(text: object) -> frozenset[str]:
    """The bare names of a rule; all words of a text that is not one.

    >>> sorted(names_in("a > b and tags.value.vip")), sorted(names_in("a >"))
    (['a', 'b', 'tags'], ['a'])
    """
    if not isinstance(text, str):
        return frozenset()
    tree = parse_rule(text)
    if isinstance(tree, Fault):
        return frozenset(WORD.findall(text[:RULE_LENGTH_MAX]))
    return frozenset(node.id for node in ast.walk(tree) if isinstance(node, ast.Name))


def parse_rule(text: str) -> ast.expr | Fault:
    """The syntax tree of a rule. A rule of several lines needs no brackets around it."""
    if len(text) > RULE_LENGTH_MAX:
        message = f"expected a rule of at most {RULE_LENGTH_MAX} characters, got {len(text)}"
        return Fault(message, fix=SPLIT_FIX)
    if not text.strip():
        return Fault("expected a rule, got an empty text", fix='write one such as "views_24h > 5"')
    try:
        with warnings.catch_warnings():
            # What Python only warns of ("1or 2", "\\d") is not to be read one way here.
            warnings.simplefilter("error")
            tree = ast.parse(source_of(text), mode="eval").body
    except SyntaxError as error:
        return Fault(f"cannot read this rule{near(error)}", fix=syntax_fix(text, str(error.msg)))
    except (RecursionError, MemoryError):
        return Fault("cannot read this rule: too many brackets or signs", fix=SPLIT_FIX)
    except (ValueError, Warning) as error:
        return Fault(f"cannot read this rule: {error}", fix=syntax_fix(text, ""))
    if is_wrapped(text) and (tree.lineno, tree.col_offset) == (1, 0):
        message = "cannot read this rule: unmatched brackets, or a list"
        return Fault(message, fix="close each bracket, and join comparisons with and or or")
    return tree


def near(error: SyntaxError) -> str:
    """What stands where the parser gave up."""
    if not error.text or not error.offset:
        return ""
    rest = error.text[error.offset - 1 :].strip()[:NEAR_LENGTH_MAX]
    return f" from {shown(rest)} on" if rest else ""


def syntax_fix(text: str, said: str) -> str:
    """What to write in the place of what people write out of habit; `said` is Python's message.

    >>> syntax_fix("views => 5", "invalid syntax"), syntax_fix("a > 1 && b > 1", "invalid syntax")
    ('write >=', 'write and')
    """
    for beginning, fix in BRACKET_FIXES:
        if beginning in said:
            return fix
    bare = IN_QUOTES.sub("", text)
    for slip, fix in SLIPS:
        if slip.search(bare):
            return fix
    return "compare with == != < <= > >=, and join comparisons with and, or, not"


def source_of(text: str) -> str:
    """What is parsed for a rule: brackets let it run over several lines."""
    return f"({text}\n)" if is_wrapped(text) else text.strip()


def is_wrapped(text: str) -> bool:
    """Whether a rule has several lines."""
    return "\n" in text or "\r" in text


def check_size(writer: RuleWriter) -> tuple[Fault, ...]:
    """The limits of a whole program."""
    comparisons = len(writer.comparisons)
    if comparisons > RULE_COMPARISONS_MAX:
        message = f"expected at most {RULE_COMPARISONS_MAX} comparisons, got {comparisons}"
        return (Fault(message, fix=SPLIT_FIX),)
    if len(writer.code) > PROGRAM_LENGTH_MAX:
        message = f"expected a rule of at most {PROGRAM_LENGTH_MAX} steps, got {len(writer.code)}"
        return (Fault(message, fix=SPLIT_FIX),)
    return ()
