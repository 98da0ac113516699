"""Lines of several partitions, kept in a temporary file until they can be put in one order."""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterable, Iterator
from tempfile import TemporaryFile

BLOCK_BYTES = 64 * 1024
"""What is in memory of each partition while they are merged."""


class Spool:
    """Lines of partitions, those of each in their order.

    The file has no name: whatever ends the process, nothing is left of it.
    """

    def __init__(self, directory: str | None, partitions: int) -> None:
        """A spool in a directory, None for where temporary files go."""
        self._file = TemporaryFile(dir=directory)  # noqa: SIM115  (open as long as the spool is)
        self._end = 0
        self._pieces = [array("q") for _ in range(partitions)]

    def append(self, partition: int, lines: Iterable[bytes]) -> None:
        """Add lines, none of which has a newline, to a partition."""
        begin = self._end
        for line in lines:
            self._end += self._file.write(line + b"\n")
        if self._end > begin:
            self._note(self._pieces[partition], begin)

    def partitions(self) -> list[Iterator[bytes]]:
        """The lines of each partition, read as they are asked for."""
        self._file.flush()
        return [self._lines(pieces) for pieces in self._pieces]

    def close(self) -> None:
        """Forget all."""
        self._file.close()

    def _note(self, pieces: array[int], begin: int) -> None:
        """Note where lines of a partition are: begin, end; those that adjoin are one piece."""
        if pieces and pieces[-1] == begin:
            pieces[-1] = self._end
        else:
            pieces.extend((begin, self._end))

    def _lines(self, pieces: array[int]) -> Iterator[bytes]:
        for begin, end in zip(pieces[::2], pieces[1::2], strict=True):
            yield from self._lines_between(begin, end)

    def _lines_between(self, begin: int, end: int) -> Iterator[bytes]:
        left = b""
        while begin < end:
            block = os.pread(self._file.fileno(), min(BLOCK_BYTES, end - begin), begin)
            begin += len(block)
            *lines, left = (left + block).split(b"\n")
            yield from lines


def directory_of(path: str) -> str | None:
    """Where what is on its way to a file waits: beside it, for there has to be room for it."""
    target = os.path.realpath(path)
    if path == "-" or (os.path.exists(target) and not os.path.isfile(target)):
        return None
    return os.path.dirname(target)
