"""The live engine as processes, on a real broker and a real Redis: work, pages, take-over, end."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from connectors.kafka_settings import KafkaSettings
from connectors.log import LOG_TOPIC, TRIGGERS_TOPIC
from flows.live_commands import BECKON
from flows.moved_messages import STEP_MS_MAX, Mover, instant_of
from state.redis_settings import redis_settings
from state.redis_store import RedisStore
from tests.chaos.traffic import write_quick_config
from tests.conftest import Run
from tests.kafka_topics import forget_log, values_of
from tests.servers import free_port

PARTITIONS = 2
START_SECONDS_MAX = 180.0
"""Where nothing is compiled yet, the first process compiles."""

PATIENCE_SECONDS = 30.0
LEAVE_SECONDS_MAX = 5.0
NOW_MS = 1_767_225_600_000


class Shop:
    """The topics, the keys and the config of one test, and the engines that it starts."""

    def __init__(self, servers: str, redis_url: str, prefix: str, folder: Path) -> None:
        self.kafka = KafkaSettings(servers=servers, prefix=prefix)
        self.redis_url = f"{redis_url}?prefix={prefix}"
        self.broker = ["--kafka", f"kafka://{servers}", "--prefix", prefix]
        self.config = folder / "config"
        self.log = folder / "log"
        self.log.touch()
        self.engines = ExitStack()
        write_quick_config(self.config)

    def start(self, port: int, *more: str) -> subprocess.Popen[bytes]:
        """Start `beckon run`, with its pages at a port."""
        chosen = ["--redis", self.redis_url, "--config", str(self.config)]
        pages = ["--metrics", f"127.0.0.1:{port}"]
        command = [*BECKON, "run", *self.broker, *chosen, *pages, *more]
        return self.engines.enter_context(started(command, self.log))

    def produce(self, events: Path, *more: str) -> subprocess.Popen[bytes]:
        """Start `beckon produce` of a file of events."""
        command = [*BECKON, "produce", str(events), *self.broker, *more]
        return self.engines.enter_context(started(command, self.log))

    def triggers(self) -> list[bytes | None]:
        """All triggers that stand."""
        return [
            one for part in range(PARTITIONS) for one in values_of(self.kafka, "triggers", part)
        ]

    def is_all_committed(self) -> bool:
        """Whether the profiles of each partition stand at the end of its log."""
        with closing(RedisStore(redis_settings(self.redis_url), partitions=PARTITIONS)) as store:
            stored = [store.load(partition) for partition in range(PARTITIONS)]
        ends = [len(values_of(self.kafka, LOG_TOPIC, part)) for part in range(PARTITIONS)]
        return all(
            one is not None and one.checkpoint.next_offset >= end
            for one, end in zip(stored, ends, strict=True)
        )


@contextmanager
def started(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process with all that it starts; none of it is left behind."""
    with log.open("ab") as told:
        process = subprocess.Popen(command, stdout=told, stderr=told, start_new_session=True)
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(PATIENCE_SECONDS)


@pytest.fixture
def shop(kafka: str, redis_url: str, prefix: str, tmp_path: Path, run: Run) -> Iterator[Shop]:
    made = Shop(kafka, redis_url, prefix, tmp_path)
    assert run("topics", "create", *made.broker, "--partitions", PARTITIONS).code == 0
    with made.engines:
        yield made


def page(port: int, name: str) -> tuple[int, str]:
    """The status and the text of a page; 0 while nobody serves it."""
    try:
        with urlopen(f"http://127.0.0.1:{port}/{name}", timeout=5) as answered:
            return answered.status, answered.read().decode()
    except HTTPError as refused:
        with refused:
            return refused.code, refused.read().decode()
    except (URLError, ConnectionError):
        return 0, ""


def wait_until(holds: Callable[[], bool], seconds: float, log: Path) -> float:
    """Wait for it; how long that took."""
    began_at = time.monotonic()
    while not holds():
        assert time.monotonic() < began_at + seconds, log.read_text()
        time.sleep(0.02)
    return time.monotonic() - began_at


