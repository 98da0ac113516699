"""The harness that measures the live engine, as far as it needs no server."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bench.live.__main__ import QUICK, chosen
from bench.live.backlog import Run as Worked
from bench.live.backlog import Start
from bench.live.configs import AT_ONCE, SMALL_JOB, TIMER, write_quick, write_with_timers
from bench.live.crowd import Resume, resume_figures
from bench.live.feed import (
    TIMERS_DUE_MS,
    Feeder,
    closing_lines,
    crowd_lines,
    now_ms,
    received_now,
    shop_lines,
    timer_lines,
)
from bench.live.latency import due_at_once, latency_figures, of_journey
from bench.live.processes import running
from bench.live.watch import Seen
from bench.measure import BenchError
from bench.rivals.cart_job import DELAY_MS, Cart, advance, event_of
from config.load import PACKAGED, load
from connectors.memory_broker import MemoryBroker
from flows.produce import key_of
from flows.simulate import SimulateOptions, simulate
from flows.simulate_delivery import Rates
from tests.conftest import Run

NOW_MS = 1_767_225_600_000
BURNING = "import time\nwhile time.process_time() < 0.3: pass\n"
TWO_PROCESSES = (
    "import signal, subprocess, sys, time\n"
    f"subprocess.run([sys.executable, '-c', {BURNING!r}])\n"
    "print('half', file=sys.stderr, flush=True)\n"
    "signal.signal(signal.SIGTERM, lambda *_: sys.exit(print('over')))\n"
    f"{BURNING}print('done', file=sys.stderr, flush=True)\n"
    "while True: time.sleep(0.1)"
)


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A small simulated log without broken messages."""
    log = tmp_path / "log.jsonl"
    rates = Rates(late=0.05, duplicate=0.05, reordered=0.1, broken=0)
    with log.open("wb") as events:
        simulate(SimulateOptions(users=300, days=10, seed=4, rates=rates), events)
    return log


def test_the_cpu_seconds_of_a_program_hold_those_of_the_programs_that_it_started() -> None:
    with running([sys.executable, "-c", TWO_PROCESSES]) as program:
        (half,) = program.wait_for("half", 1, 30.0)
        (done,) = program.wait_for("done", 1, 30.0)
        total = program.stop()
        assert program.output() == b"over\n"
    # The system counts in hundredths of a second, and not all of one process at once.
    assert 0.28 <= half.cpu_seconds < 0.56 <= done.cpu_seconds <= total + 0.05 < 2.0
    assert program.started_at < half.at < done.at


def test_a_program_that_ends_too_soon_is_told_with_what_it_said_last() -> None:
    broken = [sys.executable, "-c", "import sys; sys.exit('no broker here')"]
    with running(broken) as program, pytest.raises(BenchError, match="no broker here"):
        program.wait_for("taken", 1, 30.0)


def test_simulated_messages_move_to_now_and_stay_as_late_as_they_were(shop: Path) -> None:
    for line in shop.read_bytes().splitlines()[:500]:
        before, after = msgspec.json.decode(line), msgspec.json.decode(received_now(line, NOW_MS))
        received = datetime.fromisoformat(after["receivedAt"])
        assert received.timestamp() * 1000 == NOW_MS
        by = received - datetime.fromisoformat(before["receivedAt"])
        for name in ("timestamp", "sentAt", "receivedAt"):
            moved = datetime.fromisoformat(before[name]) + by
            assert abs(datetime.fromisoformat(after.pop(name)) - moved) < timedelta(milliseconds=1)
            del before[name]
        assert after == before


def test_broken_messages_are_fed_as_they_are() -> None:
    times = b'"timestamp":"%b","sentAt":"%b","receivedAt":"%b"}'
    instant, wrong = b"2026-01-01T00:00:00.000Z", b"2026-13-01T00:00:00.000Z"
    for line in (b"{", b"", b"{" + times % (instant, instant, wrong), b'{"timestamp":1}'):
        assert received_now(line, NOW_MS) == line


def test_the_feeder_keys_what_it_appends_and_counts_it(shop: Path) -> None:
    broker = MemoryBroker(partitions=2)
    feeder = Feeder(broker.side_output(), per_second=5_000)
    lines = list(shop_lines(shop, 10, 200))
    for line in [*lines, b"{"]:
        feeder.append(line)
    fed = feeder.finish()
    users = {key_of(line) for line in lines}
    assert (fed.records, fed.users) == (201, len(users))
    assert fed.bytes == sum(map(len, lines)) + 1
    assert fed.seconds > 0.03
    assert len(list(closing_lines(feeder.users))) == len(users)


def test_the_crowd_and_the_timers_are_of_now() -> None:
    crowd = [msgspec.json.decode(line) for line in crowd_lines(3)]
    assert Counter(one["userId"] for one in crowd).most_common()[-1][1] == 5
    assert sum(one.get("event") == "Product Added" for one in crowd) == 3
    began_ms, after_ms = now_ms(), 7_200_000
    set_at = [msgspec.json.decode(line)["timestamp"] for line in timer_lines(61)]
    due_ms = [datetime.fromisoformat(at).timestamp() * 1000 + after_ms - began_ms for at in set_at]
    assert due_ms == sorted(due_ms)
    first_ms, last_ms = TIMERS_DUE_MS
    assert first_ms <= due_ms[0] < first_ms + 1_000
    assert last_ms - 1_500 < due_ms[-1] < last_ms + 1_000


