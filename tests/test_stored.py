"""A state directory read without a lock: last commits, whole, also while a run writes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from state.file_store import FileStore
from state.frames import BLOCK_BYTES, SEAL
from state.store import Snapshot, StoreError
from state.stored import open_partition, partitions_of
from tests.test_file_store import three_commits
from tests.test_store_contract import commit_after


def read(directory: Path, partition: int = 0, *, partitions: int = 1) -> Snapshot | None:
    with open_partition(directory, partition, partitions=partitions) as stored:
        return stored.snapshot() if stored else None


def test_a_reader_finds_what_the_next_run_would_find(tmp_path: Path) -> None:
    three_commits(tmp_path)
    store = FileStore(tmp_path)
    expected = store.load(0)
    store.close()
    assert expected is not None
    assert read(tmp_path) == expected


def test_of_one_user_only_the_last_row_is_read(tmp_path: Path) -> None:
    commits, _ = three_commits(tmp_path)
    with open_partition(tmp_path, 0, partitions=1) as stored:
        assert stored is not None
        found = stored.snapshot_of(b"ada")
        assert found == Snapshot(checkpoint=commits[-1].checkpoint, rows=[(b"ada", b"2")])
        assert stored.snapshot_of(b"ad") is None


def test_a_reader_needs_no_lock_and_takes_none(tmp_path: Path) -> None:
    commits, _ = three_commits(tmp_path)
    (tmp_path / "lock").unlink()
    for path in tmp_path.iterdir():
        path.chmod(0o444)
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert read(tmp_path) is not None
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before
    (tmp_path / "partition-0.state").chmod(0o644)
    run = FileStore(tmp_path)
    with open_partition(tmp_path, 0, partitions=1) as stored:
        run.commit(commit_after(commits[-1], {b"ada": b"4"}, users=4))
        assert stored is not None
        assert dict(stored.snapshot().rows)[b"ada"] == b"2"
    found = read(tmp_path)
    assert found is not None
    assert dict(found.rows)[b"ada"] == b"4"
    run.close()


def test_a_file_written_anew_meanwhile_stays_readable_as_it_was(tmp_path: Path) -> None:
    three_commits(tmp_path)
    path = tmp_path / "partition-0.state"
    with open_partition(tmp_path, 0, partitions=1) as stored:
        (tmp_path / "new").write_bytes(b"another file")
        (tmp_path / "new").replace(path)
        assert stored is not None
        assert dict(stored.snapshot().rows)[b"ada"] == b"2"


@pytest.mark.parametrize("shift", range(len(SEAL) + 1))
def test_damage_is_told_apart_from_a_torn_commit_wherever_blocks_end(
    tmp_path: Path, shift: int
) -> None:
    """A whole seal far behind damage means damage, also where it lies across two blocks."""
    _, lengths = three_commits(tmp_path)
    path = tmp_path / "partition-0.state"
    content = path.read_bytes()
    seal = content.rindex(SEAL)
    torn = content[: lengths[1]] + bytes(BLOCK_BYTES - shift)
    path.write_bytes(torn)
    found = read(tmp_path)
    assert found is not None
    assert dict(found.rows) == {b"ada": b"2", b"bob": b"1"}
    path.write_bytes(content[: lengths[0]] + bytes(BLOCK_BYTES - shift) + content[seal:])
    with pytest.raises(StoreError, match=f"a damaged one at byte {lengths[0]}"):
        read(tmp_path)


def test_what_is_no_state_is_told_with_the_way_to_one(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"got no state in it; give the one that was saved"):
        partitions_of(tmp_path)
    with pytest.raises(StoreError, match=r"got no such directory; give the one that was saved"):
        partitions_of(tmp_path / "nowhere")


def test_a_partition_without_a_commit_is_none_and_one_of_another_count_is_refused(
    tmp_path: Path,
) -> None:
    three_commits(tmp_path)
    assert partitions_of(tmp_path) == 1
    assert read(tmp_path, 1) is None
    with pytest.raises(StoreError, match=r"expected --partitions 1.* got --partitions 2"):
        read(tmp_path, 0, partitions=2)


def test_a_file_that_cannot_be_read_is_the_worlds_fault(tmp_path: Path) -> None:
    three_commits(tmp_path)
    if os.geteuid() == 0:
        pytest.skip("NOT TESTED: root may read everything")
    (tmp_path / "partition-0.state").chmod(0)
    with pytest.raises(PermissionError):
        partitions_of(tmp_path)
