"""Compares what a live engine left behind with what the log should have led to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import pairwise

import msgspec
from msgspec import Struct

from config.schema import Config
from connectors.kafka_settings import KafkaSettings
from connectors.log import (
    DEAD_LETTERS_TOPIC,
    EXAMPLES_TOPIC,
    GOALS_TOPIC,
    SUPPRESSED_TOPIC,
    TAGS_TOPIC,
    TRIGGERS_TOPIC,
)
from state.redis_reading import RedisReader
from state.redis_settings import RedisSettings
from state.redis_store import RedisStore
from state.store import Snapshot
from tests.chaos.learned import judged_learning, saved_in
from tests.chaos.replayed import Expected, behind, recorded, replayed, up_to, versions_in
from tests.chaos.topics import Contents, Record, contents

SIDE_TOPICS = (SUPPRESSED_TOPIC, GOALS_TOPIC, TAGS_TOPIC)
SENT_LATE_MS = 1_000
"""What passes between the look at the clock and the sending, at most."""

Positions = Mapping[tuple[int, int], str]
"""Reasons of dead letters by partition and offset."""


class Letter(Struct, frozen=True, kw_only=True):
    """The part of a dead letter that says what it is about."""

    reason: str
    partition: int
    offset: int


class Expiring(Struct, frozen=True, kw_only=True):
    """The part of a trigger that says until when it may be sent."""

    expirytime: datetime


_letter = msgspec.json.Decoder(Letter)
_expiring = msgspec.json.Decoder(Expiring)


class Verdict(Struct, frozen=True, kw_only=True):
    """Sums over all partitions; all but the first six should be 0.

    lost, twice, foreign, out_of_order: of the triggers that consumers of committed records see, and
    of those that the log says were withheld.
    rows_differing: profiles that are missing, too many or not byte for byte as they should be;
    unreadable: users without the readable one.
    side_missing, side_foreign: messages that are delivered at least once. letters_missing,
    letters_foreign: dead letters, by position and reason. waiting: triggers still in an outbox.
    behind: records that were not applied, but for ticks and versions. examples: that were learned;
    versions: of models, that were published; the rest is as in `judged_learning`.
    """

    records: int = 0
    triggers: int = 0
    withheld: int = 0
    users: int = 0
    examples: int = 0
    versions: int = 0
    lost: int = 0
    twice: int = 0
    foreign: int = 0
    out_of_order: int = 0
    sent_late: int = 0
    rows_differing: int = 0
    holders_differing: int = 0
    unreadable: int = 0
    side_missing: int = 0
    side_foreign: int = 0
    letters_missing: int = 0
    letters_foreign: int = 0
    waiting: int = 0
    behind: int = 0
    examples_missing: int = 0
    examples_foreign: int = 0
    places_differing: int = 0
    models_differing: int = 0
    versions_foreign: int = 0
    versions_back: int = 0
    versions_uneven: int = 0

    def wrong(self) -> dict[str, int]:
        """What is not 0 and should be."""
        return {
            name: count
            for name in self.__struct_fields__[6:]
            if (count := int(getattr(self, name)))
        }


def verdict(
    config: Config,
    kafka: KafkaSettings,
    redis: RedisSettings,
    partitions: int,
    poison: Positions,
) -> Verdict:
    """Judge a stopped engine by a replay of its log, which begins with `config`.

    `poison`: records that must have become dead letters. The replay is one without them: they may
    not have changed anything. Of a log without poison it knows the dead letters.
    """
    offsets = [{offset for at, offset in poison if at == number} for number in range(partitions)]
    snapshots = [stored(redis, number, partitions) for number in range(partitions)]
    logs = [recorded(kafka, number, offsets[number]) for number in range(partitions)]
    expected = [
        replayed(config, up_to(log, snapshot.checkpoint.next_offset), number, partitions)
        for number, (log, snapshot) in enumerate(zip(logs, snapshots, strict=True))
    ]
    pending = [one.pending for one in expected]
    assert not any(pending), f"the log ends before its last stage is due: {pending}"
    found = contents(kafka, (TRIGGERS_TOPIC, DEAD_LETTERS_TOPIC, *SIDE_TOPICS), partitions)
    counts: Counter[str] = Counter()
    for number, one in enumerate(expected):
        counts.update(judged_triggers(one.triggers, values(found[TRIGGERS_TOPIC, number])))
        counts.update(judged_times(found[TRIGGERS_TOPIC, number]))
        counts.update(judged_withheld(one))
        counts.update(judged_profiles(one, redis, snapshots[number]))
        counts["behind"] += behind(logs[number], one.next_offset)
    counts.update(judged_side(expected, found, partitions))
    examples = values(contents(kafka, (EXAMPLES_TOPIC,), 1)[EXAMPLES_TOPIC, 0])
    counts.update(judged_examples(expected, examples))
    configs = list({one.version: one for some in expected for one in some.configs}.values())
    published = [versions_in(log) for log in logs]
    counts.update(judged_learning(configs, saved_in(redis), examples, published))
    counts.update(judged_letters(expected, found, poison, partitions))
    counts["holders_differing"] = judged_audiences(expected, redis)
    return Verdict(**counts)


def values(records: Sequence[Record]) -> list[bytes]:
    """What is in records, without their times."""
    return [record.value for record in records]


def judged_triggers(expected: Sequence[bytes], found: Sequence[bytes]) -> dict[str, int]:
    """A partition's triggers against the expected ones, which are in order of place.

    >>> judged_triggers([b"a", b"b", b"c"], [b"b", b"a", b"b"])["lost"]
    1
    """
    place = {value: index for index, value in enumerate(expected)}
    assert len(place) == len(expected), "no two triggers are the same"
    known = [place[value] for value in found if value in place]
    return {
        "triggers": len(found),
        "lost": len(place) - len(set(known)),
        "twice": len(known) - len(set(known)),
        "foreign": len(found) - len(known),
        "out_of_order": sum(one > other for one, other in pairwise(known)),
    }


def judged_times(found: Sequence[Record]) -> dict[str, int]:
    """Triggers that were sent after their `expirytime`."""
    late = 0
    for record in found:
        expires = _expiring.decode(record.value).expirytime
        late += record.at_ms > round(expires.timestamp() * 1000) + SENT_LATE_MS
    return {"sent_late": late}


def judged_withheld(expected: Expected) -> dict[str, int]:
    """What the log says was withheld: each once, and only what was decided."""
    return {
        "withheld": len(expected.withheld),
        "twice": len(expected.withheld) - len(set(expected.withheld)),
        "foreign": len(expected.unknown),
    }


def stored(redis: RedisSettings, partition: int, partitions: int) -> Snapshot:
    """What is stored of a partition; raises `StoreError` where a commit is torn."""
    store = RedisStore(redis, partitions=partitions)
    snapshot = store.load(partition)
    store.close()
    assert snapshot is not None, "nothing was ever committed"
    return snapshot


def judged_profiles(expected: Expected, redis: RedisSettings, snapshot: Snapshot) -> dict[str, int]:
    """A partition's rows in Redis."""
    rows = dict(snapshot.rows)
    reader = RedisReader(redis)
    readable = list(reader.profiles(list(rows)))
    reader.close()
    differing = {user for user, _ in rows.items() ^ expected.rows.items()}
    return {
        "records": expected.next_offset,
        "users": len(rows),
        "rows_differing": len(differing),
        "unreadable": readable.count(None),
        "waiting": len(snapshot.outbox),
    }


