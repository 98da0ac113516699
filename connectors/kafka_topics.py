"""The topics: what each must be like, made and checked."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from typing import TypeVar

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # documented, not re-exported
    AdminClient,
    ConfigResource,
    NewTopic,
)
from msgspec import Struct

from config.problems import nearest_name
from connectors.kafka_errors import FIXES, BrokerError, broker_error, cause
from connectors.kafka_settings import KafkaSettings
from connectors.log import (
    DEAD_LETTERS_TOPIC,
    EXAMPLES_TOPIC,
    GOALS_TOPIC,
    LOG_TOPIC,
    REDRIVEN_TOPIC,
    RELAYED_TOPIC,
    SUPPRESSED_TOPIC,
    TAGS_TOPIC,
    TRIGGERS_TOPIC,
)

ANSWER_SECONDS = 10.0
DAY_MS = 86_400_000
EVENT_BYTES, LETTER_BYTES = 1_048_588, 8_000_000
"""Kafka's own limit of a record; a dead letter holds a whole one, with its text escaped."""

_T = TypeVar("_T")


class Topic(Struct, frozen=True, kw_only=True):
    """What a topic is for, and its settings: `demanded` ones are checked, `first` ones given once.

    at_least: settings that are checked to be this large or larger. partitions: None means as many
    as the log has.
    """

    name: str
    about: str
    demanded: dict[str, str] = {}
    at_least: dict[str, int] = {}
    first: dict[str, str] = {}
    partitions: int | None = None


TOPICS = (
    Topic(
        name=LOG_TOPIC,
        about="the log: events, keyed by profile id, and control records",
        demanded={"message.timestamp.type": "LogAppendTime", "cleanup.policy": "delete"},
        at_least={"max.message.bytes": EVENT_BYTES},
        first={"retention.ms": str(30 * DAY_MS)},
    ),
    Topic(
        name=TRIGGERS_TOPIC,
        about="messages to send",
        demanded={"cleanup.policy": "delete"},
        at_least={"max.message.bytes": EVENT_BYTES},
    ),
    Topic(
        name=SUPPRESSED_TOPIC,
        about="stages that were not sent",
        demanded={"cleanup.policy": "delete"},
        at_least={"max.message.bytes": EVENT_BYTES},
    ),
    Topic(name=GOALS_TOPIC, about="goals reached", demanded={"cleanup.policy": "delete"}),
    Topic(name=TAGS_TOPIC, about="tags gained and lost", demanded={"cleanup.policy": "delete"}),
    Topic(
        name=EXAMPLES_TOPIC,
        about="what models learn from, in one order",
        demanded={"message.timestamp.type": "LogAppendTime", "cleanup.policy": "delete"},
        first={"retention.ms": str(366 * DAY_MS)},
        partitions=1,
    ),
    Topic(
        name=DEAD_LETTERS_TOPIC,
        about="records that cannot be used",
        demanded={"cleanup.policy": "delete"},
        at_least={"max.message.bytes": LETTER_BYTES},
        first={"retention.ms": str(30 * DAY_MS)},
    ),
    Topic(
        name=RELAYED_TOPIC,
        about="notes of the last place relayed",
        demanded={"cleanup.policy": "compact"},
        first={"segment.ms": str(DAY_MS)},
    ),
    Topic(
        name=REDRIVEN_TOPIC,
        about="notes of the dead letters re-driven",
        demanded={"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"},
    ),
)
"""All topics of Beckon; each has as many partitions as the log, but for what learners read."""


def create_topics(settings: KafkaSettings, *, partitions: int, replicas: int) -> list[str]:
    """Create the topics that are missing; returns their names. Others are left as they are.

    Raises:
        BrokerError: the broker cannot be reached or refuses.
    """
    admin = AdminClient(settings.connection())
    there = _topics(settings)
    missing = [topic for topic in TOPICS if settings.topic(topic.name) not in there]
    if not missing:
        return []
    count = there.get(settings.topic(LOG_TOPIC), partitions)
    made = admin.create_topics(
        [
            NewTopic(
                settings.topic(topic.name),
                num_partitions=topic.partitions or count,
                replication_factor=replicas,
                config=first_settings(topic, replicas),
            )
            for topic in missing
        ],
        operation_timeout=ANSWER_SECONDS,
    )
    return [name for name, future in made.items() if _was_created(settings, name, future)]


def first_settings(topic: Topic, replicas: int) -> dict[str, str]:
    """The settings that a topic is created with."""
    safe = {"min.insync.replicas": "2"} if replicas > 2 else {}
    limits = {name: str(least) for name, least in topic.at_least.items()}
    return {**topic.demanded, **limits, **topic.first, **safe}


