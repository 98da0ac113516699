"""A shop whose engine is killed: its topics, its Redis, its traffic, and the engines' lives."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from uuid import uuid4

from confluent_kafka import Consumer, TopicPartition

from config.load import load
from connectors.kafka_producers import KafkaSideOutput
from connectors.kafka_settings import KafkaSettings
from connectors.log import LOG_TOPIC
from flows.produce import key_of
from state.keys import partition_keys
from state.redis_client import connect
from state.redis_reading import RedisReader
from state.redis_settings import redis_settings
from state.store import Checkpoint, StoreError
from tests.chaos.nursery import Engine, Nursery
from tests.chaos.traffic import LAST_STAGE_SECONDS, as_of_now, messages, write_quick_config
from tests.chaos.verdict import Verdict, verdict
from tests.kafka_topics import with_topics
from tests.servers import Server

PARTITIONS = 4
EVENTS_PER_SECOND = 200
USERS = 8_000
"""Of the traffic; they bring 150,000 events, enough for the longest of it."""

SETTLE_SECONDS_MAX = 90.0
STOP_SECONDS_MAX = 20.0
LOOK_SECONDS = 0.05
FLUSH_SECONDS = 60.0


class World:
    """Everything about one shop; nobody else uses its topics or its Redis."""

    def __init__(self, servers: str, redis: Server, nursery: Nursery, folder: Path) -> None:
        self.redis = redis
        self.prefix = f"chaos-{uuid4().hex[:12]}"
        self.kafka: KafkaSettings = with_topics(servers, self.prefix, partitions=PARTITIONS)
        self.redis_settings = redis_settings(f"{redis.address}?prefix={self.prefix}")
        self.log = folder / f"{self.prefix}.log"
        self.log.touch()
        self._config = folder / f"{self.prefix}-config"
        self.configure()
        self._nursery = nursery

    def configure(self, ttl: str = "1h") -> None:
        """Say, before the first engine starts, after how long a stage is too late to be sent."""
        write_quick_config(self._config, ttl)

    def start(self, failpoint: str = "", *, partition: int | None = None) -> Engine:
        """Start an engine, `beckon run`, for all partitions or for one."""
        arguments = ["run", "--kafka", f"kafka://{self.kafka.servers}", "--prefix", self.prefix]
        arguments += ["--redis", f"{self.redis.address}?prefix={self.prefix}"]
        arguments += ["--config", str(self._config)]
        if partition is not None:
            arguments += ["--processes", str(PARTITIONS), "--index", str(partition)]
        return self._nursery.start([*arguments, "--metrics", "off"], self.log, failpoint)

    def expire_leases(self, *partitions: int) -> None:
        """What would come about within three seconds of an engine's death."""
        client = connect(self.redis_settings)
        for partition in partitions or range(PARTITIONS):
            client.execute_command("DEL", partition_keys(self.prefix, partition).lease)
        client.close()

    def finish(self) -> Verdict:
        """Let an engine come to the end of the log and of its timers, stop it, and judge."""
        self.expire_leases()
        engine = self.start()
        self.wait_until_settled(engine)
        self.stop(engine)
        return self.judged()

    def judged(self) -> Verdict:
        """What the stopped engine left, against a replay of the log."""
        return verdict(load(self._config), self.kafka, self.redis_settings, PARTITIONS)

    def stop(self, engine: Engine) -> None:
        """Stop an engine in order."""
        engine.send(signal.SIGTERM)
        code = engine.wait(STOP_SECONDS_MAX)
        assert code == 0, f"it ended with {code}:\n{self.tail()}"

    def wait_until_settled(self, engine: Engine) -> None:
        """Until it has all partitions, and neither log nor commits move while a stage waits."""
        give_up_at = time.monotonic() + SETTLE_SECONDS_MAX
        settled_at, before = time.monotonic(), None
        while time.monotonic() - settled_at < LAST_STAGE_SECONDS + 1.5:
            assert time.monotonic() < give_up_at, f"it does not come to rest:\n{self.tail()}"
            assert engine.code() is None, f"it ended:\n{self.tail()}"
            now = self._progress(engine)
            if now != before or now is None:
                settled_at, before = time.monotonic(), now
            time.sleep(LOOK_SECONDS)

    def _progress(self, engine: Engine) -> list[int] | None:
        """The ends of the log and of what is committed; None before it has all partitions."""
        checkpoints = self._checkpoints()
        owned = [one for one in checkpoints if f":{engine.pid}:" in one.owner]
        if len(owned) < PARTITIONS:
            return None
        return [*self.log_ends(), *(one.next_offset for one in owned)]

    def start_and_wait(self) -> Engine:
        """Start an engine for all partitions; each has users in Redis, and sent a trigger, then."""
        engine = self.start()
        assert until(self._has_sent, SETTLE_SECONDS_MAX), f"it does not run:\n{self.tail()}"
        return engine

    def _has_sent(self) -> bool:
        return sum(bool(one.last_place) for one in self._checkpoints()) == PARTITIONS

    def log_ends(self) -> list[int]:
        """The next offset of each partition of the log."""
        consumer = Consumer({**self.kafka.connection(), "group.id": "chaos"})
        try:
            topic = self.kafka.topic(LOG_TOPIC)
            parts = [TopicPartition(topic, number) for number in range(PARTITIONS)]
            return [consumer.get_watermark_offsets(part, timeout=10.0)[1] for part in parts]
        finally:
            consumer.close()

    def _checkpoints(self) -> list[Checkpoint]:
        """Fewer than partitions before each had its first commit."""
        reader = RedisReader(self.redis_settings)
        try:
            return list(reader.checkpoints())
        except StoreError:
            return []
        finally:
            reader.close()

    def tail(self, lines: int = 30) -> str:
        """What the engines said last."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    @contextmanager
    def traffic(self, seed: int, *, per_second: int = EVENTS_PER_SECOND) -> Iterator[None]:
        """Customers come while the block runs."""
        stop = Event()
        thread = Thread(target=self._produce, args=(seed, per_second, stop), daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(FLUSH_SECONDS)
            assert not thread.is_alive(), "the broker does not take the events"

    def _produce(self, seed: int, per_second: int, stop: Event) -> None:
        side = KafkaSideOutput(self.kafka)
        began_at = time.monotonic()
        for index, line in enumerate(as_of_now(messages(USERS, seed))):
            side.produce(LOG_TOPIC, key_of(line), line)
            due_at = began_at + index / per_second
            if index % 20 == 0 and stop.wait(max(0.0, due_at - time.monotonic())):
                break
        side.flush(FLUSH_SECONDS)


def until(what: Callable[[], bool], seconds: float) -> bool:
    """Whether something comes about in time."""
    give_up_at = time.monotonic() + seconds
    while not what():
        if time.monotonic() > give_up_at:
            return False
        time.sleep(LOOK_SECONDS)
    return True
