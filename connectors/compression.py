"""Compressed files, told apart by suffix: .gz, .xz and .zst; every other name is plain bytes."""

from __future__ import annotations

import gzip
import io
import lzma
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, cast

import zstandard

if TYPE_CHECKING:
    from typing_extensions import Buffer

DAMAGE = (EOFError, lzma.LZMAError, zlib.error, zstandard.ZstdError, gzip.BadGzipFile)
"""What reading a damaged or cut-short compressed file raises."""

ZSTD_INPUT_BYTES = 16 << 10
XZ_PRESET = 2


def decompressed(path: str) -> BinaryIO:
    """The bytes of a file, as its suffix says. Damage shows as one of `DAMAGE` while reading."""
    if path.endswith(".gz"):
        return cast(BinaryIO, gzip.open(path, "rb"))
    if path.endswith(".xz"):
        return cast(BinaryIO, lzma.open(path, "rb"))
    if path.endswith(".zst"):
        return io.BufferedReader(_ZstdReader(open(path, "rb")))
    return open(path, "rb")


@contextmanager
def compressed(file: BinaryIO, path: str) -> Iterator[BinaryIO]:
    """What is written goes to `file`, compressed by the path's suffix; `file` stays open."""
    if path.endswith(".gz"):
        with gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as stream:
            yield cast(BinaryIO, stream)
    elif path.endswith(".xz"):
        with lzma.open(file, "wb", preset=XZ_PRESET) as stream:
            yield cast(BinaryIO, stream)
    elif path.endswith(".zst"):
        with zstandard.ZstdCompressor().stream_writer(file, closefd=False) as stream:
            yield stream
    else:
        yield file


class _ZstdReader(io.RawIOBase):
    """Decompresses zstd; unlike zstandard's own reader it notices a last frame cut short."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._frame: zstandard.ZstdDecompressionObj | None = None
        self._input = b""
        self._output = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer) -> int:
        """Fill `buffer` as far as what is at hand goes; 0 at the end of the file."""
        while not self._output and self._advance():
            pass
        view = memoryview(buffer).cast("B")
        size = min(len(view), len(self._output))
        view[:size] = self._output[:size]
        self._output = self._output[size:]
        return size

    def close(self) -> None:
        self._file.close()
        super().close()

    def _advance(self) -> bool:
        """Decompress one more piece; false at the end of the file."""
        piece = self._input or self._file.read(ZSTD_INPUT_BYTES)
        self._input = b""
        if not piece:
            if self._frame is not None:
                raise EOFError("it ends within a zstd frame")
            return False
        if self._frame is None:
            self._frame = zstandard.ZstdDecompressor().decompressobj()
        self._output = memoryview(self._frame.decompress(piece))
        if self._frame.eof:
            self._input = self._frame.unused_data
            self._frame = None
        return True
