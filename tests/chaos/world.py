"""A shop whose engine is killed: its topics, its Redis, its traffic, and the engines' lives."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from operator import ge
from pathlib import Path
from threading import Event, Thread
from uuid import uuid4

from confluent_kafka import Consumer, KafkaException, TopicPartition

from config.load import load
from connectors.kafka_settings import KafkaSettings
from connectors.log import LOG_TOPIC
from state.keys import partition_keys
from state.redis_client import connect
from state.redis_reading import RedisReader
from state.redis_settings import redis_settings
from state.store import Checkpoint, StoreError
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

    def __init__(self, broker: Server, redis: Server, nursery: Nursery, folder: Path) -> None:
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
        self._settings = redis_settings(self.redis_url)
        self._nursery = nursery
        self._running: Engine | None = None

    def redis_url_by(self, address: str) -> str:
        """What an engine is told that reaches this world's Redis by another address."""
        return f"{address}?prefix={self.prefix}"

    def configure(self, ttl: str = "1h") -> None:
        """Say, before the first engine starts, after how long a stage is too late to be sent."""
        write_quick_config(self.config, ttl)

    def start(self, *options: str, failpoint: str = "") -> Engine:
        """Start an engine, `beckon run`, for all partitions if no option says otherwise."""
        arguments = ["run", *self._kafka_options(), "--redis", self.redis_url, "--no-learner"]
        arguments += ["--config", str(self.config), "--metrics", "off", *options]
        return self._nursery.start(arguments, self.log, failpoint)

    def start_lane(self, partition: int, failpoint: str = "") -> Engine:
        """Start an engine for one partition."""
        share = ("--processes", str(PARTITIONS), "--index", str(partition))
        return self.start(*share, failpoint=failpoint)

    def running(self) -> Engine:
        """The engine that has all partitions: one that runs, or a new one."""
        if self._running is None or self._running.code() is not None:
            self._running = self.start_and_wait()
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

    def expire_leases(self, *partitions: int) -> None:
        """What would come about within three seconds of an engine's death."""
        client = connect(self._settings)
        for partition in partitions or range(PARTITIONS):
            client.execute_command("DEL", partition_keys(self.prefix, partition).lease)
        client.close()

    def finish(self) -> Verdict:
        """Let an engine come to the end of the log and of its timers, stop it, and judge."""
        engine = self.running()
        self.wait_until_settled(engine)
        self.stop(engine)
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
        """Until neither log nor commits move for as long as a stage waits."""
        give_up_at = time.monotonic() + SETTLE_SECONDS_MAX
        settled_at, before = time.monotonic(), None
        while time.monotonic() - settled_at < LAST_STAGE_SECONDS + 1.5:
            assert time.monotonic() < give_up_at, f"it does not come to rest:\n{self.tail()}"
            assert engine.code() is None, f"it ended:\n{self.tail()}"
            now = [*self.log_ends(), *(one.next_offset for one in self._checkpoints())]
            if now != before:
                settled_at, before = time.monotonic(), now
            time.sleep(LOOK_SECONDS)

    def wait_until_on(self) -> None:
        """Until what is in the log now was applied and committed, while more arrives."""
        ends = self.log_ends()

        def is_on() -> bool:
            offsets = [one.next_offset for one in self._checkpoints()]
            return len(offsets) == PARTITIONS and all(map(ge, offsets, ends))

        assert until(is_on, SETTLE_SECONDS_MAX), f"it does not go on:\n{self.tail()}"

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
