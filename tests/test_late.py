"""Triggers that come too late: what goes out for them, and what the log says and is read back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from connectors.columns import DeadLetter
from connectors.late import Withheld, outgoing, read_withheld
from connectors.log import ControlRecord, OutboxEntry
from tests.decoding import decode_all
from tests.reference_decoder import decode
from tests.worlds import make_withheld_world

LINE = (
    b'{"specversion":"1.0","id":"326871e24d2113c71af831e8de4a1cfd","source":"beckon",'
    b'"type":"beckon.trigger","subject":"ada","time":"2026-03-02T10:30:00.000Z",'
    b'"expirytime":"2026-03-02T12:30:00.000Z","datacontenttype":"application/json","data":{'
    b'"journey":"cart","version":"v","stage":"reminder","instance":{"key":null,'
    b'"entry":"2026-03-02T10:00:00.000Z"},"deadline":"2026-03-02T10:30:00.000Z","offset":-1,'
    b'"send":"cart_reminder","channel":"push","purpose":"marketing","lines":[],"features":'
    b'{"cart_value":10},"tags":[],"scores":{},"rules":[]}}'
)
DECIDED_MS = 1_772_447_400_000
ENTRY = OutboxEntry(place=b"[]", key=b"ada", value=LINE, expires_ms=DECIDED_MS + 7_200_000)
EXPECTED = (
    "record: expected a withheld record with the subject, the id and the suppressed stage of a "
    "trigger, as the relay writes it, got one "
)


def control_record(value: bytes) -> ControlRecord:
    return ControlRecord(kind="withheld", offset=9, log_ms=DECIDED_MS + 7_200_001, value=value)


def test_a_trigger_goes_out_up_to_its_expirytime() -> None:
    (sent,) = outgoing([ENTRY], ENTRY.expires_ms)
    assert (sent.topic, sent.key, sent.value, sent.control) == ("triggers", b"ada", LINE, None)


def test_what_went_out_for_a_late_trigger_is_read_back_from_the_log() -> None:
    suppressed, note = outgoing([ENTRY], ENTRY.expires_ms + 1)
    assert (suppressed.topic, note.topic, note.control) == ("suppressed", "events", "withheld")
    assert json.loads(suppressed.value)["data"]["reason"] == "too_late"
    assert json.loads(note.value)["id"] == "326871e24d2113c71af831e8de4a1cfd"
    assert read_withheld(control_record(note.value)) == Withheld(
        subject="ada",
        trigger="326871e24d2113c71af831e8de4a1cfd",
        journey="cart",
        instant_ms=DECIDED_MS,
        line=suppressed.value,
        offset=9,
        log_ms=DECIDED_MS + 7_200_001,
    )


def test_a_record_written_over_several_lines_gives_one_line() -> None:
    suppressed, note = outgoing([ENTRY], ENTRY.expires_ms + 1)
    read = read_withheld(control_record(json.dumps(json.loads(note.value), indent=1).encode()))
    assert isinstance(read, Withheld)
    assert read.line == suppressed.value


@pytest.mark.parametrize(
    ("change", "got"),
    [
        ({"id": 7}, "with this fault: Expected `str`, got `int` - at `$.id`"),
        ({"suppressed": ...}, "with this fault: Object missing required field `suppressed`"),
        (
            {"suppressed": {"time": "2026-03-02T10:30:00", "data": {"journey": "cart"}}},
            "with this fault: Expected `datetime` with a timezone component - at `$.time`",
        ),
        (
            {"suppressed": {"time": "2026-03-02T10:30:00Z", "data": {}}},
            "with this fault: Object missing required field `journey` - at `$.data`",
        ),
        (
            {"suppressed": {"time": "2110-01-01T00:00:00Z", "data": {"journey": "cart"}}},
            "of 2110-01-01T00:00:00+00:00",
        ),
    ],
)
def test_a_record_that_no_relay_can_have_written_is_a_dead_letter(
    change: dict[str, Any], got: str
) -> None:
    _, note = outgoing([ENTRY], ENTRY.expires_ms + 1)
    message = json.loads(note.value) | change
    value = json.dumps({key: one for key, one in message.items() if one is not ...}).encode()
    assert read_withheld(control_record(value)) == DeadLetter(
        reason="bad_control", detail=EXPECTED + got, offset=9, value=value
    )


@pytest.mark.parametrize("seed", range(1, 13))
def test_a_file_s_records_say_the_same_however_it_is_cut(seed: int, tmp_path: Path) -> None:
    given = make_withheld_world(seed, tmp_path / "config")
    expected = decode(given.lines, given.config)
    for batch_size in (1, 7, 1000):
        found = decode_all(given.lines, given.config, batch_size=batch_size)
        assert found.withheld == expected.withheld
        assert found.dead_letters == expected.dead_letters