def is_ready(port: int) -> bool:
    return page(port, "readyz") == (200, "ready\n")


def total(port: int, name: str) -> float:
    """The sum of a metric over its labels."""
    return sum(
        sample.value
        for family in text_string_to_metric_families(page(port, "metrics")[1])
        for sample in family.samples
        if sample.name == name
    )


def test_a_live_engine_works_tells_how_it_is_and_leaves_in_order(
    shop: Shop, shop_log: list[bytes], run: Run, tmp_path: Path
) -> None:
    events = tmp_path / "events.jsonl"
    events.write_bytes(b"\n".join(shop_log) + b"\n")
    port = free_port()
    engine = shop.start(port)
    wait_until(lambda: is_ready(port), START_SECONDS_MAX, shop.log)
    assert page(port, "healthz") == (200, "alive\n")

    produced = run("produce", events, *shop.broker, "--speed", 1_000_000)
    assert (produced.code, produced.err) == (0, f"{len(shop_log):,} records appended\n")

    def counted() -> float:
        names = ("events", "duplicate_events", "dead_letters")
        return sum(total(port, f"beckon_{name}_total") for name in names)

    def settled() -> bool:
        sent, decided = total(port, "beckon_relayed_total"), total(port, "beckon_triggers_total")
        return (
            counted() == len(shop_log)
            and decided == sent > 20
            and not total(port, "beckon_lag_records")
        )

    wait_until(settled, PATIENCE_SECONDS, shop.log)
    assert total(port, "beckon_dead_letters_total") > 0
    assert total(port, "beckon_partition_owned") == PARTITIONS
    assert total(port, "beckon_commit_seconds_count") > 1
    assert total(port, "beckon_event_to_trigger_seconds_count") + total(
        port, "beckon_timer_lateness_seconds_count"
    ) == total(port, "beckon_relayed_total")

    engine.send_signal(signal.SIGTERM)
    assert engine.wait(LEAVE_SECONDS_MAX) == 0, shop.log.read_text()
    store = RedisStore(redis_settings(shop.redis_url), partitions=PARTITIONS)
    last_places = 0
    for partition in range(PARTITIONS):
        snapshot = store.load(partition)
        assert snapshot is not None
        assert snapshot.checkpoint.next_offset >= len(values_of(shop.kafka, LOG_TOPIC, partition))
        assert snapshot.outbox == []
        last_places += bool(snapshot.checkpoint.last_place)
        assert store.acquire(partition, "next") == 0, "the lease was not given back"
    store.close()
    assert last_places == PARTITIONS
    assert len(values_of(shop.kafka, TRIGGERS_TOPIC, 0)) > 10


def test_another_engine_takes_over_at_once_or_when_the_lease_is_gone(shop: Shop) -> None:
    ports = [free_port() for _ in range(3)]
    first = shop.start(ports[0])
    wait_until(lambda: is_ready(ports[0]), START_SECONDS_MAX, shop.log)
    second = shop.start(ports[1])
    wait_until(lambda: page(ports[1], "readyz")[0] == 503, PATIENCE_SECONDS, shop.log)
    assert page(ports[1], "readyz")[1].splitlines() == [
        f"partition {partition}: its lease is not ours yet" for partition in range(PARTITIONS)
    ]
    assert page(ports[1], "healthz")[0] == 200
    assert total(ports[1], "beckon_partition_owned") == 0

    first.send_signal(signal.SIGTERM)
    assert first.wait(LEAVE_SECONDS_MAX) == 0, shop.log.read_text()
    assert wait_until(lambda: is_ready(ports[1]), PATIENCE_SECONDS, shop.log) < 3.0

    third = shop.start(ports[2])
    wait_until(lambda: page(ports[2], "readyz")[0] == 503, PATIENCE_SECONDS, shop.log)
    second.kill()
    assert wait_until(lambda: is_ready(ports[2]), PATIENCE_SECONDS, shop.log) < 8.0
    third.send_signal(signal.SIGTERM)
    assert third.wait(LEAVE_SECONDS_MAX) == 0, shop.log.read_text()


