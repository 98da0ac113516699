"""The job that all do on one live log: count views, remind of a cart left behind for a second.

It is what `bench/small_job` makes Beckon do once its stage is made quick (`bench/live/configs.py`),
written for frameworks that call a function with a user's state and next event. These know nothing
of time passing for a user without events: a timer that is due is found at the user's next event,
so the measured log ends with one event of each user.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import msgspec

from bench.bare_loop import MESSAGE_IDS_MAX, CloudEvent, Data, Message

DELAY_MS, TTL_MS, SECOND_MS = 1_000, 7_200_000, 1_000


class Event(msgspec.Struct, gc=False, array_like=True):
    """What happened: when by the user's clock, when by the broker's (ms since 1970)."""

    user: str
    name: str | None
    message_id: str
    at_ms: int
    log_ms: int


class Cart(msgspec.Struct, array_like=True):
    """What is remembered of one user; an instant of 0 is none."""

    views: int = 0
    message_ids: list[str] = []
    entry_ms: int = 0
    base_ms: int = 0
    deadline_ms: int = 0
    ordered_ms: int = 0


_decoder = msgspec.json.Decoder(Message)


def event_of(value: bytes | None, log_ms: int) -> Event | None:
    """The event in a record of the log; None of one that cannot be used, and of control records."""
    try:
        message = _decoder.decode(value or b"")
    except msgspec.DecodeError:
        return None
    user, at = message.userId or message.anonymousId, message.timestamp or message.receivedAt
    if not user or not message.messageId or at is None:
        return None
    if message.timestamp and message.sentAt and message.receivedAt:
        at = message.receivedAt - (message.sentAt - message.timestamp)
    at_ms = min(round(at.timestamp() * 1000), log_ms)
    return Event(user, message.event, message.messageId, at_ms, log_ms)


def advance(cart: Cart, event: Event) -> list[bytes]:
    """Apply an event to its user's cart; the reminders that are due, as CloudEvents."""
    fired: list[bytes] = []
    if cart.deadline_ms and cart.deadline_ms <= event.log_ms:
        fired += decide(cart, event.user, cart.deadline_ms)
    if event.message_id in cart.message_ids:
        return fired
    cart.message_ids.append(event.message_id)
    if len(cart.message_ids) > MESSAGE_IDS_MAX:
        del cart.message_ids[0]
    if event.name == "Product Viewed":
        cart.views += 1
    elif event.name == "Product Added":
        add(cart, event.at_ms)
        if cart.deadline_ms and cart.deadline_ms <= event.log_ms:
            fired += decide(cart, event.user, event.log_ms)
    elif event.name == "Order Completed":
        order(cart, event.at_ms)
    return fired


def add(cart: Cart, at_ms: int) -> None:
    """Set or reset the timer, for a whole second."""
    if not cart.base_ms:
        if at_ms < cart.ordered_ms:
            return
        cart.entry_ms = at_ms
    elif at_ms <= cart.base_ms:
        return
    cart.base_ms = at_ms
    cart.deadline_ms = -(-(at_ms + DELAY_MS) // SECOND_MS) * SECOND_MS


def order(cart: Cart, at_ms: int) -> None:
    """Stop the timer, unless it was set by something later than this order."""
    cart.ordered_ms = max(cart.ordered_ms, at_ms)
    if at_ms >= cart.base_ms:
        cart.base_ms = cart.deadline_ms = 0


def decide(cart: Cart, user: str, instant_ms: int) -> list[bytes]:
    """End the timer; its reminder, unless it is too late for it."""
    deadline_ms = cart.deadline_ms
    cart.base_ms = cart.deadline_ms = 0
    if instant_ms > deadline_ms + TTL_MS:
        return []
    identity = f"{user}\0cart\0{cart.entry_ms}\0reminder".encode()
    data = Data(
        journey="cart",
        stage="reminder",
        entry=instant(cart.entry_ms),
        deadline=instant(deadline_ms),
        send="cart_reminder",
        channel="push",
        features={"views": float(cart.views)},
    )
    reminder = CloudEvent(
        specversion="1.0",
        id=hashlib.blake2b(identity, digest_size=16).hexdigest(),
        source="cart_job",
        type="beckon.trigger",
        subject=user,
        time=instant(instant_ms),
        expirytime=instant(instant_ms + TTL_MS),
        datacontenttype="application/json",
        data=data,
    )
    return [msgspec.json.encode(reminder)]


def instant(at_ms: int) -> datetime:
    """An instant as msgspec writes it in RFC 3339."""
    return datetime.fromtimestamp(at_ms / 1000, UTC)
