"""What compiling promises: everything once, kept for the next process, the parts never run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import pytest

from config.jit import DISABLED, compiled, inlined

PROGRAM = """
from config.jit import compiled, inlined

@inlined
def doubled(number: int) -> int:
    return 2 * number

@compiled
def counted(number: int) -> int:
    return doubled(number) + 1 if number < 10 else number

@compiled
def asked(number: int) -> int:
    return counted(number) + counted(3) + doubled(number)

@compiled
def asked_too(number: int) -> int:
    return counted(number)

print(asked(1), asked_too(20), counted(2), doubled(4))
called = (asked, asked_too, counted, doubled)
print(sum(sum(one.stats.cache_hits.values()) for one in called))
print(sum(sum(one.stats.cache_misses.values()) for one in called))
"""
"""Prints the results, how many functions were compiled before, and how many were now."""


@compiled
def tripled(number: int) -> int:
    """Three times a number."""
    return 3 * number


@inlined
def halved(number: int) -> int:
    """Half of a number."""
    return number // 2


@compiled
def tripled_and_halved(number: int) -> int:
    """By both of the others."""
    return halved(tripled(number))


@compiled
def of_constants() -> int:
    """One function's answers to three constants."""
    return tripled(1) + tripled(2) + tripled(3)


def told(program: Path, cache: Path) -> list[str]:
    """What a process of its own prints."""
    environment = {**os.environ, "BECKON_CACHE": str(cache), "PYTHONPATH": os.getcwd()}
    command = [sys.executable, str(program)]
    ran = subprocess.run(
        command, check=True, capture_output=True, timeout=300, text=True, env=environment
    )
    return ran.stdout.splitlines()


@pytest.mark.skipif(DISABLED, reason="nothing is compiled")
def test_what_one_process_compiled_the_next_only_loads(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    assert told(program, tmp_path / "cache") == ["12 20 5 8", "0", "4"]
    assert told(program, tmp_path / "cache") == ["12 20 5 8", "4", "0"]


@pytest.mark.skipif(DISABLED, reason="nothing is compiled")
def test_what_only_compiled_code_calls_is_not_made_for_python() -> None:
    assert tripled_and_halved(5) == 7
    signatures = [getattr(function, "signatures", None) for function in (tripled, halved)]
    assert signatures == [[], []]
    assert (tripled(5), halved(5)) == (15, 2), "until Python calls it"


@pytest.mark.skipif(DISABLED, reason="nothing is compiled")
def test_a_constant_compiles_a_function_no_second_time() -> None:
    assert of_constants() == 18
    part = cast(Any, tripled).get_overload.__self__
    assert len(part.signatures) == 1
