"""Which lines of which files make up the log, now and when a run goes on."""

from __future__ import annotations

import gzip
from pathlib import Path

from flows.recorded_log import RecordedLog
from state.store import SourcePosition


def write(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


def lines_of(log: RecordedLog, batch_size: int = 100) -> list[tuple[int, str]]:
    """(offset, text) of all lines of a log."""
    found = []
    for piece in log.slices(batch_size, lambda: False):
        data = piece.records.data.tobytes().decode()
        spans = zip(piece.records.start, piece.records.length, piece.records.offset, strict=True)
        found += [(int(at), data[start : start + length]) for start, length, at in spans]
    return found


def test_offsets_count_lines_over_all_files_and_empty_lines_too(tmp_path: Path) -> None:
    first = write(tmp_path / "first", "a\n\nb\n")
    second = write(tmp_path / "second", "c\nd")
    assert lines_of(RecordedLog([first, second])) == [(0, "a"), (2, "b"), (3, "c"), (4, "d")]


def test_the_log_ends_with_one_empty_last_slice(tmp_path: Path) -> None:
    slices = list(RecordedLog([write(tmp_path / "log", "a\nb\nc\n")]).slices(2, lambda: False))
    assert [(len(one.records.offset), one.next_offset, one.last) for one in slices] == [
        (2, 2, False),
        (1, 3, False),
        (0, 3, True),
    ]


def test_a_stopped_log_has_no_last_slice(tmp_path: Path) -> None:
    slices = RecordedLog([write(tmp_path / "log", "a\nb\nc\n")]).slices(1, lambda: taken != [])
    taken: list[int] = []
    for piece in slices:
        assert not piece.last
        taken.append(piece.next_offset)
    assert taken == [1]


def test_a_file_goes_on_after_its_consumed_lines_whatever_it_is_called_now(tmp_path: Path) -> None:
    before = RecordedLog([write(tmp_path / "log", "a\nb\n")], resumable=True)
    lines_of(before)
    positions = before.positions(2)
    grown = write(tmp_path / "renamed", "a\nb\nc\n")
    other = write(tmp_path / "other", "x\n")
    after = RecordedLog([grown, other], next_offset=2, consumed=positions, resumable=True)
    assert lines_of(after) == [(2, "c"), (3, "x")]
    assert [position.line_count for position in after.positions(4)] == [3, 1]


def test_a_file_is_known_again_when_it_was_compressed_meanwhile(tmp_path: Path) -> None:
    before = RecordedLog([write(tmp_path / "log", "a\nb\n")], resumable=True)
    lines_of(before)
    packed = tmp_path / "log.gz"
    packed.write_bytes(gzip.compress(b"a\nb\nc\n"))
    again = RecordedLog([str(packed)], next_offset=2, consumed=before.positions(2), resumable=True)
    assert lines_of(again) == [(2, "c")]


def test_positions_fall_back_to_what_was_consumed_when_records_are_held_back(
    tmp_path: Path,
) -> None:
    first, second = write(tmp_path / "1", "a\nb\n"), write(tmp_path / "2", "c\nd\n")
    log = RecordedLog([first, second], resumable=True)
    lines_of(log)
    assert [position.line_count for position in log.positions(4)] == [2, 2]
    assert [position.line_count for position in log.positions(3)] == [2, 1]
    assert [position.line_count for position in log.positions(1)] == [1]
    assert log.positions(0) == ()


def test_a_file_given_twice_is_read_once_by_a_run_with_a_state(tmp_path: Path) -> None:
    path = write(tmp_path / "log", "a\nb\n")
    assert len(lines_of(RecordedLog([path, path], resumable=True))) == 2
    assert len(lines_of(RecordedLog([path, path]))) == 4


def test_positions_of_earlier_files_are_kept(tmp_path: Path) -> None:
    earlier = SourcePosition(identity="earlier", line_count=9)
    log = RecordedLog(
        [write(tmp_path / "log", "a\n")], next_offset=9, consumed=[earlier], resumable=True
    )
    assert lines_of(log) == [(9, "a")]
    assert log.positions(10)[0] == earlier
    assert log.positions(9) == (earlier,)
