"""What happens in the shop while its engine is being killed: messages as of now, quick journeys."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from threading import Event
from types import MappingProxyType
from typing import Any

from confluent_kafka import KafkaError, Message, Producer
from msgspec import Struct

from config.load import PACKAGED
from connectors.kafka_producers import PARTITIONER
from connectors.kafka_settings import KafkaSettings
from connectors.log import LOG_TOPIC
from flows.produce import key_of
from flows.simulate import SimulateOptions, simulate
from flows.simulate_delivery import Rates
from tests.config_folders import edit

COOLDOWN = "1s"
QUICKLY = {"s": "1s", "m": "1s", "h": "2s", "d": "3s"}
TIMES = ("originalTimestamp", "timestamp", "sentAt", "receivedAt")
AFTER = re.compile(r'^after( *)= "\d+([smhd])"', re.MULTILINE)
WAITS = re.compile(r'^(ttl|cooldown)( *)= "[^"]*"', re.MULTILINE)
SPANS = re.compile(r'^(within|every) *= "(\d+d)"', re.MULTILINE)
HORIZONS = {"3d": "1h", "7d": "1h", "30d": "2h"}
ELIGIBLE = re.compile(r"^eligible .*\n", re.MULTILINE)
MORE_MODELS = """
[model.view_1h]
outcome = ["Product Viewed"]
within  = "1h"
every   = "1h"
default = 0.5
sets    = ["answers"]
drift   = "faster"

[model.add_1h]
outcome = ["Product Added"]
within  = "1h"
every   = "1h"
default = 0.5
sets    = ["rates"]
memory  = 1000
drift   = "reset"
"""
SCORED_STAGES = (
    ("abandoned_cart", "cart_value >= min_cart_value", "propensity.purchase_7d < 0.9"),
    ("abandoned_checkout", "cart_value", "propensity.add_1h < 0.9"),
    ("abandoned_browse", "has(top_category)", "propensity.view_1h < 0.7"),
)
DAYS = 12
LAST_STAGE_SECONDS = 3.0
"""The latest stage after its journey's entry: see QUICKLY."""

FLUSH_SECONDS = 60.0
PACE_EVERY = 20
TRACKING_SETTINGS: dict[str, str | int | float] = {
    "partitioner": PARTITIONER,
    "enable.idempotence": "true",
    # Tracking outlasts a broker that is away for a minute.
    "message.timeout.ms": 180_000,
    "linger.ms": 5,
}

AS_USUAL: Mapping[str, str | int | float] = MappingProxyType({})
Acknowledged = Callable[[KafkaError | None, Message], None]


class Sent(Struct, frozen=True, kw_only=True):
    """A record on its way into the log; `partition` -1: the one that its key says."""

    value: bytes | None
    key: bytes | None
    partition: int = -1
    headers: list[tuple[str, str | bytes | None]] = []
    acknowledged: Acknowledged | None = None


def write_quick_config(folder: Path, ttl: str = "1h") -> None:
    """The packaged config, with stages due within seconds, and too late after `ttl`.

    Its models have the shortest horizon, and there are more of them, which triggers depend on.
    Nothing is sent of the time before now.
    """
    ignored = shutil.ignore_patterns("*.py", "__pycache__")
    shutil.copytree(PACKAGED, folder, ignore=ignored, dirs_exist_ok=True)
    waits = {"ttl": ttl, "cooldown": COOLDOWN}
    for path in (folder / "journeys").glob("*.toml"):
        text = AFTER.sub(lambda found: f'after{found[1]}= "{QUICKLY[found[2]]}"', path.read_text())
        text = WAITS.sub(lambda found: f'{found[1]}{found[2]}= "{waits[found[1]]}"', text)
        path.write_text(text)
    quicken_models(folder)
    live_from = datetime.now(UTC).isoformat(timespec="seconds")
    edit(folder, "shop.toml", "\n[rates]", f"\nlive_from = {live_from}\n\n[rates]")


def quicken_models(folder: Path) -> None:
    """Have everybody sampled every hour, and triggers tell of scores and depend on them."""
    path = folder / "models.toml"
    text = SPANS.sub(lambda found: f'{found[1]} = "{HORIZONS[found[2]]}"', path.read_text())
    path.write_text(ELIGIBLE.sub("", text) + MORE_MODELS)
    for journey, old, score in SCORED_STAGES:
        edit(folder, f"journeys/{journey}.toml", f'"{old}', f'"{score} and {old}')


def messages(users: int, seed: int, rates: Rates | None = None, *, days: int = DAYS) -> list[bytes]:
    """A simulated shop's messages: late, repeated and broken ones among them."""
    log = BytesIO()
    options = SimulateOptions(users=users, days=days, seed=seed, rates=rates or Rates())
    simulate(options, log)
    return log.getvalue().splitlines()


def as_of_now(lines: Iterable[bytes]) -> Iterator[Sent]:
    """Each line with its times moved, so that it is received when it is taken from here."""
    for line in lines:
        message = moved(line, datetime.now(UTC))
        yield Sent(value=message, key=key_of(message))


def moved(line: bytes, now: datetime) -> bytes:
    """The message as if it was received now: late ones stay late; broken ones as they are."""
    try:
        message: dict[str, Any] = json.loads(line)
        by = now - datetime.fromisoformat(message["receivedAt"])
        times = {
            name: written(datetime.fromisoformat(message[name]) + by)
            for name in TIMES
            if name in message
        }
    except (ValueError, KeyError, TypeError, RecursionError):
        return line
    return json.dumps(message | times, ensure_ascii=False, separators=(",", ":")).encode()


def written(instant: datetime) -> str:
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def track(
    settings: KafkaSettings,
    records: Iterable[Sent],
    per_second: float,
    stop: Event,
    otherwise: Mapping[str, str | int | float] = AS_USUAL,
) -> None:
    """Append records to the log, so many a second, until they or the time to do so end.

    `otherwise`: settings of the producer.
    """
    producer = Producer({**settings.connection(), **TRACKING_SETTINGS, **otherwise})
    topic = settings.topic(LOG_TOPIC)
    began_at = time.monotonic()
    for index, record in enumerate(records):
        send(producer, topic, record)
        due_at = began_at + index / per_second
        if index % PACE_EVERY == 0 and stop.wait(max(0.0, due_at - time.monotonic())):
            break
    assert producer.flush(FLUSH_SECONDS) == 0, "the broker does not take the events"


def send(producer: Producer, topic: str, record: Sent) -> None:
    """Hand a record over, waiting for room."""
    while True:
        try:
            producer.produce(
                topic,
                record.value,
                record.key,
                record.partition,
                on_delivery=record.acknowledged,
                headers=record.headers,
            )
        except BufferError:
            producer.poll(0.1)
        else:
            producer.poll(0)
            return
