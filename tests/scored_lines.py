"""Made-up closed examples as lines: what a replay writes to `examples`."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import numpy as np

from config.limits import DAY_MS, HOUR_MS
from connectors.triggers import decision_id, instant_text

FIRST_MS = 1_750_000_000_000 // DAY_MS * DAY_MS
PERIOD_MS, WITHIN_MS = 7 * DAY_MS, 30 * DAY_MS
TIERS = ("value.low", "value.good", "value.vip")
UNSCORED_WEEKS = 5


def example_lines(
    users: int = 300, weeks: int = 20, seed: int = 1, model: str = "purchase_30d"
) -> Iterator[bytes]:
    """Examples whose scores are the probabilities that their outcomes were drawn with.

    In the first weeks there is no version; later there is another one each week.
    """
    chance = np.random.default_rng(seed)
    likely = chance.beta(1.5, 4.0, users)
    for week in range(weeks):
        for user in range(users):
            score = float(np.clip(likely[user] + chance.normal(0.0, 0.05), 0.01, 0.99))
            sampled_ms = FIRST_MS + week * PERIOD_MS + user * HOUR_MS // 2
            drawn = bool(chance.random() < score)
            given = (score, f"{week:016x}") if week >= UNSCORED_WEEKS else (None, None)
            yield example_line(f"user{user}", model, sampled_ms, given, outcome=drawn)


def example_line(
    user: str, model: str, sampled_ms: int, given: tuple[float | None, str | None], *, outcome: bool
) -> bytes:
    """An example; `given` are score and version."""
    sampled_at = instant_text(sampled_ms)
    tier = TIERS[int(user.removeprefix("user")) % len(TIERS)]
    score, version = given
    example = {
        "specversion": "1.0",
        "id": decision_id("beckon.example", user, model, sampled_at),
        "source": "beckon",
        "type": "beckon.example",
        "subject": user,
        "time": instant_text(sampled_ms + WITHIN_MS),
        "datacontenttype": "application/json",
        "data": {
            "model": model,
            "sampled_at": sampled_at,
            "outcome": outcome,
            "score": score,
            "version": version,
            "tags": ["value", tier],
            "features": {"orders_total": 3.0, "days_since_order": None},
        },
    }
    return msgspec.json.encode(example)
