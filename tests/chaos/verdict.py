"""Compares what a live engine left behind with what the log should have led to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from msgspec import Struct

from config.schema import Config
from connectors.kafka_settings import KafkaSettings
from connectors.log import (
    DEAD_LETTERS_TOPIC,
    GOALS_TOPIC,
    SUPPRESSED_TOPIC,
    TAGS_TOPIC,
    TRIGGERS_TOPIC,
)
from state.redis_reading import RedisReader
from state.redis_settings import RedisSettings
from state.redis_store import RedisStore
from tests.chaos.replayed import Expected, replayed
from tests.chaos.topics import Contents, contents

SIDE_TOPICS = (SUPPRESSED_TOPIC, GOALS_TOPIC, TAGS_TOPIC, DEAD_LETTERS_TOPIC)


class Verdict(Struct, frozen=True, kw_only=True):
    """Sums over all partitions; all but the first four should be 0.

    lost, twice, foreign, out_of_order: of the triggers that consumers of committed records see, and
    of those that the log says were withheld.
    rows_differing: profiles that are missing, too many or not byte for byte as they should be;
    unreadable: users without the readable one.
    side_missing, side_foreign: messages that are delivered at least once. waiting: triggers still
    in an outbox. behind: records that were not applied.
    """

    records: int = 0
    triggers: int = 0
    withheld: int = 0
    users: int = 0
    lost: int = 0
    twice: int = 0
    foreign: int = 0
    out_of_order: int = 0
    rows_differing: int = 0
    holders_differing: int = 0
    unreadable: int = 0
    side_missing: int = 0
    side_foreign: int = 0
    waiting: int = 0
    behind: int = 0

    def wrong(self) -> dict[str, int]:
        """What is not 0 and should be."""
        return {
            name: count
            for name in self.__struct_fields__[4:]
            if (count := int(getattr(self, name)))
        }


def verdict(config: Config, kafka: KafkaSettings, redis: RedisSettings, partitions: int) -> Verdict:
    """Judge a stopped engine by a replay of its log."""
    expected = [replayed(config, kafka, number, partitions) for number in range(partitions)]
    pending = [one.pending for one in expected]
    assert not any(pending), f"the log ends before its last stage is due: {pending}"
    found = contents(kafka, (TRIGGERS_TOPIC, *SIDE_TOPICS), partitions)
    counts: Counter[str] = Counter()
    for number, one in enumerate(expected):
        counts.update(judged_triggers(one.triggers, found[TRIGGERS_TOPIC, number]))
        counts.update(judged_withheld(one))
        counts.update(judged_profiles(one, redis, number, partitions))
    counts.update(judged_side(expected, found, partitions))
    counts["holders_differing"] = judged_audiences(expected, config, redis)
    return Verdict(**counts)


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


def judged_withheld(expected: Expected) -> dict[str, int]:
    """What the log says was withheld: each once, and only what was decided."""
    return {
        "withheld": len(expected.withheld),
        "twice": len(expected.withheld) - len(set(expected.withheld)),
        "foreign": len(expected.unknown),
    }


def judged_profiles(
    expected: Expected, redis: RedisSettings, partition: int, partitions: int
) -> dict[str, int]:
    """A partition's rows in Redis; raises `StoreError` where a commit is torn."""
    store = RedisStore(redis, partitions=partitions)
    snapshot = store.load(partition)
    store.close()
    assert snapshot is not None, "nothing was ever committed"
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
        "behind": expected.next_offset - snapshot.checkpoint.next_offset,
    }


def judged_side(expected: Sequence[Expected], found: Contents, partitions: int) -> dict[str, int]:
    """What is delivered at least once; never anything that the replay does not know."""
    counts = {"side_missing": 0, "side_foreign": 0}
    for topic in SIDE_TOPICS:
        wanted = {value for one in expected for value in one.side.get(topic, ())}
        sent = {value for number in range(partitions) for value in found[topic, number]}
        counts["side_missing"] += len(wanted - sent)
        counts["side_foreign"] += len(sent - wanted)
    return counts


def judged_audiences(expected: Sequence[Expected], config: Config, redis: RedisSettings) -> int:
    """How many users are in an audience and should not be, or should be and are not."""
    reader = RedisReader(redis)
    wrong = 0
    for tag in config.tags:
        wanted = {user for one in expected for user in one.audiences[tag.name]}
        wrong += len(wanted ^ reader.holders(tag.name))
    return wrong
