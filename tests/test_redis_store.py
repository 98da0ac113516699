"""What the store in Redis holds beyond the contract of stores: keys, loading, leases."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from threading import Event

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.threads import on_thread
from state.keys import KEYS, key_table
from state.redis_settings import redis_settings
from state.redis_store import LOAD_ROWS, RedisStore
from state.store import (
    AudienceChange,
    Commit,
    MemoryStore,
    StoreConflict,
    StoreError,
)
from tests.conftest import ROOT
from tests.test_store_contract import commit_after, stored

OpenStore = Callable[..., RedisStore]


@pytest.fixture
def open_store(redis_url: str, prefix: str) -> Iterator[OpenStore]:
    """Opens the test's own store, as often as it likes."""
    opened = []

    def open_here(url: str = redis_url, **given: int) -> RedisStore:
        opened.append(RedisStore(redis_settings(f"{url}?prefix={prefix}"), partitions=2, **given))
        return opened[-1]

    yield open_here
    for store in opened:
        store.close()


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as client:
        yield client


def keys_of(client: redis.Redis, prefix: str) -> dict[bytes, bytes]:
    """The keys of a prefix and what they hold, as Redis dumps it."""
    found = sorted(
        [
            *client.scan_iter(f"{prefix}:*", count=5_000),
            *client.scan_iter(f"{{{prefix}:*", count=5_000),
        ]
    )
    return {key: client.dump(key) or b"" for key in found}


def text(name: bytes | str) -> str:
    return name.decode() if isinstance(name, bytes) else name


def put_back(client: redis.Redis, prefix: str, kept: dict[bytes, bytes]) -> None:
    """Have Redis fall back to what it held earlier."""
    for key in keys_of(client, prefix):
        client.delete(key)
    for key, value in kept.items():
        client.restore(key, 0, value)


def test_every_key_of_a_commit_is_declared_with_its_type(
    open_store: OpenStore, client: redis.Redis, prefix: str
) -> None:
    store = open_store()
    assert store.acquire(0, "this run") == 0
    store.commit(
        commit_after(
            None,
            {b"ada": b"1"},
            users=1,
            outbox=(b"entry",),
            audiences=[AudienceChange("intent.cart", [b"ada"], [])],
            profiles=[(b"ada", b"{}")],
            shape=b"{}",
            config=b"{}",
            models={"churn": b"{}"},
        )
    )
    declared = {
        kind.pattern.replace("PREFIX", prefix)
        .replace("PARTITION", "0")
        .replace("USER", "ada")
        .replace("TAG", "intent.cart"): kind.type
        for kind in KEYS
        if "learner" not in kind.pattern
    }
    types = {"zset": "sorted set"}
    found = {key.decode(): text(client.type(key)) for key in keys_of(client, prefix)}
    assert {key: types.get(name, name) for key, name in found.items()} == declared
    for key in found:
        assert (client.pttl(key) > 0) == key.endswith(":lease")


def test_the_keys_in_the_docs_are_the_declared_ones() -> None:
    assert key_table() in (ROOT / "docs" / "operations.md").read_text()


def test_a_partition_of_many_users_is_loaded_in_pieces(open_store: OpenStore) -> None:
    store = open_store()
    users = 2 * LOAD_ROWS + 1
    rows = {b"user-%d" % number: b"%d" % number for number in range(users)}
    first = commit_after(None, rows, users=users)
    store.commit(first)
    loading = store.load_pieces(0)
    assert loading is not None
    pieces = list(loading.pieces)
    assert [len(piece) for piece in pieces] == [LOAD_ROWS, LOAD_ROWS, 1]
    assert {user: row for piece in pieces for user, row in piece} == rows


def test_a_commit_while_rows_are_read_is_noticed(open_store: OpenStore) -> None:
    store = open_store()
    first = commit_after(None, {b"ada": b"1"}, users=1)
    store.commit(first)
    loading = store.load_pieces(0)
    assert loading is not None
    store.commit(commit_after(first, {b"ada": b"2"}, users=1))
    with pytest.raises(StoreConflict, match="got a commit in between; read it while no engine"):
        list(loading.pieces)


