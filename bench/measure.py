"""Running a program and seeing what it used: CPU seconds of the whole process, memory, output."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from msgspec import Struct

ROOT = Path(__file__).resolve().parent.parent
BECKON = (sys.executable, "-c", "from flows.cli import main; main()")
"""The command line, whether or not it is installed as `beckon`."""

NO_BYTE_CODE = "PYTHONDONTWRITEBYTECODE"


class Usage(Struct, frozen=True, kw_only=True):
    """What one run of a program used. `cpu_seconds` is user and system time of all its threads."""

    cpu_seconds: float
    wall_seconds: float
    resident_bytes_max: int
    output: bytes


class Figure(Struct, frozen=True, kw_only=True):
    """One measured figure. `at_least` or `at_most` is its goal, if it has one."""

    name: str
    value: float
    unit: str
    at_least: float | None = None
    at_most: float | None = None

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None without a goal.

        >>> Figure(name="tick", value=25.0, unit="ms", at_most=20.0).met
        False
        """
        if self.at_least is not None:
            return self.value >= self.at_least
        if self.at_most is not None:
            return self.value <= self.at_most
        return None


class BenchError(Exception):
    """A measured program that failed: its figures would mean nothing."""


def run(*command: str) -> Usage:
    """Run `command` from the project's root to its end.

    Python may keep the byte code of modules, as it does for users, also where the surroundings
    forbid it: or each measured process would compile all of its modules anew.

    Raises:
        BenchError: it failed; the message ends with what it wrote to stderr.
    """
    started = time.perf_counter()
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        settings = {name: value for name, value in os.environ.items() if name != NO_BYTE_CODE}
        process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=errors, env=settings)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall_seconds = time.perf_counter() - started
        output.seek(0)
        errors.seek(0)
        if process.returncode != 0:
            complaint = errors.read().decode(errors="replace")[-2000:]
            raise BenchError(f"{' '.join(command)}: exit code {process.returncode}\n{complaint}")
        return Usage(
            cpu_seconds=used.ru_utime + used.ru_stime,
            wall_seconds=wall_seconds,
            resident_bytes_max=used.ru_maxrss * 1024,
            output=output.read(),
        )


def middle(values: list[float]) -> float:
    """The median, which one disturbed run does not move."""
    return float(median(values))
