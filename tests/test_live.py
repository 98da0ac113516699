"""The live run of partitions on the broker in memory: crashes, stops and resumes change nothing."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import numpy as np
import pytest
from msgspec.structs import replace

from config.load import load
from connectors.events import Decoder, partition_of
from connectors.log import ControlRecord
from connectors.memory_broker import MemoryBroker, raw_batches
from flows.config_records import config_record, encode_config, first_config, push
from flows.live import LivePartition, LiveParts, open_partition
from flows.live_apply import Applier
from flows.metrics import Metrics
from flows.partition import Engine
from flows.partition_metrics import PartitionMetrics
from flows.simulate import START_MS, SimulateOptions, simulate
from state.store import MemoryStore, StoreConflict, StoreError
from tests.config_folders import copy_defaults, edit
from tests.oracle_outputs import EPOCH

PARTITIONS = 2
CONFIG = load()
HOUR_MS = 3_600_000


@pytest.fixture(scope="module")
def messages() -> list[tuple[int, int, bytes]]:
    """A small shop's messages: see `messages_of`."""
    return messages_of(SimulateOptions(users=60, days=12, seed=5))


def messages_of(shop: SimulateOptions) -> list[tuple[int, int, bytes]]:
    """(log time, partition, message) of a shop, in order of log time."""
    log = io.BytesIO()
    simulate(shop, log)
    lines = log.getvalue().splitlines()
    found = []
    at_ms = 0
    for line in lines:
        at_ms = max(at_ms, received_ms(line))
        found.append((at_ms, line))
    (raw,) = raw_batches(found, 0)
    columns = Decoder(CONFIG).decode(raw, last=True).columns
    partitions = np.zeros(len(found), np.int64)
    partitions[columns.offset] = partition_of(columns, PARTITIONS)
    return [
        (at_ms, int(partition), line)
        for (at_ms, line), partition in zip(found, partitions.tolist(), strict=True)
    ]


def received_ms(line: bytes) -> int:
    """When a message says that it was received; 0 for one that is broken."""
    try:
        received = datetime.fromisoformat(json.loads(line)["receivedAt"])
        return round((received - EPOCH).total_seconds() * 1000)
    except (ValueError, KeyError, TypeError, RecursionError):
        return 0


def opened(
    broker: MemoryBroker,
    store: MemoryStore,
    partition: int,
    owner: str,
    now_ms: Callable[[], int] = lambda: 0,
) -> LivePartition:
    """A run that relays by a wall clock of its own; by default nothing is ever too late."""
    return open_partition(parts_of(broker, store, partition, owner, now_ms))


def parts_of(
    broker: MemoryBroker,
    store: MemoryStore,
    partition: int,
    owner: str,
    now_ms: Callable[[], int] = lambda: 0,
) -> LiveParts:
    """What `opened` opens."""
    return LiveParts(
        partition=partition,
        partitions=PARTITIONS,
        owner=owner,
        store=store,
        reader_from=lambda offset: broker.reader(partition, offset),
        first_config=lambda: config_in(broker, partition),
        writer=broker.writer(),
        relay=broker.relay(partition),
        side=broker.side_output(),
        metrics=PartitionMetrics(Metrics(PARTITIONS), partition, now_ms),
        released=lambda: None,
    )


def config_in(broker: MemoryBroker, partition: int) -> ControlRecord:
    """The first config of a log; the default one where the log has none."""
    found = first_config(broker.reader(partition, 0), lambda: None)
    if found is not None:
        return found
    value = encode_config(config_record(None))
    return ControlRecord(kind="config", offset=0, log_ms=0, value=value)


