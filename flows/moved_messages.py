"""Recorded messages as if they happened now, and faster: `beckon produce --speed`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from connectors.triggers import instant_text

TIMES = ("receivedAt", "sentAt", "timestamp", "originalTimestamp")
"""The times of a message; it is paced by the first of them that can be read."""

STEP_MS_MAX = 7 * 86_400_000
"""Nobody waits for a longer gap in what was recorded, nor for a time that is a mistake."""

FAR_MS = 2**42
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Moved(NamedTuple):
    """A message and when to append it."""

    at_ms: int
    message: bytes


class Mover:
    """Moves the times of messages, given in their order.

    The first one is of now; from it on `speed` ms of what was recorded take one. What the times of
    one message are apart stays as it is: one that came an hour late still does. After a gap of more
    than STEP_MS_MAX, be it backwards, the next one is of now again.
    """

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._recorded_ms = self._from_ms = -2 * STEP_MS_MAX
        self._at_ms = self._to_ms = 0

    def moved(self, message: bytes, now_ms: int) -> Moved | None:
        """The message with its times moved; None of one without a time that can be read.

        >>> mover = Mover(60)
        >>> mover.moved(b'{"receivedAt":"2025-03-01T00:00:00Z"}', 1_767_225_600_000).message
        b'{"receivedAt":"2026-01-01T00:00:00.000Z"}'
        >>> mover.moved(b'{"receivedAt":"2025-03-01T00:01:00Z"}', 1_767_225_600_000).message
        b'{"receivedAt":"2026-01-01T00:00:01.000Z"}'
        """
        try:
            members = _members.decode(message)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        times = {name: instant_of(members[name]) for name in TIMES if name in members}
        recorded_ms = next((at_ms for at_ms in times.values() if at_ms is not None), None)
        if recorded_ms is None:
            return None
        at_ms = self._moved_ms(recorded_ms, now_ms)
        for name, time_ms in times.items():
            if time_ms is not None and 0 <= time_ms + at_ms - recorded_ms < FAR_MS:
                text = instant_text(time_ms + at_ms - recorded_ms)
                members[name] = msgspec.Raw(msgspec.json.encode(text))
        return Moved(at_ms, msgspec.json.encode(members))

    def _moved_ms(self, recorded_ms: int, now_ms: int) -> int:
        if abs(recorded_ms - self._recorded_ms) > STEP_MS_MAX:
            self._from_ms, self._to_ms = recorded_ms, max(now_ms, self._at_ms)
        self._recorded_ms = recorded_ms
        self._at_ms = self._to_ms + round((recorded_ms - self._from_ms) / self._speed)
        return self._at_ms


def instant_of(value: msgspec.Raw) -> int | None:
    """The instant of a JSON text in ISO 8601 (UTC unless it says otherwise); None of another value.

    >>> instant_of(msgspec.Raw(b'"2026-01-01T01:00:00.5+01:00"'))
    1767225600500
    """
    try:
        moment = datetime.fromisoformat(msgspec.json.decode(value, type=str))
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return round(aware.timestamp() * 1000)
    except (ValueError, OverflowError):
        return None
