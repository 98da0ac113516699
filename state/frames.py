"""How commits lie in a file: frames with a checksum each, and how the last whole commit is found.

A commit is some piece frames and one seal frame, which says where the commit starts. What a crash
leaves behind the last seal is no commit; damage before a later seal is damage, never passed over.

    file   = file header, commit, commit, ...
    commit = frame(PIECE) ..., frame(SEAL)
    frame  = marker, length of the payload, checksum, payload
"""

from __future__ import annotations

import hashlib
import os
import struct
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec
from msgspec import Struct

from state.store import LastCommit, Piece, StoreError

FORMAT = 1
MAGIC = b"BECKON\r\n"
PIECE = b"BKp\n"
SEAL = b"BKs\n"
CHECKSUM_BYTES = 16
PAYLOAD_BYTES_MAX = 1 << 28
ROW_BYTES = 1000
"""What learns counts as so many entries as rows of this size would be."""

BLOCK_BYTES = 1 << 20
"""Bytes at a time in which seals are looked for behind damage."""

FILE_HEADER = struct.Struct(f"<8sHHH{CHECKSUM_BYTES}s")
FRAME_START = struct.Struct("<4sI")
FRAME_HEADER = struct.Struct(f"<4sI{CHECKSUM_BYTES}s")


class Seal(Struct, frozen=True, array_like=True):
    """The end of a commit: what makes its pieces count.

    `start` is where in the file the commit starts, `entry_count` how many rows and outbox entries
    the file holds up to here.
    """

    start: int
    piece_count: int
    entry_count: int
    last: LastCommit


class Tail(Struct, frozen=True, kw_only=True):
    """A file's last whole commit: its seal, and where it ends."""

    seal: Seal
    end: int


def file_header(partition: int, partitions: int, *, version: int = FORMAT) -> bytes:
    """The first bytes of a partition's file."""
    content = struct.pack("<8sHHH", MAGIC, version, partition, partitions)
    return content + _checksum(content)


def read_file_header(path: Path) -> tuple[int, int]:
    """(partition, number of partitions) that the file was made for.

    Raises:
        StoreError: it is no such file, or of a format that this version does not know.
    """
    with path.open("rb") as file:
        content = file.read(FILE_HEADER.size)
    if len(content) == FILE_HEADER.size:
        magic, version, partition, partitions, checksum = FILE_HEADER.unpack(content)
        if magic == MAGIC and checksum == _checksum(content[:-CHECKSUM_BYTES]):
            if version == FORMAT:
                return partition, partitions
            raise StoreError(
                str(path),
                expected=f"format {FORMAT}",
                got=f"format {version}",
                fix="use the Beckon that wrote it, or replay the log into a new directory",
            )
    raise StoreError(
        str(path),
        expected="a Beckon state file",
        got="other or damaged first bytes",
        fix="restore a copy, or replay the log into a new directory",
    )


def write_commit(
    file: BinaryIO, pieces: Iterable[Piece], last: LastCommit, *, entries_before: int = 0
) -> Tail:
    """Append a commit where `file` stands. On return it is on disk."""
    start = file.tell()
    piece_count = 0
    entry_count = entries_before
    for piece in pieces:
        file.write(_frame(PIECE, msgspec.msgpack.encode(piece)))
        piece_count += 1
        entry_count += len(piece.rows) + len(piece.outbox) + len(piece.learner) // ROW_BYTES
    seal = Seal(start, piece_count, entry_count, last)
    file.write(_frame(SEAL, msgspec.msgpack.encode(seal)))
    file.flush()
    os.fsync(file.fileno())
    return Tail(seal=seal, end=file.tell())


