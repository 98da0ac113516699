"""A log that is recorded in files: slices of it, and where a later run goes on reading."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence

from msgspec import Struct

from connectors.events import RawBatch
from connectors.files import Chunk, Source, read_chunks, source_identity
from flows.slices import Slice, no_records
from state.store import SourcePosition

SOURCES_MAX = 10_000
"""Files that a state remembers as consumed."""


class Segment(Struct, frozen=True, kw_only=True):
    """What is read of one file: `first_offset` is that of the line after `skip_lines`."""

    identity: str
    skip_lines: int
    first_offset: int


class RecordedLog:
    """Files that continue the log from `next_offset` on.

    Of a file that is known from earlier runs (`consumed`), whatever its name is now, only the
    lines after those consumed are read; "-" and what is no regular file are always new.
    """

    def __init__(
        self,
        paths: Sequence[str],
        *,
        next_offset: int = 0,
        consumed: Sequence[SourcePosition] = (),
        resumable: bool = False,
    ) -> None:
        self._paths = paths
        self._next_offset = next_offset
        self._resumable = resumable
        self._consumed = {position.identity: position.line_count for position in consumed}
        self._segments: list[Segment] = []

    def slices(self, batch_size: int, stopped: Callable[[], bool]) -> Iterator[Slice]:
        """The log in slices of at most `batch_size` lines, then an empty one that is `last`.

        Once `stopped` says so the log is left where it is, without a last slice. Raises `OSError`
        for what cannot be read.
        """
        offset = self._next_offset
        for path in self._paths:
            source = self._begin(path, offset)
            for chunk in read_chunks([source], batch_size, first_offset=offset):
                if stopped():
                    return
                offset = chunk.next_offset
                yield Slice(records=raw_batch(chunk), next_offset=offset)
        if not stopped():
            yield Slice(records=no_records(), next_offset=offset, last=True)

    def positions(self, next_offset: int) -> tuple[SourcePosition, ...]:
        """How far each file is consumed if all before `next_offset` is, oldest file first."""
        line_counts = dict(self._consumed)
        ends = [segment.first_offset for segment in self._segments[1:]]
        for segment, end in zip(self._segments, [*ends, next_offset], strict=False):
            read_count = min(end, next_offset) - segment.first_offset
            if segment.identity and read_count > 0:
                line_counts[segment.identity] = segment.skip_lines + read_count
        return tuple(
            SourcePosition(identity=identity, line_count=line_count)
            for identity, line_count in line_counts.items()
        )

    def _begin(self, path: str, offset: int) -> Source:
        """Note that `path` begins at `offset`, after the lines of it that are consumed."""
        identity = source_identity(path) if self._resumable and os.path.isfile(path) else ""
        known = {position.identity: position.line_count for position in self.positions(offset)}
        segment = Segment(identity=identity, skip_lines=known.get(identity, 0), first_offset=offset)
        self._segments.append(segment)
        return Source(path=path, skip_lines=segment.skip_lines)


def raw_batch(chunk: Chunk) -> RawBatch:
    """A chunk's lines as records of a file, whose log times are in the records themselves."""
    return RawBatch(
        data=chunk.data, start=chunk.start, length=chunk.length, offset=chunk.offset, log_ms=None
    )
