"""A line to a server that can be cut after a command was carried out and before its answer came."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event, Lock, Thread
from urllib.parse import urlsplit

BLOCK_BYTES = 1 << 16
PATIENCE_SECONDS = 10.0


class CutLine:
    """Carries bytes between clients and a server.

    Attributes:
        url: what a client connects to.
        cut_count: how often a line was cut.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._server = (parts.hostname or "localhost", parts.port or 0)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{self._listener.getsockname()[1]}"
        self.cut_count = 0
        self._word = b""
        self._choosing = Lock()
        Thread(target=self._accept, daemon=True).start()

    def cut_after(self, word: bytes) -> None:
        """Cut one line, once: when the server answers the next request with this in it."""
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
        cut = Event()
        with client, suppress(OSError), self._connected() as server:
            Thread(target=self._answer, args=(server, client, cut), daemon=True).start()
            before = b""
            while block := client.recv(BLOCK_BYTES):
                if self._is_chosen(before, block):
                    cut.set()
                before = block
                server.sendall(block)

    def _connected(self) -> socket.socket:
        server = socket.create_connection(self._server, PATIENCE_SECONDS)
        server.settimeout(None)
        return server

    def _is_chosen(self, before: bytes, block: bytes) -> bool:
        """Whether the word stands in a block, or ends there."""
        with self._choosing:
            word = self._word
            if not word or word not in before[1 - len(word) :] + block:
                return False
            self._word = b""
            return True

    def _answer(self, server: socket.socket, client: socket.socket, cut: Event) -> None:
        with suppress(OSError):
            while block := server.recv(BLOCK_BYTES):
                if cut.is_set():
                    self.cut_count += 1
                    break
                client.sendall(block)
            client.shutdown(socket.SHUT_RDWR)


@contextmanager
def cut_line(url: str) -> Iterator[CutLine]:
    """A line to the server of a URL."""
    line = CutLine(url)
    try:
        yield line
    finally:
        line.close()
