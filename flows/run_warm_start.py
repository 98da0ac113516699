"""`beckon models warm-start`: what a replay has learned, given to the learner of a live log."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from connectors.kafka import KafkaBroker
from connectors.kafka_settings import KafkaSettings
from connectors.kafka_topics import log_partitions
from flows.config_records import config_of
from flows.learner import there_must_be
from flows.log_config import config_in_force
from flows.warm_start import Replayed, Topic, Warmed, begin_ms, check_replayed, warm_start
from state.learner_store import RedisLearnerStore
from state.redis_reading import RedisReader
from state.redis_settings import RedisSettings


def run_warm_start(
    replayed: Sequence[Replayed],
    replaced: Collection[str],
    kafka: KafkaSettings,
    redis: RedisSettings,
    now_ms: int,
) -> list[Warmed]:
    """Give the learner of a live log what a replay has learned; see `flows.warm_start`.

    Raises:
        StoreError: the learner could not go on from it, or what it has saved is of another log.
        LogRecordError: the log has no config yet, or one that cannot be read.
        OSError: Kafka or Redis cannot be reached.
    """
    broker = KafkaBroker(kafka)
    config = config_of(there_must_be(config_in_force(RedisReader(redis), broker)))
    check_replayed(replayed, config, now_ms)
    first, end = broker.examples_span()
    topic = Topic(
        partitions=log_partitions(kafka),
        first=first,
        end=end,
        begin=broker.examples_since(begin_ms(replayed)),
    )
    store = RedisLearnerStore(redis)
    return warm_start(store, replayed, config, topic, replaced=replaced)
