"""What becomes of triggers when they are relayed: sent, or too late by the wall clock.

An engine that was down for hours decides what was due meanwhile; what may no longer be sent then
goes out as a suppressed stage, and a record tells the log that it was withheld.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, Struct
from msgspec.structs import replace

from connectors.columns import DeadLetter
from connectors.log import (
    LOG_TOPIC,
    SUPPRESSED_TOPIC,
    TRIGGERS_TOPIC,
    ControlRecord,
    OutboxEntry,
    Outgoing,
)
from connectors.times import FAR_MS
from connectors.triggers import SUPPRESSED, CloudEvent, Decided, decision_id, encode

TOO_LATE = "too_late"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class WithheldRecord(Struct, frozen=True, kw_only=True):
    """The control record of a trigger that was not sent. `suppressed` is what went out instead."""

    control: str = "withheld"
    subject: str
    id: str
    suppressed: msgspec.Raw


class WithheldData(Struct, frozen=True, kw_only=True):
    """The part of a suppressed stage's data that says which trigger it was."""

    journey: str


class WithheldStage(Struct, frozen=True, kw_only=True):
    """The part of a suppressed stage that says which trigger it was."""

    time: Annotated[datetime, Meta(tz=True)]
    data: WithheldData


class Withheld(Struct, frozen=True, kw_only=True):
    """A trigger that the log says was not sent: whose, its id, which journey's, of which instant.

    line: the suppressed stage that went out instead, as a line of JSON. offset, log_ms: those of
    the record.
    """

    subject: str
    trigger: str
    journey: str
    instant_ms: int
    line: bytes
    offset: int
    log_ms: int


class Trigger(CloudEvent, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True):
    """A trigger, read back from its line."""

    data: Decided


_trigger = msgspec.json.Decoder(Trigger)
_record = msgspec.json.Decoder(WithheldRecord)
_stage = msgspec.json.Decoder(WithheldStage)


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
        data=replace(data, reason=TOO_LATE, channel=None, because=UNSET),
    )
    return encode(suppressed)


def read_withheld(record: ControlRecord) -> Withheld | DeadLetter:
    """What a record says was withheld; a dead letter where no relay can have written it."""
    try:
        read = _record.decode(record.value)
        stage = _stage.decode(read.suppressed)
    except msgspec.DecodeError as error:
        return _bad_record(record, f"one with this fault: {error}")
    instant_ms = (stage.time - _EPOCH) // timedelta(milliseconds=1)
    if not 0 <= instant_ms < FAR_MS:
        return _bad_record(record, f"one of {stage.time.isoformat()}")
    return Withheld(
        subject=read.subject,
        trigger=read.id,
        journey=stage.data.journey,
        instant_ms=instant_ms,
        line=msgspec.json.format(bytes(read.suppressed), indent=-1),
        offset=record.offset,
        log_ms=record.log_ms,
    )


def _bad_record(record: ControlRecord, got: str) -> DeadLetter:
    return DeadLetter(
        reason="bad_control",
        detail="record: expected a withheld record with the subject, the id and the suppressed "
        f"stage of a trigger, as the relay writes it, got {got}",
        offset=record.offset,
        value=record.value,
    )


def _withheld(entry: OutboxEntry) -> list[Outgoing]:
    trigger = trigger_of(entry.value)
    suppressed = too_late(trigger)
    note = WithheldRecord(
        subject=trigger.subject, id=trigger.id, suppressed=msgspec.Raw(suppressed)
    )
    return [
        Outgoing(topic=SUPPRESSED_TOPIC, key=entry.key, value=suppressed),
        Outgoing(
            topic=LOG_TOPIC, key=entry.key, value=msgspec.json.encode(note), control="withheld"
        ),
    ]
