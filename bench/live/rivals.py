"""The same little job on one live log: by Beckon, by Bytewax keyed per user, by Quix Streams.

Each rival is run twice: on a log that is nearly empty, which shows what its start takes, and on the
log that is measured. All send their reminders to a topic, where they must be the same.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
from msgspec import Struct

from bench.live.backlog import UNIT, start_alone, work_off
from bench.live.configs import SMALL_JOB, write_quick
from bench.live.feed import Fed
from bench.live.world import World, create_topic, feed, log_ends, opened
from bench.measure import Figure, Usage, run
from bench.rivals.environment import quix_python
from connectors.log import LOG_TOPIC, TRIGGERS_TOPIC
from tests.kafka_topics import values_of

WARM_UP_EVENTS = 2_000
CLOSING_SECONDS = 3.0
"""All timers are due by then; each user's last event finds them."""

SNAPSHOT_SECONDS = 10
"""How often Bytewax keeps state; Beckon commits five times a second, Quix Streams every 5 s."""

Reminders = Counter[tuple[str, datetime, datetime, float]]


class Rival(Struct, frozen=True, kw_only=True):
    """Another engine: its name, the topic that it writes, what runs it over a world's log."""

    name: str
    topic: str
    run: Callable[[World, Path], Usage]


class Instance(Struct):
    """The part of a reminder of Beckon's that says when its cart was filled."""

    entry: datetime


class Data(Struct):
    """The part of a reminder's data that all must agree on."""

    deadline: datetime
    features: dict[str, float]
    entry: datetime | None = None
    instance: Instance | None = None


class Reminder(Struct):
    """The part of a reminder that all must agree on."""

    subject: str
    data: Data


def measure_rivals(log: Path, folder: Path, *, events: int) -> list[Figure]:
    """Events per CPU-second of each, starts apart, and whether the answers differ."""
    config = write_quick(SMALL_JOB, folder / "small")
    with opened(config, partitions=4) as world:
        feed_small(world, log, WARM_UP_EVENTS)
        short = sum(log_ends(world))
        starts = [used_by(rival, world) for rival in RIVALS]
    with opened(config, partitions=4) as world:
        start = start_alone(world)
        fed = feed_small(world, log, events)
        own = work_off(world, fed, start)
        answer = reminders(world, TRIGGERS_TOPIC)
        records = sum(log_ends(world))
        figures = [
            Figure(name="events of the small job", value=fed.records, unit="events"),
            Figure(name="small job, Beckon", value=own.rate, unit=UNIT),
            Figure(name="Beckon, start included", value=own.rate_with_start, unit=UNIT),
            Figure(name="reminders, Beckon", value=answer.total(), unit="reminders"),
        ]
        for rival, short_run in zip(RIVALS, starts, strict=True):
            usage = used_by(rival, world)
            rate = (records - short) / (usage.cpu_seconds - short_run.cpu_seconds)
            theirs = reminders(world, rival.topic)
            differing = (theirs - answer).total() + (answer - theirs).total()
            included = records / usage.cpu_seconds
            name = rival.name
            figures += [
                Figure(name=f"small job, {name}", value=rate, unit=UNIT),
                Figure(name=f"{name}, start included", value=included, unit=UNIT),
                Figure(name=f"reminders that differ, {name}", value=differing, unit="reminders"),
                Figure(name=f"Beckon / {name}", value=own.rate / rate, unit="times"),
            ]
    return figures


def feed_small(world: World, log: Path, events: int) -> Fed:
    """Fill the log: the first of a shop's events, and one of each user when all timers are due."""
    closing = ("--closing-after", str(CLOSING_SECONDS))
    return feed(world, "shop", str(log), "--lines", str(events), *closing)


def used_by(rival: Rival, world: World) -> Usage:
    """What a rival uses to run over the whole log."""
    create_topic(world, world.kafka.topic(rival.topic), {})
    with TemporaryDirectory() as folder:
        return rival.run(world, Path(folder))


def run_bytewax(world: World, folder: Path) -> Usage:
    """Bytewax as a user starts it; it ends at the end of the log."""
    run(sys.executable, "-m", "bytewax.recovery", str(folder), "1")
    kafka = world.kafka
    arguments = f"'{kafka.servers}','{kafka.topic(LOG_TOPIC)}','{kafka.topic(BYTEWAX.topic)}'"
    flow = f"bench.rivals.bytewax_job:flow_of({arguments})"
    recovery = ("-r", str(folder), "-s", str(SNAPSHOT_SECONDS), "-b", "0")
    return run(sys.executable, "-m", "bytewax.run", flow, *recovery)


def run_quix(world: World, folder: Path) -> Usage:
    """Quix Streams, until nothing more comes."""
    kafka = world.kafka
    topics = (kafka.topic(LOG_TOPIC), kafka.topic(QUIX.topic))
    program = (str(quix_python()), "-m", "bench.rivals.quix_job")
    return run(*program, kafka.servers, *topics, str(folder))


BYTEWAX = Rival(name="Bytewax", topic="bytewax", run=run_bytewax)
QUIX = Rival(name="Quix Streams", topic="quix", run=run_quix)
RIVALS = (BYTEWAX, QUIX)


def reminders(world: World, topic: str) -> Reminders:
    """The reminders in a topic: whose, of which cart, due when, after how many views."""
    found: Reminders = Counter()
    for partition in range(world.partitions):
        for value in values_of(world.kafka, topic, partition):
            reminder = msgspec.json.decode(value or b"", type=Reminder)
            data = reminder.data
            entry = data.instance.entry if data.instance is not None else data.entry
            assert entry is not None, "a reminder says when its cart was filled"
            found[reminder.subject, entry, data.deadline, data.features["views"]] += 1
    return found
