"""Packed rows: packed again, and as they were in format 1."""

from __future__ import annotations

import numpy as np
from msgspec.structs import replace

from config.fields import field_names
from config.schema import Config
from flows.plan import make_plan
from state.layout import MESSAGES, USER_HASH, lay_out
from state.memory import new_memory
from state.packing import WORDS_MASK, RowPacker
from state.row_shape import RowShape, Run
from state.texts import new_texts, number_of, with_room
from state.word_packing import pack_words, unpack_words


def row_of_format_1(row: bytes) -> bytes:
    """A packed row without the word before those of the messages, and without a hash."""
    packed = np.frombuffer(row, np.uint8)
    words = np.zeros(1 << 16, np.int64)
    unpack_words(packed, 0, words, 1)
    count = int(words[0]) & WORDS_MASK
    end = unpack_words(packed, 0, words, count + 1)
    words.view(np.int32)[2 + USER_HASH] = 0
    before = np.delete(words[: count + 1], 1 + MESSAGES - 1)
    before[0] -= 1
    content = np.zeros(len(row) + 16, np.uint8)
    size = pack_words(before, count, content, 0)
    return content[:size].tobytes() + row[end:]


def shape_of_format_1(shape: RowShape) -> RowShape:
    """The shape of such rows: all that is not of every row stands a word earlier."""

    def earlier(runs: tuple[Run, Run, Run]) -> tuple[Run, Run, Run]:
        wide, halves, quarters = (
            Run(run.first - by, run.count) if run.count else run
            for run, by in zip(runs, (1, 2, 4), strict=True)
        )
        return wide, halves, quarters

    return replace(
        shape,
        format=1,
        words=shape.words - 1,
        text_cells=tuple(cell - 2 for cell in shape.text_cells),
        distinct_heads=tuple(cell - 2 for cell in shape.distinct_heads),
        features=tuple(replace(one, runs=earlier(one.runs)) for one in shape.features),
        tags=tuple(
            replace(
                tag,
                keep_word=tag.keep_word - (tag.keep_word >= 0),
                since_cell=tag.since_cell - 2 * (tag.since_cell >= 0),
            )
            for tag in shape.tags
        ),
    )


def repacked(rows: list[bytes], config: Config) -> list[bytes]:
    """The same rows with the numbers that their nodes get here, which packed carts still hold."""
    layout = lay_out(config, field_names(config.events))
    packer, plan = RowPacker(layout), make_plan(config).plan
    texts = with_room(new_texts(), 1, 1)
    number_of(texts, b"\xff")
    memory = new_memory(layout.words, users=len(rows))
    memory, texts = packer.unpack(memory, plan, texts, 0, rows)
    return packer.pack(memory, plan, texts, np.arange(len(rows)))
