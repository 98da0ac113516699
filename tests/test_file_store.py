"""What the file store holds beyond the contract: crashes, damage, locks, and small files."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

from state.file_store import SPARE_ENTRIES, FileStore
from state.frames import FILE_HEADER, file_header
from state.store import PIECE_ROWS, Commit, Snapshot, StoreConflict, StoreError
from state.stored import stored_partitions
from tests.test_store_contract import commit_after, stored


def three_commits(directory: Path, last_rows: int = 2) -> tuple[list[Commit], list[int]]:
    """Three commits in `directory`, and the file's length after each."""
    first = commit_after(None, {b"ada": b"1", b"bob": b"1"}, users=2)
    second = commit_after(first, {b"ada": b"2"}, users=2, outbox=(b"sent",))
    rows = {f"new-{number}".encode(): b"3" for number in range(last_rows)}
    third = commit_after(second, rows, users=2 + last_rows)
    lengths = []
    store = FileStore(directory)
    for commit in (first, second, third):
        store.commit(commit)
        lengths.append((directory / "partition-0.state").stat().st_size)
    store.close()
    return [first, second, third], lengths


def load_and_close(directory: Path) -> Snapshot | None:
    """What a run that starts on `directory` finds."""
    store = FileStore(directory)
    try:
        return store.load(0)
    finally:
        store.close()


def test_a_store_is_resumed_by_the_next_run(tmp_path: Path) -> None:
    commits, _ = three_commits(tmp_path)
    store = FileStore(tmp_path)
    checkpoint, rows = stored(store)
    assert checkpoint == commits[-1].checkpoint
    assert rows == {b"ada": b"2", b"bob": b"1", b"new-0": b"3", b"new-1": b"3"}
    fourth = commit_after(commits[-1], {b"bob": b"4"}, users=4)
    store.commit(fourth)
    store.close()
    again = load_and_close(tmp_path)
    assert again is not None
    assert dict(again.rows)[b"bob"] == b"4"


def test_a_run_that_commits_without_loading_is_held_to_what_is_stored(tmp_path: Path) -> None:
    commits, _ = three_commits(tmp_path)
    store = FileStore(tmp_path)
    with pytest.raises(StoreConflict):
        store.commit(commit_after(commits[0], {b"ada": b"zombie"}, users=2))
    store.commit(commits[-1])
    store.commit(commit_after(commits[-1], {b"ada": b"4"}, users=4))
    assert stored(store)[1][b"ada"] == b"4"


def test_a_last_commit_torn_at_any_byte_was_never_made(tmp_path: Path) -> None:
    commits, lengths = three_commits(tmp_path)
    path = tmp_path / "partition-0.state"
    content = path.read_bytes()
    for length in range(lengths[1], lengths[2]):
        path.write_bytes(content[:length])
        store = FileStore(tmp_path)
        assert stored(store) == (commits[1].checkpoint, {b"ada": b"2", b"bob": b"1"})
        store.commit(commits[2])
        store.close()
        assert path.read_bytes() == content


def test_a_byte_changed_anywhere_in_the_last_commit_undoes_it_and_nothing_else(
    tmp_path: Path,
) -> None:
    commits, lengths = three_commits(tmp_path)
    path = tmp_path / "partition-0.state"
    content = path.read_bytes()
    for place in range(lengths[1], lengths[2]):
        damaged = bytearray(content)
        damaged[place] ^= 0x41
        path.write_bytes(damaged)
        found = load_and_close(tmp_path)
        assert found is not None
        assert (found.checkpoint, found.outbox) == (commits[1].checkpoint, [b"sent"])


def test_a_last_commit_of_many_pieces_counts_whole_or_not_at_all(tmp_path: Path) -> None:
    commits, lengths = three_commits(tmp_path, last_rows=3 * PIECE_ROWS)
    path = tmp_path / "partition-0.state"
    content = path.read_bytes()
    step = (lengths[2] - lengths[1]) // 50
    for place in range(lengths[1], lengths[2], step):
        zeroed = content[:place] + bytes(step) + content[place + step :]
        for damaged in (content[:place], zeroed):
            path.write_bytes(damaged)
            found = load_and_close(tmp_path)
            assert found is not None
            assert found.checkpoint == commits[1].checkpoint


def test_damage_before_a_whole_commit_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    _, lengths = three_commits(tmp_path)
    path = tmp_path / "partition-0.state"
    content = path.read_bytes()
    for place in range(FILE_HEADER.size, lengths[1]):
        damaged = bytearray(content)
        damaged[place] ^= 0x41
        path.write_bytes(damaged)
        with pytest.raises(StoreError, match=r"damaged one at byte \d+; restore a copy"):
            load_and_close(tmp_path)


def test_a_file_without_any_whole_commit_is_damaged_for_files_appear_whole(tmp_path: Path) -> None:
    _, lengths = three_commits(tmp_path)
    path = tmp_path / "partition-0.state"
    content = path.read_bytes()
    for length in (FILE_HEADER.size, lengths[0] - 1):
        path.write_bytes(content[:length])
        with pytest.raises(StoreError, match="restore a copy"):
            load_and_close(tmp_path)


@pytest.mark.parametrize(
    ("first_bytes", "words"),
    [
        (b"", "other or damaged first bytes"),
        (b"\x00" * FILE_HEADER.size, "other or damaged first bytes"),
        (file_header(0, 1)[:-1] + b"?", "other or damaged first bytes"),
        (file_header(0, 1, version=2), "expected format 1, got format 2"),
    ],
)
def test_a_file_of_another_kind_or_format_is_refused(
    tmp_path: Path, first_bytes: bytes, words: str
) -> None:
    (tmp_path / "partition-0.state").write_bytes(first_bytes)
    with pytest.raises(StoreError, match=words):
        FileStore(tmp_path)


