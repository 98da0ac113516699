"""Simulated logs in tests: written in memory, and read again message by message."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from io import BytesIO
from typing import Any, NamedTuple

from flows.simulate import SimulateOptions, Traffic, simulate
from flows.simulate_delivery import Rates

FAULTLESS = Rates(late=0, duplicate=0, reordered=0, broken=0)


class Log(NamedTuple):
    """A simulated log, in order of its lines."""

    lines: Sequence[bytes]
    truth: Sequence[Any]
    counts: dict[str, int]
    days: Sequence[Traffic]

    def messages(self) -> list[Any]:
        return [json.loads(line) for line in self.lines]


def simulated(users: int = 400, days: int = 20, seed: int = 3, rates: Rates = FAULTLESS) -> Log:
    return log_of(SimulateOptions(users=users, days=days, seed=seed, rates=rates))


def log_of(options: SimulateOptions) -> Log:
    events, truth = BytesIO(), BytesIO()
    done = simulate(options, events, truth)
    rows = [json.loads(line) for line in truth.getvalue().splitlines()]
    return Log(events.getvalue().splitlines(), rows, done.counts, done.days)


def milliseconds(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def profile(message: Any) -> str:
    return str(message.get("userId") or message["anonymousId"])


def happened_at(message: Any) -> int:
    sent, given = milliseconds(message["sentAt"]), milliseconds(message["timestamp"])
    return milliseconds(message["receivedAt"]) - (sent - given)
