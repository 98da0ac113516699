"""What Beckon is measured against: the small job as a plain Python loop over a log.

python -m bench.bare_loop EVENTS TRIGGERS

msgspec decodes each line into a typed message with its times; a dict holds the users; a heap holds
the timers. Per user: the last 32 message ids, a count of views, and a timer that an addition to the
cart sets to 30 minutes later and an order stops. This is the best such loop we know how to write,
and it does what `bench/small_job` makes Beckon do: for a log without broken messages the triggers
are the same (`tests/test_bare_loop.py`). It prints its counts as JSON.
"""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from typing import BinaryIO, Literal

import msgspec

DELAY = timedelta(minutes=30)
TTL = timedelta(hours=2)
SECOND = timedelta(seconds=1)
MESSAGE_IDS_MAX = 32


class Message(msgspec.Struct, gc=False):
    """What is read of a Segment message."""

    type: Literal["track", "identify", "page", "screen", "group", "alias"]
    messageId: str  # noqa: N815 - Segment's name
    event: str | None = None
    userId: str | None = None  # noqa: N815 - Segment's name
    anonymousId: str | None = None  # noqa: N815 - Segment's name
    timestamp: datetime | None = None
    sentAt: datetime | None = None  # noqa: N815 - Segment's name
    receivedAt: datetime | None = None  # noqa: N815 - Segment's name


class User:
    """What is remembered of one user; `base` and `deadline` are those of the running timer."""

    __slots__ = ("base", "deadline", "entry", "id", "message_ids", "ordered_at", "views")

    def __init__(self, id: str) -> None:
        self.id = id
        self.message_ids: dict[str, None] = {}
        self.views = 0
        self.entry: datetime | None = None
        self.base: datetime | None = None
        self.deadline: datetime | None = None
        self.ordered_at: datetime | None = None


class Data(msgspec.Struct, gc=False):
    """What a trigger says."""

    journey: str
    stage: str
    entry: datetime
    deadline: datetime
    send: str
    channel: str
    features: dict[str, float]


class CloudEvent(msgspec.Struct, gc=False):
    """A trigger as it is written."""

    specversion: str
    id: str
    source: str
    type: str
    subject: str
    time: datetime
    expirytime: datetime
    datacontenttype: str
    data: Data


class Counts(msgspec.Struct):
    """What was done."""

    records: int = 0
    unusable: int = 0
    duplicates: int = 0
    users: int = 0
    triggers: int = 0
    cpu_seconds: float = 0.0


def run(lines: Iterable[bytes], out: BinaryIO) -> Counts:
    """Read the log, write the triggers."""
    decode = msgspec.json.Decoder(Message).decode
    users: dict[str, User] = {}
    timers: list[tuple[datetime, str]] = []
    clock = datetime.min.replace(tzinfo=UTC)
    counts = Counts()
    records = unusable = duplicates = 0
    for line in lines:
        records += 1
        try:
            message = decode(line)
        except msgspec.DecodeError:
            unusable += 1
            continue
        user_id = message.userId or message.anonymousId
        message_id = message.messageId
        timestamp, received = message.timestamp, message.receivedAt
        at = timestamp or received
        if not user_id or not message_id or at is None:
            unusable += 1
            continue
        if received is None:
            received = at
        elif timestamp is not None and message.sentAt is not None:
            at = received - (message.sentAt - timestamp)
        if received > clock:
            clock = received
            while timers and timers[0][0] <= clock:
                deadline, due_id = heappop(timers)
                # A timer that was reset or stopped leaves its old entry in the heap.
                if users[due_id].deadline == deadline:
                    counts.triggers += decide(users[due_id], deadline, out)
        if at > clock:
            at = clock
        user = users.get(user_id)
        if user is None:
            user = users[user_id] = User(user_id)
        seen = user.message_ids
        if message_id in seen:
            duplicates += 1
            continue
        seen[message_id] = None
        if len(seen) > MESSAGE_IDS_MAX:
            del seen[next(iter(seen))]
        event = message.event
        if event == "Product Viewed":
            user.views += 1
        elif event == "Product Added":
            moved = added(user, at)
            if moved is not None and moved > clock:
                heappush(timers, (moved, user_id))
            elif moved is not None:
                counts.triggers += decide(user, clock, out)
        elif event == "Order Completed":
            ordered(user, at)
    counts.records, counts.unusable, counts.duplicates = records, unusable, duplicates
    counts.users = len(users)
    return counts


def added(user: User, at: datetime) -> datetime | None:
    """Set or reset the timer; its deadline, a whole second, if it moved."""
    if user.base is None:
        if user.ordered_at is not None and at < user.ordered_at:
            return None
        user.entry = at
    elif at <= user.base:
        return None
    user.base = at
    deadline = at + DELAY
    if deadline.microsecond:
        deadline = deadline.replace(microsecond=0) + SECOND
    if deadline == user.deadline:
        return None
    user.deadline = deadline
    return deadline


def ordered(user: User, at: datetime) -> None:
    """Stop the timer, unless it was set by something later than this order."""
    if user.ordered_at is None or at > user.ordered_at:
        user.ordered_at = at
    if user.base is not None and at >= user.base:
        user.base = user.deadline = None


def decide(user: User, instant: datetime, out: BinaryIO) -> bool:
    """End the timer; write its trigger, unless it is too late for it."""
    deadline, entry = user.deadline, user.entry
    assert deadline is not None and entry is not None, "only a running timer is decided"
    user.base = user.deadline = None
    if instant > deadline + TTL:
        return False
    identity = f"{user.id}\0cart\0{entry}\0reminder".encode()
    trigger = CloudEvent(
        specversion="1.0",
        id=hashlib.blake2b(identity, digest_size=16).hexdigest(),
        source="bare_loop",
        type="beckon.trigger",
        subject=user.id,
        time=instant,
        expirytime=instant + TTL,
        datacontenttype="application/json",
        data=Data(
            journey="cart",
            stage="reminder",
            entry=entry,
            deadline=deadline,
            send="cart_reminder",
            channel="push",
            features={"views": float(user.views)},
        ),
    )
    out.write(msgspec.json.encode(trigger) + b"\n")
    return True


def main() -> int:
    """Run over the files of the command line and print the counts."""
    if len(sys.argv) != 3:
        print("usage: python -m bench.bare_loop EVENTS TRIGGERS", file=sys.stderr)
        return 2
    with open(sys.argv[1], "rb") as lines, open(sys.argv[2], "wb") as out:
        counts = run(lines, out)
    counts.cpu_seconds = time.process_time()
    print(msgspec.json.encode(counts).decode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