def played(
    messages: list[tuple[int, int, bytes]], random: Random | None, *, by_the_clock: bool = False
) -> tuple[MemoryBroker, MemoryStore]:
    """The log produced and consumed bit by bit; with `random`, runs crash and are taken over.

    `by_the_clock`: what is relayed after its time is withheld.
    """
    broker, store = MemoryBroker(PARTITIONS), MemoryStore(partitions=PARTITIONS)

    def now_ms() -> int:
        return broker.now_ms if by_the_clock else 0

    runs = [opened(broker, store, partition, "first", now_ms) for partition in range(PARTITIONS)]
    at = 0
    while at < len(messages):
        count = random.randrange(1, 400) if random else len(messages)
        for at_ms, partition, message in messages[at : at + count]:
            broker.now_ms = at_ms
            broker.append(partition, message)
        at += count
        for partition, run in enumerate(runs):
            for _ in range(random.randrange(4) if random else 1):
                run.step(broker.now_ms)
            if random and random.random() < 0.3:
                if random.random() < 0.5:
                    run.drop()
                else:
                    run.close(broker.now_ms)
                runs[partition] = opened(broker, store, partition, f"{at}", now_ms)
    broker.now_ms += 40 * 24 * HOUR_MS
    for run in runs:
        for _ in range(8):
            run.step(broker.now_ms)
            broker.now_ms += 1
        run.close(broker.now_ms)
    return broker, store


def test_a_run_that_crashes_again_and_again_sends_what_one_that_never_does_sends(
    messages: list[tuple[int, int, bytes]],
) -> None:
    expected, kept = played(messages, None)
    assert sum(map(len, expected.triggers)) > 100
    assert len(expected.topics["examples"]) > 20
    for seed in range(3):
        broker, store = played(messages, Random(seed))
        assert set(broker.topics["examples"]) == set(expected.topics["examples"])
        for partition in range(PARTITIONS):
            found = [entry.value for entry in broker.triggers[partition]]
            wanted = [entry.value for entry in expected.triggers[partition]]
            assert [json.loads(one)["id"] for one in found] == [
                json.loads(one)["id"] for one in wanted
            ]
            assert offsets_left_out(found) == offsets_left_out(wanted)
            assert profiles(store, partition) == profiles(kept, partition)


def test_runs_that_crash_and_withhold_leave_what_a_replay_of_their_log_finds(
    messages: list[tuple[int, int, bytes]],
) -> None:
    for seed in range(3):
        broker, store = played(messages, Random(seed), by_the_clock=True)
        for partition in range(PARTITIONS):
            catch_up(broker, store, partition)  # with what the last stop has withheld
        late = [value for _, value in broker.topics["suppressed"] if b'"too_late"' in value]
        assert len(late) > 40
        found = [replayed(broker, partition) for partition in range(PARTITIONS)]
        assert sorted(line for _, lines, _ in found for line in lines) == sorted(late)
        for partition, (sent, _, engine) in enumerate(found):
            assert [entry.value for entry in broker.triggers[partition]] == sent
            assert profiles(store, partition) == profiles_of(engine)


def catch_up(broker: MemoryBroker, store: MemoryStore, partition: int) -> None:
    """One more run, up to the end of the log."""
    run = opened(broker, store, partition, "last", lambda: broker.now_ms)
    while run.step(broker.now_ms):
        pass
    run.close(broker.now_ms)


def replayed(broker: MemoryBroker, partition: int) -> tuple[list[bytes], list[bytes], Engine]:
    """What a log leads to: the triggers that it does not say were withheld, and what those became.

    The engine is the one that found it.
    """
    applier = Applier(
        CONFIG, Engine(CONFIG, partition=partition), partition=partition, partitions=PARTITIONS
    )
    decided: dict[str, bytes] = {}
    late: list[bytes] = []
    for piece in broker.reader(partition, 0).poll(len(broker.log[partition])).pieces:
        if isinstance(piece, ControlRecord) and piece.kind == "withheld":
            del decided[json.loads(piece.value)["id"]]
        for applied in applier.apply(piece):
            decided |= {json.loads(entry.value)["id"]: entry.value for _, entry in applied.triggers}
            late += applied.withheld
    return list(decided.values()), late, applier.engine


def profiles(store: MemoryStore, partition: int) -> list[dict[str, object]]:
    """The stored profiles, but for the instant at which they were read; nothing waits in it."""
    snapshot = store.load(partition)
    assert snapshot is not None
    assert snapshot.outbox == []
    return profiles_of(Engine(CONFIG, partition=partition, snapshot=snapshot))


def profiles_of(engine: Engine) -> list[dict[str, object]]:
    """An engine's profiles, but for the instant at which they are read."""
    return [json.loads(line) | {"at": ""} for line in engine.profiles()]


