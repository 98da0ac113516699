"""What happens in the shop while its engine is being killed: messages as of now, quick journeys."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

from config.load import PACKAGED
from flows.simulate import SimulateOptions, simulate

COOLDOWN = "1s"
QUICKLY = {"s": "1s", "m": "1s", "h": "2s", "d": "3s"}
TIMES = ("originalTimestamp", "timestamp", "sentAt", "receivedAt")
AFTER = re.compile(r'^after( *)= "\d+([smhd])"', re.MULTILINE)
WAITS = re.compile(r'^(ttl|cooldown)( *)= "[^"]*"', re.MULTILINE)
DAYS = 12
LAST_STAGE_SECONDS = 3.0
"""The latest stage after its journey's entry: see QUICKLY."""


def write_quick_config(folder: Path, ttl: str = "1h") -> None:
    """The packaged config, with stages due within seconds, and too late after `ttl`."""
    ignored = shutil.ignore_patterns("*.py", "__pycache__")
    shutil.copytree(PACKAGED, folder, ignore=ignored, dirs_exist_ok=True)
    waits = {"ttl": ttl, "cooldown": COOLDOWN}
    for path in (folder / "journeys").glob("*.toml"):
        text = AFTER.sub(lambda found: f'after{found[1]}= "{QUICKLY[found[2]]}"', path.read_text())
        text = WAITS.sub(lambda found: f'{found[1]}{found[2]}= "{waits[found[1]]}"', text)
        path.write_text(text)


def messages(users: int, seed: int) -> list[bytes]:
    """A simulated shop's messages: late, repeated and broken ones among them."""
    log = BytesIO()
    simulate(SimulateOptions(users=users, days=DAYS, seed=seed), log)
    return log.getvalue().splitlines()


def as_of_now(lines: list[bytes]) -> Iterator[bytes]:
    """Each line with its times moved, so that it is received when it is taken from here."""
    for line in lines:
        yield moved(line, datetime.now(UTC))


def moved(line: bytes, now: datetime) -> bytes:
    """The message as if it was received now: late ones stay late; broken ones as they are."""
    try:
        message: dict[str, Any] = json.loads(line)
        by = now - datetime.fromisoformat(message["receivedAt"])
        times = {
            name: written(datetime.fromisoformat(message[name]) + by)
            for name in TIMES
            if name in message
        }
    except (ValueError, KeyError, TypeError, RecursionError):
        return line
    return json.dumps(message | times, ensure_ascii=False, separators=(",", ":")).encode()


def written(instant: datetime) -> str:
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")