def test_the_measured_configs_are_sound_and_their_stages_are_due_when_they_should(
    tmp_path: Path,
) -> None:
    packaged, quick = load(None), load(write_quick(PACKAGED, tmp_path / "quick"))
    assert [one.name for one in quick.journeys] == [one.name for one in packaged.journeys]
    after_ms = [stage.after_ms for journey in quick.journeys for stage in journey.stages]
    assert 1_000 <= min(after_ms) <= max(after_ms) <= 3_000
    (cart,) = load(write_quick(SMALL_JOB, tmp_path / "small")).journeys
    assert [stage.after_ms for stage in cart.stages] == [DELAY_MS]
    timed = {one.name: one for one in load(write_with_timers(tmp_path / "timed")).journeys}
    assert set(timed) == {one.name for one in packaged.journeys} | {AT_ONCE, TIMER}
    assert [timed[name].stages[0].after_ms for name in (AT_ONCE, TIMER)] == [0, 7_200_000]


def test_the_rivals_job_reminds_of_what_beckon_reminds_of(
    shop: Path, tmp_path: Path, run: Run
) -> None:
    lines = shop.read_bytes().splitlines()
    end = b"2026-01-11T12:00:00.000Z"
    page = b'{"type":"page","userId":"%b","messageId":"end-%b","timestamp":"%b","receivedAt":"%b"}'
    lines += [page % (user, user, end, end) for user in dict.fromkeys(map(key_of, lines)) if user]
    shop.write_bytes(b"\n".join(lines) + b"\n")
    config, triggers = write_quick(SMALL_JOB, tmp_path / "small"), tmp_path / "triggers.jsonl"
    assert run("replay", shop, "--config", config, "--triggers", triggers).code == 0
    own = sorted(sent(msgspec.json.decode(line)) for line in triggers.read_bytes().splitlines())
    theirs = sorted(sent(msgspec.json.decode(one)) for one in reminders(lines))
    assert theirs == own
    assert len(own) > 100


def reminders(lines: list[bytes]) -> list[bytes]:
    """What the rivals' job sends, record by record."""
    carts: dict[str, Cart] = {}
    found, log_ms = [], 0
    for line in lines:
        received = datetime.fromisoformat(msgspec.json.decode(line)["receivedAt"])
        log_ms = max(log_ms, round(received.timestamp() * 1000))
        event = event_of(line, log_ms)
        assert event is not None
        found += advance(carts.setdefault(event.user, Cart()), event)
    return found


def sent(trigger: dict[str, Any]) -> tuple[Any, ...]:
    data = trigger["data"]
    entry = data.get("entry") or data["instance"]["entry"]
    texts = (entry, data["deadline"], trigger["expirytime"])
    instants = (datetime.fromisoformat(text) for text in texts)
    return (trigger["subject"], *instants, data["features"]["views"])


def test_the_rivals_job_passes_over_what_it_cannot_use() -> None:
    for value in (None, b"{", b'{"control":"tick"}', b'{"type":"track","messageId":"m"}'):
        assert event_of(value, NOW_MS) is None


def test_rates_leave_out_the_start_or_hold_it() -> None:
    start = Start(seconds=2.0, cpu_seconds=1.0)
    worked = Worked(
        records=1_000, start=start, work_seconds=4.0, cpu_seconds=3.0, life_cpu_seconds=5.0
    )
    assert (worked.rate, worked.rate_on_the_wall) == (500.0, 250.0)
    assert worked.rate_with_start == 200.0


def test_latencies_are_those_of_the_journey_that_is_due_at_once() -> None:
    def seen(journey: str, waited_ms: int, offset: int = 7) -> Seen:
        broker_ms = NOW_MS + waited_ms
        return Seen(journey, offset, 0, NOW_MS, NOW_MS, broker_ms, broker_ms + 5)

    triggers = [seen(AT_ONCE, waited_ms) for waited_ms in range(1, 102)]
    others = [seen("welcome", 9_999), seen(AT_ONCE, 9_999, offset=-1)]
    figures = latency_figures(2_000, due_at_once([*triggers, *others]))
    assert [round(one.value) for one in figures] == [101, 51, 100, 101, 105]
    assert figures[2].at_most == 100.0
    with pytest.raises(BenchError, match="of the journey timer, got none"):
        of_journey(triggers, TIMER)


def test_a_resume_is_told_by_the_median_of_its_phases() -> None:
    resumes = [
        Resume(at_work=one, loaded=2 * one, applied=3 * one, all_applied=4 * one, cpu=one)
        for one in (1.0, 9.0, 2.0)
    ]
    figures = resume_figures("resume", resumes, 1_000_000)
    assert [one.value for one in figures] == [2.0, 4.0, 6.0, 8.0, 2.0]
    assert [one.met for one in figures] == [None, None, False, None, None]


def test_sizes_are_those_of_the_command_line_where_it_says_some() -> None:
    given = argparse.Namespace(events=7, users=None, cold=True, quick=True)
    sizes = chosen(QUICK, given)
    assert (sizes.events, sizes.cold, sizes.users) == (7, True, QUICK.users)
