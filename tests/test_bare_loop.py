"""What Beckon is measured against does the same job: its triggers are Beckon's."""

from __future__ import annotations

from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import msgspec

from bench import bare_loop
from flows.simulate import SimulateOptions, simulate
from flows.simulate_delivery import Rates
from tests.conftest import ROOT, Run

SMALL_JOB = ROOT / "bench" / "small_job"
FAULTY = Rates(late=0.05, duplicate=0.05, reordered=0.1, broken=0)


def messages_sent(lines: list[bytes]) -> list[tuple[Any, ...]]:
    triggers = [msgspec.json.decode(line) for line in lines]
    sent = []
    for trigger in triggers:
        data = trigger["data"]
        entry = data.get("entry") or data["instance"]["entry"]
        texts = (trigger["time"], trigger["expirytime"], data["deadline"], entry)
        instants = [msgspec.convert(text, datetime) for text in texts]
        sent.append((trigger["subject"], *instants, data["features"]["views"]))
    return sent


def test_the_bare_loop_sends_what_beckon_sends_with_the_small_job(tmp_path: Path, run: Run) -> None:
    log, triggers = tmp_path / "log.jsonl", tmp_path / "triggers.jsonl"
    with log.open("wb") as events:
        simulate(SimulateOptions(users=500, days=10, seed=4, rates=FAULTY), events)
    out = BytesIO()
    with log.open("rb") as lines:
        counts = bare_loop.run(lines, out)
    assert run("replay", log, "--config", SMALL_JOB, "--triggers", triggers).code == 0
    sent = messages_sent(out.getvalue().splitlines())
    assert sent == messages_sent(triggers.read_bytes().splitlines())
    assert len(sent) == counts.triggers > 100
    assert counts.duplicates > 100
    assert (counts.unusable, counts.users) == (0, 500)


def test_the_bare_loop_counts_what_it_cannot_read() -> None:
    lines = [b"{", b"[]", b'{"type":"track"}', b'{"type":"page","messageId":"m","userId":"u"}']
    counts = bare_loop.run(lines, BytesIO())
    assert (counts.records, counts.unusable) == (4, 4)
