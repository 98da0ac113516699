"""A broker in memory: the twin of Kafka for tests and simulations, with the same promises.

Log times are what the caller says: they are an argument, as everywhere.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from connectors.events import RawBatch
from connectors.late import is_late, outgoing
from connectors.log import (
    EXAMPLES_TOPIC,
    ControlKind,
    ControlRecord,
    Fenced,
    Keyed,
    OutboxEntry,
    Polled,
)


class MemoryBroker:
    """The log's partitions, the topics beside it and the notes of what was relayed.

    `now_ms` is the broker's clock: the log time of what is appended next.
    """

    def __init__(self, partitions: int) -> None:
        self.now_ms = 0
        self.log: list[list[tuple[int, str, bytes]]] = [[] for _ in range(partitions)]
        self.topics: dict[str, list[tuple[bytes | None, bytes]]] = defaultdict(list)
        self.triggers: list[list[OutboxEntry]] = [[] for _ in range(partitions)]
        self.epochs = [0] * partitions
        self.notes: list[bytes | None] = [None] * partitions

    def append(self, partition: int, value: bytes, kind: str = "") -> None:
        """Append a record: an event, or with `kind` a control record."""
        self.log[partition].append((self.now_ms, kind, value))

    def reader(self, partition: int, next_offset: int) -> MemoryReader:
        """A reader of a partition from an offset on."""
        return MemoryReader(self.log[partition], next_offset)

    def examples(self, next_offset: int) -> MemoryReader:
        """A reader of the topic of examples, from an offset on."""
        return MemoryReader(TopicLog(self.topics[EXAMPLES_TOPIC]), next_offset)

    def examples_span(self) -> tuple[int, int]:
        """The first offset that the topic of examples has, and the next one."""
        return 0, len(self.topics[EXAMPLES_TOPIC])

    def writer(self) -> MemoryWriter:
        """A writer of control records."""
        return MemoryWriter(self)

    def relay(self, partition: int) -> MemoryRelay:
        """A relay of a partition's triggers."""
        return MemoryRelay(self, partition)

    def side_output(self, partition: int = -1) -> MemorySideOutput:
        """A sender of what is delivered at least once; in memory its topics have no partitions."""
        return MemorySideOutput(self)


class TopicLog(Sequence[tuple[int, str, bytes]]):
    """A topic's messages as a log is read: log times count for nothing."""

    def __init__(self, messages: list[tuple[bytes | None, bytes]]) -> None:
        self._messages = messages

    def __len__(self) -> int:
        return len(self._messages)

    def __getitem__(self, offset: Any) -> Any:
        return 0, "", self._messages[offset][1]


class MemoryReader:
    """See `connectors.log.LogReader`."""

    def __init__(self, log: Sequence[tuple[int, str, bytes]], next_offset: int) -> None:
        self._log = log
        self._next = next_offset

    def poll(self, count_max: int) -> Polled:
        """See `LogReader.poll`."""
        first, end = self._next, min(len(self._log), self._next + count_max)
        pieces: list[RawBatch | ControlRecord] = []
        run: list[tuple[int, bytes]] = []
        for offset in range(first, end):
            log_ms, kind, value = self._log[offset]
            if kind:
                pieces += raw_batches(run, offset - len(run))
                run = []
                pieces.append(ControlRecord(kind=kind, offset=offset, log_ms=log_ms, value=value))
            else:
                run.append((log_ms, value))
        pieces += raw_batches(run, end - len(run))
        self._next = end
        return Polled(
            pieces=pieces, record_count=end - first, next_offset=end, end_offset=len(self._log)
        )

    def close(self) -> None:
        """See `LogReader.close`."""


class MemoryWriter:
    """See `connectors.log.LogWriter`."""

    def __init__(self, broker: MemoryBroker) -> None:
        self._broker = broker

    def append(self, partition: int, kind: ControlKind, value: bytes) -> None:
        """See `LogWriter.append`."""
        self._broker.append(partition, value, kind)

    def flush(self, seconds: float) -> None:
        """See `LogWriter.flush`."""


class MemoryRelay:
    """See `connectors.log.Relay`."""

    def __init__(self, broker: MemoryBroker, partition: int) -> None:
        self._broker = broker
        self._partition = partition
        self._epoch = 0

    def begin(self) -> bytes | None:
        """See `Relay.begin`."""
        self._broker.epochs[self._partition] += 1
        self._epoch = self._broker.epochs[self._partition]
        return self._broker.notes[self._partition]

    def relay(self, entries: Sequence[OutboxEntry], now_ms: int = 0) -> None:
        """See `Relay.relay`."""
        if self._broker.epochs[self._partition] != self._epoch:
            raise Fenced(f"partition {self._partition}: another owner has begun since")
        on_time = [entry for entry in entries if not is_late(entry, now_ms)]
        self._broker.triggers[self._partition].extend(on_time)
        self._broker.notes[self._partition] = entries[-1].place
        for message in outgoing(entries, now_ms):
            if message.control is not None:
                self._broker.append(self._partition, message.value, message.control)
            else:
                self._broker.topics[message.topic].append((message.key, message.value))

    def close(self) -> None:
        """See `Relay.close`."""


class MemorySideOutput:
    """See `connectors.log.SideOutput`."""

    def __init__(self, broker: MemoryBroker) -> None:
        self._broker = broker

    def produce(self, topic: str, key: bytes | None, value: bytes) -> None:
        """See `SideOutput.produce`."""
        self._broker.topics[topic].append((key, value))

    def produce_all(self, topic: str, messages: Sequence[Keyed]) -> None:
        """See `SideOutput.produce_all`."""
        self._broker.topics[topic] += messages

    def flush(self, seconds: float) -> None:
        """See `SideOutput.flush`."""


def raw_batches(records: list[tuple[int, bytes]], first_offset: int) -> list[RawBatch]:
    """The records (log time, value) from `first_offset` on as a batch; none of no records."""
    if not records:
        return []
    length = np.array([len(value) for _, value in records], np.int64)
    data = b"\n".join(value for _, value in records) + b"\n"
    return [
        RawBatch(
            data=np.frombuffer(data, np.uint8),
            start=np.cumsum(length + 1) - length - 1,
            length=length,
            offset=np.arange(first_offset, first_offset + len(records), dtype=np.int64),
            log_ms=np.array([log_ms for log_ms, _ in records], np.int64),
        )
    ]
