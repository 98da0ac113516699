"""A range of the live log replayed: what engines sent, although killed, byte for byte."""

from __future__ import annotations

import json
import shutil
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Event
from typing import Any, NamedTuple
from uuid import uuid4

import pytest
from msgspec.structs import replace

from config.load import load
from connectors.kafka import KafkaBroker
from connectors.kafka_ranges import topic_range
from connectors.kafka_settings import KafkaSettings
from connectors.log import LOG_TOPIC, TRIGGERS_TOPIC
from connectors.triggers import SUPPRESSED, instant_text
from flows.config_records import config_record, push
from flows.console import pause
from flows.produce import AsIfNow
from flows.produce import produce as append
from flows.range_parts import Beginning
from flows.range_replay import RangeOptions, replay_range
from state.export import export
from state.redis_reading import RedisReader
from state.redis_settings import redis_settings
from state.store import StoreError
from tests.chaos.traffic import LAST_STAGE_SECONDS, messages, write_quick_config
from tests.config_folders import edit
from tests.conftest import Run
from tests.kafka_topics import read_topic, values_of, with_topics
from tests.servers import free_port
from tests.test_run import Shop, is_ready, wait_until

PARTITIONS = 2
USERS, SEED, SPEED = 500, 11, 1_000_000
START_SECONDS_MAX, SETTLE_SECONDS_MAX, STOP_SECONDS_MAX = 180.0, 60.0, 5.0
OUTPUTS = ("triggers", "decisions", "tags", "dead-letters", "profiles")


class Story(NamedTuple):
    """A shop that was live, and is not any more.

    changed_ms: between the first part of its traffic and another config, `second`. state: exported
    before the last part, at `exported_ms`, when `sent` stood in the topic.
    """

    kafka: KafkaSettings
    url: str
    first: Path
    second: Path
    changed_ms: int
    exported_ms: int
    state: Path
    sent: list[bytes]


class Life:
    """The shop's engines, one after the other."""

    def __init__(self, shop: Shop, settings: KafkaSettings, folder: Path) -> None:
        self._shop = shop
        self._settings = settings
        self._events = folder / "events.jsonl"

    def start(self) -> None:
        port = free_port()
        self._engine = self._shop.start(port)
        wait_until(lambda: is_ready(port), START_SECONDS_MAX, self._shop.log)

    def goes_on(self, lines: Sequence[bytes]) -> None:
        """Messages come, as if they happened now."""
        self._events.write_bytes(b"".join(line + b"\n" for line in lines))
        append(self._settings, [str(self._events)], AsIfNow(SPEED))

    def kill(self) -> None:
        self._engine.kill()
        self._engine.wait(STOP_SECONDS_MAX)

    def stop(self) -> None:
        """In order, once all that comes of the log has come."""
        time.sleep(LAST_STAGE_SECONDS)
        wait_until(self._has_settled, SETTLE_SECONDS_MAX, self._shop.log)
        self._engine.send_signal(signal.SIGTERM)
        assert self._engine.wait(STOP_SECONDS_MAX) == 0, self._shop.log.read_text()

    def _has_settled(self) -> bool:
        reader = RedisReader(redis_settings(self._shop.redis_url))
        try:
            found = [checkpoint.next_offset for checkpoint in reader.checkpoints()]
        except StoreError:
            return False
        finally:
            reader.close()
        return found == [end_of_log(self._settings, part) for part in range(PARTITIONS)]


def end_of_log(settings: KafkaSettings, partition: int) -> int:
    last = read_topic(settings, LOG_TOPIC, partition)[-1].offset()
    assert last is not None
    return last + 1


def all_sent(settings: KafkaSettings) -> list[bytes]:
    """The triggers in the topic, partition by partition."""
    parts = [values_of(settings, TRIGGERS_TOPIC, number) for number in range(PARTITIONS)]
    return [value or b"" for part in parts for value in part]


