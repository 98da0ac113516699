"""Instants and spans of time as a person in the shop says them, seen from the state's clock."""

from __future__ import annotations

import importlib.resources
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


class Moments:
    """Words for instants: in one zone, and as of one instant."""

    def __init__(self, zone: str, now: datetime) -> None:
        self._zone = zone
        self._rules = _zone_rules(zone)
        self._now = now.astimezone(self._rules)

    def now(self) -> str:
        """The instant that all the others are seen from, in full and with its zone.

        >>> Moments("Europe/Berlin", datetime(2026, 1, 14, 12, 50, 2, tzinfo=UTC)).now()
        'Wed 14 Jan 2026, 13:50:02, Europe/Berlin'
        """
        return f"{self._now:%a} {_date(self._now)} {self._now:%Y, %H:%M:%S}, {self._zone}"

    def at(self, instant: datetime, *, seconds: bool = False) -> str:
        """The time of day; on other days with the date, in other years with the year.

        >>> moments = Moments("Europe/Berlin", datetime(2026, 1, 14, 12, 50, tzinfo=UTC))
        >>> moments.at(datetime(2026, 1, 14, 13, 2, 10, tzinfo=UTC), seconds=True)
        '14:02:10'
        >>> moments.at(datetime(2025, 12, 31, 22, 59, tzinfo=UTC))
        '31 Dec 2025 23:59'
        """
        local = instant.astimezone(self._rules)
        time = f"{local:%H:%M:%S}" if seconds else f"{local:%H:%M}"
        if local.date() == self._now.date():
            return time
        year = f" {local.year}" if local.year != self._now.year else ""
        return f"{_date(local)}{year} {time}"

    def day_and_time(self, instant: datetime) -> str:
        """The day and the time of day, on whatever day.

        >>> moments = Moments("Europe/Berlin", datetime(2026, 1, 14, 12, 50, tzinfo=UTC))
        >>> moments.day_and_time(datetime(2026, 1, 14, 13, 2, 10, tzinfo=UTC))
        '14 Jan 14:02:10'
        """
        local = instant.astimezone(self._rules)
        return f"{_date(local)} {local:%H:%M:%S}"

    def ago(self, instant: datetime) -> str:
        """How long ago an instant was; a later one counts as now."""
        return span(self._now - instant)

    def ahead(self, instant: datetime) -> str:
        """How far ahead an instant is; an earlier one counts as now."""
        return span(instant - self._now)


def moments_at(zone: str, at_ms: int) -> Moments:
    """Words for instants as of `at_ms`."""
    return Moments(zone, instant(at_ms))


def instant(at_ms: int) -> datetime:
    """An instant of the log as a datetime."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at_ms)


def span(length: timedelta) -> str:
    """A length of time in its largest fitting unit, rounded down; none is below 0.

    >>> span(timedelta(minutes=12, seconds=59)), span(timedelta(hours=47)), span(timedelta(days=2))
    ('12 min', '47 h', '2 days')
    """
    if length < MINUTE:
        return f"{max(length, timedelta()) // timedelta(seconds=1)} s"
    if length < HOUR:
        return f"{length // MINUTE} min"
    if length < 2 * DAY:
        return f"{length // HOUR} h"
    return f"{length // DAY:,} days"


def _date(local: datetime) -> str:
    return f"{local.day} {local:%b}"


def _zone_rules(zone: str) -> ZoneInfo:
    """From the pinned package, so that all machines show the same."""
    file = importlib.resources.files("tzdata").joinpath("zoneinfo", *zone.split("/"))
    with file.open("rb") as stream:
        return ZoneInfo.from_file(stream, key=zone)