def test_a_row_that_is_gone_is_noticed(
    open_store: OpenStore, client: redis.Redis, prefix: str
) -> None:
    store = open_store()
    store.commit(commit_after(None, {b"ada": b"1", b"bob": b"1"}, users=2))
    client.delete(f"{{{prefix}:0}}:row:ada")
    with pytest.raises(StoreError, match=r"expected the rows of 2 users.* got those of 1"):
        store.load(0)


def test_a_store_of_another_number_of_partitions_is_refused(
    open_store: OpenStore, redis_url: str, prefix: str
) -> None:
    open_store()
    with pytest.raises(StoreError, match="expected --partitions 2, which this state was made with"):
        RedisStore(redis_settings(f"{redis_url}?prefix={prefix}"), partitions=3)


def test_something_else_under_the_name_of_a_checkpoint_is_told(
    open_store: OpenStore, client: redis.Redis, prefix: str
) -> None:
    store = open_store()
    client.set(f"{{{prefix}:0}}:checkpoint", "hello")
    with pytest.raises(StoreError, match="expected a checkpoint of Beckon's, got something else"):
        store.load(0)


def test_a_lease_is_had_by_one_owner_until_it_ends(open_store: OpenStore) -> None:
    store = open_store(lease_ms=200)
    assert store.acquire(0, "one") == 0
    assert store.acquire(0, "one") == 0
    assert 0 < store.acquire(0, "two") <= 200
    assert store.acquire(1, "two") == 0
    time.sleep(0.25)
    assert store.acquire(0, "two") == 0
    assert store.acquire(0, "one") > 0


def test_a_released_lease_is_free_at_once_and_released_by_its_owner_alone(
    open_store: OpenStore,
) -> None:
    store = open_store()
    assert store.acquire(0, "one") == 0
    store.release(0, "two")
    assert store.acquire(0, "two") > 0
    store.release(0, "one")
    assert store.acquire(0, "two") == 0


def test_a_commit_renews_the_lease(open_store: OpenStore) -> None:
    store = open_store(lease_ms=400)
    last = None
    assert store.acquire(0, "this run") == 0
    for _ in range(4):
        time.sleep(0.15)
        last = commit_after(last, {}, users=0)
        store.commit(last)
    assert store.acquire(0, "another") > 0


def test_a_commit_that_takes_longer_than_a_lease_is_not_overtaken_by_a_rival(
    open_store: OpenStore,
) -> None:
    slow, rival = open_store(lease_ms=200), open_store(lease_ms=200)
    rows = {b"%d" % number: b"row" for number in range(60_000)}
    commit, done = commit_after(None, rows, users=len(rows), owner="slow"), Event()
    assert slow.acquire(0, "slow") == 0
    trying = on_thread("rival", lambda: tries(rival, done))
    slow.commit(commit)
    done.set()
    assert trying.result() > 0
    assert stored(slow)[1] == rows


def tries(rival: RedisStore, done: Event) -> int:
    """Try to take a partition until it is done; how often that was refused."""
    count = 0
    while not done.is_set():
        assert rival.acquire(0, "rival") > 0, f"the lease was lost after {count} tries"
        count += 1
    return count


def test_a_zombie_neither_commits_once_the_lease_is_taken_nor_after_a_takeover(
    open_store: OpenStore,
) -> None:
    store = open_store(lease_ms=100)
    first = commit_after(None, {b"ada": b"1"}, users=1, owner="zombie")
    second = commit_after(first, {b"ada": b"zombie"}, users=1, owner="zombie")
    store.commit(first)
    time.sleep(0.15)
    heir = open_store(lease_ms=60_000)
    assert heir.acquire(0, "heir") == 0
    with pytest.raises(StoreConflict, match="got a lease that another run has taken"):
        store.commit(second)
    heir.commit(commit_after(first, {b"ada": b"heir"}, users=1, owner="heir"))
    heir.release(0, "heir")
    with pytest.raises(StoreConflict, match="another run has written here since"):
        store.commit(second)
    assert stored(heir)[1] == {b"ada": b"heir"}


