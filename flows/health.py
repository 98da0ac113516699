"""What a running engine tells over HTTP: `/metrics`, `/healthz` (alive), `/readyz` (at work).

The verdicts are plain functions of what is known of each partition; the server shows them as text.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import AF_INET, AF_INET6, socket
from socketserver import TCPServer
from threading import BoundedSemaphore, Thread
from typing import Any

from msgspec import Struct

STUCK_MS = 30_000
"""A loop that has not turned for this long is stuck: longer than the relay's watchdog allows."""

BEHIND_MS_MAX = 30_000
"""Further behind the log than this, what is sent comes late: not ready, though at work."""

SILENT_MS_MAX = 5_000
"""A partition commits each second, if only to renew its lease, and hears of the broker as often."""

OPENING_MS_MAX = 1_000
"""From when on it is told that a partition is being opened: who waits for a lease tries often."""

REQUESTS_MAX = 8
REQUEST_SECONDS = 5
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
TEXT_TYPE = "text/plain; charset=utf-8"


class PartitionHealth(Struct, frozen=True, kw_only=True):
    """What a partition's loop last said of itself.

    turned_at_ms: when the loop last came round, by the wall clock. behind_ms: how old, by the wall
    clock, the oldest record was that it still had to apply; 0: none. trouble: what of the world it
    cannot reach and since when, in words; empty: nothing.
    """

    partition: int
    owned: bool
    turned_at_ms: int
    behind_ms: int
    uncommitted_ms: int = 0
    unheard_ms: int = 0
    opening_ms: int = 0
    trouble: str = ""


class Address(Struct, frozen=True):
    """Where the pages are served."""

    host: str
    port: int


class Pages(Struct, frozen=True, kw_only=True):
    """What is served: the metrics' text, and why the engine is not alive or ready if it is not."""

    metrics: Callable[[], bytes]
    not_alive: Callable[[], Sequence[str]]
    not_ready: Callable[[], Sequence[str]]


def address_of(text: str) -> Address:
    """The address that HOST:PORT or PORT names; without a host this machine alone can read it.

    Raises:
        ValueError: the text names none.

    >>> address_of("9464")
    Address(host='127.0.0.1', port=9464)
    >>> address_of("[::1]:0").host
    '::1'
    """
    host, _, port = text.rpartition(":")
    if not (port.isascii() and port.isdigit() and int(port) < 65_536):
        raise ValueError(f"expected HOST:PORT, such as 127.0.0.1:9464, got {text!r}")
    return Address(host.strip("[]") or "127.0.0.1", int(port))


def address_of_process(address: Address, index: int) -> Address:
    """Where process `index` of several serves its pages: each on the port after the last one's.

    >>> address_of_process(Address("127.0.0.1", 9464), 2).port
    9466
    """
    return Address(address.host, address.port + index if address.port else 0)


def not_alive(partitions: Iterable[PartitionHealth], now_ms: int) -> list[str]:
    """Why the process should be started again: loops that no longer turn."""
    return [
        f"partition {one.partition}: its loop has not turned for "
        f"{(now_ms - one.turned_at_ms) // 1000} s"
        for one in partitions
        if now_ms - one.turned_at_ms > STUCK_MS
    ]


def not_ready(
    partitions: Collection[PartitionHealth], wanted: Iterable[int], now_ms: int
) -> list[str]:
    """Why the work is not being done in time, of the partitions that this process should have."""
    reasons = not_alive(partitions, now_ms)
    known = {one.partition: one for one in partitions}
    for partition in sorted(wanted):
        one = known.get(partition)
        found = _missing(one) if one is not None else ["its lease is not ours yet"]
        reasons += [f"partition {partition}: {reason}" for reason in found]
    return reasons


def _missing(one: PartitionHealth) -> Iterator[str]:
    """What a partition lacks to be ready."""
    if one.opening_ms > OPENING_MS_MAX:
        yield f"it has been being opened for {one.opening_ms // 1000} s"
    elif not one.owned:
        yield "its lease is not ours yet"
    if one.uncommitted_ms > SILENT_MS_MAX:
        yield f"no commit to Redis for {one.uncommitted_ms // 1000} s"
    if one.unheard_ms > SILENT_MS_MAX:
        yield f"no answer of the broker for {one.unheard_ms // 1000} s"
    if one.behind_ms > BEHIND_MS_MAX:
        yield f"{one.behind_ms // 1000} s behind the log"
    if one.trouble:
        yield one.trouble


@contextmanager
def serving(address: Address, pages: Pages) -> Iterator[int]:
    """Serve the pages on threads of their own; gives the port (asked for 0: the one that was free).

    Raises:
        OSError: nothing can be served at this address.
    """
    server = _server(address, pages)
    thread = Thread(target=server.serve_forever, name="beckon-metrics", daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    """A server of a few requests at a time; whoever comes when all are in use is turned away."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, address: Address, handler: type[BaseHTTPRequestHandler]) -> None:
        self._room = BoundedSemaphore(REQUESTS_MAX)
        self.address_family = AF_INET6 if ":" in address.host else AF_INET
        super().__init__((address.host, address.port), handler)

    def server_bind(self) -> None:
        # http.server would ask the name service who this host is, which can take seconds.
        TCPServer.server_bind(self)

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._room.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request: socket | tuple[bytes, socket], client_address: Any) -> None:
        # A reader that leaves early is nobody's fault.
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


def _server(address: Address, pages: Pages) -> _Server:
    """A server bound to the address."""

    def metrics() -> tuple[int, str, bytes]:
        return 200, METRICS_TYPE, pages.metrics()

    routes: dict[str, Callable[[], tuple[int, str, bytes]]] = {
        "/metrics": metrics,
        "/healthz": lambda: _verdict("alive", pages.not_alive()),
        "/readyz": lambda: _verdict("ready", pages.not_ready()),
    }

    class Handler(BaseHTTPRequestHandler):
        timeout = REQUEST_SECONDS

        def do_GET(self) -> None:
            route = routes.get(self.path.partition("?")[0])
            known = f"no such page; there are {', '.join(routes)}\n"
            status, kind, body = route() if route else (404, TEXT_TYPE, known.encode())
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:
            """Requests are not news."""

    try:
        return _Server(address, Handler)
    except OSError as error:
        raise OSError(
            f"metrics: expected a free port at {address.host}:{address.port}, "
            f"got {error.strerror or error}; choose another with --metrics HOST:PORT"
        ) from error


def _verdict(word: str, reasons: Sequence[str]) -> tuple[int, str, bytes]:
    """The page of a verdict: 200 and the word, or 503 and the reasons, one a line."""
    lines = reasons or [word]
    return (503 if reasons else 200), TEXT_TYPE, "".join(f"{line}\n" for line in lines).encode()