def offsets_left_out(lines: list[bytes]) -> list[object]:
    """Triggers without the offsets that ticks of their own move."""
    documents = [json.loads(line) for line in lines]
    for document in documents:
        document["data"].pop("offset")
    return documents


def test_an_owner_that_was_taken_over_neither_commits_nor_relays(
    messages: list[tuple[int, int, bytes]],
) -> None:
    broker, store = MemoryBroker(PARTITIONS), MemoryStore(partitions=PARTITIONS)
    first = opened(broker, store, 0, "first")
    second = opened(broker, store, 0, "second")
    for at_ms, partition, message in messages[:4000]:
        broker.now_ms = at_ms
        broker.append(partition, message)
    second.step(broker.now_ms)
    second.close(broker.now_ms)
    sent = list(broker.triggers[0])
    assert sent
    first.step(broker.now_ms)
    with pytest.raises(StoreConflict):
        first.close(broker.now_ms)
    assert broker.triggers[0] == sent


def test_profiles_that_are_lost_are_not_made_anew_unasked(
    messages: list[tuple[int, int, bytes]],
) -> None:
    broker, _ = played(messages, None)
    with pytest.raises(StoreError, match="--rebuild"):
        opened(broker, MemoryStore(partitions=PARTITIONS), 0, "second")


def test_a_config_pushed_into_the_log_is_in_force_from_its_record_on(
    messages: list[tuple[int, int, bytes]], tmp_path: Path
) -> None:
    folder = copy_defaults(tmp_path)
    edit(folder, "tags.toml", "[push]\ntaps = ", "[tapping]\nyes = ")
    (folder / "journeys" / "welcome.toml").unlink()
    record = config_record(folder)
    outcomes = []
    for crashes in (False, True):
        broker, store = MemoryBroker(PARTITIONS), MemoryStore(partitions=PARTITIONS)
        push(broker.writer(), PARTITIONS, config_record(None))
        run = opened(broker, store, 0, "first")
        for index, (at_ms, partition, message) in enumerate(messages):
            broker.now_ms = at_ms
            broker.append(partition, message)
            if index == len(messages) // 2:
                push(broker.writer(), PARTITIONS, record)
            if index % 500 == 499:
                run.step(broker.now_ms)
                if crashes:
                    run.drop()
                    run = opened(broker, store, 0, f"{index}")
        broker.now_ms += HOUR_MS
        for _ in range(3):
            run.step(broker.now_ms)
        run.close(broker.now_ms)
        assert run.engine.checkpoint.config_version == record.version
        versions = [json.loads(entry.value)["data"]["version"] for entry in broker.triggers[0]]
        assert set(versions) == {CONFIG.version, record.version}
        assert versions == sorted(versions, key=[CONFIG.version, record.version].index)
        outcomes.append([entry.value for entry in broker.triggers[0]])
    assert [json.loads(one)["id"] for one in outcomes[0]] == [
        json.loads(one)["id"] for one in outcomes[1]
    ]


def test_profiles_are_made_anew_from_the_log_when_asked_and_nothing_is_sent_again(
    messages: list[tuple[int, int, bytes]],
) -> None:
    broker, kept = played(messages, None)
    sent = list(broker.triggers[0])
    store = MemoryStore(partitions=PARTITIONS)
    run = open_partition(replace(parts_of(broker, store, 0, "second"), rebuild=True))
    while run.step(broker.now_ms):
        pass
    run.close(broker.now_ms)
    assert broker.triggers[0] == sent
    assert profiles(store, 0) == profiles(kept, 0)


def test_an_engine_that_was_down_for_days_sends_no_flood(
    messages: list[tuple[int, int, bytes]],
) -> None:
    broker, store = MemoryBroker(PARTITIONS), MemoryStore(partitions=PARTITIONS)
    for at_ms, partition, message in messages:
        broker.now_ms = at_ms
        broker.append(partition, message)
    run = opened(broker, store, 0, "first", lambda: broker.now_ms)
    while run.step(broker.now_ms):
        pass
    run.close(broker.now_ms)
    assert broker.triggers[0], "what was due of late is sent"
    assert all(entry.expires_ms >= broker.now_ms for entry in broker.triggers[0])
    suppressed = [json.loads(value) for _, value in broker.topics["suppressed"]]
    late = [one for one in suppressed if one["data"]["reason"] == "too_late"]
    assert len(late) > 40
    assert len({one["id"] for one in suppressed}) == len(suppressed)
    withheld = [json.loads(value) for _, kind, value in broker.log[0] if kind == "withheld"]
    assert len(withheld) == len(late)
    assert [one["subject"] for one in withheld] == [one["subject"] for one in late]


