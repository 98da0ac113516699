"""Whose readable profile is written when: once a second, the oldest debt first, in due time."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from numpy.typing import NDArray

from flows.owed import EVERY_BEHIND_MS, EVERY_MS, RATE, RATE_INHERITED, Owed

START_MS = 1_767_225_600_000


def slots(*numbers: int) -> NDArray[np.int64]:
    return np.array(numbers, np.int64)


def taken(
    owed: Owed, touched: tuple[int, ...], after_ms: int, *, leaving: bool = False
) -> set[int]:
    """Who gets a profile with a commit so long after the start."""
    return set(owed.take(slots(*touched), START_MS + after_ms, leaving=leaving).tolist())


def test_a_profile_goes_with_the_commit_that_touches_its_user() -> None:
    owed = Owed(0)
    assert taken(owed, (3, 5), 0) == {3, 5}
    assert not owed.any_waiting


def test_a_user_who_is_touched_again_at_once_waits_for_the_second_to_pass() -> None:
    owed = Owed(0)
    taken(owed, (3,), 0)
    assert taken(owed, (3, 4), 400) == {4}
    assert taken(owed, (3,), EVERY_MS - 1) == set()
    assert owed.any_waiting
    assert taken(owed, (), EVERY_MS) == {3}
    assert not owed.any_waiting


def test_while_the_log_is_far_ahead_a_user_who_is_touched_again_waits_longer() -> None:
    owed = Owed(0)
    assert owed.take(slots(3), START_MS, is_behind=True).tolist() == [3]
    later_ms = START_MS + EVERY_BEHIND_MS
    assert owed.take(slots(3, 4), later_ms - 1, is_behind=True).tolist() == [4]
    assert owed.take(slots(4), later_ms, is_behind=True).tolist() == [3]
    assert owed.take(slots(), later_ms + EVERY_MS).tolist() == [4]


def test_an_owner_that_leaves_lets_nobody_wait() -> None:
    owed = Owed(0)
    taken(owed, (3,), 0)
    assert taken(owed, (3,), 10, leaving=True) == {3}


def test_nobody_waits_for_a_clock_that_was_set_back() -> None:
    owed = Owed(0)
    taken(owed, (3,), 0)
    assert taken(owed, (3,), -3_600_000) == {3}


def test_those_whom_an_earlier_owner_touched_come_slowly_and_last() -> None:
    owed = Owed(5_000)
    first = taken(owed, (4_999, 7_000), 0)
    assert first == {4_999, 7_000, *range(RATE_INHERITED * EVERY_MS)}
    crowd = tuple(range(10_000, 10_000 + RATE * EVERY_MS))
    assert taken(owed, crowd, EVERY_MS) == set(crowd)
    seconds = 1
    others = set[int]()
    while owed.any_waiting:
        seconds += 1
        others |= taken(owed, (), seconds * EVERY_MS)
    assert others == set(range(RATE_INHERITED * EVERY_MS, 4_999))


@pytest.mark.parametrize("seed", range(3))
def test_each_debt_is_paid_once_a_second_in_the_order_of_the_debts(seed: int) -> None:
    random, owed = Random(seed), Owed(0)
    since_ms: dict[int, int] = {}
    written_ms: dict[int, int] = {}
    now_ms = 0
    most = RATE * EVERY_MS
    for _ in range(300):
        crowd = random.choice((0, 10, 200, 2_000))
        touched = sorted(random.sample(range(4_000), crowd))
        for user in touched:
            since_ms.setdefault(user, now_ms)
        found = taken(owed, tuple(touched), now_ms)
        ready = [user for user in since_ms if now_ms - written_ms.get(user, -EVERY_MS) >= EVERY_MS]
        oldest_first = sorted(ready, key=lambda user: (since_ms[user], user))
        assert found == set(oldest_first[:most])
        for user in found:
            del since_ms[user]
            written_ms[user] = now_ms
        passed_ms = random.randrange(1, 400)
        now_ms += passed_ms
        most = RATE * passed_ms
