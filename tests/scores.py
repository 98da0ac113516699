"""A small shop with a model, and versions of it that are written by hand."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from config.load import load
from config.schema import Config, Model
from config.words import hash_text
from flows.learn_loops import Scorer
from flows.learn_program import compiled_program
from flows.learn_saved import Version
from flows.partition import Engine
from tests.oracle_profile import World
from tests.running import documents, note, stretches
from tests.story import EVENTS, JOURNEY, MONTH, SHOP

FEATURES = """
[days_since_order]
kind = "days_since"
events = ["Order Completed"]
[orders_total]
kind = "count"
events = ["Order Completed"]
[spend_total]
kind = "sum"
of = "amount"
events = { "Order Completed" = 1, "Order Refunded" = -1 }
"""
MODELS = """
[terms]
recency = "days_since_order * 1"
spend = "log1p(spend_total)"
[set.all]
prior = 10
terms = ["recency", "spend"]
[model.buy]
outcome = ["Order Completed"]
within = "7d"
eligible = "orders_total >= 1"
every = "7d"
default = 0.25
sets = ["all"]
[model.stay]
complement = "buy"
"""


def second_of(user: str) -> str:
    """The user's second of the day, such as "10:00:00"."""
    data = np.frombuffer(user.encode() + bytes(8), np.uint8)
    second = (int(hash_text(data, 0, len(user))) & 0x7FFFFFFF) % 86_400
    return f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"


def version_of(
    model: Model, weights: Mapping[str, float] | None = None, *, intercept: float
) -> Version:
    """A version that reads terms as they are, by these weights (the others: 0)."""
    program = model.recipe.program
    chosen = np.array([(weights or {}).get(term, 0.0) for term in program.terms])
    count = len(program.terms)
    return Version(
        id=hashlib.blake2b(chosen.tobytes(), digest_size=32).hexdigest(),
        learned_count=1,
        terms=program,
        program=compiled_program(program),
        scorer=Scorer(
            means=np.zeros(count),
            scales=np.ones(count),
            weights=chosen,
            bounds=np.array([1000.0, intercept]),
        ),
    )


class Shop:
    """A shop in March 2026 whose users are scored by one version from the start."""

    def __init__(self, directory: Path) -> None:
        """A shop without tags and journeys."""
        self.directory = directory / "config"
        self.lines: list[bytes] = []
        (self.directory / "journeys").mkdir(parents=True)
        for name, text in (
            ("shop", SHOP),
            ("events", EVENTS),
            ("features", FEATURES),
            ("models", MODELS),
            ("tags", ""),
        ):
            (self.directory / f"{name}.toml").write_text(text)

    def config(self) -> Config:
        """Its config as it stands."""
        return load(self.directory)

    def model(self, name: str) -> Model:
        """One of its models."""
        return next(model for model in self.config().models if model.name == name)

    def tags(self, text: str) -> None:
        """The content of tags.toml."""
        (self.directory / "tags.toml").write_text(text)

    def journey(self, name: str, text: str) -> None:
        """A journey that is live; `text` has its entry and stages."""
        head = JOURNEY.format(status="live", priority=50, holdout=0.0)
        (self.directory / "journeys" / f"{name}.toml").write_text(head + text)

    def line(self, received: str, name: str, user: str = "ann", **properties: Any) -> bytes:
        """What a user did, as a record."""
        message = {
            "type": "track",
            "messageId": f"{received} {name}",
            "userId": user,
            "event": name,
            "timestamp": f"{MONTH}{received}Z",
            "receivedAt": f"{MONTH}{received}Z",
            "properties": properties,
        }
        return json.dumps(message).encode()

    def event(self, received: str, name: str, user: str = "ann", **properties: Any) -> None:
        """A user did something."""
        self.lines.append(self.line(received, name, user, **properties))

    def tick(self, received: str) -> None:
        """Time has passed."""
        message = {"type": "beckon.control", "control": "tick", "receivedAt": f"{MONTH}{received}Z"}
        self.lines.append(json.dumps(message).encode())

    def run(self, version: Version | None = None, *, batch: int = 1000) -> World:
        """What comes of it, with a version of "buy" in force from the start."""
        config = self.config()
        engine = Engine(config)
        if version is not None:
            assert engine.adopt("buy", version), "a version made for it fits"
        world = World(decisions=[], transitions=[], profiles=[], counters={})
        for stretch in stretches(config, self.lines, batch):
            note(world, [engine], stretch)
        world.profiles.extend(documents(engine.profiles()))
        return world
