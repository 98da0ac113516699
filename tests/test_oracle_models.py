"""The recount of scores and examples, and its worlds: that they hold all that makes them hard."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from tests.oracle_features import DAY_MS
from tests.oracle_scores import instants_of
from tests.reference_decoder import decode
from tests.simulated import milliseconds
from tests.test_models_against_oracle import expected_of
from tests.worlds import GivenModels, make_model_world

SECOND_MS = 1_000


def test_the_worlds_with_models_hold_all_that_makes_them_hard(tmp_path: Path) -> None:
    met: Counter[str] = Counter()
    for seed in range(60):
        met += met_in(make_model_world(seed, tmp_path / str(seed)))
    scarce = {name: count for name, count in met.items() if count < 3}
    assert len(met) == 15 and not scarce, (len(met), scarce)


def met_in(given: GivenModels) -> Counter[str]:
    """How often what is worth testing occurs in a world."""
    world, models = given.given, given.models
    expected = expected_of(given)
    met: Counter[str] = Counter()
    events = decode(world.lines, world.config).events
    by_user = {event.user: [one for one in events if one.user == event.user] for event in events}
    for one in expected.examples:
        data: Any = one["data"]
        closed_ms, sampled_ms = milliseconds(str(one["time"])), milliseconds(data["sampled_at"])
        own = by_user[str(one["subject"])]
        met[f"outcome {data['outcome']}"] += 1
        met["score"] += data["score"] is not None
        met["no score"] += data["score"] is None
        met["missing feature"] += None in data["features"].values()
        met["record at the instant"] += any(event.log_ms == sampled_ms for event in own)
        met["record at the closing"] += any(event.log_ms == closed_ms for event in own)
        met["event at the instant, told later"] += any(
            event.at_ms == sampled_ms < event.log_ms for event in own
        )
        met["event before the instant, told later"] += any(
            event.at_ms < sampled_ms < event.log_ms for event in own
        )
    for one in expected.world.transitions:
        data, at_ms = one["data"], milliseconds(str(one["time"]))
        looks = instants_of(str(one["subject"]), DAY_MS, at_ms - SECOND_MS, at_ms)
        met["turned at a daily look"] += data["offset"] < 0 and len(looks) > 0
    for one in expected.world.decisions:
        data = one["data"]
        met["explained"] += "because" in data
        met["scored trigger"] += bool(data.get("scores")) and one["type"] == "beckon.trigger"
        met["scored suppression"] += bool(data.get("scores")) and one["type"] != "beckon.trigger"
    for adoption, _ in given.adopted:
        fits = models.in_force(adoption.model, adoption.log_ms + 1, -1) is not None
        met["version in force" if fits else "version that does not fit"] += 1
    return met
