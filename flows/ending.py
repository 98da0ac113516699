"""The end of a live process: asked for by a signal or by its parent's end, and soon in coming.

What does not end in time is left as by a kill, which loses nothing: all that counts is committed as
a whole or not at all.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Event
from types import FrameType
from typing import NoReturn

from connectors.threads import on_thread
from flows.exits import DONE, WORLD

LEAVE_SECONDS = 4.5
"""How long an end may take: whoever starts processes is promised five seconds."""

STANDARD_INPUT = 0
READ_BYTES = 4_096


@contextmanager
def stopping(stop: Callable[[], None]) -> Iterator[None]:
    """Call `stop` at the first SIGINT or SIGTERM, which end what runs in order."""
    stopped = False

    def on_signal(number: int, frame: FrameType | None) -> None:
        # A second signal may come while this one is being dealt with: both can be one Ctrl-C.
        nonlocal stopped
        if not stopped:
            stopped = True
            stop()

    before = {
        number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def stop_with_input(stop: Callable[[], None]) -> None:
    """Call `stop` when standard input ends: when the process that holds its other end does."""

    def read() -> None:
        while os.read(STANDARD_INPUT, READ_BYTES):
            pass
        stop()

    on_thread("input", read)


def end_in_time(
    stop: Event,
    unfinished: Callable[[], Sequence[tuple[int, str]]],
    tell: Callable[[int, str], None],
) -> None:
    """Once `stop` is set, end the process within LEAVE_SECONDS, whatever still hangs in it.

    What of its partitions is `unfinished` then is told, and is the world's fault.
    """

    def watch() -> None:
        stop.wait()
        Event().wait(LEAVE_SECONDS)
        left = unfinished()
        for partition, what in left:
            tell(partition, what)
        end(WORLD if left else DONE)

    on_thread("end", watch)


def end(code: int) -> NoReturn:
    """End the process here: taking down profiles and clients would take it seconds."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
