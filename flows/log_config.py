"""Which config is in force, as the profiles and the log itself have it."""

from __future__ import annotations

import time
from contextlib import closing

from connectors.kafka import KafkaBroker
from connectors.log import ControlRecord
from flows.config_records import ConfigRecordError, first_config
from state.redis_reading import RedisReader

PAUSE_SECONDS = 0.01
UNDER_WAY_SECONDS = 1.0


def first_config_of(broker: KafkaBroker, partition: int) -> ControlRecord | None:
    """The record of the first config that a partition of the log has."""
    with closing(broker.reader(partition, 0)) as reader:
        return first_config(reader, pause)


def config_in_force(profiles: RedisReader, broker: KafkaBroker) -> ControlRecord | None:
    """The record of the config that partition 0 decides by; None before there is one."""
    checkpoint, value = profiles.checkpoint(0), profiles.config(0)
    if checkpoint is None or not value:
        return first_config_of(broker, 0)
    return ControlRecord(
        kind="config", offset=checkpoint.next_offset, log_ms=checkpoint.clock_ms, value=value
    )


def beginning_config(broker: KafkaBroker, partition: int) -> ControlRecord:
    """The record of the config that a partition without profiles begins with.

    Raises `ConfigRecordError`: there is none.
    """
    found = first_config_of(broker, partition)
    if found is None:
        raise ConfigRecordError(
            f"partition {partition} of the log: expected a config to begin with, got none; "
            "push it again with `beckon config push DIR`"
        )
    return found


def pause() -> None:
    """Wait for what the broker fetches."""
    time.sleep(PAUSE_SECONDS)


def wait_for_publication() -> None:
    """Wait until a version that the learner was about to publish is in the log."""
    time.sleep(UNDER_WAY_SECONDS)
