"""The records of the log that carry versions: pushed to all partitions, and looked for in one."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from connectors.failpoints import failpoint
from connectors.log import ControlKind, ControlRecord, LogReader, LogWriter

RECORD_BYTES_MAX = 900_000
FLUSH_SECONDS = 10.0
SCAN_RECORDS = 5_000
IDLE_POLLS_MAX = 1_000
"""Polls that bring neither a record nor the log's end, after which nobody answers; a poll waits for
10 ms then."""


class LogRecordError(Exception):
    """A version in the log cannot be read: its partition stops there."""


def push_to_all(writer: LogWriter, partitions: int, kind: ControlKind, value: bytes) -> None:
    """One record to every partition; raises `OSError` when they are not acknowledged.

    Partition 0 comes last: it is where a log is asked what it has, and what is killed in between
    would else leave partitions without.
    """
    for some in (range(1, partitions), range(1)):
        for partition in some:
            writer.append(partition, kind, value)
        writer.flush(FLUSH_SECONDS)
        if 0 not in some:
            failpoint("half_published")


def records_ahead(
    reader: LogReader, kind: ControlKind, pause: Callable[[], None]
) -> Iterator[ControlRecord]:
    """The control records of a kind from where a reader stands to the present end of the log.

    `pause` waits for some 10 ms while the broker fetches.

    Raises:
        OSError: the log could not be read to its end.
    """
    idle = 0
    while idle < IDLE_POLLS_MAX:
        polled = reader.poll(SCAN_RECORDS)
        for piece in polled.pieces:
            if isinstance(piece, ControlRecord) and piece.kind == kind:
                yield piece
        if polled.record_count:
            idle = 0
        elif polled.end_offset >= 0 and polled.next_offset >= polled.end_offset:
            return
        else:
            idle += 1
            pause()
    raise OSError(
        f"the log: expected to be read to its end, or to a {kind}, got nothing from the broker for "
        "ten seconds; see that it runs and that its topics have leaders"
    )
