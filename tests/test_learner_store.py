"""What a learner's store has to hold, in memory and in Redis: one value, one owner."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from state.keys import HELD, LEARNER, LEARNER_LEASE
from state.learner_store import HEADING_BYTES, LearnerStore, MemoryLearnerStore, RedisLearnerStore
from state.redis_client import connect
from state.redis_settings import redis_settings
from state.store import StoreConflict

LEASE_MS = 200
StoreMaker = Callable[[], LearnerStore]


@pytest.fixture(params=["memory", "redis"])
def make_store(request: pytest.FixtureRequest, prefix: str) -> StoreMaker:
    """Makes clients of one store, which is empty at first."""
    if request.param == "memory":
        store = MemoryLearnerStore()
        return lambda: store
    url = request.getfixturevalue("redis_url")
    return lambda: RedisLearnerStore(redis_settings(f"{url}?prefix={prefix}"))


def value(number: int) -> bytes:
    """A value, with a heading of its own."""
    return b"%064d" % number + b"\x00what was learned\xff"


def test_the_last_value_is_loaded_and_each_builds_on_the_one_before(
    make_store: StoreMaker,
) -> None:
    store = make_store()
    assert store.load() is None
    assert store.acquire("one") == 0
    store.save("one", None, value(1))
    store.save("one", value(1), value(2))
    store.save("one", value(2)[:HEADING_BYTES], value(3))
    assert make_store().load() == value(3)


def test_the_very_same_value_again_is_done_already(make_store: StoreMaker) -> None:
    store = make_store()
    for _ in range(2):
        store.save("one", None, value(1))
    for _ in range(2):
        store.save("one", value(1), value(2))
    assert store.load() == value(2)


@pytest.mark.parametrize("previous", [None, value(1), value(7)])
def test_a_value_that_builds_on_another_is_refused(
    make_store: StoreMaker, previous: bytes | None
) -> None:
    store = make_store()
    store.save("one", None, value(1))
    store.save("one", value(1), value(2))
    with pytest.raises(StoreConflict, match="got something else"):
        store.save("one", previous, value(3))
    assert store.load() == value(2)


def test_a_store_that_lost_its_value_refuses_to_go_on(make_store: StoreMaker) -> None:
    with pytest.raises(StoreConflict, match="got nothing"):
        make_store().save("one", value(1), value(2))


def test_only_one_learner_has_the_lease_and_saving_keeps_it(make_store: StoreMaker) -> None:
    one, two = make_store(), make_store()
    assert one.acquire("one") == 0
    one.save("one", None, value(1))
    assert one.acquire("one") == 0
    assert two.acquire("two") > 0
    with pytest.raises(StoreConflict, match="a lease that another one has taken"):
        two.save("two", value(1), value(2))
    two.release("two")
    assert two.acquire("two") > 0
    one.release("one")
    assert two.acquire("two") == 0
    with pytest.raises(StoreConflict, match="a lease that another one has taken"):
        one.save("one", value(1), value(2))
    two.save("two", value(1), value(3))


def test_a_lease_that_is_not_renewed_is_gone_soon(redis_url: str, prefix: str) -> None:
    settings = redis_settings(f"{redis_url}?prefix={prefix}")
    one, two = (RedisLearnerStore(settings, lease_ms=LEASE_MS) for _ in range(2))
    assert one.acquire("one") == 0
    left_ms = two.acquire("two")
    assert 0 < left_ms <= LEASE_MS
    time.sleep((left_ms + 50) / 1000)
    assert two.acquire("two") == 0


def test_a_warm_start_replaces_the_value_whoever_has_the_lease_and_is_noticed(
    make_store: StoreMaker,
) -> None:
    learner, other = make_store(), make_store()
    assert learner.acquire("one") == 0
    learner.check(None)
    learner.save("one", None, value(1))
    learner.check(value(1))
    with pytest.raises(StoreConflict, match="got something else"):
        other.replace(value(7), value(2))
    other.replace(value(1), value(2))
    assert other.acquire("two") > 0
    with pytest.raises(StoreConflict, match="got something else"):
        learner.check(value(1))
    with pytest.raises(StoreConflict, match="got something else"):
        learner.save("one", value(1), value(3))
    assert learner.load() == value(2)


def test_models_are_held_until_they_are_resumed(make_store: StoreMaker) -> None:
    store = make_store()
    assert store.held() == {}
    store.hold("churn_30d", "0123456789abcdef")
    store.hold("purchase_7d", "0" * 16)
    store.hold("churn_30d", "f" * 16)
    assert store.held() == {"churn_30d": "f" * 16, "purchase_7d": "0" * 16}
    assert store.resume("churn_30d")
    assert not store.resume("churn_30d")
    assert make_store().held() == {"purchase_7d": "0" * 16}


@pytest.fixture
def keys_there(redis_url: str, prefix: str) -> Iterator[Callable[[], dict[str, str]]]:
    """Tells the keys of the prefix, with their types."""
    client = connect(redis_settings(redis_url))

    def there() -> dict[str, str]:
        names = client.execute_command("KEYS", f"*{prefix}*")
        return {name.decode(): str(client.execute_command("TYPE", name), "utf-8") for name in names}

    yield there
    client.close()


def test_the_learners_keys_are_declared_with_their_types(
    redis_url: str, prefix: str, keys_there: Callable[[], dict[str, str]]
) -> None:
    store = RedisLearnerStore(redis_settings(f"{redis_url}?prefix={prefix}"))
    store.save("one", None, value(1))
    store.hold("churn_30d", "f" * 16)
    declared = {
        kind.pattern.replace("PREFIX", prefix): kind.type for kind in (LEARNER, LEARNER_LEASE, HELD)
    }
    assert keys_there() == declared
