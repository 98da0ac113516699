"""Compiled code made ready before an engine takes a partition, and not while it owns one.

Compiling takes a minute, once for a version; loading what was compiled before takes some 0.3 s.
"""

from __future__ import annotations

import numpy as np
from msgspec.structs import replace

from config.load import load
from connectors.late import Withheld
from connectors.log import ControlRecord
from connectors.memory_broker import raw_batches
from flows.example_records import partitions_of
from flows.learn_model import BATCH
from flows.learn_saved import publish
from flows.learn_watch import ModelLearner, settings_of
from flows.live_apply import Applier
from flows.partition import Engine
from flows.proving import Prover
from state.store import Snapshot

ADDED = (
    b'{"type": "track", "event": "Product Added", "userId": "a user", "messageId": "1", '
    b'"properties": {"product_id": "an item", "price": 50, "quantity": 1, "cart_id": "a cart"}}'
)
ADDED_AT_MS, DAY_MS = 1_767_261_600_000, 86_400_000


def warm_up() -> None:
    """Have a cart abandoned, and its user stored, loaded, settled by other rules and shown."""
    config = load()
    applier = Applier(config, Engine(config), partition=0, partitions=1)
    (added,) = raw_batches([(ADDED_AT_MS, ADDED)], 0)
    applied = [*applier.apply(added), *applier.apply(tick_at(ADDED_AT_MS + DAY_MS))]
    assert any(one.triggers for one in applied), "a cart that is left brings a trigger"
    engine = applier.engine
    commit = engine.commit()
    checkpoint = replace(commit.checkpoint, config_version="of other rules")
    snapshot = Snapshot(checkpoint=checkpoint, rows=commit.rows, shape=commit.shape)
    loaded = Engine(config, snapshot=snapshot)
    for journey in config.journeys:
        loaded.withhold(not_sent(journey.name))
    assert [*loaded.profiles()], "who is stored is known"
    next(loaded.holders(0), None)


def not_sent(journey: str) -> Withheld:
    """What the log says of a trigger that was not sent."""
    at_ms = ADDED_AT_MS + DAY_MS
    return Withheld(
        subject="a user",
        trigger="0" * 32,
        journey=journey,
        instant_ms=at_ms,
        line=b"",
        offset=2,
        log_ms=at_ms + 1,
    )


def tick_at(log_ms: int) -> ControlRecord:
    """A tick behind the first record."""
    return ControlRecord(kind="tick", offset=1, log_ms=log_ms, value=b"")


def warm_up_learning() -> None:
    """Have a model learn, before the learner takes its lease and must keep it."""
    config = load()
    for model in config.models[:1]:
        features = np.zeros((2 * BATCH, len(model.features)))
        outcomes = np.arange(2 * BATCH) % 2 == 0
        learner = ModelLearner(settings_of(model))
        learner.take(features, outcomes, np.full(2 * BATCH, 0.5), np.zeros(2 * BATCH, np.int64))
        Prover(config).fault_of(model.name, publish(learner.learner), learner)
    partitions_of(["a user"], 1)
