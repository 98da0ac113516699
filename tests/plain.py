"""Compiled functions as plain Python, for copies of the project that are run once and thrown away.

Numba gives its callers Python numbers; without it they would be given numpy's, which are no `int`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` as it is, but for what it returns: see `as_python`."""

    @wraps(function)
    def interpreted(*arguments: Any) -> Any:
        return as_python(function(*arguments))

    return interpreted


inlined = compiled


def prefetch(_array: Any, _index: int) -> None:
    """Nothing: only a compiled loop is fast enough to wait for memory."""


def as_python(value: Any) -> Any:
    """Numpy's numbers as Python's, also within tuples; hashes stay what wraps at 64 bits.

    >>> as_python((np.int64(1), np.bool_(True))), type(as_python(np.uint64(1)))
    ((1, True), <class 'numpy.uint64'>)
    """
    if type(value) is tuple:
        return tuple(as_python(part) for part in value)
    if isinstance(value, np.generic) and not isinstance(value, np.uint64):
        return value.item()
    return value