def test_two_runs_do_not_share_a_directory(tmp_path: Path) -> None:
    first = FileStore(tmp_path)
    with pytest.raises(StoreError, match=r"expected to be the only run.*wait for that run"):
        FileStore(tmp_path)
    first.close()
    FileStore(tmp_path).close()


def test_a_run_that_is_killed_gives_up_its_lock(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from state.file_store import FileStore;"
        "store = FileStore(Path(sys.argv[1])); print('locked', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == b"locked\n"
        with pytest.raises(StoreError, match=f"a lock held by process {run.pid}"):
            FileStore(tmp_path)
        run.kill()
    FileStore(tmp_path).close()


def test_state_made_with_another_number_of_partitions_is_refused(tmp_path: Path) -> None:
    store = FileStore(tmp_path, partitions=4)
    assert stored_partitions(tmp_path) is None
    store.commit(commit_after(None, {b"ada": b"1"}, users=1, partition=3))
    store.close()
    assert stored_partitions(tmp_path) == 4
    with pytest.raises(StoreError, match=r"expected --partitions 4.* got --partitions 1; run with"):
        FileStore(tmp_path, partitions=1)
    FileStore(tmp_path, partitions=4).close()


def test_a_file_of_mostly_superseded_rows_is_written_anew(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    first = commit_after(None, {b"ada": b"1", b"bob": b"1"}, users=2)
    many = commit_after(first, {b"ada": b"2"}, users=2, outbox=(b"kept",))
    many.rows.extend([(b"ada", b"%d" % number) for number in range(SPARE_ENTRIES + 9)])
    many.deadlines.extend([0] * (SPARE_ENTRIES + 9))
    first = replace(first, shape=b"a shape", models={"churn": b"old", "orders": b"kept"})
    many = replace(many, models={"churn": b"new"}, learner=b"learned")
    store.commit(first)
    store.commit(many)
    store.commit(many)
    assert stored(store)[1] == {b"ada": b"%d" % (SPARE_ENTRIES + 8), b"bob": b"1"}
    last = commit_after(many, {b"bob": b"3"}, users=2)
    store.close()
    store = FileStore(tmp_path)
    store.commit(many)
    store.commit(last)
    store.close()
    assert (tmp_path / "partition-0.state").stat().st_size < 1500
    found = load_and_close(tmp_path)
    assert found is not None
    assert found.checkpoint == last.checkpoint
    assert dict(found.rows) == {b"ada": b"%d" % (SPARE_ENTRIES + 8), b"bob": b"3"}
    assert (found.outbox, found.shape, found.learner) == ([b"kept"], b"a shape", b"learned")
    assert found.models == {"churn": b"new", "orders": b"kept"}


def test_the_last_commit_can_be_undone_also_where_the_file_was_written_anew(tmp_path: Path) -> None:
    first = commit_after(None, {b"ada": b"1", b"bob": b"1"}, users=2)
    many = commit_after(first, {b"ada": b"2"}, users=2)
    many.rows.extend([(b"ada", b"3")] * (SPARE_ENTRIES + 9))
    many.deadlines.extend([0] * (SPARE_ENTRIES + 9))
    last = commit_after(many, {b"bob": b"4"}, users=2)
    store = FileStore(tmp_path)
    for commit in (first, many, last):
        store.commit(commit)
    assert (tmp_path / "partition-0.state").stat().st_size < 1500
    assert store.checkpoints(0) == [many.checkpoint, last.checkpoint]
    store.undo(0)
    assert stored(store) == (many.checkpoint, {b"ada": b"3", b"bob": b"1"})
    store.commit(last)
    assert stored(store) == (last.checkpoint, {b"ada": b"3", b"bob": b"4"})


def test_a_first_commit_that_is_undone_leaves_nothing(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    first = commit_after(None, {b"ada": b"1"}, users=1)
    store.commit(first)
    store.undo(0)
    assert store.load(0) is None
    store.commit(first)
    assert stored(store) == (first.checkpoint, {b"ada": b"1"})


def test_what_a_crash_left_of_a_new_file_is_passed_over(tmp_path: Path) -> None:
    commits, _ = three_commits(tmp_path)
    (tmp_path / "partition-0.new").write_bytes(b"half a file")
    found = load_and_close(tmp_path)
    assert found is not None
    assert found.checkpoint == commits[-1].checkpoint


def test_a_commit_that_cannot_be_written_leaves_what_was_stored(tmp_path: Path) -> None:
    commits, _ = three_commits(tmp_path)
    path = tmp_path / "partition-0.state"
    store = FileStore(tmp_path)
    assert store.load(0) is not None
    path.rename(tmp_path / "away")
    fourth = commit_after(commits[-1], {b"ada": b"4"}, users=4)
    with pytest.raises(FileNotFoundError):
        store.commit(fourth)
    (tmp_path / "away").rename(path)
    store.commit(fourth)
    assert stored(store)[1][b"ada"] == b"4"


def test_an_unfinished_commit_is_passed_over_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    three_commits(tmp_path)
    with (tmp_path / "partition-0.state").open("ab") as file:
        file.write(b"BKp\n torn")
    with caplog.at_level(logging.WARNING):
        load_and_close(tmp_path)
    assert "passing over 9 bytes of an unfinished commit" in caplog.text
