"""The servers of the tests hold what the chaos tests build on."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from redis import ConnectionError, Redis, TimeoutError

from tests import server_setup
from tests.conftest import ROOT, skip_without
from tests.servers import Server, ServerError, kafka_server, redis_server

PATIENCE_SECONDS = 30
QUIET = {"log_level": 0}
"""Clients print a line for each try to reach a server that a test has killed."""

STARTER = """
import time
from tests.servers import redis_server
with redis_server() as server:
    print(server.pid, server.folder, flush=True)
    time.sleep(60)
"""


def create_topic(address: str, topic: str) -> None:
    admin = AdminClient({"bootstrap.servers": address, **QUIET})
    config = {"message.timestamp.type": "LogAppendTime"}
    new = NewTopic(topic, num_partitions=2, replication_factor=1, config=config)
    admin.create_topics([new])[topic].result(PATIENCE_SECONDS)


def producer(address: str, **options: str) -> Producer:
    dotted = {name.replace("_", "."): value for name, value in options.items()}
    return Producer({"bootstrap.servers": address, "acks": "all", **QUIET, **dotted})


def write(address: str, topic: str, values: list[bytes]) -> None:
    """Returns when the broker has acknowledged all of them, on partition 1."""
    client = producer(address)
    for value in values:
        client.produce(topic, value, partition=1)
    assert client.flush(PATIENCE_SECONDS) == 0


def read(address: str, topic: str) -> list[Message]:
    """All committed records of partition 1."""
    consumer = Consumer(
        {
            "bootstrap.servers": address,
            "group.id": "none",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "auto.offset.reset": "error",
            "enable.partition.eof": True,
            **QUIET,
        }
    )
    consumer.assign([TopicPartition(topic, 1, 0)])
    records: list[Message] = []
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < give_up_at:
        for record in consumer.consume(100, 0.1):
            if record.error() is not None:
                consumer.close()
                return records
            records.append(record)
    raise AssertionError(f"{topic}: no end after {PATIENCE_SECONDS} s")


def values_of(records: list[Message]) -> list[bytes | None]:
    return [record.value() for record in records]


@pytest.fixture
def broker() -> Iterator[Server]:
    skip_without("KAFKA", server_setup.why_no_kafka())
    with kafka_server() as server:
        yield server


@pytest.fixture
def store() -> Iterator[Server]:
    skip_without("REDIS", server_setup.why_no_redis())
    with redis_server() as server:
        yield server


def client_of(server: Server) -> Redis:
    return Redis.from_url(server.address, socket_timeout=0.2)


def test_records_come_back_in_order_with_the_time_of_the_broker(kafka: str, prefix: str) -> None:
    create_topic(kafka, prefix)
    before_ms = time.time_ns() // 1_000_000
    write(kafka, prefix, [b"a", b"b"])
    records = read(kafka, prefix)
    assert values_of(records) == [b"a", b"b"]
    for kind, log_ms in (record.timestamp() for record in records):
        assert kind == 2, "LogAppendTime"
        assert before_ms <= log_ms <= time.time_ns() // 1_000_000


def test_only_committed_transactions_are_read(kafka: str, prefix: str) -> None:
    create_topic(kafka, prefix)
    client = producer(kafka, transactional_id=prefix)
    client.init_transactions(PATIENCE_SECONDS)
    for value, ends in ((b"dropped", "abort"), (b"kept", "commit"), (b"open", "stays")):
        client.begin_transaction()
        client.produce(prefix, value, partition=1)
        client.flush(PATIENCE_SECONDS)
        if ends == "abort":
            client.abort_transaction(PATIENCE_SECONDS)
        elif ends == "commit":
            client.commit_transaction(PATIENCE_SECONDS)
    assert values_of(read(kafka, prefix)) == [b"kept"]
    client.abort_transaction(PATIENCE_SECONDS)


def test_a_killed_broker_comes_back_with_all_it_acknowledged(broker: Server) -> None:
    create_topic(broker.address, "log")
    values = [b"%d" % number for number in range(1000)]
    write(broker.address, "log", values)
    killed = broker.pid
    broker.kill()
    assert not broker.running
    broker.start()
    assert broker.pid != killed
    assert values_of(read(broker.address, "log")) == values


def test_a_frozen_broker_answers_when_it_is_thawed(broker: Server) -> None:
    create_topic(broker.address, "log")
    broker.freeze()
    client = producer(broker.address)
    client.produce("log", b"late", partition=1)
    assert client.flush(1) == 1
    broker.thaw()
    assert client.flush(PATIENCE_SECONDS) == 0
    assert values_of(read(broker.address, "log")) == [b"late"]


def test_a_restarted_redis_has_what_was_appended(store: Server) -> None:
    with client_of(store) as client:
        client.set("key", b"first")
        store.restart()
        assert client.get("key") == b"first"
        client.set("key", b"second")
        store.kill()
        with pytest.raises(ConnectionError):
            client.get("key")
        store.start()
        assert client.get("key") == b"second"


def test_a_redis_can_fall_back_to_an_older_copy_or_be_wiped(store: Server) -> None:
    with client_of(store) as client:
        client.set("key", b"old")
        older = store.copy_data("older")
        client.set("key", b"new")
        store.kill()
        store.put_data(older)
        store.start()
        assert client.get("key") == b"old"
        store.terminate()
        store.wipe()
        store.start()
        assert client.get("key") is None


def test_a_frozen_redis_holds_its_clients_up_until_it_is_thawed(store: Server) -> None:
    with client_of(store) as client:
        client.set("key", b"kept")
        store.freeze()
        with pytest.raises(TimeoutError):
            client.get("key")
        store.thaw()
        assert client.get("key") == b"kept"


def test_redis_listens_on_a_socket_of_its_folder_too(store: Server) -> None:
    with Redis.from_url(f"unix://{store.folder / 'socket'}") as client:
        assert client.ping()


def test_a_server_that_does_not_start_shows_its_log() -> None:
    skip_without("REDIS", server_setup.why_no_redis())
    with (
        pytest.raises(ServerError, match=r"(?s)redis://.* ended:.*maxmemory-policy"),
        redis_server({"maxmemory-policy": "whatever"}),
    ):
        raise AssertionError("it started")


def test_a_server_ends_with_its_context(store: Server) -> None:
    pid = store.pid
    store.kill()
    assert not alive(pid)


def test_a_server_ends_with_the_process_that_started_it() -> None:
    skip_without("REDIS", server_setup.why_no_redis())
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER], stdout=subprocess.PIPE, cwd=ROOT, text=True
    )
    assert starter.stdout is not None
    pid, folder = starter.stdout.readline().split()
    assert alive(int(pid))
    starter.kill()
    starter.communicate()
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    while alive(int(pid)) and time.monotonic() < give_up_at:
        time.sleep(0.02)
    assert not alive(int(pid))
    shutil.rmtree(folder)


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits for its parent does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
