"""The log that is measured: simulated once per code and options, kept in a temporary folder."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

from msgspec import Struct

from bench.measure import BECKON, ROOT, run


class Shop(Struct, frozen=True, kw_only=True):
    """The simulated shop whose log is replayed."""

    users: int
    days: int
    seed: int = 1
    broken: float = 0.001
    """The share of messages that are none."""


def folder() -> Path:
    """Where logs and what replays write are kept."""
    path = Path(tempfile.gettempdir()) / "beckon-bench"
    path.mkdir(exist_ok=True)
    return path


def simulated_log(shop: Shop) -> Path:
    """The shop's log, made by `beckon simulate` unless it is there."""
    what = f"{shop.users}-users-{shop.days}-days-{shop.seed}-{shop.broken:g}"
    path = folder() / f"{what}-{_simulator_digest()}.jsonl"
    if not path.exists():
        options = ("--users", str(shop.users), "--days", str(shop.days), "--seed", str(shop.seed))
        broken = ("--broken", str(shop.broken))
        run(*BECKON, "simulate", *options, *broken, "--out", str(path))
    return path


def head(log: Path, lines: int) -> Path:
    """The first lines of `log` as a log of their own."""
    path = log.with_suffix(f".head-{lines}.jsonl")
    with log.open("rb") as source, path.open("wb") as target:
        for _, line in zip(range(lines), source, strict=False):
            target.write(line)
    return path


def _simulator_digest() -> str:
    """Changes with the simulator's sources, so that no log of an older one is measured."""
    digest = hashlib.blake2b(digest_size=4)
    for path in sorted((ROOT / "flows").glob("simulate*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()
