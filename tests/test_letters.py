"""Dead letters, read back: each once, and shown so that no record can steer a terminal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from connectors.columns import DeadLetter
from connectors.dead_letters import PlacedLetter
from flows.letter_page import OTHERS, REASONS_MAX, SHOWN_BYTES_MAX, Counting, record_lines
from flows.letters import (
    OFFSET_MAX,
    RECENT_MAX,
    Letter,
    Numbers,
    Position,
    Wanted,
    distinct,
    letter_of,
    position_of,
)
from flows.lines import dead_letter_line
from tests.conftest import Run

CAME_MS = 1_772_323_200_123
FILE_LINES = (
    dead_letter_line(DeadLetter(reason="bad_json", detail="record: x", offset=3, value=b"{\xff")),
    b"[]",
    dead_letter_line(
        DeadLetter(reason="unknown_event", detail="event: \x1b[2J", offset=5, value=b'{"a":1.50}')
    ),
    dead_letter_line(
        DeadLetter(reason="unknown_event", detail="event: y", offset=7, value=b"x" * 70_000)
    ),
)


def placed(value: bytes = b"{}", offset: int = 7, log_ms: int = CAME_MS) -> PlacedLetter:
    return PlacedLetter(
        reason="bad_json",
        detail="record: x",
        offset=offset,
        value=value,
        partition=2,
        log_ms=log_ms,
        version="v1",
    )


def read(letter: DeadLetter) -> Letter:
    found = letter_of(dead_letter_line(letter))
    assert found is not None
    return found


@pytest.mark.parametrize("value", [b"", b"\x00\n\x1b", "Möbel\u2028".encode(), b"\xff{", b'"\\'])
def test_a_letter_gives_back_its_record_byte_for_byte_and_all_that_it_tells(value: bytes) -> None:
    assert read(placed(value)) == Letter(
        position=Position(2, 7),
        log_ms=CAME_MS,
        reason="bad_json",
        detail="record: x",
        version="v1",
        value=value,
    )


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{}",
        b'{"reason":"bad_json","detail":"","offset":3}',
        b'{"reason":"bad_json","detail":"","offset":3,"value_base64":"%"}',
        b'{"reason":"bad_json","detail":"","offset":-1,"value":""}',
        b'{"reason":"bad_json","detail":"","offset":%d,"value":""}' % (OFFSET_MAX + 1),
        b'{"reason":"bad_json","detail":"","offset":3,"value":"","time":"soon"}',
        b'{"reason":"bad_json","detail":"\xff","offset":3,"value":""}',
    ],
)
def test_what_is_no_letter_is_told_apart(line: bytes) -> None:
    assert letter_of(line) is None


def test_positions_are_written_as_they_are_read() -> None:
    for position in (Position(2, 4711), Position(-1, 0)):
        assert position_of(str(position)) == position
    for text in ("", ":", "1:", ":1", "-1", "1:2:3", "a:1", "1:-1"):
        with pytest.raises(ValueError, match="expected a position like 2:4711"):
            position_of(text)


def test_a_set_of_numbers_is_a_set_however_many_there_are() -> None:
    random = Random(1)
    numbers, expected = Numbers(), set[int]()
    for _ in range(3 * RECENT_MAX):
        number = random.randrange(2 * RECENT_MAX) << 40
        assert (number in numbers) == (number in expected)
        assert numbers.add(number) == (number not in expected)
        expected.add(number)


def test_a_letter_written_twice_is_one_and_one_of_another_log_is_another() -> None:
    letters = [read(placed()), None, read(placed()), read(placed(log_ms=CAME_MS + 1))]
    assert list(distinct(letters)) == [letters[0], None, letters[3]]


@pytest.mark.parametrize(
    ("wanted", "has"),
    [
        (Wanted(), True),
        (Wanted(reasons=frozenset({"bad_json"}), since_ms=CAME_MS), True),
        (Wanted(reasons=frozenset({"bad_utf8"})), False),
        (Wanted(since_ms=CAME_MS + 1), False),
        (Wanted(positions=frozenset({Position(2, 7), Position(1, 1)})), True),
        (Wanted(positions=frozenset({Position(1, 7)})), False),
    ],
)
def test_a_letter_is_wanted_if_it_meets_each_condition(wanted: Wanted, has: bool) -> None:
    assert wanted.has(read(placed())) == has


def test_an_overview_tells_of_open_letters_first_and_names_a_late_example() -> None:
    counting = Counting("here")
    counting.count(read(placed(offset=1, log_ms=CAME_MS + 1)), is_redriven=False)
    counting.count(read(placed(offset=2, log_ms=CAME_MS - 1)), is_redriven=False)
    counting.count(read(placed(offset=3, log_ms=CAME_MS + 2)), is_redriven=True)
    overview = counting.overview()
    (group,) = overview.reasons
    assert (overview.open, overview.redriven, group.open, group.redriven) == (2, 1, 2, 1)
    assert (group.first, group.last) == ("2026-03-01T00:00:00.122Z", "2026-03-01T00:00:00.125Z")
    assert group.example == "2:2"


def test_reasons_that_somebody_else_invents_take_no_memory_without_end() -> None:
    counting = Counting("here")
    for number in range(REASONS_MAX + 50):
        line = dead_letter_line(DeadLetter(reason=f"r{number}", detail="", offset=1, value=b""))
        letter = letter_of(line)
        assert letter is not None
        counting.count(letter, is_redriven=False)
    reasons = counting.overview().reasons
    assert len(reasons) == REASONS_MAX + 1
    assert (reasons[0].reason, reasons[0].open) == (OTHERS, 50)


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "dead_letters.jsonl"
    path.write_bytes(b"\n".join(FILE_LINES) + b"\n")
    yield path


def test_the_letters_of_a_replay_are_counted_by_reason(run: Run, file: Path) -> None:
    ended = run("dead-letters", "list", file)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.splitlines()[0] == f"{file}: 3 open, 0 re-driven"
    assert "(records there that are no dead letters: 1)" in ended.out
    assert [line.split()[:2] for line in ended.out.splitlines()[4::2]] == [
        ["unknown_event", "2"],
        ["bad_json", "1"],
    ]
    told = json.loads(run("dead-letters", "list", file, "--json", "--reason", "bad_json").out)
    assert (told["open"], told["foreign"]) == (1, 1)
    assert told["reasons"][0]["example"] == "3"


def test_letters_are_listed_one_by_one_and_steer_no_terminal(run: Run, file: Path) -> None:
    listed = run("dead-letters", "list", file, "--all").out
    assert [line.split()[0] for line in listed.splitlines()] == ["3", "5", "7"]
    assert "\\x1b[2J" in listed
    assert "\x1b" not in listed
    lines = run("dead-letters", "list", file, "--all", "--json").out.splitlines()
    assert [json.loads(line)["reason"] for line in lines] == [
        "bad_json",
        "unknown_event",
        "unknown_event",
    ]


def test_one_letter_is_shown_whole(run: Run, file: Path) -> None:
    ended = run("dead-letters", "show", "5", file)
    assert ended.code == 0
    assert "unknown_event: the config, which is strict, does not name this event" in ended.out
    assert ended.out.endswith('{\n  "a": 1.50\n}\n')
    assert run("dead-letters", "show", "3", file).out.endswith("\n{\\xff\n")
    long = run("dead-letters", "show", "7", file).out
    assert long.endswith("x\n... (the first 65,536 of 70,000 bytes)\n")
    assert len(long) < SHOWN_BYTES_MAX + 1_000


def test_what_cannot_be_meant_is_refused_with_what_can(run: Run, file: Path) -> None:
    missing = run("dead-letters", "show", "4", file)
    assert missing.code == 1
    assert f"{file}: expected a dead letter at 4, got none" in missing.err
    wrong = run("dead-letters", "list", file, "--reason", "unknown_evnt")
    assert (wrong.code, "did you mean 'unknown_event'?" in wrong.err) == (2, True)
    wrong = run("dead-letters", "show", "x", file)
    assert (wrong.code, "expected a position like 2:4711" in wrong.err) == (2, True)
    nowhere = run("dead-letters", "list")
    assert (nowhere.code, "expected --kafka URL, or a FILE" in nowhere.err) == (2, True)


@pytest.mark.parametrize(
    "value", [b"\x1b[2J", b'{"a":"\xc2\x9b2J"}', '{"a":"\u202e"}'.encode(), b"[" * 5_000, b"\r\x00"]
)
def test_no_record_steers_a_terminal(value: bytes) -> None:
    assert all(line.isprintable() for line in record_lines(value))
