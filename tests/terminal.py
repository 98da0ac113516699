"""A `beckon` at a terminal of 80 x 24: what it writes there, and Ctrl-C typed on the way."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import NamedTuple

from tests.conftest import ROOT

BECKON = (sys.executable, "-c", "from flows.cli import main; main()")
CONTROL = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")
CTRL_C = b"\x03"
ENTER_SCREEN, LEAVE_SCREEN, HOME = b"\x1b[?1049h", b"\x1b[?1049l", b"\x1b[H"
HIDE_CURSOR, SHOW_CURSOR = b"\x1b[?25l", b"\x1b[?25h"
PATIENCE_SECONDS = 240


class Played(NamedTuple):
    """How a program at a terminal ended, and all that it wrote."""

    code: int
    written: bytes

    @property
    def frames(self) -> list[list[str]]:
        """What was drawn on a screen of its own, frame by frame, as lines."""
        drawn = self.written.partition(ENTER_SCREEN)[2].partition(LEAVE_SCREEN)[0]
        return [plain(frame).splitlines() for frame in drawn.split(HOME) if plain(frame).strip()]

    @property
    def printed(self) -> list[str]:
        """The lines printed before and behind that screen."""
        before, _, rest = self.written.partition(ENTER_SCREEN)
        text = plain(before + rest.partition(LEAVE_SCREEN)[2])
        return [line.rpartition("\r")[2].rstrip() for line in text.split("\r\n")]

    @property
    def is_clean(self) -> bool:
        """Whether the terminal was left as it was found."""
        screens = self.written.count(ENTER_SCREEN) == self.written.count(LEAVE_SCREEN)
        return screens and self.written.rfind(SHOW_CURSOR) >= self.written.rfind(HIDE_CURSOR)


def plain(written: bytes) -> str:
    """Text without what steers a terminal."""
    return CONTROL.sub(b"", written).decode()


def at_terminal(
    *arguments: object, folder: Path, interrupt: tuple[bytes, int] = (b"", 0)
) -> Played:
    """Run a `beckon` at a terminal of 80 x 24, its temporary files in `folder`.

    `interrupt`: once it has written this, so many Ctrl-C are typed.
    """
    screen, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm", "TMPDIR": str(folder)}
    for size in ("COLUMNS", "LINES"):
        environment.pop(size, None)
    process = subprocess.Popen(
        [*BECKON, *map(str, arguments)],
        env=environment,
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(terminal)
    try:
        written = _read(screen, *interrupt)
        return Played(process.wait(PATIENCE_SECONDS), written)
    finally:
        process.kill()
        process.wait()
        os.close(screen)


def _read(screen: int, awaited: bytes, interrupts: int) -> bytes:
    """All that is written, until the program has closed the terminal."""
    written = b""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if not select.select([screen], [], [], 1)[0]:
            continue
        try:
            part = os.read(screen, 65_536)
        except OSError:
            return written
        if not part:
            return written
        written += part
        if interrupts and awaited in written:
            os.write(screen, CTRL_C * interrupts)
            interrupts = 0
    raise AssertionError(f"expected an end, got {plain(written[-500:])}")
