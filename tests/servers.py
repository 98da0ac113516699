"""Real servers for tests: a Kafka broker and a Redis, to kill, freeze, restart and roll back.

    with kafka_server() as kafka, redis_server() as redis:
        kafka.address    # 127.0.0.1:23456
        redis.address    # redis://127.0.0.1:24567
        kafka.kill()
        kafka.start()    # the same data, the same port

They listen on the loopback alone, keep their data in a temporary folder, and end with the process
that started them, however it ends. `tests/server_setup.py` installs them.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from random import SystemRandom
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import NamedTuple

from tests.server_setup import jars, java, why_no_kafka, why_no_redis

READY_SECONDS_MAX = 60.0
STOP_SECONDS_MAX = 30.0
LOOK_SECONDS = 0.02
TAIL_LINES = 30
PORTS = range(18000, 32000)
"""Below those that Linux gives to clients: while a server is down nobody else takes its port, and
no client that tries again and again ends up connected to itself."""

PORT_TRIES_MAX = 100
NONE: Mapping[str, str] = MappingProxyType({})
KAFKA_FORMAT = ("kafka.tools.StorageTool", "format", "-t", "BeckonTestsBroker00000", "-c")
KAFKA_READY = "Kafka Server started"
REDIS_READY = "Ready to accept connections"
KAFKA_PROPERTIES = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "auto.create.topics.enable": "false",
    "default.replication.factor": "1",
    "group.initial.rebalance.delay.ms": "0",
    "offsets.topic.num.partitions": "1",
    "offsets.topic.replication.factor": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
    # The cleaner's default takes 128 MB, a quarter of the heap.
    "log.cleaner.dedupe.buffer.size": "8388608",
    # A restarted broker is let in when the session of its former life has ended.
    "broker.session.timeout.ms": "2000",
    "broker.heartbeat.interval.ms": "500",
}
KAFKA_JAVA = (
    "-Xmx512m",
    "-Xms128m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS",
    "-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info",
    "-Dlog4j2.statusLoggerLevel=OFF",
)
REDIS_OPTIONS = {
    "bind": "127.0.0.1",
    "daemonize": "no",
    "save": "",
    "appendonly": "yes",
    "appendfsync": "everysec",
    # A copy of the files is whole as long as nothing rewrites them meanwhile.
    "auto-aof-rewrite-percentage": "0",
    "maxmemory-policy": "noeviction",
}


class ServerError(Exception):
    """A server did not start or did not stop in time; the message ends with its log."""


class Program(NamedTuple):
    """How a server is started, which line of its log says that it serves, what goes before."""

    command: Sequence[str]
    ready: str
    before: Sequence[str] = ()
    """A command that makes an empty folder of data usable."""


class Server:
    """A server program, its folder and its life; its port and its data outlive a restart.

    Not for several threads at once.

    Attributes:
        address: what a client is told: `host:port` of Kafka, the URL of Redis.
        folder: the temporary folder; `folder / "data"` is what the server keeps.
        log: what the program printed, of all its lives.
    """

    def __init__(self, address: str, folder: Path, program: Program) -> None:
        self.address = address
        self.folder = folder
        self.data = folder / "data"
        self.log = folder / "log"
        self.data.mkdir()
        self._program = program
        self._process: subprocess.Popen[bytes] | None = None
        self._guard: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        """Whether the process lives, be it frozen."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The process id of a running server."""
        assert self._process is not None, f"{self.address} does not run"
        return self._process.pid

    def start(self) -> None:
        """Starts it on the data that is there and returns when clients are served.

        Raises:
            ServerError: when it ends or is not ready after `READY_SECONDS_MAX`.
        """
        assert not self.running, f"{self.address} runs already"
        self._reap()
        if self._program.before and not any(self.data.iterdir()):
            self._spawn(self._program.before)
            self._wait()
        logged = self.log.stat().st_size if self.log.exists() else 0
        self._spawn(self._program.command)
        self._wait_until_ready(logged)

    def kill(self) -> None:
        """Ends it at once with SIGKILL, frozen or not."""
        self._end(signal.SIGKILL)

    def terminate(self) -> None:
        """Ends it in an orderly way with SIGTERM; a frozen server is thawed for it."""
        if self.running:
            self.thaw()
        self._end(signal.SIGTERM)

    def restart(self) -> None:
        """Ends it in an orderly way and starts it on the same data and port."""
        self.terminate()
        self.start()

    def freeze(self) -> None:
        """Stops it with SIGSTOP: its connections stay, and nothing answers."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Lets a frozen server go on."""
        os.kill(self.pid, signal.SIGCONT)

    def copy_data(self, name: str) -> Path:
        """Copies what it keeps, running or not; `put_data` brings it back."""
        copy = self.folder / name
        shutil.copytree(self.data, copy)
        return copy

    def put_data(self, copy: Path) -> None:
        """Replaces what a stopped server keeps by an older copy."""
        self.wipe()
        shutil.copytree(copy, self.data, dirs_exist_ok=True)

    def wipe(self) -> None:
        """Deletes what a stopped server keeps."""
        assert not self.running, f"{self.address} still runs"
        shutil.rmtree(self.data)
        self.data.mkdir()

    def tail(self) -> str:
        """The last lines of its log."""
        lines = self.log.read_text(errors="replace").splitlines()
        return "\n".join(lines[-TAIL_LINES:])

    def _spawn(self, command: Sequence[str]) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._guard = guard_of(self.pid)

    def _wait_until_ready(self, logged: int) -> None:
        """Waits for the line that tells it, behind the `logged` bytes of earlier lives."""
        give_up_at = time.monotonic() + READY_SECONDS_MAX
        while self._program.ready.encode() not in self.log.read_bytes()[logged:]:
            if not self.running or time.monotonic() > give_up_at:
                what = "is not ready" if self.running else "ended"
                self.kill()
                raise ServerError(f"{self.address} {what}:\n{self.tail()}")
            time.sleep(LOOK_SECONDS)

    def _end(self, how: signal.Signals) -> None:
        if self.running:
            os.kill(self.pid, how)
            self._wait()
        self._reap()

    def _wait(self) -> None:
        """Waits for the end of the process; one that does not come to it is killed."""
        assert self._process is not None
        try:
            self._process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise ServerError(f"{self.address} does not end:\n{self.tail()}") from None
        finally:
            self._reap()

    def _reap(self) -> None:
        """Forgets an ended process; its guard goes first, lest it kill another of the same id."""
        if self._guard is not None:
            self._guard.kill()
            self._guard.communicate()
            self._guard = None
        if self._process is not None:
            self._process.wait(STOP_SECONDS_MAX)
            self._process = None


