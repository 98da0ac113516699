"""The one place that imports numba: `compiled` turns a plain function into machine code.

Compiled code is cached on disk under a digest of all sources that hold compiled functions: numba
itself only looks at the file of the outermost function and would run stale code when an inner one
changes.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar, cast

CompiledFunction = TypeVar("CompiledFunction", bound=Callable[..., object])

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("config", "connectors", "state", "flows")
IMPORTED = re.compile(r"^from ((?:config|connectors|state|flows)\.\w+) import", re.MULTILINE)


def source_digest() -> str:
    """Twelve hex digits that change when a compiled module changes, or one that it imports.

    >>> len(source_digest())
    12
    """
    texts = {
        f"{package}.{path.stem}": path.read_text()
        for package in PACKAGES
        for path in (ROOT / package).glob("*.py")
    }
    wanted = [name for name, text in texts.items() if "from config.jit import" in text]
    found: set[str] = set()
    while wanted:
        name = wanted.pop()
        if name in texts and name not in found:
            found.add(name)
            wanted += IMPORTED.findall(texts[name])
    digest = hashlib.blake2b(sys.version.encode(), digest_size=6)
    for name in sorted(found):
        digest.update(f"{name}\0{texts[name]}".encode())
    return digest.hexdigest()


def cache_directory() -> Path:
    """Where compiled code is kept.

    In `$BECKON_CACHE`, else in `$XDG_CACHE_HOME/beckon`, else in `~/.cache/beckon`.
    """
    chosen = os.environ.get("BECKON_CACHE")
    if chosen:
        return Path(chosen) / source_digest()
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(home) / "beckon" / source_digest()


os.environ.setdefault("NUMBA_CACHE_DIR", str(cache_directory()))

import numba  # noqa: E402  (its cache directory is read at import)

# Its types do not know `_nrt`, and give an object of numba's where we want the function's type.
_njit = cast(Callable[..., Callable[[CompiledFunction], CompiledFunction]], numba.njit)


def compiled(function: CompiledFunction) -> CompiledFunction:
    """Compile `function` at its first call; floats are computed exactly as written (no fastmath).

    A compiled function makes no arrays and returns none: then references to arrays need not be
    counted, which costs more than the work itself wherever arrays are handed from function to
    function.
    """
    return _njit(cache=True, error_model="numpy", _nrt=False)(function)


def inlined(function: CompiledFunction) -> CompiledFunction:
    """As `compiled`, but into each caller: for what is small or called in one place only."""
    return _njit(cache=True, error_model="numpy", _nrt=False, forceinline=True)(function)
