"""Messages for stories, and both decoders to tell them to."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np

from config.schema import Config
from tests.decoding import decode_all, known, small_config
from tests.reference_decoder import Event, Outcome, decode

Decode = Callable[..., Outcome]
CONFIG = small_config()
MARCH_MS = 1_772_323_200_000
"""2026-03-01T00:00:00Z."""

SECOND_MS, DAY_MS = 1000, 86_400_000


def decode_by_reference(
    lines: list[bytes], config: Config, *, log_ms: list[int] | None = None
) -> Outcome:
    """What the reference decoder makes of lines, less what columns do not hold."""
    return known(decode(lines, config, log_ms=log_ms), config)


DECODERS: dict[str, Decode] = {"compiled": decode_all, "reference": decode_by_reference}


def message(**members: object) -> bytes:
    """A usable message with some members changed; `...` leaves one out."""
    usual = {
        "type": "track",
        "event": "Product Added",
        "userId": "ada",
        "messageId": "m1",
        "timestamp": "2026-03-01T00:00:10Z",
        "receivedAt": "2026-03-01T00:00:12Z",
        "properties": {"product_id": "sku-1"},
    }
    chosen = {key: value for key, value in (usual | members).items() if value is not ...}
    return json.dumps(chosen, ensure_ascii=False).encode()


def order(**properties: object) -> bytes:
    """An order with some properties changed."""
    usual = {
        "order_id": "o1",
        "total": 30,
        "products": [{"product_id": "a", "price": 10, "quantity": 3}],
    }
    return message(event="Order Completed", properties=usual | properties)


def tick(received_at: object = "2026-03-01T00:01:00Z", control: object = "tick") -> bytes:
    return json.dumps(
        {"type": "beckon.control", "control": control, "receivedAt": received_at}
    ).encode()


def without_receipt(day: int) -> bytes:
    """A message of which only its own time, days after the first of March, is known."""
    return message(
        receivedAt=...,
        timestamp=np.datetime_as_string(
            np.datetime64("2026-03-01") + day, unit="s", timezone="UTC"
        ),
    )


def the_event(decoder: Decode, line: bytes, config: Config = CONFIG) -> Event:
    outcome = decoder([line], config)
    assert outcome.dead_letters == []
    return outcome.events[0]


def reason(decoder: Decode, line: bytes, config: Config = CONFIG) -> str:
    outcome = decoder([line], config)
    assert outcome.events == []
    return outcome.dead_letters[0][1]
