"""A slow, obvious decoder, written from docs/semantics.md alone, to compare the compiled one with.

Raw messages in, events, dead letters and the final clock out. It parses with `json`, counts with
`Fraction` and reads times with `datetime`, so that it shares no idea with the compiled decoder.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from config.schema import MESSAGE_TYPES, Config
from tests.reference_fields import check_fields
from tests.reference_json import DeadError, Number, is_text, parse

DAY_MS = 86_400_000
FAR_MS = 2**42
LOOK_AHEAD = 1000
ZONED = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII)
CONTROL_KINDS = ("tick", "config", "model", "cut_points", "erase", "withheld")
TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)"
    r"(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?(Z|[+-]\d\d:?\d\d)?)?",
    re.ASCII,
)


class Event(NamedTuple):
    """One usable event. Absent fields are absent from `fields` and from each line."""

    offset: int
    log_ms: int
    at_ms: int
    name: str
    user: str
    message_id: str
    fields: dict[str, int | str | bool]
    lines: list[dict[str, int | str | bool]]


class Withheld(NamedTuple):
    """What a record says was not sent: whose trigger, of which journey and instant.

    `suppressed` is what went out instead.
    """

    offset: int
    log_ms: int
    user: str
    trigger: str
    journey: str
    instant_ms: int
    suppressed: dict[str, object]


class Outcome(NamedTuple):
    """What became of a log: events, dead letters as (offset, reason), the clock after it, notices.

    Notices are what `withheld` records say.
    """

    events: list[Event]
    dead_letters: list[tuple[int, str]]
    clock_ms: int
    withheld: list[Withheld]


class Control(NamedTuple):
    """A control record of a file, the time that it proves, and of a `withheld` one its text."""

    received_ms: int
    withheld: bytes | None


class Usable(NamedTuple):
    """A record that passed all checks but that of its place in time."""

    event: Event
    received_ms: int | None


def decode(
    lines: Sequence[bytes],
    config: Config,
    *,
    log_ms: Sequence[int] | None = None,
    clock_ms: int = 0,
) -> Outcome:
    """Decode a whole file, or with `log_ms` what a broker hands out. Offsets are line numbers."""
    records: list[Usable | Control | str] = []
    for offset, line in enumerate(lines):
        try:
            records.append(check(line, config, offset, None if log_ms is None else log_ms[offset]))
        except DeadError as dead:
            records.append(str(dead))
    if log_ms is None:
        return place_in_file(records, clock_ms)
    return place_by_broker(records, log_ms, clock_ms)


def place_by_broker(
    records: list[Usable | Control | str], log_ms: Sequence[int], clock_ms: int
) -> Outcome:
    """Log times as the broker says, made non-decreasing."""
    outcome = Outcome([], [], clock_ms, [])
    for offset, record in enumerate(records):
        outcome = outcome._replace(clock_ms=max(outcome.clock_ms, log_ms[offset]))
        if isinstance(record, str):
            outcome.dead_letters.append((offset, record))
        elif isinstance(record, Usable):
            outcome.events.append(placed(record.event, outcome.clock_ms))
    return outcome


def place_in_file(records: list[Usable | Control | str], clock_ms: int) -> Outcome:
    """Log times by `receivedAt`, else event time; lonely jumps ahead are dead letters."""
    outcome = Outcome([], [], clock_ms, [])
    for offset, record in enumerate(records):
        if isinstance(record, str):
            outcome.dead_letters.append((offset, record))
            continue
        if isinstance(record, Control):
            outcome = outcome._replace(clock_ms=max(outcome.clock_ms, record.received_ms))
            if record.withheld is not None:
                note_withheld(record.withheld, offset, outcome)
            continue
        following = records[offset + 1 : offset + 1 + LOOK_AHEAD]
        after = next((own_ms(other) for other in following if isinstance(other, Usable)), None)
        if record.received_ms is None and is_future(record.event.at_ms, outcome.clock_ms, after):
            outcome.dead_letters.append((offset, "future"))
            continue
        outcome = outcome._replace(clock_ms=max(outcome.clock_ms, own_ms(record)))
        outcome.events.append(placed(record.event, outcome.clock_ms))
    return outcome


def own_ms(record: Usable) -> int:
    """A record's own time."""
    return record.event.at_ms if record.received_ms is None else record.received_ms


def is_future(at_ms: int, clock_ms: int, next_ms: int | None) -> bool:
    """Whether a record without `receivedAt` stands alone, far ahead. A clock of 0 is none yet."""
    if clock_ms == 0:
        return next_ms is not None and at_ms > next_ms + 45 * DAY_MS
    limit_ms = clock_ms + 45 * DAY_MS
    return at_ms > limit_ms and (next_ms is None or next_ms <= limit_ms)


def placed(event: Event, log_ms: int) -> Event:
    """The event at its log time; its event time is never later."""
    return event._replace(log_ms=log_ms, at_ms=min(event.at_ms, log_ms))


