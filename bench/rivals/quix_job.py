"""The cart job on Quix Streams: a stateful step per key, exactly once, with its changelog topics.

python -m bench.rivals.quix_job HOST:PORT LOG OUT STATE_DIR

It ends when nothing has come for IDLE_SECONDS. Quix Streams knows no timers beside windows: a
deadline is found at the user's next event. It runs in an environment of its own
(`bench/rivals/environment.py`).
"""

from __future__ import annotations

import sys
from typing import Any

import msgspec
from quixstreams import Application, State  # type: ignore[import-not-found]  # see above

from bench.rivals.cart_job import Cart, Event, advance, event_of

CART = "cart"
IDLE_SECONDS = 3.0


def main() -> int:
    """Run over the log of the command line."""
    servers, log, out, folder = sys.argv[1:]
    application = Application(
        broker_address=servers,
        consumer_group=out,
        auto_offset_reset="earliest",
        processing_guarantee="exactly-once",
        state_dir=folder,
        loglevel="WARNING",
    )
    read = application.topic(log, key_deserializer="str", value_deserializer="bytes")
    written = application.topic(out, key_serializer="str", value_serializer="bytes")
    events = application.dataframe(read).apply(as_event, metadata=True)
    events = events.filter(is_usable)
    events.apply(fired, stateful=True, expand=True).to_topic(written)
    application.run(timeout=IDLE_SECONDS)
    return 0


def as_event(value: bytes, key: Any, timestamp_ms: int, headers: Any) -> Event | None:
    """The event in a record."""
    return event_of(value, timestamp_ms)


def is_usable(event: Event | None) -> bool:
    """Whether a record held an event."""
    return event is not None


def fired(event: Event, state: State) -> list[bytes]:
    """Apply an event to its user's cart; the reminders that are due."""
    cart = msgspec.convert(state.get(CART) or [], Cart)
    reminders = advance(cart, event)
    state.set(CART, msgspec.to_builtins(cart))
    return reminders


if __name__ == "__main__":
    sys.exit(main())
