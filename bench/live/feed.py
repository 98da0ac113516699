"""What feeds the log that is measured, in a process of its own: a shop, a crowd, or timers.

python -m bench.live.feed --kafka kafka://HOST:PORT --prefix NAME shop LOG
    a simulated log, as if its events were received now
python -m bench.live.feed ... crowd USERS
    what makes a crowd of users: five messages each, one of them an addition to the cart
python -m bench.live.feed ... timers COUNT
    entries to the journey `timer`, due one after the other over the next minute

It prints what it appended as JSON.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from pathlib import Path

import msgspec
from msgspec import Struct

from bench.crowd import BEHAVIOUR, message
from connectors.kafka import KafkaBroker
from connectors.kafka_settings import kafka_settings
from connectors.log import LOG_TOPIC, SideOutput
from connectors.triggers import instant_text
from flows.produce import key_of
from flows.simulate_messages import INSTANT, TAIL

AHEAD_SECONDS = 0.002
LINES_MAX = 1_000_000_000
FLUSH_SECONDS = 120.0
TIMES_LENGTH = len(TAIL) - 1 - TAIL.index('"timestamp"')
TIMES_START, SENT_START, RECEIVED_START = b'"timestamp":"', b'","sentAt":"', b'","receivedAt":"'
SENT_FROM = len(TIMES_START) + len(INSTANT)
RECEIVED_FROM = SENT_FROM + len(SENT_START) + len(INSTANT)

TIMER_AFTER_MS = 2 * 3_600_000
"""When the only stage of the journey `timer` (`bench/live/configs.py`) is due."""

TIMERS_DUE_MS = (10_000, 70_000)
"""In how many ms from the feed on the first and the last of the timers are due."""

PAGE = b'{"type":"page","userId":"%b","messageId":"closing-%b","timestamp":"%b","receivedAt":"%b"}'
COUPON = (
    b'{"type":"track","event":"Coupon Applied","userId":"%b","messageId":"timer-%d",'
    b'"properties":{},"timestamp":"%b"}'
)


class Fed(Struct, frozen=True, kw_only=True):
    """What was appended to the log."""

    records: int
    users: int
    bytes: int
    seconds: float


class Feeder:
    """Appends records, no more than so many in a second where that is limited."""

    def __init__(self, side: SideOutput, per_second: float) -> None:
        self.records = self.bytes = 0
        self.users: set[bytes] = set()
        self._side = side
        self._per_second = per_second
        self._began_at = time.monotonic()

    def append(self, value: bytes) -> None:
        """Append one when it is its turn, keyed as tracking does."""
        key = key_of(value)
        self._side.produce(LOG_TOPIC, key, value)
        self.records += 1
        self.bytes += len(value)
        if key is not None:
            self.users.add(key)
        if self._per_second:
            ahead = self._began_at + self.records / self._per_second - time.monotonic()
            if ahead > AHEAD_SECONDS:
                time.sleep(ahead)

    def finish(self) -> Fed:
        """Wait until the broker has all of them."""
        self._side.flush(FLUSH_SECONDS)
        seconds = time.monotonic() - self._began_at
        return Fed(records=self.records, users=len(self.users), bytes=self.bytes, seconds=seconds)


def shop_lines(log: Path, skip: int, count: int, age_ms: int = 0) -> Iterator[bytes]:
    """Messages of a simulated log behind the first ones, each received just now or so long ago."""
    with log.open("rb") as lines:
        for line in islice(lines, skip, skip + count):
            yield received_now(line.rstrip(b"\n"), now_ms() - age_ms)


def received_now(line: bytes, now_ms: int) -> bytes:
    """A simulated message moved to now: late ones stay late; a broken one stays as it is.

    >>> line = b'{"timestamp":"2026-01-01T00:00:00.000Z","sentAt":"2026-01-01T00:00:00.250Z"'
    >>> line += b',"receivedAt":"2026-01-01T00:00:00.300Z"}'
    >>> received_now(line, 1_767_225_601_300)[14:76].decode()
    '2026-01-01T00:00:01.000Z","sentAt":"2026-01-01T00:00:01.250Z",'
    """
    times = line[-TIMES_LENGTH:]
    if (
        times[: len(TIMES_START)] != TIMES_START
        or times[SENT_FROM : SENT_FROM + len(SENT_START)] != SENT_START
        or times[-2:] != b'"}'
    ):
        return line
    happened = times[len(TIMES_START) : SENT_FROM]
    sent = times[SENT_FROM + len(SENT_START) : RECEIVED_FROM]
    try:
        by_ms = now_ms - instant_ms(times[RECEIVED_FROM + len(RECEIVED_START) : -2])
        moved = (instant_text(instant_ms(one) + by_ms).encode() for one in (happened, sent))
        return b'%b%b%b%b%b%b%b"}' % (
            line[:-TIMES_LENGTH],
            TIMES_START,
            next(moved),
            SENT_START,
            next(moved),
            RECEIVED_START,
            instant_text(now_ms).encode(),
        )
    except ValueError:
        return line


def instant_ms(text: bytes) -> int:
    """An instant of the simulator as ms since 1970."""
    return round(datetime.fromisoformat(text.decode()).timestamp() * 1000)


def closing_lines(users: set[bytes]) -> Iterator[bytes]:
    """A page view of each user."""
    for user in users:
        now = instant_text(now_ms()).encode()
        yield PAGE % (user, user, now, now)


def crowd_lines(users: int) -> Iterator[bytes]:
    """What makes a crowd, user after user, as if it happened now."""
    for number in range(users * len(BEHAVIOUR)):
        now = instant_text(now_ms()).encode()
        yield message(number, number // len(BEHAVIOUR), now)


def timer_lines(count: int) -> Iterator[bytes]:
    """Users enter the journey `timer`, so long ago that its stages are due soon, at even paces."""
    began_ms = now_ms()
    first_ms, last_ms = TIMERS_DUE_MS
    for number in range(count):
        due_ms = began_ms + first_ms + (last_ms - first_ms) * number // count
        user = b"timed-%d-%d" % (began_ms, number)
        yield COUPON % (user, began_ms + number, instant_text(due_ms - TIMER_AFTER_MS).encode())


def now_ms() -> int:
    """The wall clock."""
    return time.time_ns() // 1_000_000


def lines_of(chosen: argparse.Namespace) -> Iterator[bytes]:
    """What the command line asks for."""
    if chosen.what == "shop":
        return shop_lines(Path(chosen.of), chosen.skip, chosen.lines, chosen.age_ms)
    count = int(chosen.of)
    return crowd_lines(count) if chosen.what == "crowd" else timer_lines(count)


def main() -> int:
    """Append what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m bench.live.feed")
    parser.add_argument("--kafka", required=True)
    parser.add_argument("--prefix", required=True)
    parser.add_argument("what", choices=["shop", "crowd", "timers"])
    parser.add_argument("of")
    parser.add_argument("--lines", type=int, default=LINES_MAX, help="of the shop's log")
    parser.add_argument("--skip", type=int, default=0, help="so many lines of it first")
    parser.add_argument("--age-ms", type=int, default=0, help="received so long before")
    parser.add_argument("--per-second", type=float, default=0.0)
    parser.add_argument("--closing-after", type=float, metavar="SECONDS", default=-1.0)
    chosen = parser.parse_args()
    settings = kafka_settings(chosen.kafka, prefix=chosen.prefix)
    feeder = Feeder(KafkaBroker(settings).side_output(), chosen.per_second)
    for line in lines_of(chosen):
        feeder.append(line)
    if chosen.closing_after >= 0:
        time.sleep(chosen.closing_after)
        for line in closing_lines(set(feeder.users)):
            feeder.append(line)
    print(msgspec.json.encode(feeder.finish()).decode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
