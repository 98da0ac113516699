"""The topics: made with the right settings, checked, and documented."""

from __future__ import annotations

import re
import time

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # documented, not re-exported
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
)

from connectors.contracts import MESSAGES
from connectors.kafka_errors import BrokerError
from connectors.kafka_settings import KafkaSettings
from connectors.kafka_topics import (
    TOPICS,
    check_topics,
    create_topics,
    log_partitions,
    topic_partitions,
)
from tests.conftest import ROOT, Run
from tests.kafka_topics import PATIENCE_SECONDS, with_topics
from tests.servers import free_port

OPERATIONS = (ROOT / "docs" / "operations.md").read_text()


def change(settings: KafkaSettings, topic: str, key: str, value: str) -> None:
    admin = AdminClient(settings.connection())
    entry = ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource("topic", settings.topic(topic), incremental_configs=[entry])
    for done in admin.incremental_alter_configs([resource]).values():
        done.result()


def settled_problems(settings: KafkaSettings, count: int) -> list[str]:
    """The problems, once there are so many: a broker tells of a change a little after it."""
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < give_up_at:
        problems = check_topics(settings)
        if len(problems) == count:
            return problems
        time.sleep(0.05)
    raise AssertionError(f"expected {count} problems, got {problems}")


def test_created_topics_are_as_they_must_be(kafka: str, prefix: str) -> None:
    settings = KafkaSettings(servers=kafka, prefix=prefix)
    assert len(create_topics(settings, partitions=3, replicas=1)) == len(TOPICS)
    assert check_topics(settings) == []
    assert log_partitions(settings) == 3


def test_topics_that_are_there_are_left_alone_and_the_others_follow_the_log(
    kafka: str, prefix: str
) -> None:
    settings = KafkaSettings(servers=kafka, prefix=prefix)
    stamped = {"message.timestamp.type": "LogAppendTime"}
    large = {"max.message.bytes": "2000000"}
    own = NewTopic(settings.topic("events"), num_partitions=5, config={**stamped, **large})
    admin = AdminClient(settings.connection())
    for done in admin.create_topics([own]).values():
        done.result()
    settled_problems(settings, len(TOPICS) - 1)
    created = create_topics(settings, partitions=3, replicas=1)
    assert settings.topic("events") not in created
    assert create_topics(settings, partitions=3, replicas=1) == []
    assert log_partitions(settings) == 5


def test_without_topics_the_fix_is_to_create_them(kafka: str, prefix: str) -> None:
    settings = KafkaSettings(servers=kafka, prefix=prefix)
    problems = check_topics(settings)
    assert len(problems) == len(TOPICS)
    assert problems[0] == (
        f"{prefix}.events: expected a topic, got none; say: beckon topics create"
    )
    with pytest.raises(BrokerError, match="beckon topics create"):
        log_partitions(settings)


@pytest.mark.parametrize(
    ("name", "wrong", "expected"),
    [
        ("events message.timestamp.type", "CreateTime", "LogAppendTime"),
        ("events max.message.bytes", "65536", "1048588 or more"),
        ("triggers cleanup.policy", "compact", "delete"),
        ("relayed cleanup.policy", "delete", "compact"),
    ],
)
def test_a_setting_that_is_wrong_is_told_with_the_command_that_changes_it(
    kafka: str, prefix: str, name: str, wrong: str, expected: str
) -> None:
    settings = with_topics(kafka, prefix)
    topic, key = name.split()
    change(settings, topic, key, wrong)
    (problem,) = settled_problems(settings, 1)
    assert problem.startswith(f"{prefix}.{topic}: expected {key}={expected}, got {wrong}; say: ")
    command = problem.split("say: ")[1]
    assert command.startswith(f"kafka-configs.sh --bootstrap-server {kafka} --alter")
    told, value = command.rsplit(" ", 1)[1].split("=")
    change(settings, topic, told, value)
    settled_problems(settings, 0)


def test_topics_that_differ_in_partitions_are_told(kafka: str, prefix: str) -> None:
    settings = with_topics(kafka, prefix, partitions=2)
    grown = [NewPartitions(settings.topic("events"), 3)]
    admin = AdminClient(settings.connection())
    for done in admin.create_partitions(grown).values():
        done.result()
    # Neither the log itself nor the topic that always has one partition.
    problems = settled_problems(settings, len(TOPICS) - 2)
    assert "expected 3 partitions, as the log has, got 2" in problems[0]
    with pytest.raises(BrokerError, match="begin with a new prefix"):
        log_partitions(settings)


def test_what_learners_read_in_one_order_has_one_partition(kafka: str, prefix: str) -> None:
    settings = with_topics(kafka, prefix, partitions=3)
    assert topic_partitions(settings, "examples") == 1
    admin = AdminClient(settings.connection())
    for done in admin.create_partitions([NewPartitions(settings.topic("examples"), 3)]).values():
        done.result()
    (problem,) = settled_problems(settings, 1)
    assert f"{prefix}.examples: expected 1 partition, got 3; begin with a new prefix" in problem


def test_the_commands_create_and_check(kafka: str, prefix: str, run: Run) -> None:
    where = ("--kafka", f"kafka://{kafka}", "--prefix", prefix)
    missing = run("topics", "check", *where)
    assert missing.code == 1
    assert missing.out.count("beckon topics create") == len(TOPICS)
    created = run("topics", "create", *where, "--partitions", 2)
    assert (created.code, created.err) == (0, "")
    assert created.out.splitlines()[0] == f"{prefix}.events: created"
    checked = run("topics", "check", *where)
    assert checked == (0, f"{prefix}.*: all topics are as they must be\n", "")


def test_a_broker_that_is_not_there_ends_the_command_with_3(run: Run) -> None:
    ended = run("topics", "check", "--kafka", f"127.0.0.1:{free_port()}")
    assert ended.code == 3
    assert ended.out == ""
    assert "Connection refused" in ended.err
    assert "start the broker" in ended.err
    assert len(ended.err.splitlines()) == 1


def test_a_url_that_cannot_be_meant_ends_the_command_with_2(run: Run) -> None:
    ended = run("topics", "check", "--kafka", "kafka://ada:hunter2@k:9092")
    assert ended.code == 2
    assert "options file" in ended.err
    assert "hunter2" not in ended.err


def test_the_topics_and_their_settings_are_documented() -> None:
    section = OPERATIONS.split("\n## Topics\n", 1)[1].split("\n## ", 1)[0]
    rows = re.findall(r"^\| `(beckon\.[\w-]+)` \| ([^|]+) \| ([^|]+) \| ([^|]*)\|$", section, re.M)
    assert [row[0] for row in rows] == [f"beckon.{topic.name}" for topic in TOPICS]
    for topic, (_, about, demanded, first) in zip(TOPICS, rows, strict=True):
        assert about == topic.about
        must_be = [f"`{key}={value}`" for key, value in topic.demanded.items()]
        must_be += [f"`{key}={least}` or more" for key, least in topic.at_least.items()]
        assert demanded == ", ".join(must_be)
        told = [part.split(" (")[0].strip() for part in first.split(",") if part.strip()]
        assert told == [f"`{key}={value}`" for key, value in topic.first.items()]


def test_each_kind_of_message_has_its_topic_among_them() -> None:
    names = {f"beckon.{topic.name}" for topic in TOPICS}
    assert {message.topic for message in MESSAGES} <= names