def test_an_engine_goes_on_when_the_log_has_forgotten_its_config(shop: Shop, run: Run) -> None:
    port = free_port()
    engine = shop.start(port)
    wait_until(lambda: is_ready(port), START_SECONDS_MAX, shop.log)
    assert run("config", "push", shop.config, *shop.broker).code == 0
    wait_until(shop.is_all_committed, PATIENCE_SECONDS, shop.log)
    engine.send_signal(signal.SIGTERM)
    assert engine.wait(LEAVE_SECONDS_MAX) == 0, shop.log.read_text()
    forget_log(shop.kafka, PARTITIONS)

    again = shop.start(port)
    wait_until(lambda: is_ready(port), PATIENCE_SECONDS, shop.log)
    again.send_signal(signal.SIGTERM)
    assert again.wait(LEAVE_SECONDS_MAX) == 0, shop.log.read_text()
    assert shop.log.read_text().count("pushed config") == 1


def test_of_two_processes_one_that_dies_is_started_again(shop: Shop) -> None:
    engine, port = two_processes(shop)
    found = re.search(r"^beckon\[(\d+)\]: running partitions \[1\]$", shop.log.read_text(), re.M)
    assert found
    os.kill(int(found[1]), signal.SIGKILL)
    again = re.compile(r"process 1 ended with code -9; starting it again in 1\.0 s")
    wait_until(lambda: bool(again.search(shop.log.read_text())), PATIENCE_SECONDS, shop.log)
    assert is_ready(port)
    wait_until(lambda: is_ready(port + 1), PATIENCE_SECONDS, shop.log)
    engine.send_signal(signal.SIGTERM)
    assert engine.wait(LEAVE_SECONDS_MAX) == 0, shop.log.read_text()


def test_processes_end_in_order_when_who_started_them_is_killed(shop: Shop) -> None:
    engine, port = two_processes(shop)
    engine.kill()
    ports = (port - 1, port, port + 1)
    wait_until(lambda: all(map(is_free, ports)), LEAVE_SECONDS_MAX, shop.log)
    assert shop.log.read_text().count(": released\n") == PARTITIONS + 1


def test_ctrl_c_at_a_terminal_ends_all_processes_in_order_and_once(shop: Shop) -> None:
    engine, port = two_processes(shop)
    said = len(shop.log.read_text())
    os.killpg(engine.pid, signal.SIGINT)
    assert engine.wait(LEAVE_SECONDS_MAX) == 0, shop.log.read_text()
    lines = shop.log.read_text()[said:].splitlines()
    assert sorted(line.partition(": ")[2] for line in lines) == [
        "learner: released",
        *(f"partition {partition}: released" for partition in range(PARTITIONS)),
    ]
    assert all(map(is_free, (port - 1, port, port + 1)))


def two_processes(shop: Shop) -> tuple[subprocess.Popen[bytes], int]:
    """A supervisor whose processes are at work: two, at a port and the next one, and a learner."""
    port = next(one for one in iter(free_port, 0) if is_free(one + 1) and is_free(one - 1))
    engine = shop.start(port, "--processes", "2")
    for one in (port, port + 1):
        wait_until(lambda one=one: is_ready(one), START_SECONDS_MAX, shop.log)  # type: ignore[misc]  # mypy takes the default for another parameter
        assert total(one, "beckon_partition_owned") == 1
    wait_until(
        lambda: is_ready(port - 1) and total(port - 1, "beckon_learner_owned") == 1,
        START_SECONDS_MAX,
        shop.log,
    )
    return engine, port


def is_free(port: int) -> bool:
    return page(port, "") == (0, "")


