"""The engine and the oracle tell the same of hundreds of small, nasty worlds.

`BECKON_SEEDS` says which: a count ("200", the default) or the seeds themselves ("17,4711"). A
failure leaves the world's config folder and log, names both, and says how to run that seed alone.
"""

from __future__ import annotations

import os
from pathlib import Path
from random import Random

import pytest

from tests import oracle
from tests.differences import first_difference
from tests.oracle_outputs import text_of
from tests.oracle_profile import World
from tests.reference_decoder import decode
from tests.running import run_drained, run_engine, run_resumed
from tests.world_events import DAY_MS
from tests.worlds import Given, make_withheld_world

pytest.importorskip("flows.partition", reason="the engine is not there")

CHOSEN = os.environ.get("BECKON_SEEDS", "200")
SEEDS = (
    [int(seed) for seed in CHOSEN.split(",") if seed] if "," in CHOSEN else list(range(int(CHOSEN)))
)
SOME = SEEDS[:60]
FEW = SEEDS[:20]


@pytest.mark.parametrize("seed", SEEDS)
def test_the_engine_tells_what_the_oracle_tells(seed: int, tmp_path: Path) -> None:
    given = make_withheld_world(seed, tmp_path / "config")
    batch = Random(f"batch {seed}").choice((1, 7, 1000))
    engine = run_engine(given.config, given.lines, given.idle_ms, batch=batch)
    assert_same(engine, oracle_world(given), given, seed)


@pytest.mark.parametrize("seed", FEW)
def test_four_partitions_decide_the_same_in_the_same_order(seed: int, tmp_path: Path) -> None:
    given = make_withheld_world(seed, tmp_path / "config")
    engine = run_engine(given.config, given.lines, given.idle_ms, batch=7, partitions=4)
    assert_same(engine, oracle_world(given), given, seed)


@pytest.mark.parametrize("seed", SOME)
def test_an_engine_that_takes_over_from_a_commit_goes_on_the_same(
    seed: int, tmp_path: Path
) -> None:
    given = make_withheld_world(seed, tmp_path / "config")
    random = Random(f"resumed {seed}")
    resumed = run_resumed(given.config, given.lines, given.idle_ms, random)
    expected = oracle_world(given)
    resumed.counters.update(expected.counters)  # sums are since an engine was made
    assert_same(resumed, expected, given, seed)


@pytest.mark.parametrize("seed", FEW)
def test_draining_decides_what_time_would_bring(seed: int, tmp_path: Path) -> None:
    given = make_withheld_world(seed, tmp_path / "config")
    given = given._replace(idle_ms=40 * DAY_MS)
    horizon = text_of(decode(given.lines, given.config).clock_ms + given.idle_ms)
    drained = run_drained(given.config, given.lines)
    expected = oracle_world(given)
    assert [one for one in drained.decisions if str(one["time"]) <= horizon] == expected.decisions
    assert [one for one in drained.transitions if str(one["time"]) <= horizon] == (
        expected.transitions
    )


def oracle_world(given: Given) -> World:
    decoded = decode(given.lines, given.config)
    clock_ms = decoded.clock_ms + given.idle_ms
    return oracle.run(
        given.config,
        decoded.events,
        clock_ms=clock_ms,
        models=given.models,
        withheld=decoded.withheld,
    )


def assert_same(engine: World, expected: World, given: Given, seed: int) -> None:
    """Fails at the first difference, with all that is needed to look into it."""
    for kind in ("transitions", "decisions", "profiles"):
        told = first_difference(kind, getattr(engine, kind), getattr(expected, kind))
        if told:
            pytest.fail(f"{told}\n{left_behind(given, seed)}")
    if engine.counters != expected.counters:
        told = f"counters: engine {engine.counters}\noracle {expected.counters}"
        pytest.fail(f"{told}\n{left_behind(given, seed)}")


def left_behind(given: Given, seed: int) -> str:
    """Where config and log of a failed seed lie."""
    log = given.directory.parent / "events.jsonl"
    log.write_bytes(b"\n".join(given.lines) + b"\n")
    again = f"BECKON_SEEDS={seed}, pytest tests/test_engine_against_oracle.py -k oracle_tells"
    return f"config: {given.directory}\nevents: {log}\nagain: {again}"
