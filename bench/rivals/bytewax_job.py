"""The cart job on Bytewax: a stateful step keyed per user, with Bytewax's own recovery (SQLite).

python -m bytewax.run "bench.rivals.bytewax_job:flow_of('HOST:PORT','LOG','OUT')" -r DIR -s 10 -b 0

It reads the log to its end. A deadline that lies ahead by the clock on the wall is waited for; one
behind it, as when a backlog is read, is found at the user's next event. Delivery is at least once.
"""

from __future__ import annotations

from datetime import UTC, datetime

import bytewax.operators as op
from bytewax.connectors.kafka import (
    KafkaError,
    KafkaSink,
    KafkaSinkMessage,
    KafkaSource,
    KafkaSourceMessage,
)
from bytewax.dataflow import Dataflow
from bytewax.operators import StatefulBatchLogic

from bench.rivals.cart_job import Cart, Event, advance, decide, event_of, instant

Record = KafkaSourceMessage[bytes | None, bytes | None]
Failure = KafkaError[bytes | None, bytes | None]
State = tuple[str, int, tuple[str, ...], int, int, int, int]


class CartLogic(StatefulBatchLogic[Event, bytes, State]):
    """One user's cart."""

    def __init__(self, resumed: State | None) -> None:
        self._user = ""
        self._cart = Cart()
        if resumed is not None:
            self._user, views, message_ids, *instants = resumed
            self._cart = Cart(views, list(message_ids), *instants)

    def on_batch(self, values: list[Event]) -> tuple[list[bytes], bool]:
        """Apply some events."""
        self._user = values[-1].user
        return [fired for event in values for fired in advance(self._cart, event)], self.RETAIN

    def on_notify(self) -> tuple[list[bytes], bool]:
        """The timer is due."""
        deadline_ms = self._cart.deadline_ms
        fired = decide(self._cart, self._user, deadline_ms) if deadline_ms else []
        return fired, self.RETAIN

    def notify_at(self) -> datetime | None:
        """When to be called though nothing has come."""
        if not self._cart.deadline_ms:
            return None
        deadline = instant(self._cart.deadline_ms)
        return deadline if deadline > datetime.now(UTC) else None

    def snapshot(self) -> State:
        """What recovery keeps: a copy that no later event changes."""
        cart = self._cart
        instants = (cart.entry_ms, cart.base_ms, cart.deadline_ms, cart.ordered_ms)
        return (self._user, cart.views, tuple(cart.message_ids), *instants)


def flow_of(servers: str, log: str, out: str) -> Dataflow:
    """The dataflow, from topic to topic."""
    flow = Dataflow("carts")
    read = op.input("read", flow, KafkaSource([servers], [log], tail=False))
    # KafkaSourceMessage
    events = op.flat_map_batch("decode", read, events_of)
    # (user, Event)
    fired = op.stateful_batch("cart", events, CartLogic)
    # (user, reminder)
    messages = op.map("message", fired, message_of)
    # KafkaSinkMessage
    op.output("write", messages, KafkaSink([servers], out))
    return flow


def events_of(records: list[Record | Failure]) -> list[tuple[str, Event]]:
    """The usable events of a batch, by user; the source raises failures itself."""
    events = [
        event_of(record.value, log_ms_of(record))
        for record in records
        if isinstance(record, KafkaSourceMessage)
    ]
    return [(event.user, event) for event in events if event is not None]


def log_ms_of(record: Record) -> int:
    """The broker's time of a record."""
    assert record.timestamp is not None, "the log's records have the broker's time"
    return record.timestamp[1]


def message_of(reminder: tuple[str, bytes]) -> KafkaSinkMessage[bytes, bytes]:
    """A reminder as a message for its topic."""
    user, value = reminder
    return KafkaSinkMessage(key=user.encode(), value=value)