@pytest.fixture(scope="module")
def story(kafka: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    folder = tmp_path_factory.mktemp("story")
    prefix = f"test-{uuid4().hex}"
    settings = with_topics(kafka, prefix, partitions=PARTITIONS)
    shop = Shop(kafka, redis_url, prefix, folder)
    second = folder / "second"
    write_quick_config(second)
    edit(second, "tags.toml", "big_basket_spend  = 100", "big_basket_spend  = 40")
    edit(second, "journeys/abandoned_cart.toml", "min_cart_value   = 20", "min_cart_value   = 5")
    lines = messages(USERS, SEED)
    third = len(lines) // 3
    with shop.engines:
        life = Life(shop, settings, folder)
        life.start()
        life.goes_on(lines[: third // 2])
        time.sleep(0.2)
        changed_ms = time.time_ns() // 1_000_000
        time.sleep(0.2)
        push(KafkaBroker(settings).writer(), PARTITIONS, config_record(second))
        life.goes_on(lines[third // 2 : third])
        life.kill()
        life.start()
        life.goes_on(lines[third : 2 * third])
        life.stop()
        state = folder / "state"
        export(redis_settings(shop.redis_url), state)
        exported_ms = time.time_ns() // 1_000_000
        sent = all_sent(settings)
        life.start()
        life.goes_on(lines[2 * third :])
        life.stop()
    yield Story(
        settings,
        f"kafka://{kafka}/{prefix}",
        shop.config,
        second,
        changed_ms,
        exported_ms,
        state,
        sent,
    )


class Outputs(NamedTuple):
    """The lines of a replay's outputs, its summary, and what it said."""

    lines: dict[str, list[bytes]]
    summary: dict[str, Any]
    said: str


def replayed(run: Run, folder: Path, *arguments: object) -> Outputs:
    folder.mkdir(exist_ok=True)
    options = [part for name in OUTPUTS for part in (f"--{name}", folder / name)]
    ended = run("replay", *options, "--json", *arguments)
    assert ended.code == 0, ended.err
    lines = {name: (folder / name).read_bytes().splitlines() for name in OUTPUTS}
    return Outputs(lines, json.loads(ended.out), ended.err)


def messages_in(run: Run, story: Story, topic: str, query: str = "") -> list[bytes]:
    ended = run("read", f"{story.url}.{topic}{query}")
    assert ended.code == 0, ended.err
    lines = ended.out.encode().splitlines()
    assert ended.err == f"{len(lines):,} messages\n"
    return lines


def test_the_whole_log_gives_what_was_sent_byte_for_byte(
    story: Story, run: Run, tmp_path: Path
) -> None:
    lines, summary, said = replayed(run, tmp_path / "whole", f"{story.url}.events")
    assert lines["triggers"] == messages_in(run, story, "triggers")
    assert len(lines["triggers"]) > 1_000
    # What is delivered at least once was told again after the kill.
    sides = [*messages_in(run, story, "suppressed"), *messages_in(run, story, "goals")]
    assert set(lines["decisions"]) == {*lines["triggers"], *sides}
    assert set(lines["tags"]) == set(messages_in(run, story, "tags"))
    assert set(lines["dead-letters"]) == set(messages_in(run, story, "dead-letters"))
    assert said == ""
    assert summary["sums_close"]
    assert summary["config_version"] == load(story.second).version
    assert summary["partitions"] == PARTITIONS
    assert sum(one["sent"] for one in summary["journeys"].values()) == len(lines["triggers"])
    assert sum(one["pending"] for one in summary["journeys"].values()) == 0


def test_from_an_exported_state_on_a_replay_gives_what_was_sent_since(
    story: Story, run: Run, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    shutil.copytree(story.state, state)
    since = replayed(run, tmp_path / "since", f"{story.url}.events", "--state", state)
    sent = messages_in(run, story, "triggers")
    before = set(story.sent)
    assert 0 < len(before) < len(sent)
    assert since.lines["triggers"] == [line for line in sent if line not in before]
    assert since.said == ""

    whole = replayed(run, tmp_path / "whole", f"{story.url}.events")
    assert since.lines["profiles"] == whole.lines["profiles"]
    again = replayed(run, tmp_path / "again", f"{story.url}.events", "--state", state)
    assert again.summary["records"] == 0
    assert again.lines["profiles"] == whole.lines["profiles"]
    assert again.summary["next_offset"] == whole.summary["next_offset"]


def test_a_replay_up_to_an_instant_and_one_from_there_on_give_all(
    story: Story, run: Run, tmp_path: Path
) -> None:
    whole = replayed(run, tmp_path / "whole", f"{story.url}.events")
    state = tmp_path / "state"
    until = f"{story.url}.events?from=earliest&to={instant_text(story.changed_ms)}"
    first = replayed(run, tmp_path / "first", until, "--state", state, "--batch", 70)
    assert first.summary["config_version"] == load(story.first).version
    assert first.summary["clock"] == instant_text(story.changed_ms)
    rest = replayed(run, tmp_path / "rest", f"{story.url}.events?to=latest", "--state", state)
    for name in ("triggers", "decisions", "tags"):
        assert first.lines[name] + rest.lines[name] == whole.lines[name]
    assert set(first.lines["dead-letters"] + rest.lines["dead-letters"]) == set(
        whole.lines["dead-letters"]
    )
    assert rest.lines["profiles"] == whole.lines["profiles"]
    assert first.summary["records"] + rest.summary["records"] == whole.summary["records"]


def test_a_replay_that_is_stopped_again_and_again_goes_on_where_it_was(
    story: Story, run: Run, tmp_path: Path
) -> None:
    whole = replayed(run, tmp_path / "whole", f"{story.url}.events")
    triggers = tmp_path / "triggers"
    options = RangeOptions(
        beginning=Beginning(
            wanted=topic_range(f"{story.url}.events"),
            config=None,
            state=tmp_path / "state",
            pause=pause,
        ),
        outputs={"triggers": str(triggers)},
        batch_size=1_500,
        drain=False,
    )
    found: list[bytes] = []
    records, interrupted = 0, True
    while interrupted:
        stop = Event()
        summary = replay_range(options, stop, lambda count, stop=stop: stop.set())  # type: ignore[misc]  # mypy takes the default for another parameter
        interrupted = summary.interrupted
        records += summary.records
        found += triggers.read_bytes().splitlines()
    assert records == whole.summary["records"]
    assert sorted(found) == sorted(whole.lines["triggers"])
    with pytest.raises(KeyboardInterrupt):
        stop.set()
        replay_range(
            replace(options, beginning=replace(options.beginning, state=None)), stop, print
        )
    assert triggers.read_bytes() == b""


def test_from_the_middle_on_it_is_said_that_nothing_is_known_and_which_config_holds(
    story: Story, run: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    exported = instant_text(story.exported_ms)
    url = f"{story.url}.events?from={exported}"
    found = replayed(run, tmp_path / "middle", url)
    assert "begins in the middle of the log (partition 0 at offset" in caplog.text
    assert found.summary["config_version"] == load(story.second).version
    assert 0 < found.summary["records"] < sum(end_of_log(story.kafka, one) for one in (0, 1))
    empty = replayed(run, tmp_path / "empty", f"{url}&to={exported}")
    assert empty.summary["records"] == 0
    assert not any(empty.lines.values())


def test_a_config_of_ones_own_passes_over_those_of_the_log(
    story: Story, run: Run, tmp_path: Path
) -> None:
    url = f"{story.url}.events"
    whole = replayed(run, tmp_path / "whole", url)
    other = replayed(run, tmp_path / "other", url, "--config", story.first)
    assert other.summary["config_version"] == load(story.first).version
    assert other.summary["records"] == whole.summary["records"]
    assert other.summary["events"] == whole.summary["events"]
    assert other.lines["triggers"] != whole.lines["triggers"]


def test_what_was_sent_in_between_can_be_read(story: Story, run: Run) -> None:
    exported = instant_text(story.exported_ms)
    before = messages_in(run, story, "triggers", f"?to={exported}")
    assert sorted(before) == sorted(story.sent)
    after = messages_in(run, story, "triggers", f"?from={exported}")
    assert before + after == messages_in(run, story, "triggers")


def test_a_trigger_that_was_withheld_gives_way_to_what_was_sent_in_its_stead(
    kafka: str, prefix: str, run: Run, tmp_path: Path
) -> None:
    settings = with_topics(kafka, prefix, partitions=PARTITIONS)
    write_quick_config(tmp_path / "config")
    push(KafkaBroker(settings).writer(), PARTITIONS, config_record(tmp_path / "config"))
    events = tmp_path / "events.jsonl"
    events.write_bytes(b"\n".join(messages(100, SEED)))
    append(settings, [str(events)], AsIfNow(SPEED))
    url = f"kafka://{kafka}/{prefix}.events"
    before = replayed(run, tmp_path / "before", url, "--drain").lines
    withheld = before["triggers"][7]
    trigger = json.loads(withheld)
    note = {"control": "withheld", "subject": trigger["subject"], "id": trigger["id"], "place": []}
    writer = KafkaBroker(settings).writer()
    writer.append(0, "withheld", json.dumps(note).encode())
    writer.append(0, "withheld", b"{")
    writer.flush(STOP_SECONDS_MAX)

    after = replayed(run, tmp_path / "after", url, "--drain").lines
    assert [one for one in before["triggers"] if one != withheld] == after["triggers"]
    at = before["decisions"].index(withheld)
    suppressed = json.loads(after["decisions"][at])
    assert suppressed["type"] == SUPPRESSED
    assert suppressed["data"]["reason"] == "too_late"
    assert suppressed["time"] == trigger["time"]
    assert after["decisions"][:at] == before["decisions"][:at]
    assert after["decisions"][at + 1 :] == before["decisions"][at + 1 :]


def test_a_state_that_does_not_belong_to_the_range_is_refused(
    story: Story, run: Run, tmp_path: Path
) -> None:
    def refusal(state: Path, query: str) -> str:
        ended = run("replay", f"{story.url}.events{query}", "--state", state)
        assert ended.code == 1
        return ended.err

    state = tmp_path / "state"
    shutil.copytree(story.state, state)
    assert "leave out from=, or --state" in refusal(state, "?from=earliest")
    early = instant_text(story.changed_ms)
    assert "choose a later to=" in refusal(state, f"?to={early}")
    (tmp_path / "events.jsonl").write_bytes(b"{}\n")
    files = tmp_path / "files"
    made = run("replay", tmp_path / "events.jsonl", "--state", files, "--partitions", PARTITIONS)
    assert made.code == 0
    assert "made from files" in refusal(files, "")


def test_a_log_without_a_config_needs_one(kafka: str, prefix: str, run: Run) -> None:
    with_topics(kafka, prefix)
    url = f"kafka://{kafka}/{prefix}.events"
    refused = run("replay", url)
    assert (refused.code, "name one with --config DIR" in refused.err) == (1, True)
    empty = run("replay", url, "--config", "config", "--json")
    assert (empty.code, json.loads(empty.out)["records"]) == (0, 0)
    missing = run("replay", f"{url.replace(prefix, prefix + 'x')}")
    assert (missing.code, "got none; did you mean" in missing.err) == (3, True)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["kafka://h:1/beckon.events", "more.jsonl"], "expected one range of the log alone"),
        (["kafka://h:1/beckon.events", "--until", "2026-01-01"], "expected to=TIME in the URL"),
        (["kafka://h:1/beckon.events", "--partitions", "2"], "expected the log's own partitions"),
        (["kafka://h:1/beckon.triggers"], "expected the log, beckon.events"),
        (["kafka://h:1/events"], "expected the name of a topic"),
        (["kafka://h:1"], "expected the name of a topic"),
        (["kafka://h:1/beckon.events?until=now"], "expected from= and to=, got until="),
        (["kafka://h:1/beckon.events?to=soon"], "expected to=latest or a time like"),
        (["kafka://h:1/beckon.events?from=latest"], "expected from=earliest or a time like"),
        (
            ["kafka://h:1/beckon.events?from=2026-01-02&to=2026-01-01T23:00:00%2B01:00"],
            "expected an end behind the beginning",
        ),
        (["kafka://ada:s3cret@h:1/beckon.events"], "one with a user or a password"),
    ],
)
def test_a_range_that_cannot_be_meant_is_refused(run: Run, arguments: list[str], told: str) -> None:
    refused = run("replay", *arguments)
    assert refused.code == 2
    assert told in refused.err
    assert "s3cret" not in refused.err


def test_only_topics_that_beckon_sends_to_are_read(run: Run) -> None:
    refused = run("read", "kafka://h:1/beckon.events")
    assert (refused.code, "expected one of beckon.triggers" in refused.err) == (2, True)
