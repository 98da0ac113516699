"""Closed examples in files, to be judged: lines of the output or topic `examples`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from connectors.files import Source, read_chunks
from connectors.triggers import instant_ms
from flows.example_records import Example, Judgeable
from flows.judged import Closed, Gathering

LINES_AT_ONCE = 20_000


_example = msgspec.json.Decoder(Example[Judgeable])


def gather_lines(paths: Sequence[str], tags: Sequence[str]) -> Gathering:
    """The examples of files, with the tags of a config; others that they held are passed over.

    Raises:
        OSError: a file cannot be read, or a line of it is no example.
    """
    gathering = Gathering()
    bits = {name: 1 << index for index, name in enumerate(tags)}
    for chunk in read_chunks([Source(path=path) for path in paths], LINES_AT_ONCE):
        path, first = paths[chunk.source], chunk.source_lines - len(chunk.start) + 1
        by_model: dict[str, list[Example[Judgeable]]] = {}
        for number, line in enumerate(chunk.lines(), first):
            example = _read(line, f"{path}, line {number}")
            by_model.setdefault(example.data.model, []).append(example)
        for model, examples in by_model.items():
            gathering.add(model, _closed(examples, bits))
    return gathering


def _read(line: bytes, where: str) -> Example[Judgeable]:
    try:
        return _example.decode(line)
    except msgspec.DecodeError as error:
        raise OSError(f"{where}: expected an example of Beckon's, got: {error}") from error


def _closed(examples: Sequence[Example[Judgeable]], bits: Mapping[str, int]) -> Closed:
    data = [example.data for example in examples]
    return Closed(
        users=[example.subject for example in examples],
        sampled_ms=[instant_ms(one.sampled_at) for one in data],
        outcomes=[one.outcome for one in data],
        scores=[np.nan if one.score is None else one.score for one in data],
        versions=[one.version or "" for one in data],
        tags=[sum(bits.get(name, 0) for name in one.tags) for one in data],
    )