def test_a_pipe_from_the_simulator_ends_with_ctrl_c_and_loses_nothing(shop: Shop) -> None:
    simulating = [*BECKON, "simulate", "--users", "200", "--days", "60", "--out", "-"]
    producing = [*BECKON, "produce", "-", *shop.broker, "--speed", "600"]
    told = shop.log.open("ab")
    with (
        told,
        subprocess.Popen(simulating, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as source,
        subprocess.Popen(producing, stdin=source.stdout, stderr=told) as sink,
    ):
        assert source.stdout is not None
        source.stdout.close()
        wait_until(lambda: len(log_of(shop)) > 20, PATIENCE_SECONDS, shop.log)
        sink.send_signal(signal.SIGINT)
        assert sink.wait(PATIENCE_SECONDS) == 130
        assert source.wait(PATIENCE_SECONDS) == 130
    appended = re.fullmatch(r"([\d,]+) records appended\n", shop.log.read_text())
    assert appended
    assert len(log_of(shop)) == int(appended[1].replace(",", ""))


def log_of(shop: Shop) -> list[bytes | None]:
    """All events of the log."""
    return [one for part in range(PARTITIONS) for one in values_of(shop.kafka, LOG_TOPIC, part)]


def test_a_process_has_an_index_below_their_number_and_metrics_an_address(run: Run) -> None:
    servers = ["--kafka", "kafka://127.0.0.1:1", "--redis", "redis://127.0.0.1:1"]
    refused = run("run", *servers, "--processes", 2, "--index", 2)
    assert (refused.code, "below --processes 2" in refused.err) == (2, True)
    refused = run("run", *servers, "--metrics", "here")
    assert (refused.code, "expected HOST:PORT" in refused.err) == (2, True)


def test_messages_move_to_now_and_keep_the_distances_of_their_times() -> None:
    mover = Mover(60)
    message = (
        b'{"receivedAt":"2025-03-01T10:00:00Z","type":"track","sentAt":"2025-03-01T10:59:59.98+01:00",'
        b'"timestamp":"2025-03-01T07:00:00Z","properties":{"timestamp":"2025-03-01T07:00:00Z"}}'
    )
    first = mover.moved(message, NOW_MS)
    assert first is not None
    assert first.at_ms == NOW_MS
    assert first.message == (
        b'{"receivedAt":"2026-01-01T00:00:00.000Z","type":"track","sentAt":"2025-12-31T23:59:59.980Z",'
        b'"timestamp":"2025-12-31T21:00:00.000Z","properties":{"timestamp":"2025-03-01T07:00:00Z"}}'
    )
    later = mover.moved(b'{"sentAt":"2025-03-01T10:10:00Z","timestamp":"once","n":1.50}', NOW_MS)
    assert later is not None
    assert later.at_ms == NOW_MS + 10_000
    assert later.message == (b'{"sentAt":"2026-01-01T00:00:10.000Z","timestamp":"once","n":1.50}')


@pytest.mark.parametrize(
    "message",
    [b"", b"[]", b'{"receivedAt":7}', b'{"receivedAt":"soon"}', b'{"type":"\xff"}', b'{"type":1'],
)
def test_messages_without_a_time_that_can_be_read_go_as_they_are(message: bytes) -> None:
    assert Mover(60).moved(message, NOW_MS) is None


def test_nobody_waits_for_a_gap_or_for_a_time_that_is_a_mistake() -> None:
    mover = Mover(1)
    year_ms = 365 * 86_400_000
    now_ms = NOW_MS
    for recorded_ms in (5, STEP_MS_MAX + 6, year_ms, 100 * year_ms, year_ms + 1):
        moved = mover.moved(at(recorded_ms), now_ms)
        assert moved is not None
        assert moved.at_ms == now_ms
        assert (
            instant_of(
                msgspec.json.decode(moved.message, type=dict[str, msgspec.Raw])["receivedAt"]
            )
            == now_ms
        )
        now_ms += 1


def at(recorded_ms: int) -> bytes:
    """A message received at an instant."""
    seconds, ms = divmod(recorded_ms, 1000)
    text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{ms:03}Z"
    return msgspec.json.encode({"receivedAt": text})