def guard_of(pid: int) -> subprocess.Popen[bytes]:
    """A process that kills the server when its own standard input ends: when we do, however."""
    return subprocess.Popen(
        ["sh", "-c", 'cat >/dev/null; kill -9 "$0"', str(pid)],
        stdin=subprocess.PIPE,
        start_new_session=True,
    )


def free_port() -> int:
    """A port of the loopback that nobody listens on."""
    chance = SystemRandom()
    for _ in range(PORT_TRIES_MAX):
        port = chance.choice(PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise ServerError(f"no free port found between {PORTS.start} and {PORTS.stop}")


@contextmanager
def kafka_server(options: Mapping[str, str] = NONE) -> Iterator[Server]:
    """A fresh broker with controller (KRaft), started; `options` go over `KAFKA_PROPERTIES`."""
    missing = why_no_kafka()
    assert missing is None, missing
    port, controller_port = free_port(), free_port()
    with TemporaryDirectory(prefix="beckon-kafka-") as name:
        folder = Path(name)
        properties = {
            **KAFKA_PROPERTIES,
            "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}",
            "controller.quorum.voters": f"1@127.0.0.1:{controller_port}",
            "log.dirs": str(folder / "data"),
            **options,
        }
        settings = folder / "server.properties"
        settings.write_text("".join(f"{key}={value}\n" for key, value in properties.items()))
        java_command = [str(java()), *KAFKA_JAVA, "-cp", f"{jars()}/*"]
        program = Program(
            [*java_command, "kafka.Kafka", str(settings)],
            KAFKA_READY,
            [*java_command, *KAFKA_FORMAT, str(settings)],
        )
        with started(Server(f"127.0.0.1:{port}", folder, program)) as server:
            yield server


@contextmanager
def redis_server(options: Mapping[str, str] = NONE) -> Iterator[Server]:
    """A fresh Redis, started, also on the Unix socket `folder / "socket"`.

    `options` go over `REDIS_OPTIONS`.
    """
    missing = why_no_redis()
    assert missing is None, missing
    port = free_port()
    with TemporaryDirectory(prefix="beckon-redis-") as name:
        folder = Path(name)
        settings = {
            **REDIS_OPTIONS,
            "port": str(port),
            "unixsocket": str(folder / "socket"),
            "dir": str(folder / "data"),
            **options,
        }
        arguments = [part for key, value in settings.items() for part in (f"--{key}", value)]
        program = Program(["redis-server", *arguments], REDIS_READY)
        with started(Server(f"redis://127.0.0.1:{port}", folder, program)) as server:
            yield server


@contextmanager
def started(server: Server) -> Iterator[Server]:
    """Starts a server, and kills it at the end: nobody needs its data then."""
    server.start()
    try:
        yield server
    finally:
        server.kill()
