"""`beckon run`: the live engine, in this process or in several that share the partitions."""

from __future__ import annotations

import gc
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from threading import Event
from typing import NoReturn, TypeVar

from msgspec import Struct

from connectors.kafka import KafkaBroker
from connectors.kafka_settings import KafkaSettings
from connectors.kafka_topics import log_partitions
from flows.config_records import ConfigRecord, config_record, push, version_of
from flows.console import GC_THRESHOLDS, note_compiling
from flows.ending import end, end_in_time, stop_with_input, stopping
from flows.engine import run_live
from flows.exits import DONE, PROBLEMS, USAGE, WORLD
from flows.health import Address, Pages, address_of_process, not_alive, not_ready, serving
from flows.learning_beside import learning_beside
from flows.log_config import beginning_config, config_in_force, first_config_of, pause
from flows.metrics import Metrics
from flows.opening import Opener
from flows.rollbacks import Rollbacks
from flows.supervise import supervise
from flows.warming import warm_up
from flows.worker import Worker
from state.redis_reading import RedisReader
from state.redis_settings import RedisSettings
from state.redis_store import RedisStore

Item = TypeVar("Item")

FATAL_CODES = frozenset({PROBLEMS, USAGE})
IDLE_SECONDS = 0.003


class RunOptions(Struct, frozen=True, kw_only=True):
    """Where the log and the profiles are, and whose share of the partitions this process has.

    `config_directory`: pushed into a log without a config. The partitions of a process are those
    whose number leaves `index` when divided by `processes`. `metrics`: where the first process
    serves its pages; None for nowhere. `until_eof`: end when standard input does. `learner`: the
    command that starts the learner beside it; () for none.
    """

    kafka: KafkaSettings
    redis: RedisSettings
    config_directory: Path | None
    index: int = 0
    processes: int = 1
    rebuild: bool = False
    metrics: Address | None = None
    until_eof: bool = False
    learner: tuple[str, ...] = ()


def run_processes(options: RunOptions, command: list[str]) -> int:
    """Run one process for each share; `command` starts one, which its index is added to."""
    with closing(store_of(options)) as store:
        push_where_none(options, store, config_record(options.config_directory))
    commands = [
        [*command, "--index", str(index), "--until-eof", "--no-learner"]
        for index in range(options.processes)
    ]
    stop = Event()
    with stopping(stop.set), beside(options, stop):
        return supervise(commands, stop, tell, FATAL_CODES)


def run_process(options: RunOptions) -> NoReturn:
    """Run this process's partitions until SIGTERM or SIGINT, and end it."""
    stop = Event()
    if options.until_eof:
        stop_with_input(stop.set)
    note_compiling()
    warm_up()
    broker = KafkaBroker(options.kafka)
    store = store_of(options)
    partitions = store.partitions()
    for complaint in store.complaints():
        tell(complaint)
    tell_config(options, store)
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    own = [one for one in range(partitions) if one % options.processes == options.index]
    metrics = Metrics(partitions)
    opener = Opener(
        broker=broker,
        store=store,
        metrics=metrics,
        first_config=partial(beginning_config, broker),
        rollbacks=Rollbacks(broker.reader, pause),
        now_ms=now_ms,
        rebuild=options.rebuild,
    )
    worker = Worker(own, opener.open, now_ms, tell_of, metrics)
    with (
        stopping(stop.set),
        telling(options, worker, metrics, own),
        beside(options, stop),
    ):
        end_in_time(stop, worker.unfinished, tell_of)
        tell(f"running partitions {own}")
        rounds = partial(rounds_until, stop, worker.rounds, IDLE_SECONDS)
        run_live(rounds, worker.apply, worker.settle)
        closed = worker.close()
    end(DONE if closed else WORLD)


def beside(options: RunOptions, stop: Event) -> AbstractContextManager[None]:
    """Keep the learner running beside the engine, where it is wanted."""
    if not options.learner:
        return nullcontext()
    config = partial(config_in_force, RedisReader(options.redis), KafkaBroker(options.kafka))
    return learning_beside(options.learner, config, stop, lambda what: tell(f"learner: {what}"))


def store_of(options: RunOptions) -> RedisStore:
    """The profiles in Redis, divided as the log is."""
    return RedisStore(options.redis, partitions=log_partitions(options.kafka))


def rounds_until(stop: Event, rounds: Callable[[], list[Item]], idle_seconds: float) -> list[Item]:
    """A worker's next round; an idle one is followed by a short sleep; StopIteration to stop."""
    if stop.is_set():
        raise StopIteration
    found = rounds()
    if not found:
        time.sleep(idle_seconds)
    return found


@contextmanager
def telling(
    options: RunOptions, worker: Worker, metrics: Metrics, own: Sequence[int]
) -> Iterator[None]:
    """Serve the pages of this process, where they are wanted."""
    if options.metrics is None:
        yield
        return
    address = address_of_process(options.metrics, options.index)

    def why_not_alive() -> list[str]:
        now = now_ms()
        return not_alive(worker.health(now), now)

    def why_not_ready() -> list[str]:
        now = now_ms()
        return not_ready(worker.health(now), own, now)

    pages = Pages(metrics=metrics.page, not_alive=why_not_alive, not_ready=why_not_ready)
    with serving(address, pages) as port:
        tell(f"metrics at {address.host}:{port}/metrics")
        yield


def tell_config(options: RunOptions, store: RedisStore) -> None:
    """Push the config of the options where there is none; say so where another is in force."""
    record = config_record(options.config_directory)
    version = push_where_none(options, store, record)
    if options.config_directory is not None and version != record.version:
        tell(
            f"{options.config_directory}: config {version} is in force, not this one "
            f"({record.version}); `beckon config push {options.config_directory}` changes that"
        )


def push_where_none(options: RunOptions, store: RedisStore, record: ConfigRecord) -> str:
    """Push a config where neither profiles nor log have one; the version that is in force.

    Profiles keep the config that they were made with: a log may have forgotten its record.
    """
    checkpoint = store.checkpoint(0)
    if checkpoint is not None:
        return checkpoint.config_version
    broker = KafkaBroker(options.kafka)
    found = first_config_of(broker, 0)
    if found is not None:
        return version_of(found)
    push(broker.writer(), log_partitions(options.kafka), record)
    tell(f"pushed config {record.version}, the first of this log")
    return record.version


def now_ms() -> int:
    """The wall clock."""
    return time.time_ns() // 1_000_000


def tell_of(partition: int, what: str) -> None:
    """Tell the operator of a partition."""
    tell(f"partition {partition}: {what}")


def tell(what: str) -> None:
    """Tell the operator, on stderr, which process says what."""
    print(f"beckon[{os.getpid()}]: {what}", file=sys.stderr, flush=True)
