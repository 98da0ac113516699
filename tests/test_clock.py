"""Event time, log time and the clock of a file; each story holds for the reference decoder too."""

from __future__ import annotations

from random import Random

import pytest

from connectors.events import Decoder
from tests.decoding import decode_all, raw_batch
from tests.messages import (
    CONFIG,
    DAY_MS,
    DECODERS,
    MARCH_MS,
    SECOND_MS,
    Decode,
    decode_by_reference,
    message,
    reason,
    the_event,
    tick,
    without_receipt,
)
from tests.reference_decoder import Outcome


@pytest.fixture(params=DECODERS)
def decoder(request: pytest.FixtureRequest) -> Decode:
    """Each story is told to both decoders."""
    return DECODERS[str(request.param)]


@pytest.mark.parametrize(
    ("at_second", "members"),
    [
        (10, {}),
        (7, {"sentAt": "2026-03-01T00:00:15Z"}),
        (10, {"sentAt": "soon"}),
        (10, {"sentAt": "2026-03-01T00:00:15Z", "originalTimestamp": "2026-03-01T00:00:01Z"}),
        (7, {"sentAt": "2026-03-01T00:00:15Z", "originalTimestamp": "soon"}),
        (1, {"timestamp": ..., "originalTimestamp": "2026-03-01T00:00:01Z"}),
        (
            9,
            {
                "timestamp": None,
                "originalTimestamp": "2026-03-01",
                "sentAt": "2026-03-01T00:00:03Z",
            },
        ),
        (12, {"timestamp": ...}),
        (12, {"timestamp": "2026-03-01T00:00:13Z"}),
        (10, {"receivedAt": "never", "sentAt": "2026-03-01T00:00:15Z"}),
        (10, {"receivedAt": "1969-12-31"}),
    ],
)
def test_event_time_is_corrected_by_when_it_was_sent_and_never_after_log_time(
    decoder: Decode, at_second: int, members: dict[str, object]
) -> None:
    assert the_event(decoder, message(**members)).at_ms == MARCH_MS + at_second * SECOND_MS


def test_log_time_in_a_file_never_goes_back_and_dead_letters_have_no_part_in_it(
    decoder: Decode,
) -> None:
    lines = [
        message(receivedAt="2026-03-01T00:00:30Z"),
        message(receivedAt="2026-03-01T00:00:50Z", userId=5),
        message(receivedAt="2026-03-01T00:00:20Z", timestamp="2026-03-01T00:00:25Z"),
        message(receivedAt=..., timestamp="2026-03-01T00:00:40Z"),
    ]
    outcome = decoder(lines, CONFIG)
    times = [
        (event.offset, event.at_ms - MARCH_MS, event.log_ms - MARCH_MS) for event in outcome.events
    ]
    assert times == [(0, 10_000, 30_000), (2, 25_000, 30_000), (3, 40_000, 40_000)]
    assert outcome.clock_ms == MARCH_MS + 40_000


def test_ticks_move_the_clock_and_are_no_events(decoder: Decode) -> None:
    outcome = decoder([message(), tick(), tick("2026-03-01T00:00:59Z", "model"), message()], CONFIG)
    assert [event.log_ms - MARCH_MS for event in outcome.events] == [12_000, 60_000]
    assert outcome.clock_ms == MARCH_MS + 60_000
    assert decoder([tick()], CONFIG) == Outcome([], [], MARCH_MS + 60_000, [])


@pytest.mark.parametrize(
    "line",
    [
        tick(None),
        tick("soon"),
        tick("1969-01-01"),
        tick("2110-01-01"),
        tick(control="tock"),
        tick(control=None),
    ],
)
def test_a_control_record_that_proves_nothing_is_a_dead_letter(
    decoder: Decode, line: bytes
) -> None:
    assert reason(decoder, line) == "bad_control"
    assert decoder([line], CONFIG).clock_ms == 0


@pytest.mark.parametrize(
    ("days", "future"),
    [
        ([0, 45], []),
        ([0, 46], [1]),
        ([0, 46, 1], [1]),
        ([0, 46, 47], []),
        ([0, 400, 46, 47], []),
        ([0, 46, 45, 46], [1]),
        ([0, 45, 90, 135], []),
        ([46, 0], [0]),
        ([45, 0], []),
        ([46], []),
        ([100, 46, 0], [0, 1]),
        ([100, 0, 1], [0]),
    ],
)
def test_a_lonely_jump_ahead_is_a_dead_letter(
    decoder: Decode, days: list[int], future: list[int]
) -> None:
    outcome = decoder([without_receipt(day) for day in days], CONFIG)
    assert outcome.dead_letters == [(offset, "future") for offset in future]
    assert outcome.clock_ms == MARCH_MS + DAY_MS * max(
        day for offset, day in enumerate(days) if offset not in future
    )


