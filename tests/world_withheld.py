"""Records in a random log that say what was not sent: of its own triggers, and of none."""

from __future__ import annotations

import json
from collections.abc import Sequence
from copy import deepcopy
from datetime import datetime, timedelta
from random import Random
from typing import Any

from tests.oracle_outputs import EPOCH, identity, text_of
from tests.reference_decoder import Event

DELAYS_MS = (0, 1, 1_000, 60_000, 3_600_000, 86_400_000)
CHANGES: tuple[dict[str, Any], ...] = (
    *({"subject": "nobody"}, {"subject": 7}, {"id": None}, {"suppressed": []}),
    *({"time": "1969-12-31T23:59:59Z"}, {"time": "2026-03-02T10:00:00"}, {"time": 5}),
    *({"time": "2026-03-02T10:30:00+01:00"}, {"journey": "no_such_journey"}, {"journey": None}),
)


def with_withheld(
    lines: Sequence[bytes], events: Sequence[Event], triggers: Sequence[Any], random: Random
) -> list[bytes]:
    """The log with records about some of its triggers, each somewhere behind its decision.

    Some come twice, some are of no trigger; at times an outage holds back all of a stretch.
    """
    placed: list[tuple[int, bytes]] = []
    outage = sorted(random.sample([event.log_ms for event in events], 2)) if events[1:] else []
    if outage and random.random() < 0.5:
        for trigger in triggers:
            if outage[0] <= instant_of(trigger) < outage[1]:
                placed.append(record(trigger, outage[1], lines, events))
    else:
        for trigger in triggers:
            for _ in range(random.choice((0, 1, 1, 2))):
                log_ms = instant_of(trigger) + random.choice(DELAYS_MS)
                told = changed(trigger, random) if random.random() < 0.2 else trigger
                placed.append(record(told, log_ms, lines, events))
    found = list(lines)
    for at, line in reversed(sorted(placed, key=lambda pair: pair[0])):
        found.insert(at, line)
    return found


def record(
    trigger: Any, log_ms: int, lines: Sequence[bytes], events: Sequence[Event]
) -> tuple[int, bytes]:
    """Where a record of that time belongs into the log, and its line."""
    message = trigger if "control" in trigger else message_of(trigger)
    line = json.dumps(message | {"receivedAt": text_of(log_ms)}, ensure_ascii=False)
    later = (event.offset for event in events if event.log_ms >= log_ms)
    return next(later, len(lines)), line.encode()


def message_of(trigger: Any) -> dict[str, Any]:
    """What a log holds about a trigger that was withheld."""
    data, instance = trigger["data"], trigger["data"]["instance"]
    parts = (data["journey"], instance["key"] or "", instance["entry"], data["stage"])
    suppressed = {key: value for key, value in trigger.items() if key != "expirytime"} | {
        "id": identity("beckon.suppressed", trigger["subject"], *parts),
        "type": "beckon.suppressed",
        "data": data | {"reason": "too_late", "channel": None},
    }
    return {
        "type": "beckon.control",
        "control": "withheld",
        "subject": trigger["subject"],
        "id": trigger["id"],
        "suppressed": suppressed,
    }


def changed(trigger: Any, random: Random) -> dict[str, Any]:
    """The message about a trigger, with one thing in it that it does not say."""
    message = deepcopy(message_of(trigger))
    for key, value in random.choice(CHANGES).items():
        suppressed = message["suppressed"]
        place = {"time": suppressed, "journey": suppressed["data"]}.get(key, message)
        place[key] = value
    return message


def instant_of(trigger: Any) -> int:
    """When a trigger was decided."""
    return (datetime.fromisoformat(trigger["time"]) - EPOCH) // timedelta(milliseconds=1)
