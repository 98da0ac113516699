"""A warm start: the live learner goes on from what a replay has learned, and learns it once."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.load import load
from connectors.events import RawBatch
from flows.example_records import Sample, samples_in
from flows.learner import PUBLISH_EVERY_MS, SAVE_EVERY_MS
from flows.learning import Learning, load_saved
from flows.warm_start import (
    Topic,
    Warmed,
    check_replayed,
    replayed_models,
    warm_start,
)
from state.store import StoreConflict, StoreError
from tests.replayed_history import History, replayed_history
from tests.test_learner import PARTITIONS, Shop
from tests.test_learning import take

MODEL = "purchase_7d"


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> History:
    return replayed_history(tmp_path_factory.mktemp("history"))


@pytest.fixture
def shop(history: History) -> Shop:
    shop = Shop()
    shop.record = history.record
    return shop


def warmed(shop: Shop, history: History, *replaced: str) -> dict[str, Warmed]:
    """Warm start the shop; what became of each model."""
    first, end = shop.broker.examples_span()
    topic = Topic(partitions=PARTITIONS, first=first, end=end, begin=first)
    replayed = replayed_models(history.state)
    found = warm_start(shop.store, replayed, history.config, topic, replaced=replaced)
    return {one.model: one for one in found}


def samples(shop: Shop) -> list[Sample]:
    """The topic of examples."""
    polled = shop.broker.examples(0).poll(10**6)
    batches = [piece for piece in polled.pieces if isinstance(piece, RawBatch)]
    return [one for batch in batches for one in samples_in(batch) if one is not None]


def knowledge(shop: Shop) -> dict[str, bytes]:
    value = shop.store.load()
    assert value is not None
    return {model.name: model.learner for model in load_saved(value).models}


def test_a_learner_publishes_the_last_version_of_the_replay_at_once(
    shop: Shop, history: History
) -> None:
    assert MODEL in history.versions
    assert all(one.taken and one.fits for one in warmed(shop, history).values())
    shop.step(shop.open())
    assert dict(shop.published()) == history.versions


def test_after_a_warm_start_each_example_is_learned_once_and_as_if_all_had_been_live(
    shop: Shop, history: History
) -> None:
    shop.write(history.examples)
    learned_to = {one.name: one.learned_to_ms for one in replayed_models(history.state)}
    late = [one for one in samples(shop) if one.closed_ms > learned_to.get(one.model, -1)]
    assert 0 < len(late) < len(history.examples) / 10
    warmed(shop, history)
    run = shop.open()
    taken = shop.step(run)
    assert sum(taken.learned.values()) == len(late)
    assert taken.repeated == len(history.examples) - len(late)
    run.close(shop.now_ms)
    cold = Learning(history.config, PARTITIONS)
    take(cold, history.examples)
    assert knowledge(shop) == {one.name: one.learner for one in load_saved(cold.save()).models}


def test_a_learner_that_runs_notices_and_goes_on_from_it(shop: Shop, history: History) -> None:
    idle = shop.open()
    shop.step(idle, SAVE_EVERY_MS)
    warmed(shop, history)
    with pytest.raises(StoreConflict, match="a warm start has saved since"):
        shop.step(idle, SAVE_EVERY_MS)
    idle.leave()
    busy = shop.open()
    shop.step(busy, SAVE_EVERY_MS)
    assert dict(shop.published()) == history.versions
    shop.step(busy, SAVE_EVERY_MS)
    shop.write(history.examples)
    warmed(shop, history, MODEL)
    with pytest.raises(StoreConflict, match="a warm start has saved since"):
        shop.step(busy, SAVE_EVERY_MS)
    assert len(shop.published()) == len(history.versions)


def test_what_a_live_learner_knows_is_replaced_only_if_one_says_so(
    shop: Shop, history: History
) -> None:
    half = len(history.examples) // 2
    shop.write(history.examples[:half])
    run = shop.open()
    shop.step(run)
    run.close(shop.now_ms)
    before = knowledge(shop)
    kept = warmed(shop, history)
    assert not any(one.taken for one in kept.values())
    assert 0 < kept[MODEL].known.taken_count < kept[MODEL].replayed.taken_count
    assert knowledge(shop) == before
    assert {one.model for one in warmed(shop, history, MODEL).values() if one.taken} == {MODEL}
    run = shop.open()
    shop.write(history.examples[half:])
    shop.step(run, PUBLISH_EVERY_MS)
    run.close(shop.now_ms)
    cold = Learning(history.config, PARTITIONS)
    take(cold, history.examples)
    assert knowledge(shop) == {one.name: one.learner for one in load_saved(cold.save()).models}


def test_a_model_with_other_terms_waits_for_the_config_that_has_them(history: History) -> None:
    shop = Shop()
    live = load()
    topic = Topic(partitions=PARTITIONS, first=0, end=0, begin=0)
    replayed = replayed_models(history.state)
    found = warm_start(shop.store, replayed, live, topic, replaced=())
    assert {one.model: (one.taken, one.fits) for one in found}[MODEL] == (True, False)
    run = shop.open()
    shop.step(run)
    assert MODEL not in dict(shop.published())
    shop.record = history.record
    shop.step(run, PUBLISH_EVERY_MS)
    assert dict(shop.published())[MODEL] == history.versions[MODEL]


def test_a_history_that_is_not_over_is_refused(history: History) -> None:
    replayed = replayed_models(history.state)
    latest_ms = max(one.learned_to_ms for one in replayed)
    check_replayed(replayed, history.config, latest_ms)
    with pytest.raises(StoreError, match="expected a history that ended before now"):
        check_replayed(replayed, history.config, latest_ms - 1)


def test_a_state_without_anything_learned_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="expected what a replay has learned, got none of it"):
        replayed_models(tmp_path)


def test_what_a_model_was_learned_with_goes_along(shop: Shop, history: History) -> None:
    """Calibration, drift and figures are part of what is saved."""
    replayed = replayed_models(history.state)
    assert max(one.figures.scored_count for one in replayed) > 100
    by_name = {one.name: one.learner for one in replayed}
    warmed(shop, history)
    run = shop.open()
    shop.step(run, SAVE_EVERY_MS)
    run.close(shop.now_ms)
    kept = knowledge(shop)
    assert {name: kept[name] for name in by_name} == by_name
