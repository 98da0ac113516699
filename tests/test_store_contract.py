"""What every store has to hold: one suite, run over each implementation."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from state.file_store import FileStore
from state.redis_settings import redis_settings
from state.redis_store import RedisStore
from state.store import (
    PIECE_ROWS,
    Checkpoint,
    Commit,
    MemoryStore,
    SourcePosition,
    Store,
    StoreConflict,
    StoreError,
    StoreFellBack,
    encode_checkpoint,
)

StoreMaker = Callable[..., Store]


@pytest.fixture(params=["memory", "file", "redis"])
def make_store(request: pytest.FixtureRequest, tmp_path: Path, prefix: str) -> StoreMaker:
    """Makes an empty store: `make_store()`, or `make_store(partitions=4)`."""
    numbers = count()
    url = request.getfixturevalue("redis_url") if request.param == "redis" else ""

    def make(*, partitions: int = 1) -> Store:
        if request.param == "memory":
            return MemoryStore(partitions=partitions)
        if request.param == "file":
            return FileStore(tmp_path / f"store-{next(numbers)}", partitions=partitions)
        settings = redis_settings(f"{url}?prefix={prefix}-{next(numbers)}")
        return RedisStore(settings, partitions=partitions)

    return make


def commit_after(
    previous: Commit | None,
    rows: dict[bytes, bytes],
    *,
    users: int,
    owner: str = "this run",
    **given: Any,
) -> Commit:
    """The commit that follows `previous`, ten records further in the log."""
    partition = given.pop("partition", 0)
    before = previous.checkpoint if previous else None
    checkpoint = Checkpoint(
        partition=partition,
        next_offset=(before.next_offset if before else 0) + 10,
        clock_ms=(before.clock_ms if before else 0) + 1000,
        user_count=users,
        config_version="c0ffee",
        layout="1a10",
        commit_number=(before.commit_number if before else 0) + 1,
        sources=(SourcePosition(identity="events", line_count=10),),
        owner=owner,
    )
    return Commit(
        checkpoint=checkpoint,
        previous=encode_checkpoint(before) if before else None,
        rows=list(rows.items()),
        deadlines=[0] * len(rows),
        outbox=list(given.pop("outbox", ())),
        **given,
    )


def stored(store: Store, partition: int = 0) -> tuple[Checkpoint, dict[bytes, bytes]]:
    """What a load gives: checkpoint and rows by user; asserts that no user comes twice."""
    snapshot = store.load(partition)
    assert snapshot is not None
    assert len(dict(snapshot.rows)) == len(snapshot.rows)
    return snapshot.checkpoint, dict(snapshot.rows)


def test_a_new_store_holds_nothing(make_store: StoreMaker) -> None:
    assert make_store().load(0) is None


def test_a_commit_is_loaded_as_it_was_given(make_store: StoreMaker) -> None:
    store = make_store()
    first = commit_after(None, {b"ada": b"\x00row\xff", b"": b""}, users=2, outbox=(b"x", b"y"))
    store.commit(first)
    assert stored(store) == (first.checkpoint, {b"ada": b"\x00row\xff", b"": b""})
    snapshot = store.load(0)
    assert snapshot is not None
    assert snapshot.outbox == [b"x", b"y"]


def test_the_last_row_of_a_user_wins_within_and_across_commits(make_store: StoreMaker) -> None:
    store = make_store()
    first = commit_after(None, {b"ada": b"1", b"bob": b"1"}, users=2)
    second = commit_after(first, {b"ada": b"2"}, users=2)
    second.rows.append((b"ada", b"3"))
    second.deadlines.append(0)
    store.commit(first)
    store.commit(second)
    assert stored(store) == (second.checkpoint, {b"ada": b"3", b"bob": b"1"})


def test_a_commit_without_rows_moves_the_checkpoint_alone(make_store: StoreMaker) -> None:
    store = make_store()
    first = commit_after(None, {b"ada": b"1"}, users=1, outbox=(b"handed on before the second",))
    second = commit_after(first, {}, users=1, relayed_count=1)
    store.commit(first)
    store.commit(second)
    snapshot = store.load(0)
    assert snapshot is not None
    assert (snapshot.checkpoint, snapshot.rows) == (second.checkpoint, [(b"ada", b"1")])
    assert snapshot.outbox == []


def test_a_commit_on_another_checkpoint_is_refused_and_changes_nothing(
    make_store: StoreMaker,
) -> None:
    store = make_store()
    first = commit_after(None, {b"ada": b"1"}, users=1)
    second = commit_after(first, {b"ada": b"2"}, users=1)
    store.commit(first)
    store.commit(second)
    for stale in (
        commit_after(first, {b"ada": b"zombie"}, users=1, owner="zombie"),
        commit_after(None, {b"bob": b"zombie"}, users=1, owner="zombie"),
    ):
        with pytest.raises(StoreConflict, match="another run has written"):
            store.commit(stale)
    assert stored(store) == (second.checkpoint, {b"ada": b"2"})


def test_a_store_that_fell_back_under_its_owner_is_told_apart(make_store: StoreMaker) -> None:
    store = make_store()
    first = commit_after(None, {b"ada": b"1"}, users=1)
    second = commit_after(first, {b"ada": b"2"}, users=1)
    third = commit_after(second, {b"ada": b"3"}, users=1)
    with pytest.raises(StoreFellBack, match=r"got nothing; the store fell back"):
        store.commit(second)
    store.commit(first)
    of_another_owner = commit_after(second, {b"ada": b"3"}, users=1, owner="next")
    for ahead in (third, of_another_owner):
        with pytest.raises(StoreFellBack, match=r"got commit 1 up to offset 10; the store fell"):
            store.commit(ahead)
    assert stored(store) == (first.checkpoint, {b"ada": b"1"})


def test_what_is_loaded_tells_the_bytes_that_the_next_commit_builds_on(
    make_store: StoreMaker,
) -> None:
    store = make_store()
    first = commit_after(None, {b"ada": b"1"}, users=1, shape=b"how to read rows")
    second = commit_after(first, {}, users=1)
    store.commit(first)
    store.commit(second)
    snapshot = store.load(0)
    assert snapshot is not None
    assert snapshot.encoded == encode_checkpoint(second.checkpoint)
    assert snapshot.shape == b"how to read rows"


def test_outbox_entries_stay_until_a_commit_says_they_were_relayed(make_store: StoreMaker) -> None:
    store = make_store()
    first = commit_after(None, {}, users=0, outbox=(b"a", b"b", b"c"))
    second = commit_after(first, {}, users=0, outbox=(b"d",), relayed_count=2)
    third = commit_after(second, {}, users=0)
    for commit, expected in ((first, b"abc"), (second, b"cd"), (second, b"cd"), (third, b"cd")):
        store.commit(commit)
        snapshot = store.load(0)
        assert snapshot is not None
        assert b"".join(snapshot.outbox) == expected


def test_the_very_same_commit_again_is_done_already(make_store: StoreMaker) -> None:
    store = make_store()
    first = commit_after(None, {b"ada": b"1"}, users=1, outbox=(b"once",))
    second = commit_after(first, {b"ada": b"2"}, users=1, outbox=(b"twice",))
    for commit in (first, first, second, second):
        store.commit(commit)
    assert stored(store) == (second.checkpoint, {b"ada": b"2"})
    snapshot = store.load(0)
    assert snapshot is not None
    assert snapshot.outbox == [b"once", b"twice"]
    with pytest.raises(StoreConflict):
        store.commit(first)


def test_the_same_checkpoint_with_other_rows_is_no_retry(make_store: StoreMaker) -> None:
    """Two runs differ in their owners; those on files, which have none, in their rows alone."""
    store = make_store()
    live = isinstance(store, RedisStore)
    owners = ("this run", "another") if live else ("", "")
    store.commit(commit_after(None, {b"ada": b"1"}, users=1, owner=owners[0]))
    with pytest.raises(StoreConflict):
        store.commit(commit_after(None, {b"ada": b"other"}, users=1, owner=owners[1]))
    assert stored(store)[1] == {b"ada": b"1"}


def test_rows_that_are_not_as_many_as_the_checkpoint_says_are_refused(
    make_store: StoreMaker,
) -> None:
    store = make_store()
    store.commit(commit_after(None, {b"ada": b"1", b"bob": b"1"}, users=3))
    with pytest.raises(StoreError, match=r"expected the rows of 3 users.* got those of 2"):
        store.load(0)


def test_partitions_are_stored_apart(make_store: StoreMaker) -> None:
    store = make_store(partitions=2)
    zero = commit_after(None, {b"ada": b"zero"}, users=1)
    one = commit_after(None, {b"ada": b"one"}, users=1, partition=1)
    store.commit(zero)
    assert store.load(1) is None
    store.commit(one)
    assert stored(store, 0) == (zero.checkpoint, {b"ada": b"zero"})
    assert stored(store, 1) == (one.checkpoint, {b"ada": b"one"})
    assert store.partitions() == 2


def test_a_partition_that_the_store_cannot_have_is_refused(make_store: StoreMaker) -> None:
    store = make_store(partitions=2)
    with pytest.raises(StoreError, match="expected a partition from 0 to 1, got 2"):
        store.load(2)
    with pytest.raises(StoreError, match="expected a partition from 0 to 1, got 2"):
        store.commit(commit_after(None, {}, users=0, partition=2))


def test_a_commit_of_many_rows_is_loaded_whole(make_store: StoreMaker) -> None:
    store = make_store()
    rows = {b"user-%d" % number: bytes([number % 251]) for number in range(2 * PIECE_ROWS + 1)}
    first = commit_after(None, rows, users=len(rows), outbox=tuple([b"entry"] * (3 * PIECE_ROWS)))
    store.commit(first)
    assert stored(store) == (first.checkpoint, rows)
    snapshot = store.load(0)
    assert snapshot is not None
    assert len(snapshot.outbox) == 3 * PIECE_ROWS


def test_shape_and_config_stay_until_a_commit_brings_others(make_store: StoreMaker) -> None:
    store = make_store()
    first = commit_after(None, {b"ada": b"1"}, users=1)
    second = replace(
        commit_after(first, {b"ada": b"2"}, users=1), shape=b"a shape", config=b"a config"
    )
    third = commit_after(second, {b"ada": b"3"}, users=1)
    fourth = replace(commit_after(third, {}, users=1), shape=b"another", config=b"another")
    found = []
    for commit in (first, second, third, fourth, fourth):
        store.commit(commit)
        snapshot = store.load(0)
        assert snapshot is not None
        found.append((snapshot.shape, snapshot.config))
    old, new = (b"a shape", b"a config"), (b"another", b"another")
    assert found == [(b"", b""), old, old, new, new]


def test_the_last_record_of_each_model_stays(make_store: StoreMaker) -> None:
    store = make_store()
    first = commit_after(None, {b"ada": b"1"}, users=1)
    second = commit_after(first, {}, users=1, models={"churn": b"one", "orders": b"two"})
    third = commit_after(second, {b"ada": b"2"}, users=1)
    fourth = commit_after(third, {}, users=1, models={"churn": b"three \x00\xff"})
    found = []
    for commit in (first, second, third, fourth, fourth):
        store.commit(commit)
        snapshot = store.load(0)
        assert snapshot is not None
        found.append(snapshot.models)
    old = {"churn": b"one", "orders": b"two"}
    new = {"churn": b"three \x00\xff", "orders": b"two"}
    assert found == [{}, old, old, new, new]


def test_closing_twice_does_no_harm(make_store: StoreMaker) -> None:
    store = make_store()
    store.close()
    store.close()


ROWS = st.dictionaries(st.binary(max_size=3), st.binary(max_size=5), max_size=4)


# The fixture makes a new, empty store at each call, so that examples do not meet.
@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(commits=st.lists(st.tuples(ROWS, st.sampled_from(["once", "again", "stale"])), max_size=8))
def test_any_mix_of_commits_retries_and_conflicts_equals_a_dict(
    make_store: StoreMaker, commits: list[tuple[dict[bytes, bytes], str]]
) -> None:
    store = make_store()
    expected: dict[bytes, bytes] = {}
    last: Commit | None = None
    for rows, kind in commits:
        stale = commit_after(last, {b"stale": b"!"}, users=1, owner="another")
        expected |= rows
        last = commit_after(last, rows, users=len(expected))
        store.commit(last)
        if kind == "again":
            store.commit(last)
        if kind == "stale":
            with pytest.raises(StoreConflict):
                store.commit(stale)
    if last:
        assert stored(store) == (last.checkpoint, expected)
    store.close()
