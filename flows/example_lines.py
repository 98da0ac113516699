"""Reading closed examples that were written down: lines of the output or topic `examples`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
from msgspec import Struct

from connectors.files import Source, read_chunks
from connectors.triggers import instant_ms
from flows.judged import Closed, Gathering

LINES_AT_ONCE = 20_000


class ExampleData(Struct):
    """What an evaluation needs of an example's data."""

    model: str
    sampled_at: str
    outcome: bool
    score: float | None
    version: str | None
    tags: list[str]


class ExampleLine(Struct):
    """What an evaluation needs of an example."""

    subject: str
    data: ExampleData


_decoder = msgspec.json.Decoder(ExampleLine)


def gather_lines(paths: Sequence[str], tags: Sequence[str]) -> Gathering:
    """The examples of files, with the tags of a config; others that they held are passed over.

    Raises:
        OSError: a file cannot be read, or a line of it is no example.
    """
    gathering = Gathering()
    bits = {name: 1 << index for index, name in enumerate(tags)}
    for chunk in read_chunks([Source(path=path) for path in paths], LINES_AT_ONCE):
        path, first = paths[chunk.source], chunk.source_lines - len(chunk.start) + 1
        by_model: dict[str, list[ExampleLine]] = {}
        for number, line in enumerate(chunk.lines(), first):
            example = _example(line, f"{path}, line {number}")
            by_model.setdefault(example.data.model, []).append(example)
        for model, examples in by_model.items():
            gathering.add(model, _closed(examples, bits))
    return gathering


def _example(line: bytes, where: str) -> ExampleLine:
    try:
        return _decoder.decode(line)
    except msgspec.DecodeError as error:
        raise OSError(f"{where}: expected an example of Beckon's, got: {error}") from error


def _closed(examples: Sequence[ExampleLine], bits: Mapping[str, int]) -> Closed:
    data = [example.data for example in examples]
    return Closed(
        users=[example.subject for example in examples],
        sampled_ms=[instant_ms(one.sampled_at) for one in data],
        outcomes=[one.outcome for one in data],
        scores=[np.nan if one.score is None else one.score for one in data],
        versions=[one.version or "" for one in data],
        tags=[sum(bits.get(name, 0) for name in one.tags) for one in data],
    )