def find_tail(file: BinaryIO) -> Tail:
    """Read the whole file and find its last whole commit; what follows it was never committed.

    A run may write to the file meanwhile: a commit made meanwhile counts whole or not at all.

    Raises:
        StoreError: there is no whole commit (a file appears with one in it, so it was damaged), or
            there is one behind a damaged one.
    """
    size = file.seek(0, os.SEEK_END)
    tail = None
    for found in _tails(file):
        tail = found
    damage = _damaged_commit(file, tail, size)
    if tail is None or damage is not None:
        raise StoreError(
            file.name,
            expected="whole commits",
            got=f"a damaged one at byte {FILE_HEADER.size if damage is None else damage}",
            fix="restore a copy, or replay the log into a new directory",
        )
    return tail


def last_tails(file: BinaryIO) -> list[Tail]:
    """The last two whole commits of a file in which `find_tail` has found one, the older first."""
    return [*deque(_tails(file), maxlen=2)]


def read_pieces(file: BinaryIO, *, start: int = FILE_HEADER.size, end: int) -> Iterator[Piece]:
    """The pieces from `start` to `end`, places that `find_tail` has found and checked."""
    decoder = msgspec.msgpack.Decoder(Piece)
    file.seek(start)
    while file.tell() < end:
        marker, length, _ = FRAME_HEADER.unpack(file.read(FRAME_HEADER.size))
        payload = file.read(length)
        if marker == PIECE:
            yield decoder.decode(payload)


def _tails(file: BinaryIO) -> Iterator[Tail]:
    """The file's whole commits in order, up to the first thing that is none."""
    start = file.seek(FILE_HEADER.size)
    piece_count = 0
    while (found := _read_frame(file)) is not None:
        marker, payload = found
        if marker == PIECE:
            piece_count += 1
            continue
        seal = msgspec.msgpack.decode(payload, type=Seal)
        if (seal.start, seal.piece_count) != (start, piece_count):
            return
        start, piece_count = file.tell(), 0
        yield Tail(seal=seal, end=start)


def _damaged_commit(file: BinaryIO, tail: Tail | None, size: int) -> int | None:
    """Where the damaged commit starts that a whole one follows, of the first `size` bytes."""
    start = tail.end if tail else FILE_HEADER.size
    for place in _seals(file, start, size):
        file.seek(place)
        found = _read_frame(file)
        if found and msgspec.msgpack.decode(found[1], type=Seal).start > start:
            return start
    return None


def _seals(file: BinaryIO, start: int, end: int) -> Iterator[int]:
    """Each place from `start` to `end` where a seal may begin, read block by block.

    (Not through a memory map: of a file that another process cuts that would kill this one.)
    """
    while start < end:
        file.seek(start)
        block = file.read(min(BLOCK_BYTES, end - start))
        place = block.find(SEAL)
        while place >= 0:
            yield start + place
            place = block.find(SEAL, place + 1)
        if start + len(block) >= end or len(block) < len(SEAL):
            return
        # A marker may lie across the border of two blocks.
        start += len(block) - len(SEAL) + 1


def _frame(marker: bytes, payload: bytes) -> bytes:
    """`payload` as it stands in a file."""
    assert len(payload) <= PAYLOAD_BYTES_MAX, "a payload must fit into a frame"
    start = FRAME_START.pack(marker, len(payload))
    return start + _checksum(start, payload) + payload


def _read_frame(file: BinaryIO) -> tuple[bytes, bytes] | None:
    """(marker, payload) of the frame that starts here; None if there is no whole and sound one."""
    header = file.read(FRAME_HEADER.size)
    if len(header) < FRAME_HEADER.size:
        return None
    marker, length, checksum = FRAME_HEADER.unpack(header)
    if marker not in (PIECE, SEAL) or length > PAYLOAD_BYTES_MAX:
        return None
    payload = file.read(length)
    if len(payload) < length or checksum != _checksum(header[: FRAME_START.size], payload):
        return None
    return marker, payload


def _checksum(*parts: bytes) -> bytes:
    digest = hashlib.blake2b(digest_size=CHECKSUM_BYTES)
    for part in parts:
        digest.update(part)
    return digest.digest()
