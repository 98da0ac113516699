"""`beckon models warm-start`: what a replay has learned, given to the learner of a live log."""

from __future__ import annotations

from pathlib import Path

from connectors.kafka import KafkaBroker
from connectors.kafka_settings import KafkaSettings
from connectors.kafka_topics import log_partitions
from flows.config_records import config_of
from flows.learner import there_must_be
from flows.log_config import config_in_force
from flows.warm_start import (
    Topic,
    WarmStart,
    begin_ms,
    check_replayed,
    replayed_models,
    warm_start,
)
from state.learner_store import RedisLearnerStore
from state.redis_reading import RedisReader
from state.redis_settings import RedisSettings


def run_warm_start(
    state: Path, kafka: KafkaSettings, redis: RedisSettings, now_ms: int, *, may_replace: bool
) -> WarmStart:
    """Give the learner of a live log what the replay into a state directory has learned.

    Raises:
        StoreError: the state has nothing that the learner could go on from, or Redis is another's.
        LogRecordError: the log has no config yet, or one that cannot be read.
        OSError: a file, Kafka or Redis cannot be read.
    """
    replayed = replayed_models(state)
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
    return warm_start(store, replayed, config, topic, may_replace=may_replace)
