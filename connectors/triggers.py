"""What leaves the engine: CloudEvents 1.0 in JSON, with ids that a replay gives again."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import msgspec
from msgspec import UNSET, Struct, UnsetType

TRIGGER = "beckon.trigger"
SUPPRESSED = "beckon.suppressed"
GOAL = "beckon.goal"
TAG = "beckon.tag"
EXAMPLE = "beckon.example"
_EPOCH = datetime(1970, 1, 1)
_EPOCH_UTC = _EPOCH.replace(tzinfo=UTC)


class Instance(Struct, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True):
    """Which run of a journey: its key field's text (None: it has none) and when it was entered."""

    key: str | None
    entry: str


class Line(Struct, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True):
    """A cart line that a decision is about; the price of one piece, in the shop's currency."""

    item: str
    quantity: float
    price: float
    category: str | None


class Compared(Struct, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True):
    """A comparison of a rule with the values of both sides; None where one was missing."""

    rule: str
    left: float | str | None
    right: float | str | None
    holds: bool


class Score(Struct, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True):
    """A propensity, and the first 16 hex digits of the id of the version that it is by."""

    value: float
    version: str


class Reason(Struct, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True):
    """What a feature adds to a propensity, in logits; less than 0: what it takes away."""

    score: str
    feature: str
    adds: float


class Decided(Struct, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True):
    """What was decided about one stage, and on what."""

    journey: str
    version: str
    stage: str
    instance: Instance
    deadline: str
    reason: str | UnsetType = UNSET
    offset: int
    send: str
    channel: str | None
    purpose: str
    lines: list[Line]
    features: dict[str, float | str | list[str]]
    tags: list[str]
    scores: dict[str, Score]
    because: list[Reason] | UnsetType = UNSET
    rules: list[Compared]


class GoalReached(Struct, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True):
    """The goal event of a journey came within its time after a stage was sent or held out."""

    journey: str
    stage: str
    instance: Instance
    offset: int
    event: str
    held_out: bool


class Turned(Struct, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True):
    """A tag that a user gained or lost."""

    tag: str
    held: bool
    offset: int


class Example(Struct, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True):
    """What a user was like when sampled for a model, and what came of it within its time."""

    model: str
    sampled_at: str
    trigger: str | UnsetType = UNSET
    outcome: bool
    score: float | None
    version: str | None
    tags: list[str]
    features: dict[str, float | None]


class CloudEvent(Struct, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True):
    """The envelope. `time` is the decision's instant; after `expirytime` it is too late to send."""

    specversion: str = "1.0"
    id: str
    source: str = "beckon"
    type: str
    subject: str
    time: str
    expirytime: str | UnsetType = UNSET
    datacontenttype: str = "application/json"
    data: Decided | GoalReached | Turned | Example


_encoder = msgspec.json.Encoder()


def encode(event: CloudEvent) -> bytes:
    """The event as one line of JSON, without a newline."""
    return _encoder.encode(event)


def instant_text(at_ms: int) -> str:
    """An instant in RFC 3339, UTC, with milliseconds.

    >>> instant_text(1_767_225_600_123)
    '2026-01-01T00:00:00.123Z'
    """
    minutes, rest = divmod(at_ms, 60_000)
    second, ms = divmod(rest, 1000)
    return f"{_minute_text(minutes)}:{second:02}.{ms:03}Z"


def instant_ms(text: str) -> int:
    """The instant of a text in ISO 8601, UTC unless it says otherwise; raises `ValueError`.

    >>> instant_ms("2026-01-01T01:00:00.123+01:00")
    1767225600123
    """
    moment = datetime.fromisoformat(text)
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (aware - _EPOCH_UTC) // timedelta(milliseconds=1)


@lru_cache(maxsize=16_384)
def _minute_text(minutes: int) -> str:
    return (_EPOCH + timedelta(minutes=minutes)).isoformat(timespec="minutes")


def decision_id(*parts: str) -> str:
    """The deterministic id of what these parts name: 32 hex digits.

    >>> decision_id("beckon.trigger", "ada", "win_back", "", "0", "hello")
    '326871e24d2113c71af831e8de4a1cfd'
    """
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=16).hexdigest()


def held_out(journey: bytes, user: bytes, share: float) -> bool:
    """Whether a user is in a journey's holdout, by a stable hash of both; given in UTF-8."""
    digest = hashlib.blake2b(journey + b"\0" + user, digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64 < share
