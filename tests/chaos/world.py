"""A shop whose engine is killed: its topics, its Redis, its traffic, and the engines' lives."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from operator import ge
from pathlib import Path
from threading import Event, Thread
from uuid import uuid4

from confluent_kafka import Consumer, KafkaException, TopicPartition

from config.load import load
from connectors.kafka import KafkaBroker
from connectors.kafka_settings import KafkaSettings
from connectors.log import LOG_TOPIC
from flows.learning import load_saved
from state.keys import learner_keys, partition_keys
from state.learner_store import RedisLearnerStore
from state.redis_client import connect
from state.redis_reading import RedisReader
from state.redis_settings import redis_settings
from state.store import Checkpoint, StoreError
from tests.chaos.history import PAST_USERS, append_past
from tests.chaos.nursery import Engine, Nursery
from tests.chaos.traffic import (
    FLUSH_SECONDS,
    LAST_STAGE_SECONDS,
    as_of_now,
    messages,
    track,
    write_quick_config,
)
from tests.chaos.verdict import Verdict, verdict
from tests.kafka_topics import with_topics
from tests.servers import Server

PARTITIONS = 4
EVENTS_PER_SECOND = 200
USERS = 8_000
"""Of the traffic; they bring 140,000 events, enough for the longest of it."""

SETTLE_SECONDS_MAX = 90.0
STOP_SECONDS_MAX = 20.0
ALONE = "--no-learner"
LOOK_SECONDS = 0.05


class World:
    """Everything about one shop; nobody else uses its topics or its Redis.

    Attributes:
        broker, redis: its servers; others may use the broker.
        log: the file of what its engines said.
        redis_url: where engines are told that Redis is.
        config: the folder of the first config of the log.
        poison: which records of the log are broken, and how.
    """

    def __init__(
        self,
        broker: Server,
        redis: Server,
        nursery: Nursery,
        folder: Path,
        past_users: int = PAST_USERS,
    ) -> None:
        """Its log begins hours ago; the broker is started anew for it, unless nobody came."""
        self.broker = broker
        self.redis = redis
        self.prefix = f"chaos-{uuid4().hex[:12]}"
        self.kafka: KafkaSettings = with_topics(broker.address, self.prefix, partitions=PARTITIONS)
        self.redis_url = self.redis_url_by(redis.address)
        self.log = folder / f"{self.prefix}.log"
        self.log.touch()
        self.config = folder / f"{self.prefix}-config"
        self.configure()
        self.poison: dict[tuple[int, int], str] = {}
        if past_users:
            append_past(broker, self.kafka, PARTITIONS, past_users)
        self._settings = redis_settings(self.redis_url)
        self._learner_store = RedisLearnerStore(self._settings)
        self._nursery = nursery
        self._running: Engine | None = None

    def redis_url_by(self, address: str) -> str:
        """What an engine is told that reaches this world's Redis by another address."""
        return f"{address}?prefix={self.prefix}"

    def configure(self, ttl: str = "1h") -> None:
        """Say, before the first engine starts, after how long a stage is too late to be sent."""
        write_quick_config(self.config, ttl)

    def start(self, *options: str, failpoint: str = "") -> Engine:
        """Start an engine, `beckon run`, for all partitions if no option says otherwise.

        A learner is beside it, as users have it, if no option says otherwise.
        """
        arguments = ["run", *self._kafka_options(), "--redis", self.redis_url]
        arguments += ["--config", str(self.config), "--metrics", "off", *options]
        return self._nursery.start(arguments, self.log, failpoint)

    def start_lane(self, partition: int, failpoint: str = "") -> Engine:
        """Start an engine for one partition."""
        share = ("--processes", str(PARTITIONS), "--index", str(partition), ALONE)
        return self.start(*share, failpoint=failpoint)

    def start_learner(self, failpoint: str = "") -> Engine:
        """Start a learner, `beckon learn`."""
        arguments = ["learn", *self._kafka_options(), "--redis", self.redis_url, "--metrics", "off"]
        return self._nursery.start(arguments, self.log, failpoint)

    @contextmanager
    def learning(self) -> Iterator[None]:
        """A learner runs during the block, in a process of its own."""
        learner = self.start_learner()
        try:
            yield
        finally:
            learner.kill()
            self.expire_learners_lease()

    def running(self, *options: str) -> Engine:
        """The engine that has all partitions: one that runs, or a new one."""
        if self._running is None or self._running.code() is not None:
            self._running = self.start_and_wait(*options)
        return self._running

    def clear(self) -> None:
        """Kill the engine that has all partitions, if one runs."""
        if self._running is not None:
            self._running.kill()
            self._running = None
        self.expire_leases()

    def start_and_wait(self, *options: str) -> Engine:
        """Start an engine, as the only one; it has all partitions, and each sent a trigger."""
        self.clear()
        before = {checkpoint.owner for checkpoint in self._checkpoints()}
        engine = self.start(*options)

        def has_begun() -> bool:
            new = [one for one in self._checkpoints() if one.owner not in before]
            return sum(bool(one.last_place) for one in new) == PARTITIONS

        assert until(has_begun, SETTLE_SECONDS_MAX), f"it does not run:\n{self.tail()}"
        return engine

    def start_push(self, folder: Path) -> Engine:
        """Start to put a config in force, `beckon config push`."""
        arguments = ["config", "push", str(folder), *self._kafka_options()]
        return self._nursery.start(arguments, self.log)

    def start_rollback(self, model: str) -> Engine:
        """Start to put an older version of a model in force, `beckon models rollback`."""
        arguments = ["models", "rollback", model, *self._kafka_options(), "--redis", self.redis_url]
        return self._nursery.start(arguments, self.log)

    def let_publish(self, model: str) -> None:
        """Have a model's learner publish again, `beckon models resume`."""
        arguments = ["models", "resume", model, "--redis", self.redis_url]
        self.wait_for_end(self._nursery.start(arguments, self.log))

    def expire_leases(self, *partitions: int) -> None:
        """What would come about within three seconds of an engine's death."""
        leases = [partition_keys(self.prefix, one).lease for one in partitions or range(PARTITIONS)]
        self._redis("DEL", *leases)

    def expire_learners_lease(self) -> None:
        """The same of a learner."""
        self._redis("DEL", learner_keys(self.prefix).lease)

    def finish(self) -> Verdict:
        """Let an engine come to the end of the log and of its timers, stop it, and judge."""
        self.clear()
        engine = self.running()
        self.wait_until_settled(engine)
        self.stop(engine)
        assert until(self._no_learner_is_left, STOP_SECONDS_MAX), f"it learns on:\n{self.tail()}"
        config = load(self.config)
        return verdict(config, self.kafka, self._settings, PARTITIONS, self.poison)

    def stop(self, engine: Engine) -> None:
        """Stop an engine in order."""
        engine.send(signal.SIGTERM)
        self.wait_for_end(engine)

    def wait_for_end(self, engine: Engine) -> None:
        """Wait until a process has ended, in order."""
        code = engine.wait(STOP_SECONDS_MAX)
        assert code == 0, f"it ended with {code}:\n{self.tail()}"

    def wait_until_settled(self, engine: Engine) -> None:
        """Until all stages were due, and all that was in the log by then is applied and learned.

        The log goes on, as examples close all the time: what is appended for them is ticks.
        """
        self.wait_until_on()
        time.sleep(LAST_STAGE_SECONDS + 1.5)
        self.wait_until_on()
        end = KafkaBroker(self.kafka).examples_span()[1]
        learned = partial(self._has_learned, end)
        assert until(learned, SETTLE_SECONDS_MAX), f"it does not learn:\n{self.tail()}"
        assert engine.code() is None, f"it ended:\n{self.tail()}"

    def _has_learned(self, offset: int) -> bool:
        value = self._learner_store.load()
        return (load_saved(value).next_offset if value is not None else 0) >= offset

    def wait_until_on(self) -> None:
        """Until what is in the log now was applied and committed, while more arrives."""
        ends = self.log_ends()

        def is_on() -> bool:
            offsets = [one.next_offset for one in self._checkpoints()]
            return len(offsets) == PARTITIONS and all(map(ge, offsets, ends))

        assert until(is_on, SETTLE_SECONDS_MAX), f"it does not go on:\n{self.tail()}"

    def wait_for_versions(self, models: Sequence[str]) -> None:
        """Until scores of these models are made with versions."""
        reader = RedisReader(self._settings)

        def are_in_force() -> bool:
            return all(set(models) <= set(reader.models(one)) for one in range(PARTITIONS))

        assert until(are_in_force, SETTLE_SECONDS_MAX), f"nothing is published:\n{self.tail()}"
        reader.close()

    def log_ends(self) -> list[int]:
        """The next offset of each partition of the log; a new broker is waited for."""
        ends: list[int] = []

        def are_told() -> bool:
            # A client that once had a wrong answer may stay with it: each look has its own.
            consumer = Consumer({**self.kafka.connection(), "group.id": "chaos"})
            try:
                ends[:] = [consumer.get_watermark_offsets(part, timeout=5.0)[1] for part in parts]
            except KafkaException:
                return False
            finally:
                consumer.close()
            return True

        topic = self.kafka.topic(LOG_TOPIC)
        parts = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        assert until(are_told, SETTLE_SECONDS_MAX), "the broker does not lead its partitions"
        return ends

    def tail(self, lines: int = 30) -> str:
        """What the engines said last."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    @contextmanager
    def traffic(self, seed: int, *, per_second: float = EVENTS_PER_SECOND) -> Iterator[None]:
        """Customers come while the block runs."""
        stop = Event()
        records = as_of_now(messages(USERS, seed))
        track_them = (self.kafka, records, per_second, stop)
        thread = Thread(target=track, args=track_them, daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(FLUSH_SECONDS)
            assert not thread.is_alive(), "the broker does not take the events"

    def _kafka_options(self) -> tuple[str, ...]:
        return ("--kafka", f"kafka://{self.kafka.servers}", "--prefix", self.prefix)

    def _no_learner_is_left(self) -> bool:
        """Whether the last learner has saved what it knows; it may end after its engine."""
        return not self._redis("EXISTS", learner_keys(self.prefix).lease)

    def _redis(self, command: str, *keys: bytes) -> int:
        client = connect(self._settings)
        count = int(client.execute_command(command, *keys))
        client.close()
        return count

    def _checkpoints(self) -> list[Checkpoint]:
        """Fewer than partitions before each had its first commit."""
        reader = RedisReader(self._settings)
        try:
            return list(reader.checkpoints())
        except StoreError:
            return []
        finally:
            reader.close()


def until(what: Callable[[], bool], seconds: float) -> bool:
    """Whether something comes about in time."""
    give_up_at = time.monotonic() + seconds
    while not what():
        if time.monotonic() > give_up_at:
            return False
        time.sleep(LOOK_SECONDS)
    return True
