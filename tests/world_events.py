"""Random logs: few users, items and carts, and times that crowd around all that falls due."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random

from config.schema import Config
from tests.oracle_scores import instants_of

Message = dict[str, object]

START_MS = 1_772_445_600_000
"""2026-03-02T10:00:00Z."""

SECOND_MS, MINUTE_MS, HOUR_MS, DAY_MS = 1_000, 60_000, 3_600_000, 86_400_000
JITTERS_MS = (0, 0, 0, 0, -1, 1, -1_000, 1_000, 500, 999)
STEPS_MS = (0, 0, 0, 0, 1, 1, 7, 7, 999, 1_000, 1_000, 1_001, 20_000, MINUTE_MS, 5 * MINUTE_MS)
CATEGORIES = ("shoes", "hats", "größe", "", None)
COUNTRIES = ("DE", "AT", "FR")
EVENT_WEIGHTS = {
    "Product Added": 24,
    "Product Viewed": 14,
    "Product Removed": 6,
    "Cart Viewed": 5,
    "Checkout Started": 6,
    "Order Completed": 10,
    "order_paid": 2,
    "Order Refunded": 5,
    "Product Reviewed": 3,
    "Email Opened": 5,
    "Unsubscribed": 1,
    "Never Heard Of": 2,
    "identify": 5,
    "page": 4,
    "screen": 1,
}


@dataclass
class LogWriter:
    """Writes one log, record by record. `now_ms` is the time at which the next record arrives.

    `calm` is the share of records before which little time passes.
    """

    random: Random
    durations: list[int]
    users: list[str]
    items: list[str]
    calm: float
    now_ms: int = START_MS
    instants: list[int] = field(default_factory=lambda: [START_MS])
    messages: list[Message] = field(default_factory=list)

    def log(self, record_count: int) -> list[bytes]:
        """The lines of a log, without newlines."""
        return [self.record() for _ in range(record_count)]

    def record(self) -> bytes:
        """The next record: mostly an event; now and then a duplicate, a tick or poison."""
        self.step()
        choice = self.random.random()
        if choice < 0.03:
            return line_of(self.control())
        if choice < 0.07:
            return self.random.choice(POISONS)(self.random, self.event())
        if choice < 0.14 and self.messages:
            return line_of(self.repeated())
        message = self.event()
        self.messages.append(message)
        return line_of(message, ascii_only=self.random.random() < 0.5)

    def step(self) -> None:
        """Time goes on: by a little, or to just about an instant at which something falls due."""
        if self.random.random() < self.calm:
            self.now_ms += self.random.choice(STEPS_MS)
            return
        near = [
            instant for instant in (self.due_instant() for _ in range(6)) if instant >= self.now_ms
        ]
        self.now_ms = min(near, default=self.now_ms)

    def due_instant(self) -> int:
        """A duration after something that happened, or its second, or 1 ms beside these."""
        start = self.random.choice(self.instants[-12:])
        unit = self.random.choice((1, 1, SECOND_MS, self.random.choice(self.durations)))
        due = -(-start // unit) * unit + self.random.choice(self.durations)
        return due + self.random.choice(JITTERS_MS)

    def event(self) -> Message:
        """One event as Segment sends it."""
        names, weights = tuple(EVENT_WEIGHTS), tuple(EVENT_WEIGHTS.values())
        name = self.random.choices(names, weights)[0]
        kind = name if name[0].islower() and name != "order_paid" else "track"
        message: Message = {"type": kind, "messageId": f"m{self.random.getrandbits(40)}"}
        if kind == "track":
            message |= {"event": name, "properties": self.properties(name)}
        if kind == "identify":
            message["traits"] = self.traits()
        message |= self.identity()
        return message | self.times()

    def identity(self) -> Message:
        user = self.random.choice(self.users)
        if self.random.random() < 0.1:
            return {"userId": None, "anonymousId": user}
        return {"userId": user, "anonymousId": "somebody"}

    def traits(self) -> Message:
        return {
            key: self.random.choice(values)
            for key, values in (
                ("country", COUNTRIES),
                ("email_unsubscribed", (True, False, None)),
                ("no_push", (True, False)),
            )
            if self.random.random() < 0.5
        }

    def properties(self, name: str) -> Message:
        """The properties of one kind of event, each left out at times where it may be."""
        found: Message = {}
        if name.startswith("Product"):
            found = self.item() | self.maybe(0.85, cart_id=self.cart())
            found |= {"product_id": self.random.choice(self.items)}
        elif name in ("Cart Viewed", "Order Completed", "order_paid", "Order Refunded"):
            lines = [self.item() for _ in range(self.random.choice((0, 1, 1, 2, 3)))]
            if self.random.random() < 0.25:
                lines = [self.item() | {"product_id": item} for item in self.items]
            found = self.maybe(0.8, products=lines) | self.maybe(0.6, cart_id=self.cart())
        if name.startswith(("Order", "order")):
            found |= {"order_id": f"o{self.random.getrandbits(20)}", "total": self.money()}
        if name == "Checkout Started":
            found = self.maybe(0.7, cart_id=self.cart()) | self.maybe(0.5, value=self.money())
        if name == "Product Reviewed":
            stars = {"rating": self.random.choice((1, 4.5, 0.0005, -2))}
            gift = self.random.random() < 0.5
            found |= self.maybe(0.8, review=stars) | self.maybe(0.5, gift=gift)
        if name == "Unsubscribed":
            found = self.maybe(0.6, channel=self.random.choice(("push", "email", "fax")))
        return found | self.maybe(0.1, currency=self.random.choice(("EUR", "USD", "GBP", None)))

    def maybe(self, share: float, **values: object) -> Message:
        return values if self.random.random() < share else {}

    def item(self) -> Message:
        return {
            **self.maybe(0.9, product_id=self.random.choice(self.items)),
            **self.maybe(0.8, price=self.money()),
            **self.maybe(0.6, quantity=self.random.choice((1, 1, 2, 3, 0.5, 0, -1))),
            **self.maybe(0.8, category=self.random.choice(CATEGORIES)),
        }

    def cart(self) -> str:
        return self.random.choice(("c1", "c1", "c1", "c2", "c2", "c3", "c4", "c5", "c6"))

    def money(self) -> float:
        return self.random.choice((0, 1, 9.99, 10, 19.995, 20, 60, 60.005, 250, 1e3))

    def times(self) -> Message:
        """When it happened and when it came in, said in one of the ways that Segment allows."""
        received_ms = self.now_ms
        if self.random.random() < 0.08:
            received_ms -= self.random.choice((1, SECOND_MS, 30 * SECOND_MS))
        at_ms = max(0, received_ms - self.delay_ms())
        self.instants.append(at_ms)
        self.instants.append(self.now_ms)
        choice = self.random.random()
        if choice < 0.04:
            return {"timestamp": self.text(received_ms)}
        if choice < 0.1:
            return {"receivedAt": self.text(received_ms)}
        times: Message = {"receivedAt": self.text(received_ms), "timestamp": self.text(at_ms)}
        if choice < 0.25:
            skew_ms = self.random.choice((-HOUR_MS, -1, 1, 400 * DAY_MS, DAY_MS))
            times["timestamp"] = self.text(at_ms + skew_ms)
            times["sentAt"] = self.text(received_ms + skew_ms)
        elif choice < 0.3:
            original, sent = self.text(at_ms + 7), self.text(received_ms + 7)
            times |= {"originalTimestamp": original, "sentAt": sent}
        return times

    def delay_ms(self) -> int:
        """How late an event arrives: mostly not at all, sometimes years."""
        choice = self.random.random()
        if choice < 0.65:
            return 0
        if choice < 0.8:
            return self.random.choice((1, 999, SECOND_MS, MINUTE_MS))
        if choice < 0.97:
            return max(0, self.random.choice(self.durations) + self.random.choice(JITTERS_MS))
        return self.random.choice((40 * DAY_MS, 400 * DAY_MS, 2_000 * DAY_MS, -HOUR_MS))

    def text(self, instant_ms: int) -> str:
        """An instant in one of the spellings of ISO 8601 that say the same."""
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=instant_ms)
        if self.random.random() < 0.1:
            return (moment + timedelta(hours=2)).isoformat(timespec="milliseconds")[:-6] + "+02:00"
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def repeated(self) -> Message:
        """A message that was there before; now and then it was received a second time."""
        message = dict(self.random.choice(self.messages[-40:]))
        if self.random.random() < 0.5:
            message |= {"receivedAt": self.text(self.now_ms)}
        return message

    def control(self) -> Message:
        kind = self.random.choice(("tick", "tick", "tick", "config", "model"))
        if self.random.random() < 0.1:
            kind = "tock"
        received = self.text(self.now_ms)
        return {"type": "beckon.control", "control": kind, "receivedAt": received}


def line_of(message: Message, *, ascii_only: bool = False) -> bytes:
    return json.dumps(message, ensure_ascii=ascii_only).encode()


def poisoned(**values: object) -> Callable[[Random, Message], bytes]:
    """Poison that is a message with these values."""
    return lambda random, message: line_of(message | values)


def spoiled(old: bytes, new: bytes) -> Callable[[Random, Message], bytes]:
    """Poison that is a message with other bytes."""
    return lambda random, message: line_of(message).replace(old, new, 1)


POISONS: tuple[Callable[[Random, Message], bytes], ...] = (
    lambda random, message: line_of(message)[: random.randint(0, 60)],
    spoiled(b'"type"', b'"\xff"'),
    spoiled(b'"messageId": ', b'"messageId": NaN, "x": '),
    spoiled(b'"messageId"', b'"deep": ' + b"[" * 40 + b"]" * 40 + b', "messageId"'),
    lambda random, message: b"[" + line_of(message) + b"]",
    poisoned(type=None),
    poisoned(type=7),
    poisoned(type="note"),
    poisoned(type="beckon.control", control="tick", receivedAt=None),
    poisoned(userId=None, anonymousId=""),
    poisoned(userId=12),
    poisoned(userId="u" * 257),
    poisoned(messageId=None),
    poisoned(messageId=[]),
    poisoned(timestamp="yesterday"),
    poisoned(timestamp=0),
    poisoned(timestamp="2200-01-01T00:00:00Z", originalTimestamp="2200-01-01"),
    poisoned(timestamp="2031-01-01T00:00:00Z", receivedAt=None, sentAt=None),
    poisoned(type="track", event=None),
    poisoned(type="track", event="Product Added", properties={"product_id": None}),
    poisoned(type="track", event="Product Added", properties={"product_id": "i1", "price": "1"}),
    poisoned(type="track", event="Product Added", properties={"product_id": "i1", "price": 1e17}),
    poisoned(type="track", event="Product Viewed", properties={"currency": "XYZ", "price": 1}),
    poisoned(type="track", event="Order Completed", properties={"order_id": "o", "products": {}}),
    poisoned(type="track", event="Order Completed", properties=[]),
    poisoned(type="identify", traits="none"),
    poisoned(padding="x" * 70_000),
)


def durations_of(config: Config) -> list[int]:
    """Every length of time that the configuration names, and days."""
    found = {DAY_MS, 2 * DAY_MS, 3 * DAY_MS, SECOND_MS}
    for feature in config.features:
        found |= {feature.window_ms, feature.tile_ms, feature.window_ms + feature.tile_ms}
        found |= {feature.gap_ms, feature.half_life_ms}
    found |= {tag.keep_ms for tag in config.tags}
    for journey in config.journeys:
        found.add(journey.cooldown_ms)
        for stage in journey.stages:
            found |= {stage.after_ms, stage.ttl_ms, stage.after_ms + stage.ttl_ms}
        if journey.goal is not None:
            found.add(journey.goal.within_ms)
    return sorted(one for one in found if one > 0)


def write_log(seed: int, config: Config) -> list[bytes]:
    """The log of one seed's world."""
    random = Random(f"log {seed}")
    users = random.sample(("u1", "u2", "ü-3", "\U0001f600", "u5"), random.choice((1, 2, 3)))
    items = [f"i{index}" for index in range(random.choice((3, 3, 8, 90)))]
    durations = durations_of(config)
    longest_ms = random.choice((HOUR_MS, 3 * DAY_MS, 3 * DAY_MS, 1000 * DAY_MS))
    calm = random.choice((0.3, 0.5, 0.9))
    if longest_ms > 3 * DAY_MS:  # years: few jumps, or the oracle looks at thousands of days
        calm = 0.95
    short = [one for one in durations if one <= longest_ms]
    writer = LogWriter(random, short, users, items, calm)
    return writer.log(random.choice((20, 60, 60, 120, 160)))