def check(line: bytes, config: Config, offset: int, log_ms: int | None) -> Usable | Control:
    """All checks of one record, in the order of docs/semantics.md; the first to fail is raised."""
    message = parse(line)
    if not isinstance(message, dict):
        raise DeadError("not_an_object")
    kind = message.get("type")
    if kind is not None and not is_text(kind):
        raise DeadError("wrong_type")
    if kind == "beckon.control" and log_ms is None:
        return check_control(message, line)
    if kind not in MESSAGE_TYPES:
        raise DeadError("unknown_type")
    user = check_user(message)
    message_id = message.get("messageId")
    if message_id is None or message_id == "":
        raise DeadError("missing_message_id")
    if not is_text(message_id):
        raise DeadError("wrong_type")
    at_ms, received_ms = check_times(message, log_ms)
    name = check_name(message, str(kind), config)
    definition = next((each for each in config.events if each.name == name), None)
    if definition is None and config.shop.strict:
        raise DeadError("unknown_event")
    for container in ("properties", "traits"):
        if message.get(container) is not None and not isinstance(message[container], dict):
            raise DeadError("wrong_type")
    fields, lines = check_fields(message, definition, config) if definition else ({}, [])
    return Usable(Event(offset, -1, at_ms, name, user, message_id, fields, lines), received_ms)


def check_control(message: dict[str, object], line: bytes) -> Control:
    """A control record of a file."""
    received_ms = instant(message.get("receivedAt"))
    if message.get("control") not in CONTROL_KINDS or isinstance(message["control"], Number):
        raise DeadError("bad_control")
    if received_ms is None or not 0 <= received_ms < FAR_MS:
        raise DeadError("bad_control")
    return Control(received_ms, line if message["control"] == "withheld" else None)


def note_withheld(line: bytes, offset: int, outcome: Outcome) -> None:
    """What a `withheld` record says, or that it says nothing of use."""
    match json.loads(line):
        case {
            "subject": str(user),
            "id": str(trigger),
            "suppressed": {"time": str(time), "data": {"journey": str(journey)}} as suppressed,
        } if ZONED.fullmatch(time):
            instant_ms = instant(time)
            if instant_ms is not None and 0 <= instant_ms < FAR_MS:
                where = (offset, outcome.clock_ms)
                notice = (*where, user, trigger, journey, instant_ms, suppressed)
                outcome.withheld.append(Withheld(*notice))
                return
    outcome.dead_letters.append((offset, "bad_control"))


def check_user(message: dict[str, object]) -> str:
    """The profile id."""
    for key in ("userId", "anonymousId"):
        value = message.get(key)
        if value is None or value == "":
            continue
        if not is_text(value):
            raise DeadError("wrong_type")
        if len(str(value).encode()) > 256:
            raise DeadError("too_large")
        return str(value)
    raise DeadError("missing_id")


def check_times(message: dict[str, object], log_ms: int | None) -> tuple[int, int | None]:
    """(event time, time received or None)."""
    for key in ("timestamp", "sentAt", "receivedAt", "originalTimestamp"):
        if message.get(key) is not None and not is_text(message[key]):
            raise DeadError("wrong_type")
    sent_ms = instant(message.get("sentAt"))
    original_ms = instant(message.get("originalTimestamp"))
    received_ms = instant(message.get("receivedAt"))
    if received_ms is None or received_ms < 0:
        received_ms = log_ms
    at_ms = original_ms
    if message.get("timestamp") is not None:
        at_ms = instant(message["timestamp"])
        if at_ms is None:
            raise DeadError("no_timestamp")
    corrected = message.get("timestamp") is not None and original_ms is not None
    if at_ms is None:
        at_ms = received_ms
    elif not corrected and sent_ms is not None and received_ms is not None:
        at_ms = received_ms - (sent_ms - at_ms)
    if at_ms is None or at_ms < 0:
        raise DeadError("no_timestamp")
    if at_ms >= FAR_MS or (received_ms is not None and received_ms >= FAR_MS):
        raise DeadError("future")
    return at_ms, received_ms


def instant(value: object) -> int | None:
    """Milliseconds since 1970 of an ISO 8601 text; None when it is no usable time."""
    if not is_text(value):
        return None
    match = TIME.fullmatch(str(value))
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    try:
        moment = datetime(
            int(year),
            int(month),
            int(day),
            int(hour or 0),
            int(minute or 0),
            int(second or 0),
            tzinfo=UTC,
        )
    except ValueError:
        return None
    passed_ms = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    passed_ms += int((fraction or "")[:3].ljust(3, "0"))
    if zone is None or zone == "Z":
        return passed_ms
    hours, minutes = int(zone[1:3]), int(zone[-2:])
    if hours > 23 or minutes > 59:
        return None
    ahead_ms = (hours * 60 + minutes) * 60_000
    return passed_ms - ahead_ms if zone[0] == "+" else passed_ms + ahead_ms


def check_name(message: dict[str, object], kind: str, config: Config) -> str:
    """The event's name."""
    if kind != "track":
        return kind
    if not is_text(message.get("event")):
        raise DeadError("wrong_type")
    name = str(message["event"])
    return config.shop.vocabulary.get(name, name)
