"""A crowd of users in one engine: what a user takes in memory, what an event and a tick cost.

Run as a program (`python -m bench.crowd USERS EVENTS`) it makes USERS users, each with a cart left
behind and so a pending timer, measures, and prints one JSON object; `measure_crowd` compares two
such runs.
"""

from __future__ import annotations

import gc
import random
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
from msgspec import Struct

from bench.measure import Figure, middle, run
from config.limits import DAY_MS, HOUR_MS
from config.load import load
from connectors.events import Decoder, RawBatch
from flows.decisions import Batch
from flows.partition import Engine

BATCH = 5000
TICKS = 50
LOG_START_MS = 1_767_225_600_000
"""2026-01-01. What the whole crowd does takes place within half an hour: no timer is due."""

CROWD_MS = 20 * 60 * 1000
BUYER_ONE_IN = 3
ORDERED_MS = LOG_START_MS - 36 * DAY_MS - DAY_MS // 2
"""When buyers ordered: a month of examples is open, and nothing that an order sets off is due."""

FIRST_OFFSET = 1_000_000_000
"""Of what the whole crowd does: behind all orders."""

REMINDER_AFTER_MS = 30 * 60 * 1000
"""When the default configuration's abandoned cart has its first stage."""

CONTEXT = (
    b'"context":{"library":{"name":"analytics.js","version":"2.1.0"},'
    b'"page":{"path":"/products/%d"}},"timestamp":"%b","receivedAt":"%b"}'
)
IDENTIFY = b'{"type":"identify","userId":"%b","messageId":"%b","traits":{"country":"DE"},' + CONTEXT
ITEM = (
    b'{"type":"track","event":"%b","userId":"%b","messageId":"%b","properties":{"product_id":"sku-%d",'
    b'"price":%d.99,"quantity":1,"category":"category-%d","cart_id":"cart-%d"},'
) + CONTEXT
ORDER = (
    b'{"type":"track","event":"Order Completed","userId":"%b","messageId":"%b","properties":'
    b'{"order_id":"order-%d","total":%d.99,"products":[{"product_id":"sku-%d","quantity":1}]},'
) + CONTEXT
BEHAVIOUR = (b"", b"Product Viewed", b"Product Viewed", b"Product Added", b"Product Viewed")
"""What each user does, in this order; the empty one is an identify."""


class Measured(Struct, frozen=True, kw_only=True):
    """What one crowd gave. Seconds are CPU seconds."""

    users: int
    resident_bytes: int
    event_seconds: float
    tick_seconds: float


def measure_crowd(*, small_users: int, large_users: int, events: int, rounds: int) -> list[Figure]:
    """Compare a small crowd with a large one, each in processes of their own, turn by turn."""
    small, large = [], []
    for _ in range(rounds):
        small.append(_in_a_process(small_users, events))
        large.append(_in_a_process(large_users, events))
    resident = middle([float(one.resident_bytes) for one in large]) - middle(
        [float(one.resident_bytes) for one in small]
    )
    small_us = middle([one.event_seconds for one in small]) * 1e6
    large_us = middle([one.event_seconds for one in large]) * 1e6
    tick_ms = middle([one.tick_seconds for one in large]) * 1e3
    return [
        Figure(
            name=f"memory per user at {large_users:,} users",
            value=resident / (large_users - small_users),
            unit="bytes",
            at_most=2048,
        ),
        Figure(name=f"an event at {small_users:,} users", value=small_us, unit="us"),
        Figure(name=f"an event at {large_users:,} users", value=large_us, unit="us"),
        Figure(name="what it costs more", value=large_us - small_us, unit="us", at_most=1.0),
        Figure(
            name=f"a tick over {large_users:,} timers, none due",
            value=tick_ms,
            unit="ms",
            at_most=20.0,
        ),
    ]


def measure_here(users: int, events: int) -> Measured:
    """Make the crowd in this process and measure it. CPU time is that of decoding and applying."""
    config = load(None)
    decoder, engine = Decoder(config), Engine(config)
    for batch in orders(users):
        apply(decoder, engine, batch)
    for _ in hours(decoder, engine, LOG_START_MS):
        pass  # what a month brings is made and forgotten
    for batch in first_messages(users):
        apply(decoder, engine, batch)
    assert engine.checkpoint.user_count == users, "every user of the crowd must be known"
    gc.collect()
    resident_bytes = _resident_bytes()
    later = [apply(decoder, engine, batch) / BATCH for batch in more_messages(users, events)]
    return Measured(
        users=users,
        resident_bytes=resident_bytes,
        event_seconds=middle(later),
        tick_seconds=middle([_tick(decoder, engine) for _ in range(TICKS)]),
    )


def apply(decoder: Decoder, engine: Engine, batch: RawBatch) -> float:
    """Decode a batch, apply it and render its triggers; the CPU seconds this took."""
    started = time.process_time()
    decoded = decoder.decode(batch, last=False)
    next_offset = int(batch.offset[-1]) + 1
    engine.process(decoded.columns, clock_ms=decoded.clock_ms, next_offset=next_offset).triggers()
    seconds = time.process_time() - started
    assert not decoded.dead_letters, decoded.dead_letters[0]
    return seconds