@dataclass
class ModelLogWriter(LogWriter):
    """Writes a log in which much happens just about the users' own seconds of each span."""

    spans: list[int] = field(default_factory=list)

    def due_instant(self) -> int:
        """As in other logs, or a user's own second of a day, hour or so, or 1 ms beside it."""
        if self.random.random() < 0.5:
            return super().due_instant()
        user, span_ms = self.random.choice(self.users), self.random.choice(self.spans)
        ahead = instants_of(user, span_ms, self.now_ms - SECOND_MS, self.now_ms + 2 * span_ms)
        return ahead[0] + self.random.choice(JITTERS_MS)

    def event(self) -> Message:
        """As in other logs; some happened just about an own second of their user."""
        message = super().event()
        if self.random.random() < 0.2 and {"receivedAt", "timestamp"} <= {*message}:
            user = str(message["userId"] or message["anonymousId"])
            span_ms = self.random.choice(self.spans)
            behind = instants_of(user, span_ms, self.now_ms - 2 * span_ms, self.now_ms)
            at_ms = self.random.choice(behind) + self.random.choice(JITTERS_MS)
            message |= {"timestamp": self.text(at_ms), "sentAt": None, "originalTimestamp": None}
        return message


def write_model_log(seed: int, config: Config) -> list[bytes]:
    """The log of one seed's world with models: days at most, as each has its examples."""
    random = Random(f"log {seed}")
    users = random.sample(("u1", "u2", "ü-3", "\U0001f600", "u5"), random.choice((1, 2, 3)))
    items = [f"i{index}" for index in range(random.choice((3, 8)))]
    longest_ms = random.choice((HOUR_MS, DAY_MS, 3 * DAY_MS))
    short = [one for one in durations_of(config) if one <= longest_ms]
    writer = ModelLogWriter(random, short, users, items, random.choice((0.5, 0.7, 0.9)))
    spans = {one for model in config.models for one in (model.every_ms, model.within_ms)}
    writer.spans = sorted(spans - {0} | {DAY_MS})
    return writer.log(random.choice((20, 60, 60, 120)))
