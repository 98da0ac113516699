"""What becomes of triggers when they are relayed: sent, or too late by the wall clock.

An engine that was down for hours decides what was due meanwhile; what may no longer be sent then
goes out as a suppressed stage, and a record tells the log that it was withheld.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import UNSET, Struct
from msgspec.structs import replace

from connectors.log import LOG_TOPIC, SUPPRESSED_TOPIC, TRIGGERS_TOPIC, OutboxEntry, Outgoing
from connectors.triggers import SUPPRESSED, CloudEvent, Decided, decision_id, encode

TOO_LATE = "too_late"


class Withheld(Struct, frozen=True, kw_only=True):
    """The control record of a trigger that was not sent."""

    control: str = "withheld"
    subject: str
    id: str
    place: msgspec.Raw


class Trigger(CloudEvent, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True):
    """A trigger, read back from its line."""

    data: Decided


_trigger = msgspec.json.Decoder(Trigger)


def trigger_of(line: bytes) -> Trigger:
    """The trigger of a line."""
    return _trigger.decode(line)


def is_late(entry: OutboxEntry, now_ms: int) -> bool:
    """Whether a trigger may no longer be sent: after its `expirytime`."""
    return now_ms > entry.expires_ms


def outgoing(entries: Sequence[OutboxEntry], now_ms: int) -> list[Outgoing]:
    """The messages of a transaction, in the entries' order."""
    messages: list[Outgoing] = []
    for entry in entries:
        if is_late(entry, now_ms):
            messages += _withheld(entry)
        else:
            messages.append(Outgoing(topic=TRIGGERS_TOPIC, key=entry.key, value=entry.value))
    return messages


def too_late(trigger: Trigger) -> bytes:
    """The line of the suppressed stage that goes out in a trigger's stead."""
    data, instance = trigger.data, trigger.data.instance
    name = decision_id(
        SUPPRESSED,
        trigger.subject,
        data.journey,
        instance.key or "",
        instance.entry,
        data.stage,
    )
    suppressed = replace(
        trigger,
        id=name,
        type=SUPPRESSED,
        expirytime=UNSET,
        data=replace(data, reason=TOO_LATE, channel=None),
    )
    return encode(suppressed)


def _withheld(entry: OutboxEntry) -> list[Outgoing]:
    trigger = trigger_of(entry.value)
    note = Withheld(subject=trigger.subject, id=trigger.id, place=msgspec.Raw(entry.place))
    return [
        Outgoing(topic=SUPPRESSED_TOPIC, key=entry.key, value=too_late(trigger)),
        Outgoing(
            topic=LOG_TOPIC, key=entry.key, value=msgspec.json.encode(note), control="withheld"
        ),
    ]
