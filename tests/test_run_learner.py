"""The learner as a process, on a real broker and Redis: killed at random, waiting, publishing."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from random import Random

import pytest

from config.load import load
from connectors.kafka import KafkaBroker
from connectors.kafka_settings import KafkaSettings
from connectors.log import EXAMPLES_TOPIC, LOG_TOPIC
from flows.config_records import config_record, push
from flows.learning import SavedLearning, load_saved
from flows.live_commands import BECKON
from flows.model_records import record_of
from state.learner_store import RedisLearnerStore
from state.redis_reading import RedisReader
from state.redis_settings import redis_settings
from tests.conftest import Run
from tests.example_lines import example_lines, learned_models
from tests.kafka_topics import values_of
from tests.servers import free_port
from tests.test_learning import knowledge, learned
from tests.test_run import is_free, is_ready, page, started, total, wait_until

PARTITIONS = 4
CONFIG = load()
NAMES = [model.name for model in learned_models(CONFIG)]
COUNT = 3_000
START_SECONDS_MAX, PATIENCE_SECONDS, LEAVE_SECONDS_MAX = 180.0, 60.0, 5.0
KILLS, IN_FORCE_SECONDS_MAX = 8, 2.0


class Learners:
    """The topics and keys of one test, and the learners that it starts."""

    def __init__(self, servers: str, redis_url: str, prefix: str, folder: Path) -> None:
        self.kafka = KafkaSettings(servers=servers, prefix=prefix)
        self.redis_url = f"{redis_url}?prefix={prefix}"
        self.broker = ["--kafka", f"kafka://{servers}", "--prefix", prefix]
        self.log = folder / "log"
        self.log.touch()
        self.processes = ExitStack()
        self.store = RedisLearnerStore(redis_settings(self.redis_url))
        self._side = KafkaBroker(self.kafka).side_output()

    def start(self, port: int) -> subprocess.Popen[bytes]:
        """Start `beckon learn`, with its pages at a port."""
        pages = ["--metrics", f"127.0.0.1:{port}"]
        command = [*BECKON, "learn", *self.broker, "--redis", self.redis_url, *pages]
        return self.processes.enter_context(started(command, self.log))

    def run(self, port: int) -> subprocess.Popen[bytes]:
        """Start `beckon run`, which starts a learner, with its pages at a port and the one before.

        The log has a config already.
        """
        pages = ["--metrics", f"127.0.0.1:{port}"]
        command = [*BECKON, "run", *self.broker, "--redis", self.redis_url, *pages]
        return self.processes.enter_context(started(command, self.log))

    def write(self, lines: list[bytes]) -> None:
        """Engines write examples."""
        for line in lines:
            self._side.produce(EXAMPLES_TOPIC, b"a user", line)
        self._side.flush(PATIENCE_SECONDS)

    def saved(self) -> SavedLearning | None:
        value = self.store.load()
        return load_saved(value) if value is not None else None

    def learned_up_to(self, offset: int) -> bool:
        saved = self.saved()
        return saved is not None and saved.next_offset >= offset

    def published(self, partition: int) -> list[tuple[str, str]]:
        """(model, version) of a partition's log."""
        records = [record_of(value or b"") for value in values_of(self.kafka, LOG_TOPIC, partition)]
        return [(record.model, record.version) for record in records if record is not None]


@pytest.fixture
def learners(
    kafka: str, redis_url: str, prefix: str, tmp_path: Path, run: Run
) -> Iterator[Learners]:
    made = Learners(kafka, redis_url, prefix, tmp_path)
    assert run("topics", "create", *made.broker, "--partitions", PARTITIONS).code == 0
    push(KafkaBroker(made.kafka).writer(), PARTITIONS, config_record(None))
    with made.processes:
        yield made


def test_killed_at_random_it_keeps_the_model_of_an_uninterrupted_run(learners: Learners) -> None:
    lines = example_lines(CONFIG, COUNT)
    random = Random(11)
    port = free_port()
    process = learners.start(port)
    wait_until(lambda: is_ready(port), START_SECONDS_MAX, learners.log)
    written = 0
    for _ in range(KILLS):
        part = lines[written : written + len(lines) // KILLS]
        learners.write(part)
        written += len(part)
        time.sleep(random.uniform(0.0, 1.5))
        process.kill()
        process.wait()
        process = learners.start(port)
    learners.write(lines[written:])
    wait_until(lambda: learners.learned_up_to(len(lines)), PATIENCE_SECONDS, learners.log)
    process.send_signal(signal.SIGTERM)
    assert process.wait(LEAVE_SECONDS_MAX) == 0
    saved = learners.saved()
    assert saved is not None
    expected = knowledge(learned(lines))
    assert {one.name: one.learner == expected[one.name] for one in saved.models} == dict.fromkeys(
        expected, True
    )
    for partition in range(PARTITIONS):
        last = dict(learners.published(partition))
        assert last == {one.name: one.published for one in saved.models if one.published}


def test_a_second_learner_waits_and_goes_on_where_the_first_was_killed(learners: Learners) -> None:
    lines = example_lines(CONFIG, 600)
    ports = (free_port(), free_port())
    first = learners.start(ports[0])
    wait_until(lambda: is_ready(ports[0]), START_SECONDS_MAX, learners.log)
    learners.start(ports[1])
    wait_until(lambda: is_ready(ports[1]), START_SECONDS_MAX, learners.log)
    assert [total(port, "beckon_learner_owned") for port in ports] == [1, 0]
    learners.write(lines[:600])
    wait_until(lambda: learners.learned_up_to(600), PATIENCE_SECONDS, learners.log)
    first.kill()
    first.wait()
    learners.write(lines[600:])
    took = wait_until(lambda: learners.learned_up_to(len(lines)), PATIENCE_SECONDS, learners.log)
    assert took < 10
    assert page(ports[1], "healthz") == (200, "alive\n")
    assert total(ports[1], "beckon_examples_learned_total") == len(lines) - 600
    saved = learners.saved()
    assert saved is not None
    expected = knowledge(learned(lines))
    assert {one.name: one.learner for one in saved.models} == expected


def test_a_published_version_is_in_force_within_two_seconds(learners: Learners) -> None:
    """From the version's being in the log to its being in the profiles of all partitions."""
    port = next(one for one in iter(free_port, 0) if is_free(one - 1))
    learners.run(port)
    wait_until(lambda: is_ready(port) and is_ready(port - 1), START_SECONDS_MAX, learners.log)
    learners.write(example_lines(CONFIG, 600))
    published = wait_until(lambda: bool(learners.published(0)), PATIENCE_SECONDS, learners.log)
    assert published < PATIENCE_SECONDS
    took = wait_until(
        lambda: versions_in_force(port) == PARTITIONS * len(NAMES), PATIENCE_SECONDS, learners.log
    )
    assert took < IN_FORCE_SECONDS_MAX
    reader = RedisReader(redis_settings(learners.redis_url))
    wait_until(
        lambda: all(set(reader.models(one)) == set(NAMES) for one in range(PARTITIONS)),
        IN_FORCE_SECONDS_MAX,
        learners.log,
    )
    reader.close()


def versions_in_force(port: int) -> float:
    """How many versions scores are made with, counted in each partition."""
    return total(port, "beckon_model_info")