def test_an_engine_that_was_down_for_six_hours_withholds_what_is_too_late() -> None:
    down_at_ms = START_MS + 58 * HOUR_MS
    shop = messages_of(SimulateOptions(users=1_000, days=3, seed=5))
    told = [one for one in shop if one[1] == 0 and one[0] < down_at_ms + 6 * HOUR_MS]
    before = [one for one in told if one[0] < down_at_ms]
    steady, broker = MemoryBroker(PARTITIONS), MemoryBroker(PARTITIONS)
    lived(steady, MemoryStore(partitions=PARTITIONS), told, lambda: 0)
    store = MemoryStore(partitions=PARTITIONS)
    lived(broker, store, before, lambda: 0)
    sent_before = len(broker.triggers[0])
    lived(broker, store, told[len(before) :], lambda: broker.now_ms)
    sent = broker.triggers[0][sent_before:]
    assert len(sent) > 5, "what may still be sent is sent"
    assert all(entry.expires_ms >= broker.now_ms for entry in sent)
    assert len(withheld(broker)) > 5, "what was due first is too late"
    assert sent_or_withheld(broker) == sent_or_withheld(steady)
    suppressed = [json.loads(value)["data"]["reason"] for _, value in broker.topics["suppressed"]]
    assert suppressed.count("too_late") == len(withheld(broker))


def lived(
    broker: MemoryBroker,
    store: MemoryStore,
    messages: list[tuple[int, int, bytes]],
    now_ms: Callable[[], int],
) -> None:
    """A run of partition 0 that begins when messages are there and ends when it has done all."""
    for broker.now_ms, _, message in messages:
        broker.append(0, message)
    run = opened(broker, store, 0, f"{broker.now_ms}", now_ms)
    while run.step(broker.now_ms):
        pass
    run.close(broker.now_ms)


def withheld(broker: MemoryBroker) -> list[str]:
    """The ids of triggers of partition 0 that the log says were not sent."""
    return [json.loads(value)["id"] for _, kind, value in broker.log[0] if kind == "withheld"]


def sent_or_withheld(broker: MemoryBroker) -> list[str]:
    """The ids of all triggers of partition 0."""
    return sorted([json.loads(one.value)["id"] for one in broker.triggers[0]] + withheld(broker))


def test_a_first_start_on_an_old_log_sends_nothing_of_its_past(
    messages: list[tuple[int, int, bytes]], tmp_path: Path
) -> None:
    folder = copy_defaults(tmp_path)
    live_from_ms, _, _ = messages[len(messages) // 2]
    live_from = datetime.fromtimestamp(live_from_ms / 1000, UTC).isoformat(timespec="milliseconds")
    edit(folder, "shop.toml", "strict ", f"live_from = {live_from}\nstrict ")
    broker, store = MemoryBroker(PARTITIONS), MemoryStore(partitions=PARTITIONS)
    push(broker.writer(), PARTITIONS, config_record(folder))
    lived(broker, store, [one for one in messages if one[1] == 0], lambda: 0)
    deadlines = [deadline_ms(entry.value) for entry in broker.triggers[0]]
    assert len(deadlines) > 20
    assert min(deadlines) >= live_from_ms
    suppressed = [value for _, value in broker.topics["suppressed"] if b'"before_live"' in value]
    assert len(suppressed) > 20
    assert max(map(deadline_ms, suppressed)) < live_from_ms


def deadline_ms(line: bytes) -> int:
    """The deadline of a trigger or a suppressed stage."""
    deadline = datetime.fromisoformat(json.loads(line)["data"]["deadline"])
    return round((deadline - EPOCH).total_seconds() * 1000)
