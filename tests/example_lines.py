"""A topic of examples as engines write it, of made-up users."""

from __future__ import annotations

import msgspec
import numpy as np

from config.schema import Config, Model
from connectors.triggers import instant_text
from tests.learning import FEATURES, made_up

BEGIN_MS = 1_767_225_600_000
HOUR_MS = 3_600_000
USERS = 1_000


def learned_models(config: Config) -> list[Model]:
    """The models that are sampled by the calendar, and have examples of their own."""
    return [model for model in config.models if model.every_ms and not model.complement]


def example_lines(config: Config, count: int, seed: int = 1) -> list[bytes]:
    """An example of each model every hour, of some user; half of them were given a score."""
    features, outcomes = made_up(count, seed)
    users = np.random.default_rng(seed).integers(0, USERS, count).tolist()
    lines = []
    for number, values in enumerate(features.astype(np.float32).tolist()):
        known = {
            name: None if value != value else value
            for name, value in zip(FEATURES, values, strict=True)
        }
        closed_ms = BEGIN_MS + HOUR_MS * number
        is_scored = number % 2 == 1
        for model in learned_models(config):
            event = {
                "specversion": "1.0",
                "id": f"{number}-{model.name}",
                "type": "beckon.example",
                "subject": f"u{users[number]:04}",
                "time": instant_text(closed_ms),
                "data": {
                    "model": model.name,
                    "sampled_at": instant_text(closed_ms - model.within_ms),
                    "outcome": bool(outcomes[number]),
                    "score": 0.125 + 0.5 * bool(outcomes[number]) if is_scored else None,
                    "version": "0123456789abcdef" if is_scored else None,
                    "tags": ["lifecycle.active"],
                    "features": {name: known[name] for name in model.recipe.program.features},
                },
            }
            lines.append(msgspec.json.encode(event))
    return lines
