"""Triggers reach the simulated shop's customers day by day, and their answers the log."""

from __future__ import annotations

import heapq
import re
from collections import deque
from collections.abc import Sequence

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from connectors.files import Source, read_chunks
from connectors.triggers import TRIGGER, instant_ms, instant_text
from flows.simulate_answers import (
    EMAIL,
    LEFT,
    VISITOR_EXPONENT,
    Answer,
    Reader,
    Trigger,
    answers_to,
    liking,
)
from flows.simulate_customers import VISIT_RATE, Customers
from flows.simulate_days import Day
from flows.simulate_delivery import Delivered
from flows.simulate_events import DAY_MS, Events, Kind
from flows.simulate_messages import user_ids

TRIGGERS_MAX = 10_000_000
LINES_AT_ONCE = 20_000
LATELY_DAYS = 7
NEVER_MS = np.iinfo(np.int64).max

USER_ID = re.compile("u([0-9]{9})")
GUEST_ID = re.compile("[0-9a-f]{12}")
NEWSLETTER = (
    *(Kind.DELIVERED, Kind.OPENED, Kind.CLICKED),
    *(Kind.UNSUBSCRIBED, Kind.UNSUBSCRIBED_IDENTIFY),
)
TRUTH = '{"user":"%s","at":"%s","trigger":"%s","answered":%.6f}\n'

Waiting = tuple[int, int, bytes]
"""An answer's line with the instant of its receipt and its number."""


class _Data(Struct):
    channel: str | None


class _Line(Struct):
    """What is read of a line of the output `triggers`."""

    id: str
    type: str
    subject: str
    time: str
    data: _Data


_decoder = msgspec.json.Decoder(_Line)


def read_triggers(path: str, users: int) -> list[Trigger]:
    """What Beckon sent to the customers of a shop of so many, in order of time.

    Other messages are passed over, and those to guests: no gateway knows their address.

    Raises:
        OSError: the file cannot be read, or a line of it is none of Beckon's messages.
        ValueError: a subject is no customer of such a shop, or there are too many triggers.
    """
    triggers = []
    for chunk in read_chunks([Source(path=path)], LINES_AT_ONCE):
        first = chunk.source_lines - len(chunk.start) + 1
        for number, line in enumerate(chunk.lines(), first):
            trigger = _trigger(line, f"{path}, line {number}", users)
            if trigger is not None:
                triggers.append(trigger)
        if len(triggers) > TRIGGERS_MAX:
            raise ValueError(f"{path}: expected at most {TRIGGERS_MAX} triggers, got more")
    return sorted(triggers, key=lambda trigger: (trigger.at_ms, trigger.id))


def _trigger(line: bytes, where: str, users: int) -> Trigger | None:
    try:
        sent = _decoder.decode(line)
        at_ms = instant_ms(sent.time)
    except (msgspec.DecodeError, ValueError) as error:
        raise OSError(f"{where}: expected a message of Beckon's, got: {error}") from error
    if sent.type != TRIGGER or sent.data.channel is None or GUEST_ID.fullmatch(sent.subject):
        return None
    name = USER_ID.fullmatch(sent.subject)
    if name is None or int(name[1]) >= users:
        raise ValueError(
            f"{where}: expected a customer of this shop of {users}, got subject {sent.subject!r}; "
            "simulate with the --users and --seed of the log that was replayed"
        )
    return Trigger(id=sent.id, user=int(name[1]), at_ms=at_ms, channel=sent.data.channel)


