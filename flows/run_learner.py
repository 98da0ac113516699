"""`beckon learn`: the learner, in a process of its own or beside `beckon run`."""

from __future__ import annotations

import gc
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from threading import Event
from typing import NoReturn

from msgspec import Struct

from connectors.kafka import KafkaBroker
from connectors.kafka_settings import KafkaSettings
from connectors.kafka_topics import log_partitions
from flows.console import GC_THRESHOLDS, note_compiling
from flows.ending import end, end_in_time, stop_with_input, stopping
from flows.engine import run_live
from flows.exits import DONE, WORLD
from flows.health import Address, Pages, serving
from flows.learner import LearnerParts, open_learner
from flows.learner_metrics import LearnerMetrics
from flows.learner_worker import LearnerWorker
from flows.log_config import config_in_force
from flows.run import now_ms, rounds_until, tell
from flows.warming import warm_up_learning
from state.learner_store import RedisLearnerStore
from state.redis_reading import RedisReader
from state.redis_settings import RedisSettings

IDLE_SECONDS = 0.02


class LearnOptions(Struct, frozen=True, kw_only=True):
    """Where the topic of examples is, and where what is learned is kept; as `RunOptions`."""

    kafka: KafkaSettings
    redis: RedisSettings
    metrics: Address | None = None
    until_eof: bool = False


def run_learner(options: LearnOptions) -> NoReturn:
    """Learn until SIGTERM or SIGINT, or wait while another process does, and end this one."""
    stop = Event()
    if options.until_eof:
        stop_with_input(stop.set)
    note_compiling()
    partitions = log_partitions(options.kafka)
    warm_up_learning()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    metrics = LearnerMetrics()
    parts = parts_of(options, partitions, metrics)
    worker = LearnerWorker(partial(open_learner, parts), now_ms, tell_learner, metrics)
    with stopping(stop.set), telling(options, worker, metrics):
        end_in_time(stop, list, lambda _, what: tell_learner(what))
        tell_learner(f"waiting for the examples of {partitions} partitions")
        rounds = partial(rounds_until, stop, worker.rounds, IDLE_SECONDS)
        run_live(rounds, worker.apply, worker.settle)
        closed = worker.close()
    end(DONE if closed else WORLD)


def parts_of(options: LearnOptions, partitions: int, metrics: LearnerMetrics) -> LearnerParts:
    """What the run is made of."""
    broker = KafkaBroker(options.kafka)
    profiles = RedisReader(options.redis)
    return LearnerParts(
        partitions=partitions,
        owner=f"{socket.gethostname()}:{os.getpid()}:{now_ms()}",
        store=RedisLearnerStore(options.redis),
        reader_from=broker.examples,
        span=broker.examples_span,
        config=partial(config_in_force, profiles, broker),
        writer=broker.writer(),
        metrics=metrics,
        tell=tell_learner,
    )


@contextmanager
def telling(
    options: LearnOptions, worker: LearnerWorker, metrics: LearnerMetrics
) -> Iterator[None]:
    """Serve the pages of the learner, where they are wanted."""
    if options.metrics is None:
        yield
        return
    pages = Pages(metrics=metrics.page, not_alive=worker.not_alive, not_ready=worker.not_ready)
    with serving(options.metrics, pages) as port:
        tell_learner(f"metrics at {options.metrics.host}:{port}/metrics")
        yield


def tell_learner(what: str) -> None:
    """Tell the operator of the learner."""
    tell(f"learner: {what}")
