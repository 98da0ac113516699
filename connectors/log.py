"""The log and the topics beside it, as the live engine sees them: what a broker has to offer.

Two implementations: Kafka (`kafka.py`, `kafka_relay.py`) and one in memory (`memory_broker.py`),
held to the same promises by `tests/test_broker_contract.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, Protocol

from msgspec import Struct

if TYPE_CHECKING:
    from connectors.events import RawBatch

ControlKind = Literal["tick", "config", "model", "withheld"]
CONTROL_HEADER = "beckon-control"
CONTROL_KINDS: tuple[ControlKind, ...] = ("tick", "config", "model", "withheld")

LOG_TOPIC, RELAYED_TOPIC, REDRIVEN_TOPIC = "events", "relayed", "redriven"
TRIGGERS_TOPIC, SUPPRESSED_TOPIC, GOALS_TOPIC = "triggers", "suppressed", "goals"
TAGS_TOPIC, DEAD_LETTERS_TOPIC, EXAMPLES_TOPIC = "tags", "dead-letters", "examples"
"""Names of topics, behind the prefix and a dot."""


Keyed = tuple[bytes | None, bytes]
"""Key and value of a message."""


class ControlRecord(Struct, frozen=True, kw_only=True):
    """A record of the log that is not a user's event. `kind` is what its header says, unchecked."""

    kind: str
    offset: int
    log_ms: int
    value: bytes


class Polled(Struct, frozen=True, kw_only=True):
    """What one poll of a partition brought, in log order.

    `end_offset`: where the log ended when the broker last said so; `next_offset` of an idle reader
    equals it. `heard`: the broker has answered since the last poll, be it that there is nothing; of
    one that is well this holds each second or two.
    """

    pieces: list[RawBatch | ControlRecord]
    record_count: int
    next_offset: int
    end_offset: int
    heard: bool = True


class OutboxEntry(Struct, frozen=True, array_like=True):
    """A trigger on its way: its place (encoded), the user's id as key, the message.

    expires_ms: after this instant it is too late to send.
    """

    place: bytes
    key: bytes
    value: bytes
    expires_ms: int


class Outgoing(Struct, frozen=True, kw_only=True):
    """A message of a transaction; `control` makes it a control record."""

    topic: str
    key: bytes | None
    value: bytes
    control: ControlKind | None = None


class Fenced(Exception):  # noqa: N818  (an event of normal life, not a fault)
    """Another owner has taken the partition over; nothing that was begun has happened."""


class LogReader(Protocol):
    """Reads one partition of the log from an offset on, committed records only."""

    def poll(self, count_max: int) -> Polled:
        """What has arrived, at most `count_max` records; returns at once.

        Raises:
            OSError: the broker refuses, or no longer has the offset; transport errors are retried.
        """
        ...

    def close(self) -> None:
        """Leave the broker."""
        ...


class LogWriter(Protocol):
    """Appends control records to the log."""

    def append(self, partition: int, kind: ControlKind, value: bytes) -> None:
        """Hand a record over; it is in the log soon, or `flush` says that it is not."""
        ...

    def flush(self, seconds: float) -> None:
        """Wait until everything is acknowledged; raises `OSError` when it is not in time."""
        ...


class Relay(Protocol):
    """Hands triggers on, exactly once: messages and the note of the last one's place are one."""

    def begin(self) -> bytes | None:
        """Fence earlier owners and settle what they left; the last place noted, None without one.

        Called once, before `relay`.
        """
        ...

    def relay(self, entries: Sequence[OutboxEntry], now_ms: int = 0) -> None:
        """Send entries in their order and note the last place; all of it or nothing.

        What may no longer be sent at `now_ms` by the wall clock goes out as `connectors.late` says.

        Raises:
            Fenced: another owner has begun since.
            OSError: it did not happen, or it is not known whether it did; `begin` again tells.
        """
        ...

    def close(self) -> None:
        """Leave the broker."""
        ...


class SideOutput(Protocol):
    """Sends what is delivered at least once: all messages but triggers."""

    def produce(self, topic: str, key: bytes | None, value: bytes) -> None:
        """Hand a message over."""
        ...

    def produce_all(self, topic: str, messages: Sequence[Keyed]) -> None:
        """Hand messages over, in their order."""
        ...

    def flush(self, seconds: float) -> None:
        """Wait until everything is acknowledged; raises `OSError` when it is not in time."""
        ...
