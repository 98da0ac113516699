"""The learner as a process, on a real broker and Redis: killed at random, waiting, publishing."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from random import Random

import pytest

from config.load import load
from connectors.kafka import KafkaBroker
from connectors.kafka_settings import KafkaSettings
from connectors.log import EXAMPLES_TOPIC, LOG_TOPIC
from flows.config_records import config_record, push
from flows.control_records import push_to_all
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
EVERYWHERE = PARTITIONS * len(NAMES)


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
    # One that waits is ready, too: the second must not come first.
    wait_until(lambda: owns(ports[0]), START_SECONDS_MAX, learners.log)
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


@pytest.fixture
def engine(learners: Learners) -> int:
    """The port of an engine that scores by the versions that a learner beside it has published."""
    port = next(one for one in iter(free_port, 0) if is_free(one - 1))
    learners.run(port)
    wait_until(lambda: is_ready(port) and is_ready(port - 1), START_SECONDS_MAX, learners.log)
    learners.write(example_lines(CONFIG, 600))
    wait_until(lambda: bool(learners.published(0)), PATIENCE_SECONDS, learners.log)
    took = wait_until(lambda: in_force(port) == EVERYWHERE, PATIENCE_SECONDS, learners.log)
    assert took < IN_FORCE_SECONDS_MAX
    return port


def in_force(port: int) -> float:
    """How many versions scores are made with, counted in each partition."""
    return total(port, "beckon_model_info")


def owns(port: int) -> bool:
    """Whether the learner of a port has the lease."""
    return is_ready(port) and total(port, "beckon_learner_owned") == 1


def wait_until_stored(learners: Learners, seconds: float) -> None:
    """Wait for the commits that bring a version of each model to each partition's profiles."""
    reader = RedisReader(redis_settings(learners.redis_url))
    wait_until(
        lambda: all(set(reader.models(one)) == set(NAMES) for one in range(PARTITIONS)),
        seconds,
        learners.log,
    )
    reader.close()


def test_a_published_version_is_soon_in_force_and_stored(learners: Learners, engine: int) -> None:
    wait_until_stored(learners, IN_FORCE_SECONDS_MAX)
    assert dict(learners.published(0)).keys() == set(NAMES)


def test_a_replay_of_the_log_scores_by_the_versions_in_it(
    learners: Learners, engine: int, run: Run, shop_log: Sequence[bytes], tmp_path: Path
) -> None:
    events, state, out = (tmp_path / name for name in ("events.jsonl", "state", "out.jsonl"))
    events.write_bytes(b"\n".join(shop_log) + b"\n")
    assert run("produce", events, *learners.broker, "--speed", 1_000_000).code == 0
    wait_until(lambda: total(engine, "beckon_events_total") > 500, PATIENCE_SECONDS, learners.log)
    wait_until(lambda: total(engine, "beckon_lag_records") == 0, PATIENCE_SECONDS, learners.log)
    published = dict(learners.published(0))
    url = f"kafka://{learners.kafka.servers}/{learners.kafka.prefix}.{LOG_TOPIC}"
    assert run("replay", url, "--profiles", out).code == 0
    of_all = scores_in(out)
    assert {name: {version} for name, version in published.items()}.items() <= of_all.items()

    assert run("state", "export", state, "--redis", learners.redis_url).code == 0
    assert run("replay", url, "--state", state, "--profiles", out).code == 0
    assert scores_in(out) == of_all


def scores_in(profiles: Path) -> dict[str, set[str]]:
    """The versions that profiles name, by model."""
    found: dict[str, set[str]] = {}
    for line in profiles.read_text().splitlines():
        for model, score in json.loads(line)["scores"].items():
            found.setdefault(model, set()).add(score["version"])
    return found


def test_a_rollback_frees_partitions_that_cannot_read_a_version(
    learners: Learners, engine: int, run: Run
) -> None:
    servers = [*learners.broker, "--redis", learners.redis_url]
    name, other = NAMES
    good = dict(learners.published(0))[name]
    # What the next record refuses was perhaps not committed yet, and is asked for below.
    wait_until_stored(learners, PATIENCE_SECONDS)
    writer = KafkaBroker(learners.kafka).writer()
    push_to_all(writer, PARTITIONS, "model", b'{"control":"model","model":"%s"}' % name.encode())
    wait_until(
        lambda: total(engine, "beckon_partition_refused") == PARTITIONS,
        PATIENCE_SECONDS,
        learners.log,
    )
    told = page(engine, "readyz")[1]
    assert f"`beckon models rollback {name}`" in told

    lines = [
        json.loads(line)
        for line in run("models", "list", *servers, "--json").out.split("\n")
        if line
    ]
    assert [(line["model"], line["learned"]) for line in lines if line["version"] == ""] == [
        (name, None)
    ]
    assert {line["model"]: line["in_force"] for line in lines if line["version"]} == {
        name: [*range(PARTITIONS)],
        other: [*range(PARTITIONS)],
    }

    rolled_back = run("models", "rollback", name, *servers)
    assert (rolled_back.code, good in rolled_back.err) == (0, True)
    wait_until(lambda: is_ready(engine), PATIENCE_SECONDS, learners.log)
    wait_until(lambda: in_force(engine) == EVERYWHERE, PATIENCE_SECONDS, learners.log)
    table = run("models", "list", *servers).out
    assert re.search(rf"{name} +{good} .* rollback, held", table)
    assert "unreadable" in table

    shown = run("models", "show", name, *servers, "--json")
    page_of_it = json.loads(shown.out)
    assert page_of_it["version"] == good
    sizes = [abs(term["weight"]) for term in page_of_it["terms"]]
    assert sizes == sorted(sizes, reverse=True)
    assert run("models", "show", name, good[:6], *servers).out.startswith(f"{name}, version {good}")

    assert run("models", "rollback", name, *servers).code == 2, "there is none before it"
    assert run("models", "rollback", name, "ffff", *servers).code == 2
    assert run("models", "show", "nobody", *servers).code == 2
    redis = ["--redis", learners.redis_url]
    assert [run("models", "resume", name, *redis).code for _ in range(2)] == [0, 1]
