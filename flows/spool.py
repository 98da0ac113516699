"""Lines of several partitions, kept in a temporary file until they can be put in one order."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from itertools import pairwise
from tempfile import TemporaryFile

BLOCK_BYTES = 64 * 1024
"""What is in memory of each partition while they are merged."""


class Spool:
    """Lines of one partition after the other.

    The file has no name: whatever ends the process, nothing is left of it.
    """

    def __init__(self, directory: str | None) -> None:
        """A spool in a directory, None for where temporary files go."""
        self._file = TemporaryFile(dir=directory)  # noqa: SIM115  (open as long as the spool is)
        self._ends = [0]

    def append(self, lines: Iterable[bytes]) -> None:
        """Add lines, none of which has a newline, to the present partition."""
        for line in lines:
            self._file.write(line)
            self._file.write(b"\n")

    def end_partition(self) -> None:
        """What follows is another partition's."""
        self._file.flush()
        self._ends.append(self._file.tell())

    def partitions(self) -> list[Iterator[bytes]]:
        """The lines of each partition, read as they are asked for."""
        return [self._lines(begin, end) for begin, end in pairwise(self._ends)]

    def close(self) -> None:
        """Forget all."""
        self._file.close()

    def _lines(self, begin: int, end: int) -> Iterator[bytes]:
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
