"""Rules: a small typed subset of Python expressions, compiled to postfix programs.

`config.expressions` parses their texts; `config.opcodes` says what the programs consist of.
Whatever is wrong with a rule comes back as faults, all at once; no text raises or takes long.
"""

from __future__ import annotations

from config.expressions import RULE, Fault, parse_expression, source_of
from config.limits import PROGRAM_LENGTH_MAX, RULE_COMPARISONS_MAX
from config.problems import Place, shown
from config.rule_writer import RuleWriter
from config.schema import Program
from config.scope import Scope


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
    tree = parse_expression(text)
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


def check_size(writer: RuleWriter) -> tuple[Fault, ...]:
    """The limits of a whole program."""
    comparisons = len(writer.comparisons)
    if comparisons > RULE_COMPARISONS_MAX:
        message = f"expected at most {RULE_COMPARISONS_MAX} comparisons, got {comparisons}"
        return (Fault(message, fix=RULE.split),)
    if len(writer.code) > PROGRAM_LENGTH_MAX:
        message = f"expected a rule of at most {PROGRAM_LENGTH_MAX} steps, got {len(writer.code)}"
        return (Fault(message, fix=RULE.split),)
    return ()
