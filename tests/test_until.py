"""Where a log is cut, and what is held back at a cut, down to the record."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from config.load import load
from connectors.events import Decoder, RawBatch
from flows.decode import DecodeStage
from flows.slices import Slice, Stretch, no_records, part_of, preceded_by

START = datetime(2026, 3, 1, tzinfo=UTC)


def at(seconds: float) -> str:
    return (START + timedelta(seconds=seconds)).isoformat()


def ms(seconds: float) -> int:
    return int((START.timestamp() + seconds) * 1000)


def page(seconds: float, received: bool = True) -> bytes:
    """A page view; without `receivedAt` its log time is when it says it happened."""
    message = {"type": "page", "userId": "ada", "messageId": str(seconds), "timestamp": at(seconds)}
    return json.dumps(message | ({"receivedAt": at(seconds)} if received else {})).encode()


def tick(seconds: float) -> bytes:
    control = {"type": "beckon.control", "control": "tick", "receivedAt": at(seconds)}
    return json.dumps(control).encode()


def raw(lines: Sequence[bytes], first_offset: int = 0) -> RawBatch:
    length = np.array([len(line) for line in lines], np.int64)
    return RawBatch(
        data=np.frombuffer(b"".join(lines), np.uint8),
        start=np.cumsum(length) - length,
        length=length,
        offset=np.arange(first_offset, first_offset + len(lines), dtype=np.int64),
        log_ms=None,
    )


def decoded(
    lines: Sequence[bytes], *, batch_size: int = 100, until_s: float | None = None
) -> list[Stretch]:
    """What a decode stage makes of a log in slices of `batch_size`, and of its end."""
    until_ms = None if until_s is None else ms(until_s)
    stage = DecodeStage(Decoder(load(None)), until_ms=until_ms)
    slices = [
        Slice(
            records=raw(lines[first : first + batch_size], first),
            next_offset=min(first + batch_size, len(lines)),
        )
        for first in range(0, len(lines), batch_size)
    ]
    slices.append(Slice(records=no_records(), next_offset=len(lines), last=True))
    stretches = [stage.decode(piece) for piece in slices]
    return [stretch for stretch in stretches if stretch is not None]


def events_of(stretches: Sequence[Stretch]) -> list[tuple[int, int]]:
    """(offset, log time in seconds) of all events."""
    return [
        (offset, (log_ms - ms(0)) // 1000)
        for stretch in stretches
        for offset, log_ms in zip(
            stretch.columns.offset.tolist(), stretch.columns.log_ms.tolist(), strict=True
        )
    ]


def letters_of(stretches: Sequence[Stretch]) -> list[tuple[int, str]]:
    return [(one.offset, one.reason) for stretch in stretches for one in stretch.dead_letters]


@pytest.mark.parametrize("batch_size", [1, 2, 3, 100])
def test_the_cut_is_before_the_first_record_that_is_not_older(batch_size: int) -> None:
    lines = [page(0), page(10), b"{", page(20), page(20), page(30)]
    stretches = decoded(lines, batch_size=batch_size, until_s=20)
    assert events_of(stretches) == [(0, 0), (1, 10)]
    assert letters_of(stretches) == [(2, "bad_json")]
    last = stretches[-1]
    assert (last.next_offset, last.clock_ms, last.final) == (3, ms(20), True)
    assert sum(stretch.record_count for stretch in stretches) == 3


@pytest.mark.parametrize("batch_size", [1, 2, 100])
def test_a_tick_that_reaches_the_cut_is_not_consumed(batch_size: int) -> None:
    lines = [page(0), tick(25), page(5), page(40)]
    stretches = decoded(lines, batch_size=batch_size, until_s=20)
    assert events_of(stretches) == [(0, 0)]
    assert stretches[-1].next_offset == 1
    after = decoded(lines, batch_size=batch_size, until_s=26)
    assert events_of(after) == [(0, 0), (2, 25)], "the tick before it moves a record's log time"


@pytest.mark.parametrize("batch_size", [1, 2, 100])
def test_what_is_held_back_is_decided_by_the_record_after_it(batch_size: int) -> None:
    far = 50 * 86_400
    shared = [page(0), page(far, received=False), page(far + 1, received=False), page(far + 2)]
    assert events_of(decoded(shared, batch_size=batch_size)) == [
        (0, 0),
        (1, far),
        (2, far + 1),
        (3, far + 2),
    ]
    alone = [page(0), page(far, received=False), page(10)]
    stretches = decoded(alone, batch_size=batch_size)
    assert events_of(stretches) == [(0, 0), (2, 10)]
    assert letters_of(stretches) == [(1, "future")]
    at_the_end = decoded([page(0), page(far, received=False)], batch_size=batch_size)
    assert letters_of(at_the_end) == [(1, "future")]


def test_offsets_to_go_on_from_do_not_pass_what_is_held_back() -> None:
    far = 50 * 86_400
    stretches = decoded([page(0), page(far, received=False), page(far + 1)], batch_size=1)
    assert [stretch.next_offset for stretch in stretches] == [1, 1, 3, 3]
    assert [stretch.record_count for stretch in stretches] == [1, 0, 2, 0]


def test_a_held_record_between_two_cuts_is_applied_at_the_right_one() -> None:
    far = 50 * 86_400
    lines = [page(0), page(far, received=False), page(far + 10, received=False), page(far + 20)]
    stretches = decoded(lines, batch_size=1, until_s=far + 5)
    assert events_of(stretches) == [(0, 0), (1, far)]
    assert stretches[-1].next_offset == 2


def test_a_log_that_ends_before_the_cut_lets_time_pass_to_it() -> None:
    stretches = decoded([page(0), page(10)], until_s=60)
    assert events_of(stretches) == [(0, 0), (1, 10)]
    assert (stretches[-1].clock_ms, stretches[-1].final) == (ms(60), True)


def test_nothing_is_consumed_where_the_clock_is_past_the_cut() -> None:
    decoder = Decoder(load(None))
    decoder.clock_ms = ms(100)
    stage = DecodeStage(decoder, until_ms=ms(20))
    stretch = stage.decode(Slice(records=raw([page(0)], 7), next_offset=8))
    assert stretch is not None
    assert (stretch.record_count, stretch.next_offset, stretch.clock_ms) == (0, 7, ms(100))
    assert stage.ended
    assert stage.decode(Slice(records=raw([page(0)], 8), next_offset=9)) is None


def test_records_put_before_a_slice_keep_their_bytes_and_offsets() -> None:
    lines = [b"aa", b"b", b"cccc", b"d"]
    held = part_of(raw(lines), 1, 3)
    piece = preceded_by(held, Slice(records=raw([b"ee", b"f"], 4), next_offset=6))
    records = piece.records
    data = records.data.tobytes()
    found = [
        data[start : start + length]
        for start, length in zip(records.start.tolist(), records.length.tolist(), strict=True)
    ]
    assert found == [b"b", b"cccc", b"ee", b"f"]
    assert records.offset.tolist() == [1, 2, 4, 5]
