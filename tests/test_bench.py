"""The harness that measures: it must count what it says it counts."""

from __future__ import annotations

import json
import sys
from io import StringIO
from pathlib import Path
from resource import RUSAGE_SELF, getrusage

import msgspec
import pytest
from rich.console import Console

from bench.crowd import (
    BATCH,
    BEHAVIOUR,
    BUYER_ONE_IN,
    CROWD_MS,
    FIRST_OFFSET,
    LOG_START_MS,
    apply,
    first_messages,
    hours,
    measure_here,
    more_messages,
    orders,
)
from bench.logs import head
from bench.measure import BenchError, Figure, run
from bench.report import Report, print_table, report_of, write_json
from config.limits import DAY_MS
from config.load import load
from connectors.events import Decoder, RawBatch
from connectors.triggers import instant_ms
from flows.partition import Engine

FIGURES = [
    Figure(name="fast", value=250_000.0, unit="per second", at_least=200_000.0),
    Figure(name="heavy", value=2000.0, unit="bytes", at_most=1536.0),
    Figure(name="plain", value=0.5, unit="ms"),
]


def messages_of(batch: RawBatch) -> list[bytes]:
    """A batch's raw messages."""
    data = batch.data.tobytes()
    spans = zip(batch.start.tolist(), batch.length.tolist(), strict=True)
    return [data[start : start + length] for start, length in spans]


def test_the_cpu_seconds_and_the_memory_of_a_program_are_those_it_used() -> None:
    program = (
        "import time; block = bytearray(50_000_000); block[::4096] = bytes(len(block[::4096]))\n"
        "while time.process_time() < 0.3: pass\n"
        "time.sleep(0.2); print('done')"
    )
    usage = run(sys.executable, "-c", program)
    assert usage.output == b"done\n"
    assert 0.3 <= usage.cpu_seconds < 0.6
    assert usage.wall_seconds >= 0.5
    own_bytes = getrusage(RUSAGE_SELF).ru_maxrss * 1024  # a child starts out as large as its parent
    assert 50_000_000 < usage.resident_bytes_max < max(200_000_000, own_bytes * 1.1)


def test_a_program_that_fails_gives_no_figures() -> None:
    with pytest.raises(BenchError, match=r"exit code 3(.|\n)*no such shop"):
        run(sys.executable, "-c", "import sys; print('no such shop', file=sys.stderr); sys.exit(3)")


def test_a_report_is_shown_with_its_goals_and_read_back_from_json(tmp_path: Path) -> None:
    report = report_of(FIGURES, quick=False)
    shown = StringIO()
    print_table(report, Console(file=shown, width=200))
    rows = shown.getvalue().splitlines()
    assert [row.split()[-1] for row in rows if "at least" in row] == ["met"]
    assert [row.split()[-1] for row in rows if "at most" in row] == ["MISSED"]
    write_json(report, tmp_path / "report.json")
    assert msgspec.json.decode((tmp_path / "report.json").read_bytes(), type=Report) == report


def test_a_quick_report_judges_nothing() -> None:
    shown = StringIO()
    print_table(report_of(FIGURES, quick=True), Console(file=shown, width=200))
    assert "MISSED" not in shown.getvalue()
    assert "met" not in shown.getvalue().split()


def test_the_crowd_does_the_same_for_every_user_within_half_an_hour() -> None:
    users = BATCH // len(BEHAVIOUR) + 3
    batches = list(first_messages(users))
    values = [json.loads(value) for batch in batches for value in messages_of(batch)]
    counts = [value["userId"] for value in values]
    assert {counts.count(user) for user in set(counts)} == {len(BEHAVIOUR)}
    assert len(set(counts)) == users
    assert [int(batch.offset[0]) for batch in batches] == [FIRST_OFFSET, FIRST_OFFSET + BATCH]
    log_ms = [batch.log_ms.tolist()[0] for batch in batches if batch.log_ms is not None]
    assert log_ms == sorted(log_ms)
    assert LOG_START_MS <= log_ms[0] < log_ms[-1] < LOG_START_MS + CROWD_MS


def test_a_third_of_the_crowd_ordered_before_and_has_all_its_examples_open() -> None:
    config = load(None)
    decoder, engine = Decoder(config), Engine(config)
    for batch in orders(30):
        apply(decoder, engine, batch)
    assert engine.checkpoint.user_count == 30 // BUYER_ONE_IN
    for _ in hours(decoder, engine, LOG_START_MS):
        pass
    closed = [
        json.loads(line)["data"]
        for batch in hours(decoder, engine, LOG_START_MS + 30 * DAY_MS)
        for line in batch.examples()
    ]
    sampled_before = [
        one
        for one in closed
        if one["model"] == "purchase_30d" and instant_ms(one["sampled_at"]) < LOG_START_MS
    ]
    assert len(sampled_before) / (30 // BUYER_ONE_IN) > 3.5


def test_the_crowd_goes_on_with_new_messages_of_known_users() -> None:
    first = [json.loads(value) for batch in first_messages(9) for value in messages_of(batch)]
    (batch,) = more_messages(9, BATCH)
    more = [json.loads(value) for value in messages_of(batch)]
    assert len(more) == BATCH
    assert {value["userId"] for value in more} == {value["userId"] for value in first}
    assert not {value["messageId"] for value in more} & {value["messageId"] for value in first}
    lengths = [len(value) for value in messages_of(batch)]
    assert 300 < sum(lengths) / len(lengths) < 450


def test_a_crowd_is_measured_in_the_real_engine() -> None:
    found = measure_here(users=20, events=BATCH)
    assert found.users == 20
    assert found.resident_bytes > 20_000_000
    assert 0 < found.event_seconds < 0.01
    assert 0 < found.tick_seconds < 0.1


def test_the_head_of_a_log_is_its_first_lines(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_bytes(b"one\ntwo\nthree\n")
    assert head(log, 2).read_bytes() == b"one\ntwo\n"
    assert head(log, 9).read_bytes() == log.read_bytes()