class Mailbox:
    """What a shop's customers get and answer, over days that are taken in order.

    Holds the answers that are yet to be received, and of each customer the messages of late.
    """

    def __init__(self, customers: Customers, seed: int, triggers: Sequence[Trigger]) -> None:
        self._customers = customers
        self._seed = seed
        self._triggers = deque(triggers)
        self._waiting: list[Waiting] = []
        self._number = 0
        self._newsletters: deque[NDArray[np.int64]] = deque(maxlen=LATELY_DAYS)
        self._sent_ms: dict[int, list[int]] = {}
        self._closed_ms = np.full(customers.count, NEVER_MS)

    def open_day(self, day: Day) -> bytes:
        """Let the customers, as the day before left them, answer the day's triggers.

        Returns the truth: a line for each message that consent allows, with the probability that
        it is opened or tapped on.
        """
        letters = np.zeros(self._customers.count, np.int64)
        for users in self._newsletters:
            letters[users] += 1
        truth = []
        while self._triggers and self._triggers[0].at_ms < day.at_ms + DAY_MS:
            trigger = self._triggers.popleft()
            if trigger.at_ms >= day.at_ms and self._may_get(trigger):
                reader = self._reader(trigger, int(letters[trigger.user]))
                self._take(answers_to(trigger, reader, self._seed))
                name, chance = _user_id(trigger.user), reader.chance(trigger.channel)
                truth.append(TRUTH % (name, instant_text(trigger.at_ms), trigger.id, chance))
        return "".join(truth).encode()

    def close_day(self, happened: Events) -> None:
        """Note whom the day's newsletters reached."""
        self._newsletters.append(happened.user[happened.kind == Kind.DELIVERED])

    def wanted(self, messages: Delivered) -> Delivered:
        """The messages without newsletters to those who had unsubscribed from a trigger."""
        events = messages.events
        closed = events.at_ms > self._closed_ms[events.user]
        if not closed.any():
            return messages
        return messages.take(np.flatnonzero(~(closed & np.isin(events.kind, NEWSLETTER))))

    def due(self, end_ms: int) -> list[Waiting]:
        """The answers received before an instant, in the order of their receipt."""
        due = []
        while self._waiting and self._waiting[0][0] < end_ms:
            due.append(heapq.heappop(self._waiting))
        return due

    def _may_get(self, trigger: Trigger) -> bool:
        """A gateway asks its own consent records."""
        if trigger.channel != EMAIL:
            return True
        closed = self._customers.unsubscribed[trigger.user]
        return not closed and trigger.at_ms <= self._closed_ms[trigger.user]

    def _reader(self, trigger: Trigger, letters: int) -> Reader:
        customers, user = self._customers, trigger.user
        since_ms = trigger.at_ms - LATELY_DAYS * DAY_MS
        lately = [at_ms for at_ms in self._sent_ms.get(user, ()) if at_ms >= since_ms]
        self._sent_ms[user] = [*lately, trigger.at_ms]
        likes, address_is_right = liking(user, self._seed)
        is_email = trigger.channel == EMAIL
        return Reader(
            mood=LEFT if customers.churned[user] else int(customers.mood[user]),
            likes=likes * float(customers.visit_rate[user] / VISIT_RATE) ** VISITOR_EXPONENT,
            reachable=address_is_right if is_email else bool(customers.app[user]),
            messages=letters + len(lately),
        )

    def _take(self, answers: Sequence[Answer]) -> None:
        for answer in answers:
            user = answer.trigger.user
            if answer.event == "Unsubscribed":
                self._closed_ms[user] = min(self._closed_ms[user], answer.at_ms)
            line = answer.line(_user_id(user))
            heapq.heappush(self._waiting, (answer.received_ms, self._number, line))
            self._number += 1


def merged(lines: bytes, received_ms: NDArray[np.int64], answers: Sequence[Waiting]) -> bytes:
    r"""Lines with answers among them, in order of receipt; an answer after what came with it.

    >>> merged(b"one\ntwo\n", np.array([5, 9]), [(5, 0, b"answer\n")])
    b'one\nanswer\ntwo\n'
    """
    places = np.searchsorted(received_ms, [at_ms for at_ms, _, _ in answers], side="right")
    parts, rest, taken = [], lines.split(b"\n"), 0
    for place, (_, _, answer) in zip(places.tolist(), answers, strict=True):
        parts += [line + b"\n" for line in rest[taken:place]]
        parts.append(answer)
        taken = place
    return b"".join(parts) + b"\n".join(rest[taken:])


def _user_id(user: int) -> str:
    return user_ids(np.array([user]))[0]
