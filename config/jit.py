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
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
from llvmlite import ir  # type: ignore[import-untyped]  # it ships no types
from numba.core import cgutils
from numba.core.types import int64, unliteral, void
from numba.extending import intrinsic
from numba.np.arrayobj import make_array
from numpy.typing import NDArray

CompiledFunction = TypeVar("CompiledFunction", bound=Callable[..., object])

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("config", "connectors", "state", "flows")
IMPORTED = re.compile(r"^from ((?:config|connectors|state|flows)\.\w+) import", re.MULTILINE)
COMPILES = re.compile(r"^@(?:compiled|inlined)$", re.MULTILINE)


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
    wanted = [name for name, text in texts.items() if COMPILES.search(text)]
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


# Numba's types know neither `CACHE_DIR` nor `_nrt`, and give an object of its own for a function.
cast(Any, numba.config).CACHE_DIR = str(cache_directory())
DISABLED = bool(cast(Any, numba.config).DISABLE_JIT)
"""Compiled functions run as plain Python (NUMBA_DISABLE_JIT is set)."""

_njit = cast(Callable[..., Callable[[CompiledFunction], CompiledFunction]], numba.njit)
_intrinsic = cast(Callable[[Callable[..., object]], Callable[..., object]], intrinsic)
_unliteral: Callable[[Any], Any] = unliteral
_make_array: Callable[[Any], Any] = make_array
_declared: Callable[..., Any] = cgutils.get_or_insert_function


def compiled(function: CompiledFunction) -> CompiledFunction:
    """Compile `function` at its first call; floats are computed exactly as written (no fastmath).

    A compiled function makes no arrays and returns none: then references to arrays need not be
    counted, which costs more than the work itself wherever arrays are handed from function to
    function.
    """
    return _once_per_type(_njit(cache=True, error_model="numpy", _nrt=False)(function))


def inlined(function: CompiledFunction) -> CompiledFunction:
    """As `compiled`, but into each caller: for what is small or called in one place only."""
    options = {"cache": True, "error_model": "numpy", "_nrt": False, "forceinline": True}
    return _once_per_type(_njit(**options)(function))


def _once_per_type(function: CompiledFunction) -> CompiledFunction:
    """Compile a function once for "int", not again for each constant that some caller hands it.

    Numba's way made most of the loop twice, parts of it twenty times.
    """
    dispatcher = cast(Any, function)
    if DISABLED:
        return function
    template_for = dispatcher.get_call_template

    def get_call_template(arguments: Iterable[Any], named: Mapping[str, Any]) -> Any:
        plain = [_unliteral(argument) for argument in arguments]
        return template_for(plain, {name: _unliteral(value) for name, value in named.items()})

    dispatcher.get_call_template = get_call_template
    return function


@_intrinsic
def _prefetch(_context: Any, array: Any, _index: Any) -> Any:
    """The code of `prefetch`: LLVM's instruction of that name."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        view = _make_array(array)(context, builder, arguments[0])
        address = builder.gep(view.data, [arguments[1]])
        kind = ir.FunctionType(ir.VoidType(), [address.type, *[ir.IntType(32)] * 3])
        function = _declared(builder.module, kind, "llvm.prefetch.p0")
        will_write, keep_close, data = (ir.Constant(ir.IntType(32), value) for value in (1, 3, 1))
        builder.call(function, [address, will_write, keep_close, data])
        return context.get_dummy_value()

    return void(array, int64), generate


@inlined
def prefetch(array: NDArray[Any], index: int) -> None:
    """Ask for the cache line of `array[index]` (one-dimensional), which will be needed soon."""
    if not DISABLED:
        _prefetch(array, index)
