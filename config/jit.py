"""The one place that imports numba: `compiled` turns a plain function into machine code.

Compiled code is cached on disk under a digest of all sources that hold compiled functions: numba
itself only looks at the file of the outermost function and would run stale code when an inner one
changes.
"""

from __future__ import annotations

import gc
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
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler
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
    return _compiled(function, inline=False)


def inlined(function: CompiledFunction) -> CompiledFunction:
    """As `compiled`, but into each caller: for what is small or called in one place only."""
    return _compiled(function, inline=True)


def _compiled(function: CompiledFunction, *, inline: bool) -> CompiledFunction:
    """What Python calls is a `_Whole`, what compiled code calls of the same function a `_Part`.

    A part is made once for "int", not again for each constant that some caller hands it: numba's
    way made most of the loop twice, parts of it twenty times.
    """
    if DISABLED:
        return function
    options = {"error_model": "numpy", "_nrt": False, "no_cfunc_wrapper": True}
    as_part = {"forceinline": inline, "no_cpython_wrapper": True, "pipeline_class": _PartCompiler}
    whole = _njit(**options, cache=True, pipeline_class=_WholeCompiler)(function)
    part = cast(Any, _njit(**options, **as_part)(function))

    def get_call_template(arguments: Iterable[Any], named: Mapping[str, Any]) -> Any:
        plain = [_unliteral(argument) for argument in arguments]
        plain_named = {name: _unliteral(value) for name, value in named.items()}
        return part.get_call_template(plain, plain_named)

    dispatcher = cast(Any, whole)
    dispatcher.get_call_template = get_call_template
    dispatcher.get_overload = part.get_overload
    return whole


class _Part(JITCodeLibrary):
    """The code of one function for its callers: neither optimized nor made executable.

    Numba optimizes each function and makes machine code of it, with all that it calls, and again
    in each caller. Nobody runs these: the engine took four times as long to compile.
    """

    def finalize(self) -> None:
        """Nothing remains to be done."""
        self._finalized = True

    def get_pointer_to_function(self, name: str) -> int:
        """The address that stands for none."""
        return 0

    @property
    def codegen(self) -> _Part:
        """Where numba notes a function's environment, which has no place yet."""
        return self

    def set_env(self, name: str, environment: object) -> None:
        """As `codegen` says."""


class _Whole(JITCodeLibrary):
    """The code of a function that Python calls with all its parts, each once, optimized once."""

    def finalize(self) -> None:
        """Link the parts, those of parts as well, optimize, and make machine code."""
        found: dict[JITCodeLibrary, None] = {}
        wanted = [*self._linking_libraries]
        while wanted:
            library = wanted.pop()
            if library not in found:
                found[library] = None
                wanted += library._linking_libraries if isinstance(library, _Part) else ()
        self._linking_libraries = [*found]
        cast(Any, super()).finalize()

    def _optimize_final_module(self) -> None:
        """Without numba's first round, which would inline parts before they are simplified."""
        passes, builder = cast(Any, self._codegen)._module_pass_manager()
        passes.run(self._final_module, builder)


class _PartCompiler(Compiler):
    """Numba's compiler, into a `_Part`."""

    def define_pipelines(self) -> list[Any]:
        """The usual passes."""
        self.state.library = _empty(_Part, self.state)
        return cast(list[Any], cast(Any, super()).define_pipelines())


class _WholeCompiler(Compiler):
    """Numba's compiler, into a `_Whole`."""

    def define_pipelines(self) -> list[Any]:
        """The usual passes."""
        self.state.library = _empty(_Whole, self.state)
        self.state.library.enable_object_caching()
        return cast(list[Any], cast(Any, super()).define_pipelines())

    def _compile_core(self) -> Any:
        """Without the garbage collector, which would look at all of it again and again."""
        was_enabled = gc.isenabled()
        gc.disable()
        try:
            return cast(Any, super())._compile_core()
        finally:
            if was_enabled:
                gc.enable()


def _empty(kind: type[JITCodeLibrary], state: Any) -> Any:
    """A library for the function that is being compiled."""
    return cast(Any, kind)(state.targetctx.codegen(), state.func_id.func_qualname)


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
