"""Ctrl-C in the demo: whenever it comes, the terminal is left as it was found."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event
from types import FrameType

from flows.exits import INTERRUPTED

SHOW_CURSOR = b"\x1b[?25h"
LEAVE_SCREEN = b"\x1b[?1049l" + SHOW_CURSOR
MESSAGE = b"beckon: interrupted\n"
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """What SIGINT and SIGTERM do. A first one ends the demo in order, a second one at once."""

    def __init__(self) -> None:
        self.stop = Event()
        """Set by the first signal; a replay ends between two batches then."""
        self._holding = False
        self._at_once = False
        self._parting = b""

    @contextmanager
    def holding(self, parting: bytes = b"") -> Iterator[None]:
        """Within, a first signal only sets `stop`; KeyboardInterrupt is raised at the end.

        `parting` is what a terminal has to be sent if a second signal allows for no more.
        """
        self._holding, self._parting = True, parting
        try:
            yield
        finally:
            self._holding, self._parting = False, b""
        if self.stop.is_set():
            raise KeyboardInterrupt

    @contextmanager
    def leaving_at_once(self) -> Iterator[None]:
        """Within, a first signal is like a second: where KeyboardInterrupt would do harm.

        A compiler that it is raised in may swallow it, or be of no use to later calls.
        """
        self._at_once = True
        try:
            yield
        finally:
            self._at_once = False

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        """The handler."""
        if self._at_once or self.stop.is_set():
            # Not through Python's streams: the signal may have come amid a write to them.
            os.write(sys.stdout.fileno(), self._parting)
            os.write(sys.stderr.fileno(), MESSAGE)
            os._exit(INTERRUPTED)
        self.stop.set()
        if not self._holding:
            raise KeyboardInterrupt


@contextmanager
def interrupts() -> Iterator[Interrupts]:
    """Within, signals are the demo's; after a first one they stay so until the process ends."""
    mine = Interrupts()
    before = {number: signal.signal(number, mine.on_signal) for number in SIGNALS}
    try:
        yield mine
    finally:
        if not mine.stop.is_set():
            for number, handler in before.items():
                signal.signal(number, handler)