def check_topics(settings: KafkaSettings) -> list[str]:
    """What is wrong with the topics, a sentence each, with the command that mends it.

    Raises:
        BrokerError: the broker cannot be reached or refuses.
    """
    admin = AdminClient(settings.connection())
    there = _topics(settings)
    expected = there.get(settings.topic(LOG_TOPIC))
    problems: list[str] = []
    for topic in TOPICS:
        name = settings.topic(topic.name)
        if name not in there:
            problems.append(f"{name}: expected a topic, got none; say: beckon topics create")
            continue
        problems += partition_problems(settings, name, there[name], topic.partitions or expected)
        problems += setting_problems(settings, topic, _settings_of(settings, admin, name))
    return problems


def log_partitions(settings: KafkaSettings) -> int:
    """How many partitions the log has, of topics that are as they must be.

    Raises:
        BrokerError: they are not, or the broker cannot be reached.
    """
    if problems := check_topics(settings):
        raise BrokerError("\n".join(problems))
    return _topics(settings)[settings.topic(LOG_TOPIC)]


def topic_partitions(settings: KafkaSettings, topic: str) -> int:
    """How many partitions a topic has, whatever its settings.

    Raises:
        BrokerError: there is no such topic, or the broker cannot be reached.
    """
    name, there = settings.topic(topic), _topics(settings)
    if name not in there:
        known = nearest_name(name, list(there))
        hint = f"did you mean {known}?" if known else "see that its name is right"
        raise BrokerError(f"{settings.servers}: expected a topic {name}, got none; {hint}")
    return there[name]


def partition_problems(
    settings: KafkaSettings, name: str, count: int, expected: int | None
) -> list[str]:
    """A topic must have the log's number of partitions, or one; the log's is never changed."""
    if expected is None or count == expected:
        return []
    if count < expected:
        fix = (
            f"say: kafka-topics.sh --bootstrap-server {settings.servers} --alter --topic {name} "
            f"--partitions {expected}; but if it was the log that grew, users have moved: begin "
            "with a new prefix"
        )
    else:
        fix = "begin with a new prefix: partitions cannot be taken away"
    wanted = "1 partition" if expected == 1 else f"{expected} partitions, as the log has"
    return [f"{name}: expected {wanted}, got {count}; {fix}"]


def setting_problems(settings: KafkaSettings, topic: Topic, found: Mapping[str, str]) -> list[str]:
    """The settings of a topic that are not as they must be."""
    name = settings.topic(topic.name)
    wrong = [
        (key, value, value) for key, value in topic.demanded.items() if found.get(key) != value
    ] + [
        (key, str(least), f"{least} or more")
        for key, least in topic.at_least.items()
        if int(found.get(key, "0")) < least
    ]
    return [
        f"{name}: expected {key}={words}, got {found.get(key, 'nothing')}; say: kafka-configs.sh "
        f"--bootstrap-server {settings.servers} --alter --entity-type topics --entity-name {name} "
        f"--add-config {key}={value}"
        for key, value, words in wrong
    ]


def _topics(settings: KafkaSettings) -> dict[str, int]:
    """How many partitions each topic of the broker has."""
    complaints: list[KafkaError] = []
    admin = AdminClient({**settings.connection(), "error_cb": complaints.append})  # type: ignore[dict-item]  # its types leave callbacks out
    try:
        topics = admin.list_topics(timeout=ANSWER_SECONDS).topics
        return {name: len(topic.partitions) for name, topic in topics.items()}
    except KafkaException as exception:
        # The call only knows that nobody answered; why, the client says beside it.
        admin.poll(0)
        error = next((one for one in complaints if one.code() in FIXES), cause(exception))
        raise broker_error(settings, "asking for the topics", error) from exception


def _settings_of(settings: KafkaSettings, admin: AdminClient, name: str) -> dict[str, str]:
    resource = ConfigResource("topic", name)
    (asked,) = admin.describe_configs([resource], request_timeout=ANSWER_SECONDS).values()
    entries = _answer(settings, f"reading the settings of {name}", asked)
    return {key: str(entry.value) for key, entry in entries.items()}


def _was_created(settings: KafkaSettings, name: str, asked: Future[None]) -> bool:
    """Whether it was us who created a topic; raises where nobody did."""
    try:
        asked.result()
    except KafkaException as exception:
        if cause(exception).code() == KafkaError.TOPIC_ALREADY_EXISTS:
            return False
        raise broker_error(settings, f"creating {name}", cause(exception)) from exception
    return True


def _answer(settings: KafkaSettings, doing: str, asked: Future[_T]) -> _T:
    try:
        return asked.result()
    except KafkaException as exception:
        raise broker_error(settings, doing, cause(exception)) from exception
