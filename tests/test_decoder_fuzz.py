"""Nasty messages by the thousand: both decoders agree on all of them, however they are batched."""

from __future__ import annotations

import json
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.schema import Config
from tests.decoding import decode_all, known, small_config
from tests.message_fuzz import nasty_message
from tests.messages import CONFIG, MARCH_MS, message
from tests.reference_decoder import decode


def fuzzed(seed: int) -> tuple[list[bytes], Config, list[int] | None]:
    """(lines, config, a broker's times or None) of a seed."""
    random = Random(seed)
    config = small_config(
        strict=random.random() < 0.3, currency=random.choice(("EUR", "JPY", "KWD"))
    )
    lines = [nasty_message(random) for _ in range(random.choice((1, 20, 300)))]
    if random.random() < 0.3:
        lines = [line for line in lines if b"receivedAt" not in line] or lines
    times = [MARCH_MS + random.randrange(10**9) for _ in lines]
    return lines, config, times if random.random() < 0.2 else None


@pytest.mark.parametrize("seed", range(60))
def test_nasty_messages_are_decoded_as_the_reference_does_however_batched(seed: int) -> None:
    lines, config, log_ms = fuzzed(seed)
    expected = known(decode(lines, config, log_ms=log_ms), config)
    for batch_size in (1, 7, 1_000_000):
        assert decode_all(lines, config, batch_size=batch_size, log_ms=log_ms) == expected


MEMBERS = st.sampled_from(
    ["type", "event", "userId", "messageId", "timestamp", "receivedAt", "sentAt", "properties"]
)
ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["product_id", "price", "total", "a"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(deadline=None)
@given(st.lists(st.dictionaries(MEMBERS, ODD, max_size=2), min_size=1, max_size=4))
def test_no_value_in_any_place_escapes_the_reference(changes: list[dict[str, object]]) -> None:
    lines = [json.dumps(json.loads(message()) | change).encode() for change in changes]
    assert decode_all(lines, CONFIG) == known(decode(lines, CONFIG), CONFIG)
