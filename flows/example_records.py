"""Examples as they were written to their topic or output, and as the learner reads them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Generic, TypeVar

import msgspec
import numpy as np
from msgspec import Struct

from connectors.events import RawBatch
from connectors.murmur import fill_partitions
from connectors.triggers import instant_ms


class Labelled(Struct, frozen=True, gc=False):
    """The part of an example's data that every reader needs."""

    model: str
    sampled_at: str
    outcome: bool
    score: float | None


class Learnable(Labelled, frozen=True, gc=False):
    """The part that is learned from."""

    features: dict[str, float | None]


class Judgeable(Labelled, frozen=True, gc=False):
    """The part that scores are judged by: by which version, and which tags the user held."""

    version: str | None
    tags: list[str]


Data = TypeVar("Data", bound=Labelled)


class Example(Struct, Generic[Data], frozen=True, gc=False):
    """The CloudEvent that an example is sent as: of whom, closed when."""

    subject: str
    time: str
    data: Data


class Sample(Struct, frozen=True, kw_only=True, gc=False):
    """An example: of whom, by which model sampled and closed when, and what came of it."""

    user: str
    model: str
    sampled_ms: int
    closed_ms: int
    outcome: bool
    score: float | None
    features: dict[str, float | None]


_example = msgspec.json.Decoder(Example[Learnable])


def samples_in(batch: RawBatch) -> Iterator[Sample | None]:
    """The examples of a batch; None of a record that is none, which somebody else wrote."""
    data = batch.data.data
    for start, length in zip(batch.start.tolist(), batch.length.tolist(), strict=True):
        try:
            yield sample_of(_example.decode(data[start : start + length]))
        except (ValueError, OverflowError):
            yield None


def sample_of(example: Example[Learnable]) -> Sample:
    """The example as it is learned from; raises ValueError where its times are none."""
    data = example.data
    return Sample(
        user=example.subject,
        model=data.model,
        sampled_ms=instant_ms(data.sampled_at),
        closed_ms=instant_ms(example.time),
        outcome=data.outcome,
        score=data.score,
        features=data.features,
    )


def partitions_of(users: Sequence[str], partitions: int) -> list[int]:
    """The partition of the log that each of these users belongs to.

    >>> partitions_of(["ada", "bob"], 1)
    [0, 0]
    """
    names = [user.encode() for user in users]
    length = np.array([len(name) for name in names], np.int64)
    chosen = np.zeros(len(names), np.int64)
    data = np.frombuffer(b"".join(names) or b"\n", np.uint8).copy()
    fill_partitions(data, np.cumsum(length) - length, length, partitions, chosen)
    return [int(partition) for partition in chosen.tolist()]


def row_of(features: Mapping[str, float | None], names: Sequence[str]) -> list[float] | None:
    """The values of these features, NaN where missing; None where they are not all there.

    >>> row_of({"a": 1.0, "b": None}, ["b", "a"]), row_of({}, ["a"])
    ([nan, 1.0], None)
    """
    try:
        return [math.nan if (value := features[name]) is None else value for name in names]
    except KeyError:
        return None
