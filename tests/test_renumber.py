"""Texts that no row names any more are forgotten, and nobody can tell from what is decided."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.partition import Engine
from state.texts import COUNT, new_texts, number_of, text_of, with_room
from tests.running import decoded
from tests.worlds import make_world


@pytest.mark.parametrize("seed", range(12))
def test_forgetting_texts_between_batches_changes_nothing(seed: int, tmp_path: Path) -> None:
    given = make_world(seed, tmp_path / "config")
    worlds = []
    for texts_max in (0, 1_000_000):
        engine = Engine(given.config, texts_max=texts_max)
        lines: list[bytes] = []
        for columns, clock_ms, next_offset in decoded(given.config, given.lines, batch=7):
            lines += engine.process(columns, clock_ms=clock_ms, next_offset=next_offset).decisions()
        worlds.append((lines, list(engine.profiles())))
    assert worlds[0] == worlds[1]


def test_a_table_gives_numbers_in_order_and_the_same_ones_again() -> None:
    texts = with_room(new_texts(4), 200, 4000)
    names = [f"text {index}".encode() for index in range(200)]
    assert [number_of(texts, name) for name in names] == list(range(200))
    assert [number_of(texts, name) for name in names] == list(range(200))
    assert text_of(texts, 150) == b"text 150"
    grown = with_room(texts, 5000, 100_000)
    assert [number_of(grown, name) for name in names] == list(range(200))
    assert grown.entries[COUNT] == 200
