"""Files as sources and sinks of bytes: raw lines with their offsets in, whole files out.

A path may end in .gz, .xz or .zst; "-" is standard input or output. What cannot be read (missing,
damaged, cut short) is an `OSError` that names the path.
"""

from __future__ import annotations

import hashlib
import io
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, cast

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from connectors.compression import DAMAGE, compressed, decompressed

if TYPE_CHECKING:
    from typing_extensions import Buffer

BLOCK_BYTES = 4 << 20
"""Sources are read in blocks of this size."""

LINE_BYTES_MAX = 1 << 20
"""A longer line is cut, so that memory stays bounded: no record may be that long anyway."""

CUT_LINE_BYTES = 65_537
"""What is delivered of a line that was cut: one byte more than a record may have."""

IDENTITY_BYTES = 4096
PART_FILES_MAX = 1000
NEWLINE, RETURN = 10, 13


class Source(Struct, frozen=True, kw_only=True):
    """A file to read, from after its first `skip_lines` lines on."""

    path: str
    skip_lines: int = 0


class Chunk(NamedTuple):
    """Consecutive lines of one source, as spans of `data` without their line ends.

    Empty lines have no row, but they count for `offset`, `next_offset` and `source_lines`. `cut`
    marks lines of more than LINE_BYTES_MAX, of which only the first CUT_LINE_BYTES are here.
    `source` is the index of the source, `source_lines` how many of its lines end with this chunk.
    """

    data: NDArray[np.uint8]
    start: NDArray[np.int64]
    length: NDArray[np.int64]
    offset: NDArray[np.int64]
    cut: NDArray[np.bool_]
    next_offset: int
    source: int
    source_lines: int

    def lines(self) -> list[bytes]:
        """The lines as bytes, for those who want Python objects."""
        data = self.data.tobytes()
        ends = self.start + self.length
        return [data[a:b] for a, b in zip(self.start.tolist(), ends.tolist(), strict=True)]


def read_chunks(
    sources: Sequence[Source],
    chunk_lines: int,
    *,
    first_offset: int = 0,
    block_bytes: int = BLOCK_BYTES,
) -> Iterator[Chunk]:
    """All lines of the sources, in order, at most `chunk_lines` of one source at a time.

    The offset of a line is its number, counted over all sources from `first_offset`; skipped lines
    do not count. A last line without a line end is a line. What is read at once (`block_bytes`)
    makes no difference but to speed and memory. Raises `OSError` when a source cannot be read.
    """
    assert chunk_lines > 0, "a chunk holds at least one line"
    offset = first_offset
    for index, source in enumerate(sources):
        seen = 0
        with open_bytes(source.path) as stream:
            for block in _line_blocks(stream, block_bytes):
                first = max(source.skip_lines - seen, 0)
                for begin in range(first, block.line_count, chunk_lines):
                    end = min(begin + chunk_lines, block.line_count)
                    yield block.chunk(begin, end, (offset, index, seen + end))
                    offset += end - begin
                seen += block.line_count


def source_identity(path: str) -> str:
    """Digest of a file's first line (at most 4 KiB of it): the same as long as the file only grows.

    Standard input has none (""): it is never the same source again.
    """
    if path == "-":
        return ""
    with open_bytes(path) as stream:
        return hashlib.blake2b(stream.readline(IDENTITY_BYTES), digest_size=16).hexdigest()


@contextmanager
def open_bytes(path: str) -> Iterator[BinaryIO]:
    """The bytes of a file, decompressed by its suffix; "-" is standard input."""
    if path == "-":
        yield sys.stdin.buffer
        return
    try:
        with decompressed(path) as stream:
            yield stream
    except DAMAGE as error:
        problem = f"{path}: expected a whole compressed file, got a damaged one: {error}"
        raise OSError(problem) from error


@contextmanager
def output(path: str) -> Iterator[BinaryIO]:
    """A file to write, compressed by suffix; it appears whole when the block ends without error.

    Until then it stands beside its place under another name; on an error or an interrupt it is
    removed and an older file of that name is untouched. "-" is standard output, which gets whole
    lines only. What is no regular file (a pipe, a device) is written to directly.
    """
    if path == "-":
        yield from _standard_output()
        return
    target = os.path.realpath(path)
    if os.path.exists(target) and not os.path.isfile(target):
        with open(target, "wb") as device, compressed(device, path) as stream:
            yield stream
        return
    part, file = _open_part(target)
    try:
        with file:
            with compressed(file, path) as stream:
                yield stream
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, target)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(part)
        raise
    _make_durable(os.path.dirname(target))


