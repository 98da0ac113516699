"""Versions of models in a partition's log: in force from their records on, kept, refused, freed."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import pytest
from msgspec.structs import replace

from config.load import load
from connectors.memory_broker import MemoryBroker
from flows.config_records import config_record, push
from flows.control_records import push_to_all
from flows.live import LivePartition, open_partition
from flows.model_records import ModelRecordError, encode_model, version_name
from flows.partition import Engine
from flows.simulate import SimulateOptions
from state.store import MemoryStore
from tests.config_folders import copy_defaults, with_setting
from tests.test_live import HOUR_MS, PARTITIONS, messages_of, parts_of
from tests.test_model_records import published

MODEL = "purchase_30d"
FIRST, SECOND = published(640), published(1280)
CONFIG = load()


@pytest.fixture(scope="module")
def messages() -> list[tuple[int, int, bytes]]:
    """What a small shop's partition 0 gets: see `messages_of`."""
    found = messages_of(SimulateOptions(users=60, days=20, seed=5))
    return [message for message in found if message[1] == 0]


def new_shop() -> tuple[MemoryBroker, MemoryStore]:
    broker = MemoryBroker(PARTITIONS)
    push(broker.writer(), PARTITIONS, config_record(None))
    return broker, MemoryStore(partitions=PARTITIONS)


def opened(broker: MemoryBroker, store: MemoryStore, owner: str = "one") -> LivePartition:
    return open_partition(parts_of(broker, store, 0, owner))


def push_version(broker: MemoryBroker, data: bytes, model: str = MODEL) -> None:
    push_to_all(broker.writer(), PARTITIONS, "model", encode_model(model, data))


def step(broker: MemoryBroker, run: LivePartition) -> None:
    """Apply all that is in the log."""
    while run.step(broker.now_ms):
        pass


def scores(store: MemoryStore, engine: Engine) -> dict[str, set[str]]:
    """The versions that readable profiles name, by model."""
    found: dict[str, set[str]] = {}
    for line in engine.profiles():
        for model, score in json.loads(line)["scores"].items():
            found.setdefault(model, set()).add(score["version"])
    return found


def test_a_version_is_in_force_from_its_record_on_whatever_crashes(
    messages: list[tuple[int, int, bytes]],
) -> None:
    outcomes = []
    for seed in (None, 1, 2):
        random = Random(seed) if seed else None
        broker, store = new_shop()
        run = opened(broker, store)
        for index, (at_ms, partition, message) in enumerate(messages):
            broker.now_ms = at_ms
            broker.append(partition, message)
            if index == len(messages) // 2:
                push_version(broker, FIRST)
            if index == len(messages) * 3 // 4:
                push_version(broker, SECOND)
            if index % 200 == 199 and random:
                run.step(broker.now_ms)
                if random.random() < 0.5:
                    run.drop()
                    run = opened(broker, store, f"{index}")
        broker.now_ms += HOUR_MS
        step(broker, run)
        run.close(broker.now_ms)
        sent = [json.loads(entry.value) for entry in broker.triggers[0]]
        told = [one["data"]["scores"].get(MODEL, {}).get("version", "") for one in sent]
        names = ["", version_name(FIRST), version_name(SECOND)]
        assert set(told) == set(names)
        outcomes.append([entry.value for entry in broker.triggers[0]])
        kept = store.load(0)
        assert kept is not None
        assert kept.models == {MODEL: encode_model(MODEL, SECOND)}
        assert scores(store, run.engine)[MODEL] == {version_name(SECOND)}
    assert outcomes[0] == outcomes[1] == outcomes[2]


def with_models(folder: Path, key: str, old: str, new: str) -> Path:
    """The default config with another value in models.toml."""
    folder.mkdir()
    models = copy_defaults(folder) / "models.toml"
    models.write_text(with_setting(models.read_text(), key, old, new))
    return models.parent


def test_another_config_keeps_the_versions_that_fit_it(
    messages: list[tuple[int, int, bytes]], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broker, store = new_shop()
    for at_ms, partition, message in messages:
        broker.now_ms = at_ms
        broker.append(partition, message)
    push_version(broker, FIRST)
    run = opened(broker, store)
    step(broker, run)
    same = with_models(tmp_path / "same", "within", '"7d"', '"6d"')
    push(broker.writer(), PARTITIONS, config_record(same))
    step(broker, run)
    assert scores(store, run.engine)[MODEL] == {version_name(FIRST)}
    assert not caplog.records

    other = with_models(tmp_path / "other", "after_3d", '"hinge(recency, log1p(3))"', '"recency"')
    push(broker.writer(), PARTITIONS, config_record(other))
    step(broker, run)
    assert MODEL not in scores(store, run.engine)
    assert "has other terms than the config" in caplog.text
    run.close(broker.now_ms)
    run = opened(broker, store, "two")
    assert MODEL not in scores(store, run.engine)

    push(broker.writer(), PARTITIONS, config_record(None))
    step(broker, run)
    assert scores(store, run.engine)[MODEL] == {version_name(FIRST)}
    run.close(broker.now_ms)


def test_a_version_of_no_model_of_the_config_is_passed_over(
    caplog: pytest.LogCaptureFixture,
) -> None:
    broker, store = new_shop()
    push_version(broker, FIRST, "of_another_config")
    run = opened(broker, store)
    step(broker, run)
    run.close(broker.now_ms)
    kept = store.load(0)
    assert kept is not None
    assert kept.models == {}
    assert "model of_another_config, which is not in the config" in caplog.text


def test_what_cannot_be_read_stops_the_partition_until_it_is_rolled_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    broker, store = new_shop()
    push_version(broker, FIRST)
    broker.append(0, b'{"model":"purchase_30d"}', "model")
    push_version(broker, SECOND)
    run = opened(broker, store)
    with pytest.raises(ModelRecordError, match="`beckon models rollback purchase_30d`"):
        step(broker, run)
    run.drop()
    parts = replace(parts_of(broker, store, 0, "two"), rolled_back=lambda error: error.offset == 2)
    run = open_partition(parts)
    step(broker, run)
    run.close(broker.now_ms)
    assert "it was rolled back" in caplog.text
    kept = store.load(0)
    assert kept is not None
    assert kept.models == {MODEL: encode_model(MODEL, SECOND)}


def test_a_stored_version_that_cannot_be_read_refuses_the_partition() -> None:
    broker, store = new_shop()
    push_version(broker, FIRST)
    run = opened(broker, store)
    step(broker, run)
    run.close(broker.now_ms)
    snapshot = store.load(0)
    assert snapshot is not None
    damaged = snapshot.models[MODEL].replace(b'"data":"', b'"data":"AAAA')
    commit = opened(broker, store, "two").engine.commit()
    store.commit(replace(commit, models={MODEL: damaged}))
    with pytest.raises(ModelRecordError):
        opened(broker, store, "three")
    parts = replace(parts_of(broker, store, 0, "three"), rolled_back=lambda _: True)
    assert scores(store, open_partition(parts).engine) == {}