def test_a_jump_is_confirmed_by_the_next_usable_record_only(decoder: Decode) -> None:
    between = [tick("2026-03-02"), message(userId=5), b"["]
    confirmed = [without_receipt(0), without_receipt(60), *between, without_receipt(61)]
    assert [offset for offset, _ in decoder(confirmed, CONFIG).dead_letters] == [3, 4]
    lonely = [without_receipt(0), without_receipt(60), *between, without_receipt(1)]
    assert [offset for offset, _ in decoder(lonely, CONFIG).dead_letters] == [1, 3, 4]


def test_a_confirmation_may_stand_a_thousand_records_behind(decoder: Decode) -> None:
    lines = [without_receipt(0), without_receipt(60), *[b"["] * 999, without_receipt(61)]
    assert (1, "future") not in decoder(lines, CONFIG).dead_letters
    lines.insert(5, b"[")
    assert (1, "future") in decoder(lines, CONFIG).dead_letters


def test_a_brokers_times_count_for_all_records_and_no_body_is_a_control_record(
    decoder: Decode,
) -> None:
    lines = [message(receivedAt=..., timestamp=...), tick(), b"[", without_receipt(60), message()]
    log_ms = [MARCH_MS + 20_000, MARCH_MS + 30_000, MARCH_MS + 50_000, MARCH_MS, MARCH_MS]
    outcome = decoder(lines, CONFIG, log_ms=log_ms)
    times = [(event.at_ms - MARCH_MS, event.log_ms - MARCH_MS) for event in outcome.events]
    assert times == [(20_000, 20_000), (50_000, 50_000), (10_000, 50_000)]
    assert outcome.dead_letters == [(1, "unknown_type"), (2, "bad_json")]
    assert outcome.clock_ms == MARCH_MS + 50_000


def test_the_last_record_is_held_only_while_its_fate_depends_on_the_next() -> None:
    decoder = Decoder(CONFIG)
    first = decoder.decode(raw_batch([without_receipt(0), b"["]), last=False)
    assert (first.held, len(first.columns.offset), first.dead_letters, first.clock_ms) == (
        2,
        0,
        [],
        0,
    )
    second = decoder.decode(raw_batch([without_receipt(0), b"[", without_receipt(1)]), last=False)
    assert (second.held, second.columns.offset.tolist()) == (0, [0, 2])
    third = decoder.decode(raw_batch([without_receipt(2), without_receipt(90), tick()]), last=False)
    assert (third.held, third.columns.offset.tolist()) == (2, [0])
    assert third.clock_ms == decoder.clock_ms == MARCH_MS + 2 * DAY_MS


def test_a_record_is_held_for_a_thousand_others_at_most() -> None:
    lines = [without_receipt(0), without_receipt(1), without_receipt(60), *[b"["] * 999]
    assert Decoder(CONFIG).decode(raw_batch(lines), last=False).held == 1000
    decoded = Decoder(CONFIG).decode(raw_batch([*lines, b"["]), last=False)
    assert (decoded.held, decoded.dead_letters[0].reason) == (0, "future")


def test_a_resumed_decoder_goes_on_from_its_clock() -> None:
    decoder = Decoder(CONFIG)
    decoder.clock_ms = MARCH_MS + DAY_MS
    decoded = decoder.decode(raw_batch([message(), without_receipt(60)]), last=True)
    assert decoded.columns.log_ms.tolist() == [MARCH_MS + DAY_MS]
    assert [letter.reason for letter in decoded.dead_letters] == ["future"]


@pytest.mark.parametrize("seed", range(40))
def test_where_a_log_is_cut_changes_no_times(seed: int) -> None:
    random = Random(seed)
    lines = [
        random.choice(
            (
                without_receipt(random.choice((0, 1, 2, 44, 45, 46, 47, 91, 400))),
                without_receipt(random.choice((0, 1, 2))),
                message(receivedAt=f"2026-03-{random.randrange(1, 32):02}"),
                tick(f"2026-0{random.randrange(3, 6)}-10"),
                b"[",
            )
        )
        for _ in range(random.randrange(1, 40))
    ]
    expected = decode_by_reference(lines, CONFIG)
    for batch_size in (1, 2, 3, 7, 1000):
        assert decode_all(lines, CONFIG, batch_size=batch_size) == expected
