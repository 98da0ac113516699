"""Examples of messages: the engine takes and labels them as a recount of all events does.

`BECKON_SEEDS` says of which worlds, as in test_engine_against_oracle.py.
"""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytest

from flows.decide import DecideStage
from flows.partition import Engine
from state.store import MemoryStore
from tests import oracle
from tests.differences import first_difference
from tests.oracle_answers import answer_examples
from tests.oracle_examples import examples
from tests.oracle_profile import Document
from tests.reference_decoder import decode
from tests.running import documents, stretches
from tests.running_models import run_models
from tests.test_engine_against_oracle import SEEDS, SOME, left_behind
from tests.test_models_against_oracle import SLACK
from tests.world_answers import make_answer_world
from tests.worlds import GivenModels


@pytest.mark.parametrize("seed", SEEDS)
def test_answered_and_unanswered_messages_are_told_as_the_oracle_tells_them(
    seed: int, tmp_path: Path
) -> None:
    given = make_answer_world(seed, tmp_path / "config")
    assert_same(found_in(given, Random(f"pieces {seed}"), resumed=False), given, seed)


@pytest.mark.parametrize("seed", SOME)
def test_an_engine_that_takes_over_goes_on_with_open_messages(seed: int, tmp_path: Path) -> None:
    given = make_answer_world(seed, tmp_path / "config")
    assert_same(found_in(given, Random(f"pieces {seed}"), resumed=True), given, seed)


def found_in(given: GivenModels, random: Random, *, resumed: bool) -> list[Document]:
    """The engine's examples; `resumed`: of one engine after another."""
    if given.adopted:
        return run_models(given, random, resumed=resumed).examples
    world = given.given
    store, engine = MemoryStore(), Engine(world.config)
    found: list[Document] = []
    batch = random.choice((1, 7, 1000))
    for stretch in stretches(world.config, world.lines, batch, world.idle_ms):
        stage = DecideStage([engine], outputs=("examples",))
        found += documents(stage.apply(stage.route(stretch)).lines["examples"])
        if resumed and random.random() < 0.4:
            store.commit(engine.commit())
            engine = Engine(world.config, snapshot=store.load(0))
    return found


def assert_same(found: list[Document], given: GivenModels, seed: int) -> None:
    """Fails at the first difference between the engine and the oracle."""
    if differs := first_difference("examples", found, expected_of(given), SLACK):
        pytest.fail(f"{differs}\n{left_behind(given.given, seed)}")


def expected_of(given: GivenModels) -> list[Document]:
    """What the oracle tells, in order of place."""
    world, models = given.given, given.models
    decoded = decode(world.lines, world.config)
    clock_ms = decoded.clock_ms + world.idle_ms
    played = oracle.run(
        world.config,
        decoded.events,
        clock_ms=clock_ms,
        withheld=decoded.withheld,
        models=models,
    )
    sampled = examples(models, decoded.events, played.transitions, clock_ms)
    sampled += answer_examples(models, decoded.events, played, clock_ms, decoded.withheld)
    order = [model.name for model in world.config.models]

    def place(document: Document) -> tuple[object, ...]:
        data: Any = document["data"]
        user = str(document["subject"]).encode()
        return document["time"], user, order.index(data["model"]), data["sampled_at"]

    return sorted(sampled, key=place)
