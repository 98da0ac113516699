"""Two kinds of `@compiled` functions for the inner loops: without reference counts, and inlined.

Numba counts references to arrays wherever one is taken out of a tuple or handed on. In the scanner,
which calls a dozen small functions per token, that cost five times as much as scanning (measured: 1,780 to
5,000 ns a message of 440 bytes with calls and counts, 285 without both).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from config.jit import compiled, inlined

CompiledFunction = TypeVar("CompiledFunction", bound=Callable[..., object])


def lean(function: CompiledFunction) -> CompiledFunction:
    """Compile a function that makes no arrays and returns none; the arrays it uses are its caller's."""
    return compiled(function)


__all__ = ["inlined", "lean"]
