"""How much gaps vary, in compiled code: equal to exact fractions, whatever the times are."""

from __future__ import annotations

import math
from pathlib import Path
from random import Random

import pytest

from config.load import load
from flows.plan import make_plan
from flows.plan_words import FEATURES
from state.layout import AT32, FEATURE_WORDS, ROW_WORDS
from state.memory import Memory, new_memory
from state.rolling import gap_variation, note_variation
from state.seconds import NO_SECOND
from tests.config_folders import copy_defaults, edit
from tests.oracle_features import Fact, variation

NOW_MS = 1_767_225_600_000
DAY_MS, YEAR_MS = 86_400_000, 31_557_600_000


class Row:
    """The row of a user of whom nothing is known, in a shop that counts a variation."""

    def __init__(self, directory: Path) -> None:
        folder = copy_defaults(directory)
        edit(folder, "features.toml", 'of     = "mean"', 'of     = "variation"')
        config = load(folder)
        self.plan = make_plan(config).plan
        index = [feature.of for feature in config.features].index("variation")
        self.record = int(self.plan.ints[FEATURES]) + index * FEATURE_WORDS
        self.memory: Memory = new_memory(int(self.plan.ints[ROW_WORDS]), users=1)
        first = int(self.plan.ints[self.record + AT32])
        self.memory.rows32[first : first + 3] = NO_SECOND

    def told(self, at_ms: list[int]) -> float | None:
        """The variation after these events, None where it is missing."""
        for at in at_ms:
            note_variation(self.memory, self.plan, self.record, 0, at)
        value = gap_variation(self.memory, self.plan, self.record, 0)
        return None if math.isnan(value) else value


def assert_as_counted(row: Row, at_ms: list[int]) -> None:
    expected = variation([Fact(at, at, 1, None) for at in at_ms])
    told = row.told(at_ms)
    if isinstance(expected, float) and told is not None:
        assert math.isclose(told, expected, rel_tol=1e-9)
        assert (told == 0.0) == (expected == 0.0)
    else:
        assert told is expected is None


@pytest.fixture
def row(tmp_path: Path) -> Row:
    return Row(tmp_path)


@pytest.mark.parametrize("seed", range(40))
def test_a_variation_is_that_of_exact_fractions(row: Row, seed: int) -> None:
    random = Random(f"gaps {seed}")
    steps = [random.choice((0, 1, 1_000, DAY_MS, 30 * DAY_MS, YEAR_MS)) for _ in range(40)]
    at_ms, now_ms = [], NOW_MS - 40 * YEAR_MS
    for step in steps[: random.randrange(1, 40)]:
        now_ms += step
        late_ms = random.choice((0, 0, 0, 500, DAY_MS, 40 * DAY_MS, 5 * YEAR_MS))
        at_ms.append(max(now_ms - late_ms, 0))
    assert_as_counted(row, at_ms)


@pytest.mark.parametrize("gap_ms", [0, 1_000, 7_000, DAY_MS, 13 * DAY_MS + 1_000])
def test_equal_gaps_do_not_vary_at_all(row: Row, gap_ms: int) -> None:
    assert row.told([NOW_MS + gap_ms * count for count in range(1_001)]) == 0.0


def test_a_second_among_many_long_gaps_is_not_lost(row: Row) -> None:
    at_ms = [NOW_MS - 30 * YEAR_MS + count * 28 * DAY_MS for count in range(300)]
    assert_as_counted(row, [*at_ms, at_ms[-1] + 28 * DAY_MS + 1_000])


def test_a_long_silence_among_seconds_is_as_counted(row: Row) -> None:
    assert_as_counted(row, [0, *(NOW_MS + 1_000 * count for count in range(3_000))])


def test_times_too_far_apart_to_count_with_are_missing(row: Row) -> None:
    assert row.told([0, 1_000, 100 * YEAR_MS]) is None
