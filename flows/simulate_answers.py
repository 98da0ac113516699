"""How the simulated shop's customers answer the messages that Beckon sent: a pure function of each.

What a customer does with a message hangs on the shop's seed, the trigger's id and what the reader
is like just then, and on nothing else: so the order of triggers, and which others there are, make
no difference but through the messages of late. What a gateway would report of it comes as events
that name the trigger.

Most mails are opened within hours of the day, none after 3 days: the chance to be opened at all
(`Reader.chance`) is also that of an opening within 3 days.
"""

from __future__ import annotations

import hashlib
import math
import struct
from statistics import NormalDist

import msgspec
from msgspec import Struct

from connectors.triggers import instant_text
from flows.simulate_events import DAY_MS, HOUR_MS, SECOND_MS

EMAIL, PUSH = "email", "push"

LEFT = 4
"""The place of those who have left for good in the tables by mood (cold, cool, warm, keen)."""

OPENS = (0.06, 0.18, 0.38, 0.62, 0.01)
TAPS = (0.06, 0.10, 0.16, 0.24, 0.0)
"""Probabilities to open a mail and to tap on a push; higher than a newsletter's: it is for them."""

LEAVES = (0.06, 0.03, 0.012, 0.005, 0.20)
"""Of those who open a mail, who unsubscribes; 0.3 of the others follow a link in it."""

CLICKS = 0.3
WEARS = 0.88
"""So many times the chance, for each message of the last 7 days."""

LIKING_SPREAD, VISITOR_EXPONENT, CHANCE_MAX = 0.4, 0.7, 0.95
"""How unlike customers are in what they think of messages; who visits more reads more of them."""

BOUNCES = 0.01
"""The share of customers whose address is wrong."""

DELIVERED_MS_MIN, DELIVERED_MS_MAX = SECOND_MS, 90 * SECOND_MS
OPENED_MS_MEAN, OPENED_MS_MAX = 4 * HOUR_MS, 2 * DAY_MS
TAPPED_MS_MEAN, TAPPED_MS_MAX = HOUR_MS // 6, 4 * HOUR_MS
REACTION_MS_MIN, REACTION_MS_MAX = 5 * SECOND_MS, 120 * SECOND_MS
MORNING_MS, EVENING_MS, BREAKFAST_MS = 7 * HOUR_MS, 23 * HOUR_MS, 3 * HOUR_MS
"""Who would read between evening and morning does so in the hours after it."""

REPORTED_MS_MIN, REPORTED_MS_MAX = 40, 400

DRAWS = 8


class Trigger(Struct, frozen=True, kw_only=True):
    """A message that Beckon sent to a customer of the shop: `user` is the customer's number."""

    id: str
    user: int
    at_ms: int
    channel: str


class Reader(Struct, frozen=True, kw_only=True):
    """A customer as a message finds them.

    mood: 0 to 3, or LEFT. likes: by what their liking multiplies the chance; the same always.
    reachable: the address is right; for a push, they have the app. messages: of the last 7 days.
    """

    mood: int
    likes: float
    reachable: bool
    messages: int

    def chance(self, channel: str) -> float:
        """The true probability that a message by this channel is opened, or tapped on."""
        if not self.reachable:
            return 0.0
        usual = OPENS[self.mood] if channel == EMAIL else TAPS[self.mood]
        return min(usual * self.likes * WEARS**self.messages, CHANCE_MAX)


class Answer(Struct, frozen=True, kw_only=True):
    """One event that a gateway reports of a trigger, when it happened and when it is received."""

    event: str
    trigger: Trigger
    at_ms: int
    received_ms: int

    def line(self, user_id: str) -> bytes:
        """The event as a Segment message."""
        properties = {"trigger_id": self.trigger.id}
        if self.event == "Unsubscribed":
            properties["channel"] = EMAIL
        word = self.event.rsplit(" ", 1)[-1].lower()
        message = {
            "type": "track",
            "event": self.event,
            "properties": properties,
            "context": {"library": {"name": "gateway"}},
            "userId": user_id,
            "messageId": f"{self.trigger.id}-{word}",
            "timestamp": instant_text(self.at_ms),
            "sentAt": instant_text(self.received_ms),
            "receivedAt": instant_text(self.received_ms),
        }
        return msgspec.json.encode(message) + b"\n"


