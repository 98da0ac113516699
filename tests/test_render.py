"""Records as compiled code writes them: JSON for everybody, and what the contract's types say."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.json_text import (
    Bytes,
    put_instant,
    put_number,
    put_text,
    put_whole,
)
from connectors.triggers import CloudEvent, Decided, GoalReached, instant_text
from flows.profiles import BUFFER_BYTES
from tests.running import decoded
from tests.worlds import make_world

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def buffer() -> Bytes:
    return np.zeros(8192, np.uint8)


def read(written: Bytes, end: int) -> object:
    return json.loads(written[:end].tobytes())


@settings(deadline=None)  # the first example compiles
@given(st.floats(-8.9e9, 8.9e9) | st.integers(-(10**9), 10**9).map(lambda cents: cents / 100))
def test_a_number_has_six_decimals_rounded_half_up(value: float) -> None:
    into = buffer()
    found = read(into, put_number(into, 0, value))
    assert found == math.floor(value * 1_000_000 + 0.5) / 1_000_000


@settings(deadline=None)  # the first example compiles
@given(st.floats(9e9, 9e18))
def test_a_number_of_nine_billions_and_more_is_whole(value: float) -> None:
    into = buffer()
    assert read(into, put_number(into, 0, -value)) == math.floor(-value + 0.5)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 9.1e18, -1e300])
def test_a_number_that_json_or_int64_cannot_hold_is_null(value: float) -> None:
    into = buffer()
    assert read(into, put_number(into, 0, value)) is None


@settings(deadline=None)  # the first example compiles
@given(st.integers(-(2**63) + 1, 2**63 - 1))
def test_a_whole_number_is_written_digit_by_digit(value: int) -> None:
    into = buffer()
    assert read(into, put_whole(into, 0, value)) == value


@settings(deadline=None)  # the first example compiles
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=200))
def test_any_text_is_a_json_string(text: str) -> None:
    into, data = buffer(), np.frombuffer(text.encode() or b" ", np.uint8)
    assert read(into, put_text(into, 0, data, 0, len(text.encode()))) == text


@settings(deadline=None)  # the first example compiles
@given(st.integers(0, 2**42))
def test_an_instant_is_that_of_the_calendar(at_ms: int) -> None:
    into = buffer()
    expected = (EPOCH + timedelta(milliseconds=at_ms)).isoformat(timespec="milliseconds")
    assert read(into, put_instant(into, 0, at_ms)) == expected.replace("+00:00", "Z")
    assert instant_text(at_ms) == expected.replace("+00:00", "Z")


@pytest.mark.parametrize("seed", range(20))
def test_every_line_is_what_the_types_of_the_contract_say(seed: int, tmp_path: Path) -> None:
    from flows.partition import Engine

    world = make_world(seed, tmp_path / "config")
    engine = Engine(world.config)
    for columns, clock_ms, next_offset in decoded(world.config, world.lines, batch=50):
        batch = engine.process(columns, clock_ms=clock_ms, next_offset=next_offset)
        for line in batch.decisions():
            envelope = json.loads(line)
            data = envelope.pop("data")
            kind = GoalReached if envelope["type"] == "beckon.goal" else Decided
            assert msgspec.convert(data, kind)
            attributes = {field.name for field in msgspec.structs.fields(CloudEvent)}
            assert set(envelope) <= attributes - {"data"}
            assert envelope["subject"] and len(envelope["id"]) == 32


def test_a_profile_that_is_kept_says_where_in_the_log_it_is_true(tmp_path: Path) -> None:
    from flows.partition import Engine

    world = make_world(3, tmp_path / "config")
    engine = Engine(world.config, partition=4)
    for columns, clock_ms, next_offset in decoded(world.config, world.lines, batch=500):
        engine.process(columns, clock_ms=clock_ms, next_offset=next_offset)
    lines = {json.loads(line)["user"]: line for line in engine.profiles()}
    # So often that they fill the buffer several times.
    slots = np.tile(np.arange(len(lines)), 2 + 3 * BUFFER_BYTES // sum(map(len, lines.values())))
    kept = engine.positioned_profiles(slots)
    assert len(kept) == len(slots)
    for user, line in kept:
        position = b',"partition":4,"next_offset":%d,"features":' % next_offset
        assert line == lines[user.decode()].replace(b',"features":', position, 1)
