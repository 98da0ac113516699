"""Processes that are kept running."""

from __future__ import annotations

import gc
import sys
import threading

from flows.supervise import supervise

READS_TO_ITS_END = (sys.executable, "-c", "import sys; sys.stdin.read()")
ENDS_AT_ONCE = (sys.executable, "-c", "")
RUN_SECONDS = 0.5


def test_nothing_stays_open_of_processes_that_have_ended() -> None:
    stop = threading.Event()
    told: list[str] = []
    threading.Timer(RUN_SECONDS, stop.set).start()
    code = supervise([READS_TO_ITS_END, ENDS_AT_ONCE], stop, told.append, frozenset({2}))
    # What stays open is complained of as a warning, which is an error here.
    gc.collect()
    assert code == 0
    assert all("process 1 ended with code 0" in line for line in told)
