"""A shop with a history goes live, on a real broker and Redis: its scores are there at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.kafka import KafkaBroker
from flows.config_records import config_record, push
from flows.learning import Learning, load_saved
from tests.conftest import Run
from tests.replayed_history import History, replayed_history
from tests.servers import free_port
from tests.test_learning import take
from tests.test_run import is_free, is_ready, total, wait_until
from tests.test_run_learner import (
    PARTITIONS,
    PATIENCE_SECONDS,
    START_SECONDS_MAX,
    Learners,
    in_force,
)

AT_ONCE_SECONDS = 10.0


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> History:
    return replayed_history(tmp_path_factory.mktemp("history"))


@pytest.fixture
def made(kafka: str, redis_url: str, prefix: str, tmp_path: Path, run: Run) -> Iterator[Learners]:
    """A shop whose log has no config yet."""
    made = Learners(kafka, redis_url, prefix, tmp_path)
    assert run("topics", "create", *made.broker, "--partitions", PARTITIONS).code == 0
    with made.processes:
        yield made


@pytest.fixture
def shop(made: Learners, history: History) -> Learners:
    """A shop whose log has the config of its history."""
    push(KafkaBroker(made.kafka).writer(), PARTITIONS, config_record(history.folder))
    return made


def test_a_shop_with_a_history_scores_at_once_and_learns_on_from_there(
    shop: Learners, history: History, run: Run, tmp_path: Path
) -> None:
    port = next(one for one in iter(free_port, 0) if is_free(one - 1))
    shop.run(port)
    wait_until(lambda: is_ready(port) and is_ready(port - 1), START_SECONDS_MAX, shop.log)
    command = ("models", "warm-start", "--state", history.state)
    live = (*shop.broker, "--redis", shop.redis_url)
    started = run(*command, *live)
    assert started.code == 0, started.err
    assert "in force" in started.out
    wait_until(lambda: dict(shop.published(0)) == history.versions, AT_ONCE_SECONDS, shop.log)
    everywhere = PARTITIONS * len(history.versions)
    wait_until(lambda: in_force(port) == everywhere, AT_ONCE_SECONDS, shop.log)

    shop.write(history.examples)
    count = len(history.examples)
    wait_until(lambda: shop.learned_up_to(count), PATIENCE_SECONDS, shop.log)
    saved = shop.saved()
    assert saved is not None
    cold = Learning(history.config, PARTITIONS)
    take(cold, history.examples)
    expected = {one.name: one.learner for one in load_saved(cold.save()).models}
    assert {one.name: one.learner for one in saved.models} == expected
    assert 0 < total(port - 1, "beckon_examples_learned_total") < count / 10

    again = run(*command, *live)
    assert again.code == 1
    assert "say --replace NAME" in again.err
    assert run(*command, *live, "--replace", "nobody").code == 2
    replaced = run(*command, *live, "--replace", "purchase_7d")
    assert replaced.code == 0
    assert [line.split()[-2:] for line in replaced.out.splitlines() if "purchase_7d" in line] == [
        ["in", "force"]
    ]
    assert "kept as live" in replaced.out

    log = f"{shop.broker[1]}/{shop.kafka.topic('events')}"
    ranged = ("replay", log, "--learn", "--config", history.folder, "--state", tmp_path / "range")
    ended = run(*ranged)
    assert ended.code == 0, ended.err
    nothing = run("models", "warm-start", "--state", tmp_path / "range", *live)
    assert nothing.code == 1
    assert "expected what a replay has learned, got none of it" in nothing.err


def test_before_there_is_a_config_nothing_can_be_learned(
    made: Learners, history: History, run: Run
) -> None:
    options = (*made.broker, "--redis", made.redis_url, "--state", history.state)
    ended = run("models", "warm-start", *options)
    assert ended.code == 1
    assert "expected a config, which says what is to be learned, got none yet" in ended.err
