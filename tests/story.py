"""The stage for hand-computed stories: one shop, one user, one short month of March 2026.

A story says which files the shop has and what happened when; the outcome is read as short lines.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.oracle_profile import Document, World
from tests.running import run

MONTH = "2026-03-"

SHOP = """
currency = "EUR"
zone = "Europe/Berlin"
[channels]
email = "email_unsubscribed"
push = "push_unsubscribed"
"""
EVENTS = """
["Product Viewed"]
fields = { item = "product_id", category = "category", price = "price" }
["Product Added"]
fields.item = "product_id"
fields.price = "price"
fields.quantity = "quantity"
fields.category = "category"
fields.cart_id = "cart_id"
["Product Removed"]
fields = { item = "product_id", quantity = "quantity", cart_id = "cart_id" }
["Cart Viewed"]
fields = { cart_id = "cart_id", lines = "products" }
["Order Completed"]
fields = { order = "order_id", amount = "total", cart_id = "cart_id", lines = "products" }
["Order Refunded"]
fields = { order = "order_id", amount = "total" }
["Email Opened"]
fields = { trigger = "trigger_id" }
["Email Link Clicked"]
fields = { trigger = "trigger_id" }
"""
PLAIN = {"cart_value": 'kind = "cart"\nof = "value"', "cart_items": 'kind = "cart"\nof = "items"'}

JOURNEY = """
about = "A story."
status = "{status}"
purpose = "marketing"
channels = ["push", "email"]
priority = {priority}
holdout = {holdout}
"""


class Story:
    """Collects what a shop is and what happened; `run` plays it to one of `running.RUNNERS`."""

    def __init__(self, directory: Path, runner: str) -> None:
        self.directory = directory / "config"
        self.runner = runner
        self.features = dict(PLAIN)
        self.lines: list[bytes] = []
        (self.directory / "journeys").mkdir(parents=True)
        (self.directory / "shop.toml").write_text(SHOP)
        (self.directory / "events.toml").write_text(EVENTS)
        (self.directory / "tags.toml").write_text("")

    def feature(self, name: str, text: str) -> None:
        """A feature beside those of the cart."""
        self.features[name] = text

    def tags(self, text: str) -> None:
        """The content of tags.toml."""
        (self.directory / "tags.toml").write_text(text)

    def journey(
        self,
        name: str,
        text: str,
        *,
        status: str = "live",
        priority: int = 50,
        holdout: float = 0.0,
    ) -> None:
        """A journey; `text` has its entry, exit, stages and goal."""
        head = JOURNEY.format(status=status, priority=priority, holdout=holdout)
        (self.directory / "journeys" / f"{name}.toml").write_text(head + text)

    def event(self, received: str, name: str, *, at: str = "", **properties: Any) -> None:
        """Something the user did, `at` a time such as "02T10:30:00.500" (default: `received`)."""
        message = {
            "type": "track",
            "messageId": properties.pop("message", f"m{len(self.lines)}"),
            "userId": properties.pop("user", "ann"),
            "event": name,
            "timestamp": f"{MONTH}{at or received}Z",
            "receivedAt": f"{MONTH}{received}Z",
            "properties": properties,
        }
        self.lines.append(json.dumps(message).encode())

    def identify(self, received: str, **traits: Any) -> None:
        """The user's traits."""
        instant = f"{MONTH}{received}Z"
        message = {"type": "identify", "messageId": f"m{len(self.lines)}", "userId": "ann"}
        times = {"timestamp": instant, "receivedAt": instant}
        self.lines.append(json.dumps(message | times | {"traits": traits}).encode())

    def withheld(self, received: str, at: str, stage: str, *, key: str = "c1", **more: str) -> None:
        """The log says that a trigger of the journey "cart", decided `at`, was not sent.

        `more`: another `journey` or `user`.
        """
        user, journey = more.get("user", "ann"), more.get("journey", "cart")
        instance = {"key": key, "entry": ""}
        data = {"journey": journey, "stage": stage, "instance": instance, "reason": "too_late"}
        message = {
            "type": "beckon.control",
            "control": "withheld",
            "receivedAt": f"{MONTH}{received}Z",
            "subject": user,
            "id": "",
            "suppressed": {"type": "beckon.suppressed", "time": f"{MONTH}{at}Z", "data": data},
        }
        self.lines.append(json.dumps(message).encode())

    def tick(self, received: str) -> None:
        """Time has passed, and nothing else."""
        message = {"type": "beckon.control", "control": "tick", "receivedAt": f"{MONTH}{received}Z"}
        self.lines.append(json.dumps(message).encode())

    def run(self, until: str = "", *, batch: int = 1000) -> World:
        """What comes of it, time going on to `until`; an engine takes `batch` records at once."""
        (self.directory / "features.toml").write_text(
            "\n".join(f"[{name}]\n{text}" for name, text in self.features.items())
        )
        if until:
            self.tick(until)
        return run(self.runner, self.directory, self.lines, batch=batch)


def open_story(directory: Path, runner: str) -> Story:
    """An empty story for one of `running.RUNNERS`."""
    if runner == "engine":
        pytest.importorskip("flows.partition", reason="the engine is not there")
    return Story(directory, runner)


def told(world: World) -> list[str]:
    """The decisions, such as "02T10:30:00.000 cart.reminder sent"."""
    return [told_decision(document) for document in world.decisions]


def told_decision(document: Document) -> str:
    data = document["data"]
    assert isinstance(data, dict)
    kind = str(document["type"]).removeprefix("beckon.")
    outcome = {"trigger": "sent", "suppressed": data.get("reason"), "goal": "goal"}[kind]
    key = f"[{data['instance']['key']}]" if data["instance"]["key"] is not None else ""
    return f"{short(document)} {data['journey']}{key}.{data['stage']} {outcome}"


def turned(world: World) -> list[str]:
    """The tag transitions, such as "02T10:30:00.000 +intent.cart"."""
    lines = []
    for document in world.transitions:
        data = document["data"]
        assert isinstance(data, dict)
        lines.append(f"{short(document)} {'+' if data['held'] else '-'}{data['tag']}")
    return lines


def short(document: Document) -> str:
    """The document's instant without the month."""
    return str(document["time"]).removeprefix(MONTH).removesuffix("Z")


def features(world: World, user: str = "ann") -> Document:
    """A user's features at the end."""
    found = next(profile for profile in world.profiles if profile["user"] == user)
    values = found["features"]
    assert isinstance(values, dict)
    return values
