"""Live engines to be killed: each a process of its own, forked from one that has imported all.

An engine then starts in a tenth of a second instead of two, so that hundreds can be killed. It runs
the command line `beckon run`, and is the child of a process that has no threads and no client.
Everything that was started ends with the process that asked for it, however that ends.

Run as a program it is that process: a request a line on its input, an answer a line on its output.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from threading import Lock
from types import TracebackType

import msgspec
from msgspec import Struct

ROOT = Path(__file__).resolve().parents[2]
LOOK_SECONDS = 0.01
WARM_UP_SECONDS_MAX = 300.0
PR_SET_PDEATHSIG = 1
REFUSED = 127


class Request(Struct, frozen=True, kw_only=True):
    """Start an engine (`arguments` of `beckon`), or tell how the one with `pid` ended."""

    arguments: list[str] = []
    log: str = ""
    failpoint: str = ""
    pid: int = 0


class Answer(Struct, frozen=True, kw_only=True):
    """The process that was started, or the code of one that has ended (-9: killed)."""

    pid: int
    code: int | None = None


class Engine:
    """One engine's process."""

    def __init__(self, nursery: Nursery, pid: int) -> None:
        self.pid = pid
        self._nursery = nursery
        self._code: int | None = None

    def code(self) -> int | None:
        """Its exit code, negative for a signal; None while it lives, be it frozen."""
        if self._code is None:
            self._code = self._nursery.ask(Request(pid=self.pid)).code
        return self._code

    def wait(self, seconds: float) -> int | None:
        """Its exit code, if it ends in time."""
        give_up_at = time.monotonic() + seconds
        while self.code() is None and time.monotonic() < give_up_at:
            time.sleep(LOOK_SECONDS)
        return self.code()

    def send(self, number: signal.Signals) -> None:
        """Send a signal, if it lives: nobody else can have its process id before it is asked."""
        if self.code() is None:
            os.kill(self.pid, number)

    def children(self) -> list[int]:
        """The ids of the processes that it started and that live."""
        found = Path(f"/proc/{self.pid}/task/{self.pid}/children")
        return [int(pid) for pid in found.read_text().split() if is_alive(int(pid))]

    def kill(self) -> None:
        """End it at once."""
        self.send(signal.SIGKILL)
        assert self.wait(10.0) is not None, "a process survived SIGKILL"


class Nursery:
    """Starts engines; several threads may ask for them."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.nursery"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        self._engines: list[Engine] = []
        self._asking = Lock()

    def __enter__(self) -> Nursery:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for engine in self._engines:
            engine.kill()
        self._process.communicate()

    def start(self, arguments: list[str], log: Path, failpoint: str = "") -> Engine:
        """Start `beckon` with these arguments; what it says is added to `log`."""
        request = Request(arguments=arguments, log=str(log), failpoint=failpoint)
        engine = Engine(self, self.ask(request).pid)
        self._engines = [one for one in self._engines if one.code() is None] + [engine]
        return engine

    def ask(self, request: Request) -> Answer:
        """The answer to a request."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._asking:
            self._process.stdin.write(msgspec.json.encode(request) + b"\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        assert line, "the process that starts engines has ended"
        return msgspec.json.decode(line, type=Answer)


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and that nobody has asked about does not."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] not in "ZX"


def serve() -> None:
    """Answer requests until the input ends."""
    warm_up()
    ended: dict[int, int] = {}
    for line in sys.stdin.buffer:
        request = msgspec.json.decode(line, type=Request)
        if request.pid:
            answer = Answer(pid=request.pid, code=code_of(request.pid, ended))
        else:
            answer = Answer(pid=born(request))
        sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
        sys.stdout.buffer.flush()


def code_of(pid: int, ended: dict[int, int]) -> int | None:
    """How a child ended, noted in `ended`: the system tells it once."""
    if pid not in ended:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            ended[pid] = os.waitstatus_to_exitcode(status)
    return ended.get(pid)


def born(request: Request) -> int:
    """The process id of a new engine."""
    pid = os.fork()
    if pid:
        return pid
    try:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        live(request)
    finally:
        os._exit(REFUSED)


def live(request: Request) -> None:
    """Be that engine."""
    from connectors import failpoints
    from flows.cli import main

    log = os.open(request.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for here, there in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(here, there)
    os.environ[failpoints.VARIABLE] = request.failpoint
    # Read again what the parent read when it imported it: functions keep their module's names.
    importlib.reload(failpoints)
    sys.argv = ["beckon", *request.arguments]
    try:
        main()
    except SystemExit as end:
        sys.stderr.flush()
        os._exit(end.code if isinstance(end.code, int) else REFUSED)


def warm_up() -> None:
    """Import what an engine needs, and have its compiled code at hand."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    importlib.import_module("flows.run")
    importlib.import_module("flows.run_learner")
    from flows import warming

    warming.warm_up()
    warming.warm_up_learning()


if __name__ == "__main__":
    serve()