def test_an_owner_who_was_slow_goes_on_where_nobody_took_over(open_store: OpenStore) -> None:
    store = open_store(lease_ms=50)
    first = commit_after(None, {b"ada": b"1"}, users=1)
    store.commit(first)
    time.sleep(0.1)
    store.commit(commit_after(first, {b"ada": b"2"}, users=1))
    assert stored(store)[1] == {b"ada": b"2"}


ROWS = st.dictionaries(st.binary(max_size=2), st.binary(max_size=5), max_size=3)
TURNED = st.dictionaries(st.sampled_from([b"ada", b"bob", b"cy"]), st.booleans(), max_size=3)
STEPS = st.tuples(
    ROWS, TURNED, st.integers(0, 2), st.sampled_from(["once", "again", "stale", "fall back"])
)


class Twin:
    """A store in Redis, and the reference beside it."""

    def __init__(self, store: RedisStore, client: redis.Redis, prefix: str) -> None:
        self.store, self.reference = store, MemoryStore(partitions=2)
        self.last: Commit | None = None
        self._client, self._prefix = client, prefix
        self._kept: tuple[dict[bytes, bytes], MemoryStore, Commit | None] | None = None

    def commit(self, commit: Commit) -> str:
        """Commit to both; what became of it, which must be the same."""
        outcomes = [outcome(store, commit) for store in (self.reference, self.store)]
        assert outcomes[0] == outcomes[1]
        return outcomes[0]

    def keep(self) -> None:
        """Take a copy to fall back to."""
        copy = keys_of(self._client, self._prefix)
        self._kept = copy, deepcopy(self.reference), self.last

    def fall_back(self) -> None:
        """Go back to the copy, as an owner does who then loads."""
        assert self._kept is not None
        copy, reference, last = self._kept
        put_back(self._client, self._prefix, copy)
        self.reference = deepcopy(reference)
        if self.last is not last:
            assert self.commit(commit_after(self.last, {}, users=0)) == "StoreFellBack"
        self.last = last

    def check(self) -> None:
        """Both hold the same."""
        found, expected = self.store.load(0), self.reference.load(0)
        if expected is None:
            assert found is None
            return
        assert found is not None
        assert found.checkpoint == expected.checkpoint
        assert found.encoded == expected.encoded
        assert found.outbox == expected.outbox
        assert dict(found.rows) == dict(expected.rows)
        members = self._client.smembers(f"{{{self._prefix}:0}}:audience:vip")
        assert members == self.reference.audience(0, "vip")


def outcome(store: MemoryStore | RedisStore, commit: Commit) -> str:
    try:
        store.commit(commit)
    except StoreError as error:
        return type(error).__name__
    return "done"


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=st.lists(STEPS, max_size=10))
def test_any_mix_of_commits_retries_conflicts_and_fall_backs_equals_the_reference(
    open_store: OpenStore,
    client: redis.Redis,
    prefix: str,
    steps: list[tuple[dict[bytes, bytes], dict[bytes, bool], int, str]],
) -> None:
    put_back(client, prefix, {})
    twin = Twin(open_store(), client, prefix)
    twin.keep()
    for rows, turned, relayed_count, kind in steps:
        known = twin.reference.load(0)
        users = {user for user, _ in known.rows} if known else set()
        change = AudienceChange(
            "vip",
            [user for user, held in turned.items() if held],
            [user for user, held in turned.items() if not held],
        )
        commit = commit_after(
            twin.last,
            rows,
            users=len(users | set(rows)),
            outbox=(b"%d" % len(rows),) * len(rows),
            relayed_count=relayed_count,
            audiences=[change],
        )
        stale = commit_after(twin.last, {b"stale": b"!"}, users=1, owner="another")
        assert twin.commit(commit) == "done"
        twin.last = commit
        if kind == "again":
            assert twin.commit(commit) == "done"
        elif kind == "stale":
            assert twin.commit(stale) == "StoreConflict"
            twin.keep()
        elif kind == "fall back":
            twin.fall_back()
        twin.check()