def orders(users: int) -> Iterator[RawBatch]:
    """An order of each buyer, in whole batches but for the last."""
    buyers = range(0, users, BUYER_ONE_IN)
    at = _instant(ORDERED_MS).encode()
    for first in range(0, len(buyers), BATCH):
        values = [
            ORDER
            % (
                *(b"user-%031d" % user, b"order-%016d" % user),
                *(user, user % 90, user % 10_000, user, at, at),
            )
            for user in buyers[first : first + BATCH]
        ]
        yield _records(values, ORDERED_MS, first)


def hours(decoder: Decoder, engine: Engine, until_ms: int) -> Iterator[Batch]:
    """What falls due by time alone up to an instant, hour after hour."""
    for at_ms in range(engine.checkpoint.clock_ms + HOUR_MS, until_ms, HOUR_MS):
        next_offset = engine.checkpoint.next_offset
        nothing = decoder.decode(_records([], at_ms, next_offset), last=False)
        yield engine.process(nothing.columns, clock_ms=at_ms, next_offset=next_offset)


def first_messages(users: int) -> Iterator[RawBatch]:
    """What makes the crowd: each user's first messages, user after user."""
    total = users * len(BEHAVIOUR)
    for first in range(0, total, BATCH):
        at_ms = LOG_START_MS + first * CROWD_MS // total
        who = [
            (number, number // len(BEHAVIOUR)) for number in range(first, min(first + BATCH, total))
        ]
        yield _raw_batch(who, at_ms, first)


def more_messages(users: int, events: int) -> Iterator[RawBatch]:
    """What users drawn at random do afterwards, in whole batches."""
    chance = random.Random(users)
    first = users * len(BEHAVIOUR)
    for start in range(first, first + events, BATCH):
        who = [(number, chance.randrange(users)) for number in range(start, start + BATCH)]
        yield _raw_batch(who, LOG_START_MS + CROWD_MS, start)


def called_off(at_ms: int, first_offset: int) -> RawBatch:
    """A timer set by a late event for the second after `at_ms`, and called off by an order."""
    late = {"product_id": "sku-0", "price": 1, "quantity": 1, "cart_id": f"late-{first_offset}"}
    order = {"order_id": f"{first_offset}", "total": 1, "cart_id": f"late-{first_offset}"}
    added_at = _instant(at_ms - REMINDER_AFTER_MS + 1)
    values = [
        _track("Product Added", late, f"late-{first_offset}", added_at),
        _track("Order Completed", order, f"late-{first_offset + 1}", _instant(at_ms)),
    ]
    return _records(values, at_ms, first_offset)


def _raw_batch(who: list[tuple[int, int]], at_ms: int, first_offset: int) -> RawBatch:
    """One message each for (number in the log, user)."""
    at = _instant(at_ms).encode()
    values = [message(number, user, at) for number, user in who]
    return _records(values, at_ms, FIRST_OFFSET + first_offset)


def _records(values: list[bytes], at_ms: int, first_offset: int) -> RawBatch:
    """Messages as a broker would hand them over: with their log times."""
    length = np.array([len(value) for value in values], np.int64)
    return RawBatch(
        data=np.frombuffer(b"".join(values), np.uint8),
        start=np.cumsum(length) - length,
        length=length,
        offset=np.arange(first_offset, first_offset + len(values), dtype=np.int64),
        log_ms=np.full(len(values), at_ms, np.int64),
    )


def _instant(at_ms: int) -> str:
    return f"{np.datetime64(at_ms, 'ms')}Z"


def _track(event: str, properties: dict[str, object], message_id: str, at: str) -> bytes:
    """A message of the first user, of those few that are not worth a template."""
    message = {"type": "track", "event": event, "userId": "user-" + "0" * 31}
    return msgspec.json.encode(
        message | {"messageId": message_id, "timestamp": at, "properties": properties}
    )


def message(number: int, user: int, at: bytes) -> bytes:
    """Message `number` of the log, about 380 bytes.

    A user always comes back to the same few items and the same cart: so what is remembered of users
    does not grow, and crowds in which a user has more such messages can be compared.
    """
    kind = number % len(BEHAVIOUR)
    user_id, message_id = b"user-%031d" % user, b"message-%016d" % number
    if not BEHAVIOUR[kind]:
        return IDENTIFY % (user_id, message_id, number, at, at)
    item = (user * len(BEHAVIOUR) + kind) * 7919 % 10_000
    about = (item, item % 90, item % 40, user)
    return ITEM % (BEHAVIOUR[kind], user_id, message_id, *about, number, at, at)


def _tick(decoder: Decoder, engine: Engine) -> float:
    """Tell the engine that another second has passed; the CPU seconds this took.

    A timer of that second was called off, so the engine has to look at all of them to see that none
    is due; without one it need not look at any.
    """
    before = engine.checkpoint
    apply(decoder, engine, called_off(before.clock_ms, before.next_offset))
    next_offset = engine.checkpoint.next_offset
    nothing = decoder.decode(_records([], before.clock_ms, next_offset), last=False)
    started = time.process_time()
    batch = engine.process(
        nothing.columns, clock_ms=before.clock_ms + 1000, next_offset=next_offset
    )
    seconds = time.process_time() - started
    assert not batch.decisions(), "no timer may be due"
    return seconds


def _resident_bytes() -> int:
    """What this process holds in memory now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def _in_a_process(users: int, events: int) -> Measured:
    output = run(sys.executable, "-m", "bench.crowd", str(users), str(events)).output
    return msgspec.json.decode(output, type=Measured)


if __name__ == "__main__":
    figures = measure_here(users=int(sys.argv[1]), events=int(sys.argv[2]))
    sys.stdout.buffer.write(msgspec.json.encode(figures))
