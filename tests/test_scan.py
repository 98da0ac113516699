"""The JSON scanner takes what Python's strict parser takes, and refuses the rest as it does."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.decoding import decode_all, small_config
from tests.message_fuzz import EVERYTHING
from tests.reference_json import DeadError, parse

CONFIG = small_config()


def reasons(lines: list[bytes]) -> list[str]:
    """Why each of these lines, of which none is a usable message, is a dead letter."""
    outcome = decode_all(lines, CONFIG)
    assert [offset for offset, _ in outcome.dead_letters] == list(range(len(lines)))
    return [reason for _, reason in outcome.dead_letters]


def expected_reason(line: bytes) -> str:
    """The reason that Python's parser leads to; an object without a type is of unknown type."""
    try:
        value = parse(line)
    except DeadError as dead:
        return str(dead)
    return "unknown_type" if isinstance(value, dict) else "not_an_object"


def agree(lines: list[bytes]) -> None:
    got, expected = reasons(lines), [expected_reason(line) for line in lines]
    assert dict(zip(lines, got, strict=True)) == dict(zip(lines, expected, strict=True))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"", "bad_json"),
        (b" \t\r", "bad_json"),
        (b"{}", "unknown_type"),
        (b" {\t} \r", "unknown_type"),
        (b"[]", "not_an_object"),
        (b'"text"', "not_an_object"),
        (b"-0.0e-0", "not_an_object"),
        (b"null", "not_an_object"),
        (b"{}{}", "bad_json"),
        (b"{} x", "bad_json"),
        (b"{'a':1}", "bad_json"),
        (b'{"a":1,}', "bad_json"),
        (b'{"a":[1,]}', "bad_json"),
        (b'{"a":[1}', "bad_json"),
        (b'{"a":01}', "bad_json"),
        (b'{"a":+1}', "bad_json"),
        (b'{"a":1.}', "bad_json"),
        (b'{"a":.1}', "bad_json"),
        (b'{"a":1e}', "bad_json"),
        (b'{"a":-}', "bad_json"),
        (b'{"a":tru}', "bad_json"),
        (b'{"a":"\t"}', "bad_json"),
        (b'{"a":"\\x"}', "bad_json"),
        (b'{"a":"\\u12g4"}', "bad_json"),
        (b'{"a":"\x00"}', "bad_json"),
        (b'{"a":"\x7f"}', "unknown_type"),
        (b'{"a":"', "bad_json"),
        (b'{"a":"\\', "bad_json"),
        (b"\xef\xbb\xbf{}", "bad_json"),
        (b'{"a":NaN}', "not_a_number"),
        (b'{"a":-Infinity}', "not_a_number"),
        (b'{"a":Infinity,,}', "not_a_number"),
        (b'{"a",NaN}', "bad_json"),
        (b'{"a":-NaN}', "bad_json"),
        (b'{"a":NaN, "\xff', "bad_utf8"),
        (b'{"a":"\xff"}', "bad_utf8"),
        (b'{"a":"\xed\xa0\x80"}', "bad_utf8"),
        (b'{"a":"\xc0\x80"}', "bad_utf8"),
        (b'{"a":"\xf4\x90\x80\x80"}', "bad_utf8"),
        (b'{"a":"\xe2\x82', "bad_utf8"),
        ('{"a":"é€😀"}'.encode(), "unknown_type"),
        (b'{"a":' + b"[" * 31 + b"]" * 31 + b"}", "unknown_type"),
        (b'{"a":' + b"[" * 32 + b"]" * 32 + b"}", "too_deep"),
        (b"[" * 40 + b"NaN", "too_deep"),
        (b"[" * 40 + b"\xff", "bad_utf8"),
        (b"[NaN," + b"[" * 40, "not_a_number"),
        (b'{"a":"' + b"x" * 65_528 + b'"}', "unknown_type"),
        (b'{"a":"' + b"x" * 65_529 + b'"}', "too_large"),
        (b"\xff" * 65_537, "too_large"),
    ],
)
def test_a_record_is_refused_for_the_first_thing_that_is_wrong(line: bytes, reason: str) -> None:
    assert reasons([line]) == [reason]
    assert expected_reason(line) == reason


def test_every_byte_is_judged_the_same_at_every_place_of_a_word() -> None:
    agree(
        [
            b'{"a":"' + b"x" * before + bytes([byte]) + b"y" * after + b'"}'
            for byte in (*range(32), 0x22, 0x5C, 0x7F, 0x80, 0xBF, 0xC2, 0xE0, 0xF0, 0xFF)
            for before in range(9)
            for after in (0, 3, 9)
            if byte != 0x0A
        ]
    )


def test_every_pair_of_bytes_beyond_ascii_is_judged_as_python_does() -> None:
    agree(
        [
            b'{"a":"' + bytes([first, second]) + rest + b'"}'
            for first in (0x7F, 0x80, 0xC1, 0xC2, 0xDF, *range(0xE0, 0xF6), 0xFF)
            for second in (0x22, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xFF)
            for rest in (b"", b"\x80", b"\x80\xbf", b"\xbf\xc0")
        ]
    )


def test_no_scan_runs_over_into_the_next_record() -> None:
    broken = [
        b'{"a":"',
        b'{"a":tru',
        b'{"a":-Infinit',
        b"[1,",
        b'{"a":1',
        b'{"a":"\\',
        b'{"a":"\xe2\x82',
    ]
    following = [b'"}', b"e}", b"y}", b"2]", b"2}", b'""}', b'\xac"}']
    lines = [line for pair in zip(broken, following, strict=True) for line in pair]
    agree(lines)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(deadline=None)
@given(VALUES, st.booleans(), st.sampled_from([None, 0, 3]))
def test_what_python_writes_is_read(value: object, is_ascii: bool, indent: int | None) -> None:
    text = json.dumps({"a": value}, ensure_ascii=is_ascii, indent=indent)
    agree([text.replace("\n", "\r").encode("utf-8", "surrogatepass")])


PIECES = st.sampled_from((*EVERYTHING, "{", "}", "[", "]", ",", ":", '"', '"a":', " "))


@settings(deadline=None)
@given(st.lists(st.lists(PIECES, max_size=12), min_size=1, max_size=5))
def test_any_heap_of_pieces_is_judged_as_python_does(heaps: list[list[str]]) -> None:
    agree([b'{"a":' + "".join(heap).encode() for heap in heaps])


@settings(deadline=None)
@given(st.lists(st.binary(max_size=30), min_size=1, max_size=5))
def test_any_bytes_are_judged_as_python_does(lines: list[bytes]) -> None:
    agree([line.replace(b"\n", b"") for line in lines])
