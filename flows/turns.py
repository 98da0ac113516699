"""When a tag rule can turn by time alone: what its `days_since` features are compared with."""

from __future__ import annotations

from msgspec import Struct

from config.opcodes import OP_FEATURE, OP_HAS
from config.schema import Comparison, Feature, Program
from flows.plan_words import TURN_ABOVE, TURN_BOTH, TURN_DAILY, TURN_UP

WHEN_ON_THE_LEFT = {
    ">=": TURN_UP,
    "<": TURN_UP,
    ">": TURN_ABOVE,
    "<=": TURN_ABOVE,
    "==": TURN_BOTH,
    "!=": TURN_BOTH,
}
MIRRORED = {">=": "<=", "<=": ">=", ">": "<", "<": ">", "==": "==", "!=": "!="}


class Turn(Struct, frozen=True, kw_only=True):
    """A `days_since` feature that can turn a rule.

    when: as the count of days reaches the value (TURN_UP), passes it (TURN_ABOVE), either, or at
    each new day. other: the range of the program that computes the value; None for each new day.
    """

    feature: int
    when: int
    program: Program
    other: tuple[int, int] | None = None


def turns_of(program: Program, features: tuple[Feature, ...]) -> list[Turn]:
    """All turns of a rule.

    A `days_since` compared as it stands with something that holds none turns at one count of days;
    one inside arithmetic may turn at each, and so may `has` of a ratio, which is missing while the
    days below the line are 0.
    """
    found: list[Turn] = []
    for comparison in program.comparisons:
        found += _turns_of_comparison(program, comparison, features)
    for at, (opcode, _) in enumerate(program.code):
        if opcode == OP_HAS and not _is_bare(program, (at - 1, at), features):
            days = _days_features(program, (at - 1, at), features)
            found += [Turn(feature=index, when=TURN_DAILY, program=program) for index in days]
    return found


def _turns_of_comparison(
    program: Program, comparison: Comparison, features: tuple[Feature, ...]
) -> list[Turn]:
    left = _days_features(program, comparison.left, features)
    right = _days_features(program, comparison.right, features)
    if left and not right and _is_bare(program, comparison.left, features):
        when = WHEN_ON_THE_LEFT[comparison.operator]
        return [Turn(feature=left[0], when=when, program=program, other=comparison.right)]
    if right and not left and _is_bare(program, comparison.right, features):
        when = WHEN_ON_THE_LEFT[MIRRORED[comparison.operator]]
        return [Turn(feature=right[0], when=when, program=program, other=comparison.left)]
    days = sorted({*left, *right})
    return [Turn(feature=index, when=TURN_DAILY, program=program) for index in days]


def _is_bare(program: Program, side: tuple[int, int], features: tuple[Feature, ...]) -> bool:
    start, end = side
    opcode, operand = program.code[start]
    return end - start == 1 and opcode == OP_FEATURE and features[operand].kind == "days_since"


def _days_features(
    program: Program, side: tuple[int, int], features: tuple[Feature, ...]
) -> list[int]:
    """The `days_since` features that one side of a comparison depends on, through ratios too."""
    start, end = side
    found: set[int] = set()
    open_ends = [operand for opcode, operand in program.code[start:end] if opcode == OP_FEATURE]
    while open_ends:
        index = open_ends.pop()
        if features[index].kind == "days_since":
            found.add(index)
        elif features[index].kind == "ratio":
            open_ends.extend(features[index].over)
    return sorted(found)
