"""ISO 8601 texts to milliseconds."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.times import UNUSABLE, instant_ms
from tests.reference_decoder import instant

HOUR_MS = 3_600_000
USABLE = {
    "1970-01-01": 0,
    "1970-01-02T00:00Z": 24 * HOUR_MS,
    "1970-01-01 01:00": HOUR_MS,
    "1970-01-01T00:00:01": 1000,
    "1970-01-01T00:00:00.9999Z": 999,
    "1970-01-01T00:00:00.5Z": 500,
    "1970-01-01T02:00:00.000+02:00": 0,
    "1970-01-01T00:00-0130": HOUR_MS * 3 // 2,
    "1969-12-31T23:59:59.9Z": -100,
    "2000-02-29T00:00:00Z": 951_782_400_000,
    "9999-12-31T23:59:59.999Z": 253_402_300_799_999,
    "0001-01-01": -62_135_596_800_000,
}
NOT_USABLE = (
    "",
    "1970",
    "1970-01",
    "1970-1-1",
    "1970-01-01T",
    "1970-01-01T00",
    "1970-01-01T00:0",
    "1970-01-01Z",
    "1970-01-01T00:00:",
    "1970-01-01T00:00:0",
    "1970-01-01T00:00:00.",
    "1970-01-01T00:00:00.Z",
    "1970-01-01T00:00.5Z",
    "1970-01-01T00:00:00,5Z",
    "1970-01-01t00:00Z",
    "1970-01-01T00:00z",
    "1970-01-01T00:00ZZ",
    "1970-01-01T00:00 Z",
    "1970-01-01T00:00+1",
    "1970-01-01T00:00+01",
    "1970-01-01T00:00+1:00",
    "1970-01-01T00:00+01:0",
    "1970-01-01T00:00+01:000",
    "1970-01-01T00:00+24:00",
    "1970-01-01T00:00+00:60",
    "1970-01-01T24:00",
    "1970-01-01T00:60",
    "1970-01-01T00:00:60",
    "0000-01-01",
    "1970-00-01",
    "1970-13-01",
    "1970-01-00",
    "1970-01-32",
    "1970-04-31",
    "1970-02-29",
    "1900-02-29",
    "1970/01/01",
    "+1970-01-01",
    " 1970-01-01",
    "1970-01-01 ",
    "\u0661970-01-01",
)


def parse(text: str) -> int:
    data = np.frombuffer(b"1" + text.encode() + b'"' + bytes(8), np.uint8).copy()
    return instant_ms(data, 1, len(text.encode()))


@pytest.mark.parametrize("text", USABLE)
def test_a_time_of_the_agreed_form_is_read(text: str) -> None:
    assert parse(text) == USABLE[text] == instant(text)


@pytest.mark.parametrize("text", NOT_USABLE)
def test_any_other_text_is_unusable(text: str) -> None:
    assert parse(text) == UNUSABLE
    assert instant(text) is None


@settings(deadline=None)
@given(st.datetimes(), st.integers(-23 * 60, 23 * 60))
def test_every_instant_survives_being_written(moment: datetime, ahead_minutes: int) -> None:
    zone = timezone(timedelta(minutes=ahead_minutes))
    since = moment.replace(tzinfo=zone) - datetime(1970, 1, 1, tzinfo=UTC)
    text = moment.replace(tzinfo=zone).isoformat(timespec="microseconds")
    assert parse(text) == since // timedelta(milliseconds=1)


@settings(deadline=None)
@given(st.dates())
def test_every_date_is_its_midnight(day: date) -> None:
    assert parse(day.isoformat()) == (day.toordinal() - 719_163) * 24 * HOUR_MS


@settings(deadline=None)
@given(st.text("0123456789-T :.Z+", min_size=8, max_size=30))
def test_texts_that_resemble_times_are_read_as_the_reference_does(text: str) -> None:
    expected = instant(text)
    assert parse(text) == (UNUSABLE if expected is None else expected)
