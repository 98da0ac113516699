"""A line to a server that can be cut after a command was carried out and before its answer came."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread
from urllib.parse import urlsplit

BLOCK_BYTES = 1 << 16
PATIENCE_SECONDS = 10.0


class CutLine:
    """Carries bytes between clients and a server; `address` is what a client connects to."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._server = (parts.hostname or "localhost", parts.port or 0)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{self._listener.getsockname()[1]}"
        self._word = b""
        self.cut = Event()
        Thread(target=self._accept, daemon=True).start()

    def cut_after(self, word: bytes) -> None:
        """Cut the line once, when the server has answered the next request with this in it."""
        self.cut.clear()
        self._word = word

    def close(self) -> None:
        """Take no more connections."""
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client: socket.socket) -> None:
        with client, socket.create_connection(self._server, PATIENCE_SECONDS) as server:
            Thread(target=self._answer, args=(server, client), daemon=True).start()
            behind = b""
            with suppress(OSError):
                while block := client.recv(BLOCK_BYTES):
                    if self._word and self._word in behind + block:
                        self._word = b""
                        self.cut.set()
                    behind = block[-16:]
                    server.sendall(block)

    def _answer(self, server: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while block := server.recv(BLOCK_BYTES):
                if self.cut.is_set():
                    self.cut.clear()
                    client.shutdown(socket.SHUT_RDWR)
                    return
                client.sendall(block)


@contextmanager
def cut_line(url: str) -> Iterator[CutLine]:
    """A line to the server of a URL."""
    line = CutLine(url)
    try:
        yield line
    finally:
        line.close()