def judged_examples(expected: Sequence[Expected], sent: Sequence[bytes]) -> dict[str, int]:
    """Examples, which are delivered at least once."""
    wanted = {value for one in expected for value in one.side.get(EXAMPLES_TOPIC, ())}
    return {
        "examples_missing": len(wanted - {*sent}),
        "examples_foreign": len({*sent} - wanted),
    }


def judged_side(expected: Sequence[Expected], found: Contents, partitions: int) -> dict[str, int]:
    """What is delivered at least once; never anything that the replay does not know."""
    counts = {"side_missing": 0, "side_foreign": 0}
    for topic in SIDE_TOPICS:
        wanted = {value for one in expected for value in one.side.get(topic, ())}
        sent = {value for number in range(partitions) for value in values(found[topic, number])}
        counts["side_missing"] += len(wanted - sent)
        counts["side_foreign"] += len(sent - wanted)
    return counts


def judged_letters(
    expected: Sequence[Expected], found: Contents, poison: Positions, partitions: int
) -> dict[str, int]:
    """Dead letters, which are delivered at least once: each poisoned record is one."""
    lines = [line for one in expected for line in one.side.get(DEAD_LETTERS_TOPIC, ())]
    wanted = {*map(told_by, lines)} | {(*position, reason) for position, reason in poison.items()}
    records = [found[DEAD_LETTERS_TOPIC, number] for number in range(partitions)]
    sent = {told_by(value) for some in records for value in values(some)}
    return {"letters_missing": len(wanted - sent), "letters_foreign": len(sent - wanted)}


def told_by(line: bytes) -> tuple[int, int, str]:
    """Partition, offset and reason of a dead letter."""
    letter = _letter.decode(line)
    return letter.partition, letter.offset, letter.reason


def judged_audiences(expected: Sequence[Expected], redis: RedisSettings) -> int:
    """How many users are in an audience and should not be, or should be and are not."""
    reader = RedisReader(redis)
    wrong = 0
    for tag in {tag for one in expected for tag in one.audiences}:
        wanted = {user for one in expected for user in one.audiences.get(tag, ())}
        wrong += len(wanted ^ reader.holders(tag))
    return wrong
