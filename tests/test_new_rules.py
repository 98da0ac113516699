"""A config with other rules takes over stored profiles."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from config.load import load
from flows.partition import Engine
from state.store import MemoryStore
from tests.running import decoded
from tests.story import Story

JOURNEY = """
[entry]
tag = "value.vip"
[stage.hello]
after = "1s"
send = "hello"
ttl = "1h"
"""
TAGS = "[thresholds]\nmuch = {}\n[value]\nvip = 'cart_value >= much'\n"


def test_other_thresholds_turn_tags_at_once_and_open_no_journey(tmp_path: Path) -> None:
    story = Story(tmp_path, "engine")
    story.journey("vips", JOURNEY)
    story.tags(TAGS.format(50))
    story.event("02T10:00:00", "Product Added", product_id="a", price=30, cart_id="c")
    story.run()
    before = Engine(load(story.directory))
    ((columns, clock_ms, offset),) = decoded(load(story.directory), story.lines, 10)
    assert not list(before.process(columns, clock_ms=clock_ms, next_offset=offset).turned())
    store = MemoryStore()
    store.commit(before.commit())
    story.tags(TAGS.format(20))
    after = Engine(load(story.directory), snapshot=store.load(0))
    nothing = columns.take(np.zeros(0, np.int64))
    batch = after.process(nothing, clock_ms=clock_ms + 3_600_000, next_offset=offset)
    assert [(user, held) for user, _, held in batch.turned()] == [(b"ann", True)] * 2
    assert batch.decisions() == []
    assert after.counters.journeys["vips"].entered == 0