_NO_BYTES = np.zeros(0, np.uint8)


class _Block(NamedTuple):
    """Whole lines of a source, empty ones included; `ends` are where their line ends stand."""

    data: NDArray[np.uint8]
    ends: NDArray[np.int64]
    first_is_cut: bool

    @property
    def line_count(self) -> int:
        return len(self.ends)

    def chunk(self, begin: int, end: int, position: tuple[int, int, int]) -> Chunk:
        """Lines begin .. end; `position`: their first offset, the source, its lines up to `end`."""
        offset, source, source_lines = position
        ends = self.ends[begin:end]
        begin_at = int(self.ends[begin - 1]) + 1 if begin else 0
        data = self.data[begin_at : int(ends[-1])]
        ends = ends - begin_at
        start = np.concatenate((np.zeros(1, np.int64), ends[:-1] + 1))
        length = ends - start
        cut = length > LINE_BYTES_MAX
        if begin == 0 and self.first_is_cut:
            cut[0] = True
        ends_in_return = length > 0
        ends_in_return[ends_in_return] = data[ends[ends_in_return] - 1] == RETURN
        length = np.where(cut, CUT_LINE_BYTES, length - ends_in_return)
        rows = np.flatnonzero(length)
        next_offset = offset + end - begin
        offsets = rows + offset
        spans = (data, start[rows], length[rows], offsets, cut[rows])
        return Chunk(*spans, next_offset, source, source_lines)


def _line_blocks(stream: BinaryIO, block_bytes: int) -> Iterator[_Block]:
    """The stream in blocks that end with a line end; a last line without one is given one.

    Each block is read into memory of its own, behind what the one before it left over: bytes are
    copied once.
    """
    tail, tail_is_cut = _NO_BYTES, False
    while True:
        buffer = np.empty(len(tail) + block_bytes, np.uint8)
        buffer[: len(tail)] = tail
        count = cast(io.BufferedIOBase, stream).readinto(buffer.data[len(tail) :])
        if not count:
            break
        data = buffer[: len(tail) + count]
        ends = np.flatnonzero(data == NEWLINE)
        if tail_is_cut and len(ends) == 0:
            continue
        if tail_is_cut:
            data = np.concatenate((tail, data[ends[0] :]))
            ends = ends - (ends[0] - len(tail))
        end = int(ends[-1]) + 1 if len(ends) else 0
        if end:
            yield _Block(data[:end], ends, tail_is_cut)
            tail_is_cut = False
        tail = data[end:].copy()
        if len(tail) > LINE_BYTES_MAX:
            tail, tail_is_cut = tail[:CUT_LINE_BYTES].copy(), True
    if len(tail):
        data = np.append(tail, np.uint8(NEWLINE))
        yield _Block(data, np.array([len(tail)]), tail_is_cut)


def _open_part(target: str) -> tuple[str, BinaryIO]:
    """A new file beside the target, under the first name that nothing has."""
    directory, name = os.path.split(target)
    for number in range(PART_FILES_MAX):
        part = os.path.join(directory, f".{name}.part{number}")
        try:
            return part, open(part, "xb", buffering=1 << 20)
        except FileExistsError:
            continue
    problem = f"expected a free name for its temporary file, got {PART_FILES_MAX} old ones"
    raise OSError(f"{target}: {problem}")


def _make_durable(directory: str) -> None:
    """Have the names in a directory survive a loss of power."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _standard_output() -> Iterator[BinaryIO]:
    """Standard output as a stream of whole lines; half a line that an error leaves is dropped."""
    lines = _WholeLines(sys.stdout.buffer)
    yield cast(BinaryIO, lines)
    lines.finish()


class _WholeLines(io.RawIOBase):
    """Passes on whole lines only, each piece without an interrupt between its bytes."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._waiting = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Buffer) -> int:
        """Take bytes; pass on up to the last line end once there is a pipe's worth of them."""
        self._waiting += data
        if len(self._waiting) >= io.DEFAULT_BUFFER_SIZE:
            self._pass_on(self._waiting.rfind(b"\n") + 1)
        return memoryview(data).nbytes

    def finish(self) -> None:
        """Pass on all that is left."""
        self._pass_on(len(self._waiting))

    def _pass_on(self, size: int) -> None:
        # An interrupt within a write would leave half a line behind: it waits for the write's end.
        held = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self._stream.write(self._waiting[:size])
            self._stream.flush()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, held)
        del self._waiting[:size]
