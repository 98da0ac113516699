"""Re-driving on a real broker: each event once, whatever is written twice, killed or run again."""

from __future__ import annotations

import json
import os
import signal
import subprocess

import pytest

from connectors.dead_letters import PlacedLetter
from connectors.failpoints import VARIABLE
from connectors.kafka import KafkaBroker
from connectors.kafka_settings import KafkaSettings
from connectors.log import DEAD_LETTERS_TOPIC, LOG_TOPIC, Fenced
from flows.config_records import config_record, push
from flows.console import pause
from flows.letter_page import Outcome
from flows.letter_sources import letters_of_log
from flows.letters import Letter, Wanted
from flows.lines import dead_letter_line
from flows.live_commands import BECKON
from flows.mending import Mended
from flows.redrive import LETTERS_AT_ONCE, Redrive, messages_of, transactions_of
from tests.config_folders import edit
from tests.conftest import Run
from tests.kafka_topics import PATIENCE_SECONDS, read_topic, with_topics, write_events
from tests.messages import MARCH_MS, message
from tests.servers import free_port
from tests.test_run import PARTITIONS, START_SECONDS_MAX, Shop, is_ready, shop, total, wait_until

__all__ = ["shop"]
ALL = Wanted()
USERS = ("ada", "ben", "eva", "mia")


@pytest.fixture
def settings(kafka: str, prefix: str) -> KafkaSettings:
    """A log of two partitions with the default config in force."""
    made = with_topics(kafka, prefix, partitions=PARTITIONS)
    push(KafkaBroker(made).writer(), PARTITIONS, config_record(None))
    return made


def view(number: int, **members: object) -> bytes:
    named = {"userId": "ada", "messageId": f"m{number}", "event": "Product Viewed"}
    return message(**named | members)


def view_of_now(number: int, **members: object) -> bytes:
    """One that happens when the broker takes it."""
    return view(number, timestamp=..., receivedAt=..., **members)


def write_letters(settings: KafkaSettings, letters: list[tuple[int, int, bytes]]) -> None:
    """Write letters as engines do; each is (partition, offset, record)."""
    for number in range(PARTITIONS):
        side = KafkaBroker(settings).side_output(number)
        for partition, offset, value in letters:
            if partition == number:
                letter = PlacedLetter(
                    reason="unknown_event",
                    detail="event: gone",
                    offset=offset,
                    value=value,
                    partition=partition,
                    log_ms=MARCH_MS + offset,
                    version="v0",
                )
                side.produce(DEAD_LETTERS_TOPIC, None, dead_letter_line(letter))
        side.flush(PATIENCE_SECONDS)


def redrive(settings: KafkaSettings, wanted: Wanted = ALL, *, dry: bool = False) -> Outcome:
    run = Redrive(settings, pause)
    run.run(wanted, dry=dry)
    return run.outcome


def events(settings: KafkaSettings) -> list[str]:
    """The message ids of the events in the log."""
    return sorted(
        json.loads(record.value() or b"")["messageId"]
        for partition in range(PARTITIONS)
        for record in read_topic(settings, LOG_TOPIC, partition)
        if not record.headers()
    )


def test_letters_go_back_once_however_often_they_are_written_and_re_driven(
    settings: KafkaSettings,
) -> None:
    letters = [(number % 2, number, view(number, userId=USERS[number % 4])) for number in range(8)]
    write_letters(settings, [*letters, *letters[2:5]])
    assert redrive(settings).redriven == {"unknown_event": 8}
    assert events(settings) == [f"m{number}" for number in range(8)]
    write_letters(settings, letters)
    again = redrive(settings)
    assert (again.redriven.total(), again.before) == (0, 8)
    assert len(events(settings)) == 8


def test_an_event_goes_to_the_partition_of_its_user(settings: KafkaSettings) -> None:
    write_letters(
        settings, [(0, number, view(number, userId=f"u{number}")) for number in range(20)]
    )
    redrive(settings)
    side = KafkaBroker(settings).side_output()
    for number in range(20):
        side.produce(LOG_TOPIC, b"u%d" % number, view(100 + number, userId=f"u{number}"))
    side.flush(PATIENCE_SECONDS)
    for partition in range(PARTITIONS):
        records = [one for one in read_topic(settings, LOG_TOPIC, partition) if not one.headers()]
        keys = [record.key() or b"" for record in records]
        assert sorted(keys) == sorted([*set(keys)] * 2)
        assert len(keys) > 6


