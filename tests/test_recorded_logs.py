"""Engine and oracle tell the same of real, recorded shops, with the default configuration."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from hashlib import blake2b
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import pytest

import config
from config.load import load
from connectors.files import open_bytes
from connectors.online_retail import import_online_retail
from connectors.rees46 import import_rees46
from tests.running import run_engine, run_oracle

Importer = Callable[[BinaryIO, BinaryIO], dict[str, int]]
DEFAULTS = Path(config.__file__).parent


@pytest.mark.parametrize(
    ("importer", "file", "one_in"),
    [
        (import_rees46, "rees46_head/2019-Oct_head.csv.xz", 10),
        (import_online_retail, "online_retail/online_retail.csv.xz", 200),
    ],
)
def test_engine_and_oracle_agree_on_a_sample_of_users(
    importer: Importer, file: str, one_in: int, data: Callable[[str], Path]
) -> None:
    messages = BytesIO()
    with open_bytes(str(data(file))) as source:
        importer(source, messages)
    lines = [line for line in messages.getvalue().splitlines() if sampled(line, one_in)]
    assert_same_on(lines)


def test_engine_and_oracle_agree_on_a_simulated_shop(shop_log: Sequence[bytes]) -> None:
    assert_same_on(list(shop_log))


def assert_same_on(lines: list[bytes]) -> None:
    expected = run_oracle(DEFAULTS, lines)
    assert expected.decisions and expected.transitions
    engine = run_engine(load(DEFAULTS), lines, batch=500)
    assert engine.transitions == expected.transitions
    assert engine.decisions == expected.decisions
    assert engine.profiles == expected.profiles
    assert engine.counters == expected.counters


def sampled(line: bytes, one_in: int) -> bool:
    """Whether the message is of one of every `one_in` users."""
    message = json.loads(line)
    user = message.get("userId") or message.get("anonymousId")
    digest = blake2b(str(user).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % one_in == 0
