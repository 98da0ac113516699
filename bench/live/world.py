"""A broker, a Redis, topics and a config: where a live engine is measured, all of it fresh."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]  # not re-exported
from msgspec import Struct

from bench.live.feed import Fed
from bench.live.processes import Program, running
from bench.measure import BECKON, BenchError, run
from connectors.kafka_settings import KafkaSettings
from connectors.kafka_topics import create_topics
from connectors.log import LOG_TOPIC, TRIGGERS_TOPIC
from state.redis_reading import RedisReader
from state.redis_settings import RedisSettings, redis_settings
from state.store import StoreError
from tests.server_setup import why_no_kafka, why_no_redis
from tests.servers import Server, free_port, kafka_server, redis_server

PREFIX = "bench"
ANSWER_SECONDS = 30.0
START_SECONDS_MAX = 300.0
"""The first start of a version compiles."""


class World(Struct, frozen=True, kw_only=True):
    """Where one measurement takes place."""

    kafka: KafkaSettings
    redis: RedisSettings
    redis_server: Server
    config: Path
    folder: Path
    partitions: int

    @property
    def broker(self) -> list[str]:
        """The options of a command that say where Kafka is."""
        return ["--kafka", f"kafka://{self.kafka.servers}", "--prefix", self.kafka.prefix]


@contextmanager
def opened(config: Path, *, partitions: int) -> Iterator[World]:
    """A world while the block runs, whose log has the config in a folder.

    The broker stamps triggers when it takes them, so that its clock tells how long they took.

    Raises:
        BenchError: there is no Kafka or no Redis to start.
    """
    for missing in (why_no_kafka(), why_no_redis()):
        if missing:
            raise BenchError(missing)
    with kafka_server() as kafka, redis_server() as redis, TemporaryDirectory() as folder:
        world = World(
            kafka=KafkaSettings(servers=kafka.address, prefix=PREFIX),
            redis=redis_settings(redis.address),
            redis_server=redis,
            config=config,
            folder=Path(folder),
            partitions=partitions,
        )
        stamped = {"message.timestamp.type": "LogAppendTime"}
        create_topic(world, world.kafka.topic(TRIGGERS_TOPIC), stamped)
        create_topics(world.kafka, partitions=partitions, replicas=1)
        run(*BECKON, "config", "push", str(config), *world.broker)
        yield world


def create_topic(world: World, name: str, settings: dict[str, str]) -> None:
    """Create a topic beside Beckon's, or one of its own with more settings."""
    admin = AdminClient(world.kafka.connection())
    topic = NewTopic(name, num_partitions=world.partitions, replication_factor=1, config=settings)
    for made in admin.create_topics([topic]).values():
        made.result(ANSWER_SECONDS)


@contextmanager
def engine(world: World, *more: str) -> Iterator[Program]:
    """`beckon run` alone, without a learner, while the block runs."""
    with engine_and_learner(world, "--no-learner", *more) as program:
        yield program


@contextmanager
def engine_and_learner(world: World, *more: str) -> Iterator[Program]:
    """`beckon run` as a user starts it, while the block runs."""
    pages = ["--metrics", f"127.0.0.1:{free_port()}"]
    where = [*world.broker, "--redis", world.redis_server.address, *pages]
    with running([*BECKON, "run", *where, *more]) as program:
        yield program


def feed_command(world: World, what: Sequence[str]) -> list[str]:
    """The feeder's command line (`bench/live/feed.py`) for this world."""
    return [sys.executable, "-m", "bench.live.feed", *world.broker, *what]


def feed(world: World, *what: str) -> Fed:
    """Let the feeder fill the log, and wait for it."""
    return msgspec.json.decode(run(*feed_command(world, what)).output, type=Fed)


def log_ends(world: World, topic: str = LOG_TOPIC) -> list[int]:
    """The next offset of each partition of a topic."""
    consumer = Consumer({**world.kafka.connection(), "group.id": "bench"})
    try:
        parts = [TopicPartition(world.kafka.topic(topic), one) for one in range(world.partitions)]
        return [consumer.get_watermark_offsets(part, timeout=ANSWER_SECONDS)[1] for part in parts]
    finally:
        consumer.close()


class Progress:
    """How far the engine's commits have come; asking costs the engine nothing."""

    def __init__(self, world: World) -> None:
        self._reader = RedisReader(world.redis)
        self._partitions = world.partitions

    def offsets(self) -> list[int]:
        """The next offset of each partition as committed; 0 before the first commit."""
        found = [0] * self._partitions
        try:
            for checkpoint in self._reader.checkpoints():
                found[checkpoint.partition] = checkpoint.next_offset
        except StoreError:
            # Nobody has been at work yet.
            return found
        return found

    def reached(self, ends: Sequence[int]) -> bool:
        """Whether all partitions are committed up to these offsets."""
        return all(at >= end for at, end in zip(self.offsets(), ends, strict=True))

    def users(self) -> int:
        """Users known, as of the last commits."""
        return sum(one.user_count for one in self._reader.checkpoints())

    def close(self) -> None:
        """Leave Redis."""
        self._reader.close()
