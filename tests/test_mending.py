"""What a dead letter becomes when its record is put back: the same event, at the same time."""

from __future__ import annotations

import json
from random import Random

import numpy as np
import pytest

from connectors.murmur import murmur2
from flows.letters import NO_TIME, Letter, Position
from flows.mending import UNPLACED, Mender, Mending
from tests.decoding import small_config
from tests.message_fuzz import nasty_message
from tests.messages import CONFIG, DAY_MS, MARCH_MS, decode_by_reference, message

PARTITIONS = 4
CAME_MS = MARCH_MS + 15_000
LONG_AFTER_MS = CAME_MS + 20 * DAY_MS


def letter(value: bytes, offset: int = 0, log_ms: int = CAME_MS, reason: str = "") -> Letter:
    """A letter whose reason may be gone by now."""
    return Letter(
        position=Position(1, offset),
        log_ms=log_ms,
        reason=reason or "unknown_event",
        detail="",
        version="",
        value=value,
    )


def mend(*letters: Letter) -> Mending:
    return Mender(CONFIG, PARTITIONS).mend(letters)


def left(mending: Mending) -> list[tuple[int, str]]:
    return [(one.position.offset, why) for one, why in mending.left]


@pytest.mark.parametrize(
    ("value", "at_ms"),
    [
        (message(timestamp=..., receivedAt=...), CAME_MS),
        (message(timestamp=None, receivedAt="soon"), CAME_MS),
        (message(sentAt="2026-03-01T00:00:13Z", receivedAt=...), CAME_MS - 3_000),
        (message(timestamp="2026-03-05", receivedAt=...), CAME_MS),
        (message(timestamp="2026-03-05", originalTimestamp="2026-02-01"), CAME_MS),
    ],
)
def test_a_time_that_depends_on_when_the_record_came_is_said_in_it(
    value: bytes, at_ms: int
) -> None:
    (mended,) = mend(letter(value)).events
    assert mended.value.startswith(value[:-1])
    (event,) = decode_by_reference([mended.value], CONFIG, log_ms=[LONG_AFTER_MS]).events
    assert event.at_ms == at_ms


@pytest.mark.parametrize(
    "value",
    [
        message(),
        message(receivedAt=...),
        message(sentAt="2026-03-01T00:00:13Z"),
        message(timestamp=..., originalTimestamp="2026-03-01"),
        message(timestamp="2026-02-01", originalTimestamp="2026-03-01", receivedAt=...),
    ],
)
def test_a_record_that_says_its_time_stays_byte_for_byte(value: bytes) -> None:
    assert [one.value for one in mend(letter(value)).events] == [value]


@pytest.mark.parametrize("seed", range(20))
def test_a_mended_event_is_the_one_that_it_would_have_been(seed: int) -> None:
    random = Random(seed)
    config = small_config(strict=random.random() < 0.3)
    letters = [
        letter(nasty_message(random), offset, MARCH_MS + random.randrange(30 * DAY_MS))
        for offset in range(300)
    ]
    mending = Mender(config, PARTITIONS).mend(letters)
    usable = {
        one.position.offset: found.events[0]
        for one in letters
        if (found := decode_by_reference([one.value], config, log_ms=[one.log_ms])).events
    }
    assert len(usable) > 20
    assert any(one.value != one.letter.value for one in mending.events)
    assert {one.letter.position.offset for one in mending.events} == usable.keys()
    assert len(mending.left) == len(letters) - len(usable)
    for mended in mending.events:
        expected = usable[mended.letter.position.offset]
        again_ms = mended.letter.log_ms + random.choice((1, 1_000, 40 * DAY_MS))
        (event,) = decode_by_reference([mended.value], config, log_ms=[again_ms]).events
        assert event == expected._replace(offset=0, log_ms=again_ms)
        assert mended.key == expected.user.encode()
        key = np.frombuffer(mended.key, np.uint8)
        assert mended.partition == (murmur2(key, 0, len(key)) & 0x7FFFFFFF) % PARTITIONS


def test_what_would_be_a_dead_letter_again_is_left_with_its_reason() -> None:
    mending = mend(
        letter(message(), 1),
        letter(b"{", 2),
        letter(message(properties={}), 3),
        letter(message(), 4, log_ms=NO_TIME),
        letter(message(), 5, reason="bad_control"),
        letter(b" " * 70_000, 6),
    )
    assert [one.letter.position.offset for one in mending.events] == [1]
    assert sorted(left(mending)) == [
        (2, "bad_json"),
        (3, "missing_field"),
        (4, UNPLACED),
        (5, "bad_control"),
        (6, "too_large"),
    ]


def test_a_record_with_no_room_for_its_time_is_left() -> None:
    bare = message(timestamp=..., receivedAt=...)
    full = bare[:-1] + b',"x":"' + b"x" * (65_536 - len(bare) - 7) + b'"}'
    assert len(full) == 65_536
    assert left(mend(letter(full))) == [(0, "too_large")]


def test_events_go_back_in_the_order_in_which_they_came() -> None:
    values = [message(messageId=f"m{number}") for number in range(3)]
    mending = mend(
        letter(values[2], 7, CAME_MS + 1),
        letter(values[0], 9, CAME_MS - 1),
        letter(values[1], 6, CAME_MS + 1),
    )
    ids = [json.loads(one.value)["messageId"] for one in mending.events]
    assert ids == ["m0", "m1", "m2"]


def test_an_event_is_keyed_by_the_profile_that_the_engine_gives_it_to() -> None:
    mending = mend(
        letter(message(userId="", anonymousId="anna"), 1), letter(message(anonymousId="anna"), 2)
    )
    assert [one.key for one in mending.events] == [b"anna", b"ada"]


def test_nothing_to_mend_is_nothing() -> None:
    assert mend() == Mending(events=[], left=[])
