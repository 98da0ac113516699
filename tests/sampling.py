"""A small shop for stories about examples: one user, instants told by the hash of the id."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from config.load import load
from config.schema import Config
from connectors.triggers import instant_ms, instant_text
from flows.partition import Engine
from state.layout import USER_HASH_MASK
from tests.running import documents, stretches
from tests.story import EVENTS, SHOP

Told = dict[str, Any]

DAY_MS = 86_400_000
WEEK_MS = 7 * DAY_MS
START_MS = instant_ms("2026-03-01T00:00:00Z")

FEATURES = {
    "orders": 'kind = "count"\nevents = { "Order Completed" = 1, "Order Refunded" = -1 }',
    "orders_week": 'kind = "count"\nevents = ["Order Completed"]\nwindow = "7d"\ntile = "1h"',
    "days": 'kind = "days_since"\nevents = ["Order Completed"]',
    "gap": 'kind = "gap"\nof = "mean"\nevents = ["Order Completed"]',
    "spend": 'kind = "sum"\nof = "amount"\nevents = ["Order Completed"]',
    "basket": 'kind = "ratio"\nof = ["spend", "orders"]',
    "cart_value": 'kind = "cart"\nof = "value"',
}
TERMS = """
[terms]
a = "log1p(orders) + orders_week"
b = "log1p(first_of(gap, 0))"
c = "log1p(basket)"
[set.all]
prior = 10
terms = ["a", "b", "c"]
"""
WEEK = 'outcome = ["Order Completed"]\nwithin = "7d"\nevery = "7d"\neligible = "orders >= 1"'
MONTH = 'outcome = ["Email Opened"]\nwithin = "35d"\nevery = "7d"\neligible = "orders >= 1"'
OWN = '\ndefault = 0.1\nsets = ["all"]'
"""What a model has that is no complement."""

TAGS = '[recent]\nwhen = "days < 3"\n'


def write_shop(
    folder: Path,
    models: dict[str, str],
    *,
    terms: str = TERMS,
    features: dict[str, str] = FEATURES,
    tags: str = TAGS,
) -> Config:
    """A config of these models, each given by its table's lines."""
    (folder / "journeys").mkdir(parents=True, exist_ok=True)
    (folder / "shop.toml").write_text(SHOP)
    (folder / "events.toml").write_text(EVENTS)
    (folder / "tags.toml").write_text(tags)
    texts = [f"[{name}]\n{text}" for name, text in features.items()]
    (folder / "features.toml").write_text("\n".join(texts))
    tables = [
        f"[model.{name}]\n{text}" + ("" if "complement" in text else OWN)
        for name, text in models.items()
    ]
    (folder / "models.toml").write_text("\n".join([terms, *tables]))
    return load(folder)


def event(name: str, received_ms: int, *, at_ms: int | None = None, **more: Any) -> bytes:
    """Something that a user did; `more`: `user`, or properties."""
    received = instant_text(received_ms)
    message = {
        "type": "track",
        "messageId": f"{name} {received_ms} {at_ms}",
        "userId": more.pop("user", "ann"),
        "event": name,
        "timestamp": received if at_ms is None else instant_text(at_ms),
        "receivedAt": received,
        "properties": more,
    }
    return json.dumps(message).encode()


def order(received_ms: int, *, total: float = 10.0, **more: Any) -> bytes:
    """An order."""
    return event("Order Completed", received_ms, order_id="o", total=total, **more)


def view(received_ms: int, **more: Any) -> bytes:
    """Something that no rule reads."""
    return event("Product Viewed", received_ms, product_id="p", **more)


def tick(received_ms: int) -> bytes:
    """Time has passed up to here."""
    told = {"type": "beckon.control", "control": "tick", "receivedAt": instant_text(received_ms)}
    return json.dumps(told).encode()


def hash_of(config: Config, user: str = "ann") -> int:
    """The low bits of the hash of a user's id."""
    (stretch,) = stretches(config, [view(START_MS, user=user)], 1)
    return int(stretch.columns.user_hash[0]) & USER_HASH_MASK


def instants(config: Config, after_ms: int, until_ms: int, every_ms: int = WEEK_MS) -> list[int]:
    """When ann can be sampled: counted through, second by second."""
    seconds = np.arange(after_ms // 1000 + 1, until_ms // 1000 + 1)
    return [int(at) * 1000 for at in seconds[(seconds - hash_of(config)) % (every_ms // 1000) == 0]]


def played(
    engine: Engine, config: Config, lines: Sequence[bytes], batch: int = 1000
) -> Iterator[Told]:
    """The examples that close while the engine takes these lines."""
    for stretch in stretches(config, list(lines), batch):
        done = engine.process(
            stretch.columns, clock_ms=stretch.clock_ms, next_offset=stretch.next_offset
        )
        yield from documents(done.examples())


def examples(config: Config, lines: Sequence[bytes], batch: int = 1000) -> list[Told]:
    """The examples of a log."""
    return list(played(Engine(config), config, lines, batch))


def sampled(found: Sequence[Told], model: str) -> list[int]:
    """When the examples of a model were sampled."""
    data = [document["data"] for document in found]
    return [instant_ms(one["sampled_at"]) for one in data if one["model"] == model]


def outcomes(found: Sequence[Told], model: str) -> list[bool]:
    """What came of the examples of a model."""
    return [one["data"]["outcome"] for one in found if one["data"]["model"] == model]
