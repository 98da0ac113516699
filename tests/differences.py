"""Where two lists of documents part; numbers may differ by a little where that is allowed."""

from __future__ import annotations

import math

from tests.oracle_profile import Document


def first_difference(
    kind: str, found: list[Document], wanted: list[Document], slack: float = 0.0
) -> str:
    """The first place at which the engine's documents are not the oracle's; "" if there is none."""
    for index, (engine, oracles) in enumerate(zip(found, wanted, strict=False)):
        if engine != oracles and (lines := differing("", engine, oracles, slack)):
            return "\n".join((f"{kind}[{index}]:", f"oracle: {oracles}", *lines))
    if len(found) == len(wanted):
        return ""
    index = min(len(found), len(wanted))
    return f"{kind}[{index}]: engine {found[index:][:1]}\noracle {wanted[index:][:1]}"


def differing(path: str, engine: object, expected: object, slack: float) -> list[str]:
    """The leaves at which two documents differ."""
    if isinstance(engine, dict) and isinstance(expected, dict):
        names = dict.fromkeys((*engine, *expected))
        pairs = [(f"{path}.{name}", engine.get(name), expected.get(name)) for name in names]
        return [line for pair in pairs for line in differing(*pair, slack)]
    if isinstance(engine, list) and isinstance(expected, list) and len(engine) == len(expected):
        parts = enumerate(zip(engine, expected, strict=True))
        return [
            line
            for index, (one, two) in parts
            for line in differing(f"{path}[{index}]", one, two, slack)
        ]
    if isinstance(engine, float) and isinstance(expected, float):
        is_same = math.isclose(engine, expected, rel_tol=slack, abs_tol=slack)
    else:
        is_same = engine == expected
    return [] if is_same else [f"{path}: engine {engine!r}, oracle {expected!r}"]
