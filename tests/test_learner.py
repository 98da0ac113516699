"""The run of the learner on stores and a broker in memory: leases, saving, publishing, changes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from msgspec.structs import replace

from config.load import load
from connectors.log import EXAMPLES_TOPIC, ControlRecord
from connectors.memory_broker import MemoryBroker
from flows.config_records import config_record, encode_config
from flows.control_records import LogRecordError
from flows.learner import (
    CONFIG_EVERY_MS,
    POLL_EXAMPLES_MAX,
    PUBLISH_EVERY_MS,
    SAVE_EVERY_MS,
    LearnerParts,
    LearnerRun,
    open_learner,
)
from flows.learner_metrics import LearnerMetrics
from flows.learner_worker import LearnerWorker
from flows.learning import Taken, load_saved
from flows.model_records import record_of
from state.learner_store import MemoryLearnerStore
from state.store import StoreConflict, StoreError
from tests.config_folders import with_setting
from tests.example_lines import example_lines, learned_models

PARTITIONS = 3
CONFIG = load()
NAMES = [model.name for model in learned_models(CONFIG)]
RECORD = ControlRecord(kind="config", offset=0, log_ms=0, value=encode_config(config_record(None)))


class Shop:
    """A broker, a store, and what a learner says."""

    def __init__(self) -> None:
        self.broker = MemoryBroker(PARTITIONS)
        self.store = MemoryLearnerStore()
        self.told: list[str] = []
        self.record: ControlRecord | None = RECORD
        self.now_ms = 1_000_000

    def write(self, lines: list[bytes]) -> None:
        """Engines write examples."""
        side = self.broker.side_output()
        for line in lines:
            side.produce(EXAMPLES_TOPIC, None, line)

    def parts(self, owner: str = "one") -> LearnerParts:
        return LearnerParts(
            partitions=PARTITIONS,
            owner=owner,
            store=self.store,
            reader_from=self.broker.examples,
            span=self.broker.examples_span,
            config=lambda: self.record,
            writer=self.broker.writer(),
            metrics=LearnerMetrics(),
            tell=self.told.append,
        )

    def open(self, owner: str = "one") -> LearnerRun:
        run = open_learner(self.parts(owner))
        assert run is not None
        return run

    def step(self, run: LearnerRun, later_ms: int = 0) -> Taken:
        """One round, some time later."""
        self.now_ms += later_ms
        polled = run.poll(self.now_ms)
        taken = run.apply(polled) if polled.record_count else Taken()
        run.settle(taken, self.now_ms)
        return taken

    def published(self) -> list[tuple[str, str]]:
        """(model, version) of the log, which are the same in all partitions."""
        logs = [[value for _, kind, value in log if kind == "model"] for log in self.broker.log]
        assert all(sorted(log) == sorted(logs[0]) for log in logs)
        records = [record_of(value) for value in logs[0]]
        return [(record.model, record.version) for record in records if record is not None]


@pytest.fixture
def shop() -> Shop:
    return Shop()


@pytest.fixture(scope="module")
def lines() -> list[bytes]:
    return example_lines(CONFIG, 600)


def test_what_was_learned_is_saved_and_published(shop: Shop, lines: list[bytes]) -> None:
    shop.write(lines)
    run = shop.open()
    assert sum(shop.step(run).learned.values()) == len(lines)
    assert [model for model, _ in shop.published()] == NAMES
    run.close(shop.now_ms)
    value = shop.store.load()
    assert value is not None
    saved = load_saved(value)
    assert saved.next_offset == len(lines)
    assert [(one.name, one.published) for one in saved.models if one.published] == shop.published()


def test_nothing_is_published_before_enough_is_known(shop: Shop, lines: list[bytes]) -> None:
    shop.write(lines[: 150 * len(NAMES)])
    run = shop.open()
    shop.step(run)
    assert shop.published() == []


def test_a_version_goes_out_at_most_once_a_minute_and_only_if_it_knows_more(
    shop: Shop, lines: list[bytes]
) -> None:
    shop.write(lines[: 300 * len(NAMES)])
    run = shop.open()
    shop.step(run)
    assert len(shop.published()) == len(NAMES)
    shop.step(run, PUBLISH_EVERY_MS)
    assert len(shop.published()) == len(NAMES)
    shop.write(lines[300 * len(NAMES) : 500 * len(NAMES)])
    shop.step(run, 1_000)
    shop.write(lines[500 * len(NAMES) :])
    shop.step(run, 1_000)
    assert len(shop.published()) == 2 * len(NAMES)
    shop.step(run, PUBLISH_EVERY_MS - 2_000)
    assert len(shop.published()) == 2 * len(NAMES)
    shop.step(run, 1_000)
    assert len(shop.published()) == 3 * len(NAMES)


def test_what_a_version_knows_is_saved_before_it_goes_out(shop: Shop, lines: list[bytes]) -> None:
    shop.write(lines)
    run = shop.open()
    shop.step(run)
    del run
    shop.store.release("one")
    value = shop.store.load()
    assert value is not None
    published = shop.published()
    again = shop.open("two")
    shop.step(again, SAVE_EVERY_MS)
    assert shop.published() == [*published, *published], "the same versions, which does no harm"


def test_what_an_operator_holds_is_learned_and_not_published(
    shop: Shop, lines: list[bytes]
) -> None:
    shop.store.hold(NAMES[0], "0" * 16)
    shop.write(lines)
    run = shop.open()
    shop.step(run)
    assert [model for model, _ in shop.published()] == NAMES[1:]
    shop.store.resume(NAMES[0])
    shop.step(run, CONFIG_EVERY_MS)
    assert [model for model, _ in shop.published()] == [*NAMES[1:], NAMES[0]]


def test_a_version_that_was_rolled_back_goes_out_again_once_its_model_is_resumed(
    shop: Shop, lines: list[bytes]
) -> None:
    shop.write(lines)
    run = shop.open()
    shop.step(run)
    first = shop.published()
    shop.store.hold(NAMES[0], "0" * 16)
    shop.step(run, CONFIG_EVERY_MS)
    shop.step(run, PUBLISH_EVERY_MS)
    assert shop.published() == first
    shop.store.resume(NAMES[0])
    shop.step(run, CONFIG_EVERY_MS)
    assert shop.published() == [*first, first[0]]


def test_who_is_behind_publishes_nothing_before_the_end_is_reached(
    shop: Shop, lines: list[bytes]
) -> None:
    shop.write(lines)
    shop.write([b"foreign"] * POLL_EXAMPLES_MAX)
    run = shop.open()
    while run.next_offset < len(lines):
        shop.step(run, PUBLISH_EVERY_MS)
        assert shop.published() == []
    shop.step(run, 1_000)
    assert [model for model, _ in shop.published()] == NAMES


def test_a_version_with_a_fault_is_not_published_and_the_one_before_it_stays(
    shop: Shop, lines: list[bytes]
) -> None:
    shop.write(lines[: 300 * len(NAMES)])
    run = shop.open()
    shop.step(run)
    published = shop.published()
    shop.write(lines[300 * len(NAMES) :])
    shop.step(run, 1_000)
    regression = run._learning._models[NAMES[0]].learner.learner.regressions[0]
    sound = regression.weights[1]
    regression.weights[1] = np.nan
    shop.step(run, PUBLISH_EVERY_MS)
    assert [model for model, _ in shop.published()] == [*NAMES, *NAMES[1:]]
    told = [what for what in shop.told if "not published" in what]
    assert len(told) == 1
    assert told[0].startswith(f"model {NAMES[0]}: version ")
    assert "some of its numbers are not finite; the version before it stays" in told[0]
    page = run._parts.metrics.page().decode()
    assert f'beckon_model_versions_refused_total{{model="{NAMES[0]}"}} 1.0' in page
    shop.step(run, 1_000)
    assert len([what for what in shop.told if "not published" in what]) == 1, "once a minute"
    regression.weights[1] = sound
    shop.step(run, PUBLISH_EVERY_MS)
    assert [model for model, _ in shop.published()] == [*NAMES, *NAMES[1:], NAMES[0]]
    assert shop.published()[: len(published)] == published


def test_a_second_learner_waits_and_the_first_stops_once_its_lease_is_lost(
    shop: Shop, lines: list[bytes]
) -> None:
    shop.write(lines[:10])
    one = shop.open("one")
    shop.step(one)
    assert open_learner(shop.parts("two")) is None
    shop.store.release("one")
    two = shop.open("two")
    shop.write(lines[10:20])
    shop.step(two)
    shop.write(lines[20:30])
    with pytest.raises(StoreConflict):
        shop.step(one, SAVE_EVERY_MS)
    shop.step(two, SAVE_EVERY_MS)


def test_a_lease_that_another_took_is_noticed_without_anything_to_learn(shop: Shop) -> None:
    one = shop.open("one")
    shop.step(one)
    shop.store.release("one")
    shop.open("two")
    with pytest.raises(StoreConflict, match="another learner that has it"):
        shop.step(one, SAVE_EVERY_MS)


def test_another_config_is_noticed_and_told(shop: Shop, lines: list[bytes]) -> None:
    shop.write(lines)
    run = shop.open()
    shop.step(run)
    files = config_record(None)
    text = with_setting(files.files["models.toml"], "within", '"7d"', '"6d"')
    shop.record = replace(RECORD, value=shop_config(files.files | {"models.toml": text}))
    shop.step(run, 10_000)
    assert shop.told[-1] == (
        "model purchase_7d: learned anew: its examples or terms are others now"
    )


def shop_config(files: dict[str, str]) -> bytes:
    """The record of a config of these files."""
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file, text in files.items():
            path = folder / file
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        return encode_config(config_record(folder))


def test_without_a_config_the_lease_is_given_back(shop: Shop) -> None:
    shop.record = None
    with pytest.raises(LogRecordError, match="got none yet"):
        open_learner(shop.parts("one"))
    shop.record = RECORD
    shop.open("two")


def test_what_is_saved_of_another_log_or_topic_is_refused(shop: Shop, lines: list[bytes]) -> None:
    shop.write(lines)
    run = shop.open()
    shop.step(run)
    run.close(shop.now_ms)
    with pytest.raises(StoreError, match=r"a log of 3 partitions.*got one of 4"):
        open_learner(replace(shop.parts(), partitions=4))
    shop.broker.topics[EXAMPLES_TOPIC].clear()
    with pytest.raises(StoreError, match=r"up to offset 1,200, .* got a topic up to 0"):
        shop.open()


def test_what_cannot_be_read_names_the_key(shop: Shop) -> None:
    shop.store.save("one", None, b"beckon learning 7\n" + bytes(100))
    with pytest.raises(StoreError, match=r"delete the key \{PREFIX:learner\}:state"):
        shop.open()


def test_examples_that_the_topic_forgot_are_told(shop: Shop, lines: list[bytes]) -> None:
    shop.write(lines[:100])
    run = shop.open()
    shop.step(run)
    run.close(shop.now_ms)
    shop.write(lines[100:])
    run = open_learner_at(shop, 150)
    assert run.next_offset == 150
    assert shop.told[-1].startswith("50 examples are gone from their topic")


def open_learner_at(shop: Shop, first: int) -> LearnerRun:
    """A run on a topic that begins at an offset."""
    run = open_learner(replace(shop.parts(), span=lambda: (first, shop.broker.examples_span()[1])))
    assert run is not None
    return run


def worker_of(shop: Shop, opened: Callable[[], LearnerRun | None]) -> LearnerWorker:
    return LearnerWorker(opened, lambda: shop.now_ms, shop.told.append, LearnerMetrics())


def test_the_worker_opens_again_what_it_let_go_and_says_when_it_is_well(
    shop: Shop, lines: list[bytes]
) -> None:
    shop.write(lines)
    failures = iter([OSError("the world is away"), None])

    def opened() -> LearnerRun | None:
        if failure := next(failures, None):
            raise failure
        return open_learner(shop.parts())

    worker = worker_of(shop, opened)
    assert worker.rounds() == []
    assert worker.not_ready() == ["the world is away (since 1970-01-01T00:16:40.000Z)"]
    shop.now_ms += 1_000
    (polled,) = worker.rounds()
    worker.settle(worker.apply(polled))
    shop.now_ms += 5_000
    assert worker.rounds() == []
    assert worker.not_ready() == []
    assert shop.told[0] == "the world is away; trying again"
    assert shop.told[-1] == "well again"
    assert worker.close()
    shop.now_ms += 60_000
    assert worker.not_alive() == ["its loop has not turned for 60 s"]


def test_a_worker_that_waits_for_the_lease_is_ready_to(shop: Shop) -> None:
    worker = worker_of(shop, lambda: None)
    assert worker.rounds() == []
    assert worker.not_ready() == []
    assert worker.close()