def test_a_re_drive_that_is_killed_in_the_middle_is_finished_by_the_next(
    settings: KafkaSettings,
) -> None:
    count = 2 * LETTERS_AT_ONCE + 50
    write_letters(settings, [(1, number, view(number)) for number in range(count)])
    told_where = ["--kafka", f"kafka://{settings.servers}", "--prefix", settings.prefix]
    killed = subprocess.run(
        [*BECKON, "dead-letters", "redrive", *told_where],
        env={**os.environ, VARIABLE: "transacted:2:300"},
        capture_output=True,
        timeout=START_SECONDS_MAX,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert len(events(settings)) == LETTERS_AT_ONCE
    outcome = redrive(settings)
    assert (outcome.redriven.total(), outcome.before) == (count - LETTERS_AT_ONCE, LETTERS_AT_ONCE)
    assert events(settings) == sorted(f"m{number}" for number in range(count))


def test_of_two_re_drives_at_once_only_the_later_one_can_write(settings: KafkaSettings) -> None:
    write_letters(settings, [(0, 5, view(5))])
    first = transactions_of(settings)
    first.begin(lambda: None)
    assert redrive(settings).redriven.total() == 1
    (letter,) = (one for one, _ in letters_of_log(settings, [0]))
    assert letter is not None
    mended = Mended(letter=letter, partition=0, key=b"ada", value=letter.value)
    with pytest.raises(Fenced):
        first.send(messages_of(0, [mended]))
    assert events(settings) == ["m5"]


def test_only_what_is_asked_for_goes_back_and_what_is_not_there_is_told(
    settings: KafkaSettings, run: Run
) -> None:
    write_letters(settings, [(0, 1, view(1)), (0, 2, view(2)), (1, 3, view(3)), (1, 4, b"{")])
    told_where = ["--kafka", f"kafka://{settings.servers}", "--prefix", settings.prefix]
    tried = run("dead-letters", "redrive", *told_where, "--dry-run")
    version = config_record(None).version
    assert tried.out.splitlines() == [
        "3 would be re-driven: unknown_event 3",
        f"1 left, as config {version} would refuse them again: bad_json 1; for example 1:4",
    ]
    assert events(settings) == []
    some = run("dead-letters", "redrive", *told_where, "0:2", "1:3", "1:9")
    assert (some.code, some.out) == (1, "2 re-driven: unknown_event 2\n")
    assert some.err == "1:9: expected a dead letter there, got none\n"
    since = Wanted(since_ms=MARCH_MS + 2)
    assert redrive(settings, since).redriven.total() == 0
    assert redrive(settings, Wanted(reasons=frozenset({"bad_json"}))).before == 0
    assert redrive(settings).redriven.total() == 1
    assert events(settings) == ["m1", "m2", "m3"]
    listed = run("dead-letters", "list", *told_where)
    assert listed.out.startswith(f"{settings.prefix}.dead-letters: 1 open, 3 re-driven\n")
    assert "state     re-driven" in run("dead-letters", "show", *told_where, "0:2").out
    assert "state     open" in run("dead-letters", "show", *told_where, "1:4").out
    assert run("dead-letters", "show", *told_where, "7:4").code == 1


def test_letters_of_a_log_that_was_made_anew_are_others(settings: KafkaSettings) -> None:
    write_letters(settings, [(0, 5, view(5))])
    assert redrive(settings).redriven.total() == 1
    (letter,) = (one for one, _ in letters_of_log(settings, [0]))
    assert letter is not None
    side = KafkaBroker(settings).side_output(0)
    later = placed_later(letter, b"later")
    side.produce(DEAD_LETTERS_TOPIC, None, later)
    side.flush(PATIENCE_SECONDS)
    assert redrive(settings).left == {"bad_json": 1}


def placed_later(letter: Letter, value: bytes) -> bytes:
    """A letter of the same offset, of another record."""
    return dead_letter_line(
        PlacedLetter(
            reason=letter.reason,
            detail="",
            offset=letter.position.offset,
            value=value,
            partition=letter.position.partition,
            log_ms=letter.log_ms + 1_000,
            version="",
        )
    )


def test_broken_records_of_a_live_log_count_once_after_the_fix(shop: Shop, run: Run) -> None:
    edit(shop.config, "shop.toml", "strict   = false", "strict   = true")
    port = free_port()
    shop.start(port)
    wait_until(lambda: is_ready(port), START_SECONDS_MAX, shop.log)
    home, elsewhere = 1, 0
    gazed = view_of_now(2, event="Product Gazed At")
    write_events(shop.kafka, [view_of_now(1), gazed, b"{broken"], home)
    write_events(shop.kafka, [view_of_now(3)], elsewhere)

    def letters() -> int:
        return int(total(port, "beckon_dead_letters_total"))

    def applied() -> int:
        names = ("events", "duplicate_events")
        return int(sum(total(port, f"beckon_{name}_total") for name in names))

    wait_until(lambda: letters() == 3, START_SECONDS_MAX, shop.log)
    listed = run("dead-letters", "list", *shop.broker, "--all", "--json").out.splitlines()
    found = [json.loads(line) for line in listed]
    assert {(one["position"], one["reason"]) for one in found} == {
        ("0:1", "wrong_partition"),
        ("1:2", "unknown_event"),
        ("1:3", "bad_json"),
    }
    assert {one["version"] for one in found} == {config_record(shop.config).version}
    assert all(one["time"] for one in found)
    assert redriven(shop, run) == (1, "wrong_partition 1")
    wait_until(lambda: applied() == 2, START_SECONDS_MAX, shop.log)

    edit(
        shop.config,
        "shop.toml",
        "[vocabulary]",
        '[vocabulary]\n"Product Gazed At" = "Product Viewed"',
    )
    assert run("config", "push", shop.config, *shop.broker).code == 0
    assert redriven(shop, run) == (1, "unknown_event 1")
    wait_until(lambda: applied() == 3, PATIENCE_SECONDS, shop.log)

    assert redriven(shop, run) == (0, "")
    write_events(shop.kafka, [view_of_now(4)], home)
    wait_until(lambda: applied() == 4, PATIENCE_SECONDS, shop.log)
    assert (letters(), total(port, "beckon_duplicate_events_total")) == (3, 0)
    wait_until(lambda: views(shop, run) == 4, PATIENCE_SECONDS, shop.log)


def redriven(shop: Shop, run: Run) -> tuple[int, str]:
    """How many letters a re-drive puts back, and of which reasons."""
    ended = run("dead-letters", "redrive", *shop.broker)
    assert ended.code == 0, ended.err
    count, _, reasons = ended.out.splitlines()[0].partition(" re-driven")
    return int(count), reasons.removeprefix(": ")


def views(shop: Shop, run: Run) -> float:
    """How many products ada has looked at, as the live engine knows."""
    told = run("profile", "ada", "--redis", shop.redis_url)
    return json.loads(told.out)["features"].get("views_30d", 0) if told.code == 0 else 0
