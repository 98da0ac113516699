"""Processes that are measured from outside as they run: CPU seconds, what they say, their end."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import BinaryIO

from msgspec import Struct

from bench.measure import NO_BYTE_CODE, ROOT, BenchError

TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
LOOK_SECONDS = 0.01
STOP_SECONDS_MAX = 60.0
TAIL_LINES = 30


class Line(Struct, frozen=True, kw_only=True):
    """What a process said, when (monotonic), and what it had used until then."""

    text: str
    at: float
    cpu_seconds: float


class Program:
    """A program that runs beside us; `lines` is what it has said on stderr so far."""

    def __init__(self, process: subprocess.Popen[bytes], output: BinaryIO) -> None:
        self.started_at = time.monotonic()
        self.lines: list[Line] = []
        self._process = process
        self._output = output
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def cpu_seconds(self) -> float:
        """User and system time of the process, all its threads, and the processes it started."""
        return tree_cpu_seconds(self._process.pid)

    def cpu_seconds_of(self, option: str) -> float:
        """The part of those that it started with an option, and that live."""
        return tree_cpu_seconds(self._process.pid, option)

    def wait_for(self, pattern: str, count: int, seconds: float) -> list[Line]:
        """The first `count` lines in which the pattern is found, waited for.

        Raises:
            BenchError: they were not said in time, or the program ended.
        """
        looked_for = re.compile(pattern)

        def found() -> list[Line]:
            return [line for line in self.lines if looked_for.search(line.text)]

        self.wait_until(lambda: len(found()) >= count, seconds, f"{count} lines like {pattern}")
        return found()[:count]

    def wait_until(self, holds: Callable[[], bool], seconds: float, what: str) -> None:
        """Wait until something holds while the program runs.

        Raises:
            BenchError: it does not in time, or the program ended.
        """
        give_up_at = time.monotonic() + seconds
        while not holds():
            if self._process.poll() is not None:
                raise BenchError(f"expected {what}, got the end of the program\n{self._tail()}")
            if time.monotonic() > give_up_at:
                raise BenchError(f"expected {what} within {seconds:g} s\n{self._tail()}")
            time.sleep(LOOK_SECONDS)

    def stop(self) -> float:
        """End it with SIGTERM; the CPU seconds of its whole life, and of those it had started.

        Raises:
            BenchError: it failed, or does not end in time.
        """
        self._process.send_signal(signal.SIGTERM)
        return self.wait(STOP_SECONDS_MAX)

    def wait(self, seconds: float) -> float:
        """As `stop`, but it ends by itself."""
        give_up_at = time.monotonic() + seconds
        while time.monotonic() < give_up_at:
            pid, status, used = os.wait4(self._process.pid, os.WNOHANG)
            if pid:
                self._process.returncode = os.waitstatus_to_exitcode(status)
                self.join()
                if self._process.returncode != 0:
                    raise BenchError(f"exit code {self._process.returncode}\n{self._tail()}")
                return used.ru_utime + used.ru_stime
            time.sleep(LOOK_SECONDS)
        raise BenchError(f"expected its end within {seconds:g} s\n{self._tail()}")

    def output(self) -> bytes:
        """What it has written to stdout."""
        self._output.seek(0)
        return self._output.read()

    def join(self) -> None:
        """Wait for the last of what it said."""
        self._reader.join(STOP_SECONDS_MAX)

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            used = tree_cpu_seconds(self._process.pid)
            text = line.decode(errors="replace").rstrip()
            self.lines.append(Line(text=text, at=time.monotonic(), cpu_seconds=used))

    def _tail(self) -> str:
        return "\n".join(line.text for line in self.lines[-TAIL_LINES:])


@contextmanager
def running(command: Sequence[str]) -> Iterator[Program]:
    """A program from the project's root while the block runs; none of its processes is left."""
    settings = {name: value for name, value in os.environ.items() if name != NO_BYTE_CODE}
    with (
        tempfile.TemporaryFile() as output,
        subprocess.Popen(
            command,
            cwd=ROOT,
            env=settings,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.PIPE,
            start_new_session=True,
        ) as process,
    ):
        program = Program(process, output)
        try:
            yield program
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(STOP_SECONDS_MAX)
            program.join()


def tree_cpu_seconds(pid: int, option: str = "") -> float:
    """User and system time of a process and of all that it started, ended ones included.

    `option`: of those alone whose command line has it.
    """
    times: dict[int, tuple[int, float]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                times[int(entry.name)] = parent_and_seconds((entry / "stat").read_text())
    tree = [pid]
    for one in tree:
        tree += [child for child, (parent, _) in times.items() if parent == one]
    return sum(times[one][1] for one in tree if one in times and option in command_line(one))


def command_line(pid: int) -> str:
    """What a process was started with; nothing where it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


def parent_and_seconds(stat: str) -> tuple[int, float]:
    """The parent in a `/proc/PID/stat`, and the time of the process and of its ended children.

    >>> parent_and_seconds("7 (a) b) S 3 7 7 0 -1 0 0 0 0 0 50 25 20 5 20 0 1 0 0")[0]
    3
    """
    fields = stat.rpartition(")")[2].split()
    return int(fields[1]), sum(map(int, fields[11:15])) / TICKS_A_SECOND
