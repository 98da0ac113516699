"""Drift: what River's ADWIN finds, value by value, and goes on with when it was stored."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

import msgspec
import pytest
from river.drift import ADWIN

from flows.learn_drift import Window, take


def values(seed: int, count: int = 3000) -> Iterator[float]:
    """Log losses, or mistakes, whose mean changes now and then."""
    chance, mean = Random(seed), 0.3
    for _ in range(count):
        if chance.random() < 0.002:
            mean = chance.choice((0.1, 0.2, 0.3, 0.5, 1.0, 3.0))
        yield chance.expovariate(1.0 / mean) if seed % 2 else float(chance.random() < mean)


@pytest.mark.parametrize("seed", range(20))
def test_changes_are_found_where_rivers_adwin_finds_them(seed: int) -> None:
    theirs: Any = ADWIN()  # type: ignore[no-untyped-call]  # River's types leave it out
    ours = Window()
    for value in values(seed):
        theirs.update(value)
        change = take(ours, value)
        assert (change is not None) == theirs.drift_detected
        if change is not None:
            assert change.after == theirs.estimation
        else:
            assert (ours.count, ours.total) == (theirs.width, theirs.total)
            assert ours.squares == theirs.variance


def test_a_stored_window_finds_the_same_as_one_that_was_not() -> None:
    whole, stored = Window(), Window()
    for number, value in enumerate(values(1)):
        if number % 7 == 0:
            stored = msgspec.msgpack.decode(msgspec.msgpack.encode(stored), type=Window)
        assert take(stored, value) == take(whole, value)
    assert stored == whole


def test_a_window_stays_small_however_long_it_is() -> None:
    window, chance = Window(), Random(1)
    for _ in range(20_000):
        take(window, chance.random())
    assert window.count > 10_000
    assert sum(len(row) for row in window.rows) <= 5 * 15


def test_values_that_never_change_are_no_change() -> None:
    window = Window()
    assert not any(take(window, 0.25) for _ in range(5000))
