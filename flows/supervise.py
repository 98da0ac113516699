"""Several live processes: started, started again when they end, and stopped together."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from threading import Event

from msgspec import Struct

PAUSE_SECONDS_MIN, PAUSE_SECONDS_MAX = 0.5, 30.0
STEADY_SECONDS = 60.0
"""A process that ran so long before it ended is started again without a pause that has grown."""

LOOK_EVERY_SECONDS = 0.1
STOP_SECONDS = 10.0


class Child(Struct, kw_only=True):
    """One process: what runs it now, since when; when to start it again, after how many ends."""

    command: Sequence[str]
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    start_at: float = 0.0
    ends: int = 0


def supervise(
    commands: Sequence[Sequence[str]],
    stop: Event,
    tell: Callable[[str], None],
    fatal_codes: frozenset[int],
) -> int:
    """Keep a process running for each command until `stop` is set; the exit code.

    A process that ends is started again after a pause that doubles with each end. One that ends
    with one of `fatal_codes` would end the same way again: all are stopped, and that is the code.
    Without such a code it is that of a process which could not end in order. Standard input of all
    of them ends with this process, however it does.
    """
    children = [Child(command=command) for command in commands]
    code = 0
    try:
        while not stop.is_set() and not code:
            for number, child in enumerate(children):
                code = code or _look_after(number, child, tell, fatal_codes)
            # Not a wait for `stop`: a signal's handler that sets it could meet a lock held here.
            time.sleep(LOOK_EVERY_SECONDS)
    finally:
        code = _stop_all(children) or code
    return code


def _look_after(
    number: int, child: Child, tell: Callable[[str], None], fatal_codes: frozenset[int]
) -> int:
    """Start a child that should run and does not; its code if it must not be started again."""
    now = time.monotonic()
    if child.process is None:
        if now >= child.start_at:
            child.process = _started(child.command)
            child.started_at = now
        return 0
    code = child.process.poll()
    if code is None:
        return 0
    _close_input(child.process)
    child.process = None
    if code in fatal_codes:
        return code
    child.ends = 0 if now - child.started_at >= STEADY_SECONDS else child.ends + 1
    pause = min(PAUSE_SECONDS_MIN * 2 ** min(child.ends, 10), PAUSE_SECONDS_MAX)
    child.start_at = now + pause
    tell(f"process {number} ended with code {code}; starting it again in {pause:.1f} s")
    return 0


def _started(command: Sequence[str]) -> subprocess.Popen[bytes]:
    """A child that no Ctrl-C reaches: at a terminal that goes to all, and is ours to answer."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        return subprocess.Popen(command, stdin=subprocess.PIPE)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def _stop_all(children: Sequence[Child]) -> int:
    """SIGTERM to all, and SIGKILL to those that do not end in time; a code that is not in order."""
    running = [child.process for child in children if child.process is not None]
    for process in running:
        process.terminate()
    give_up_at = time.monotonic() + STOP_SECONDS
    for process in running:
        try:
            process.wait(max(0.0, give_up_at - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        _close_input(process)
    # One that had not begun yet dies of the signal itself.
    codes = [one.returncode for one in running if one.returncode not in (0, -signal.SIGTERM)]
    return max(codes, default=0)


def _close_input(process: subprocess.Popen[bytes]) -> None:
    """Close our end of what an ended process read, or Python complains of it on stderr."""
    assert process.stdin is not None, "a pipe, as it was started"
    process.stdin.close()