def liking(user: int, seed: int) -> tuple[float, bool]:
    """What a customer thinks of messages, as a factor, and whether their address is right.

    >>> liking(7, seed=1) == liking(7, seed=1) != liking(8, seed=1)
    True
    """
    draw = _draws("reader", seed, str(user))
    factor = math.exp(LIKING_SPREAD * NormalDist().inv_cdf(max(draw[0], 1e-12)))
    return factor, draw[1] >= BOUNCES


def answers_to(trigger: Trigger, reader: Reader, seed: int) -> list[Answer]:
    """All that a gateway reports of a message, in order of time.

    A mail that arrives is delivered within two minutes, and opened or not. Who opens it follows a
    link, unsubscribes or does neither. A push is received and tapped on or not.
    """
    draw = _draws("trigger", seed, trigger.id)
    arrived_ms = trigger.at_ms + _between(DELIVERED_MS_MIN, DELIVERED_MS_MAX, draw[0])
    reported_ms = _between(REPORTED_MS_MIN, REPORTED_MS_MAX, draw[1])

    def told(event: str, at_ms: int) -> Answer:
        return Answer(event=event, trigger=trigger, at_ms=at_ms, received_ms=at_ms + reported_ms)

    is_email = trigger.channel == EMAIL
    name = "Email" if is_email else "Push Notification"
    if not reader.reachable:
        return [told(f"{name} Bounced", arrived_ms)]
    answers = [told(f"{name} {'Delivered' if is_email else 'Received'}", arrived_ms)]
    if draw[2] >= reader.chance(trigger.channel):
        return answers
    if not is_email:
        pause_ms = _pause_ms(TAPPED_MS_MEAN, TAPPED_MS_MAX, draw[3])
        return [*answers, told(f"{name} Tapped", _awake(arrived_ms + pause_ms, draw[4]))]
    opened_ms = _awake(arrived_ms + _pause_ms(OPENED_MS_MEAN, OPENED_MS_MAX, draw[3]), draw[4])
    answers.append(told("Email Opened", opened_ms))
    reacted_ms = opened_ms + _between(REACTION_MS_MIN, REACTION_MS_MAX, draw[5])
    if draw[6] < LEAVES[reader.mood]:
        answers.append(told("Unsubscribed", reacted_ms))
    elif draw[7] < CLICKS:
        answers.append(told("Email Link Clicked", reacted_ms))
    return answers


def _draws(what: str, seed: int, key: str) -> tuple[float, ...]:
    """DRAWS numbers in [0, 1) that follow from a name."""
    digest = hashlib.blake2b(f"{what}/{seed}/{key}".encode(), digest_size=8 * DRAWS).digest()
    return tuple((number >> 11) / (1 << 53) for number in struct.unpack(f"<{DRAWS}Q", digest))


def _between(least_ms: int, most_ms: int, draw: float) -> int:
    return least_ms + int((most_ms - least_ms) * draw)


def _pause_ms(mean_ms: int, most_ms: int, draw: float) -> int:
    return min(int(-mean_ms * math.log1p(-draw)), most_ms)


def _awake(at_ms: int, draw: float) -> int:
    """The instant itself by day, else one of the hours after the night (UTC).

    >>> _awake(3 * HOUR_MS, 0.0) == MORNING_MS, _awake(12 * HOUR_MS, 0.5) == 12 * HOUR_MS
    (True, True)
    """
    of_day = at_ms % DAY_MS
    if MORNING_MS <= of_day < EVENING_MS:
        return at_ms
    morning_ms = at_ms - of_day + MORNING_MS + (DAY_MS if of_day >= EVENING_MS else 0)
    return morning_ms + int(BREAKFAST_MS * draw)
