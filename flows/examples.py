"""Examples that have closed: columns for the learners, and JSON lines for everybody else."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np
from msgspec import UNSET, Struct
from numpy.typing import NDArray

from config.schema import Config, Model
from connectors.triggers import (
    EXAMPLE,
    CloudEvent,
    Example,
    decision_id,
    encode,
    instant_text,
)
from flows import output as out
from state.example_groups import sampled_models, snapshot_features
from state.texts import Texts, texts_of

Ints = NDArray[np.int64]
_TRIGGER = slice(out.EXAMPLE_TRIGGER, out.EXAMPLE_TRIGGER + 2)


class ClosedExamples(Struct, frozen=True, kw_only=True):
    """Examples in order of place: (closed instant, user id, model's place in the config, sampled).

    model: (n,) index into the config's models. user: ids. outcome: (n,) bool. score: (n,) float64,
    NaN where no version scored; version: then 0, else its short name (see `version_text`).
    trigger: (n, 2) the id of the one that it was taken at (see `trigger_text`), zeros for one of
    the calendar. tags: (n,) bits of those held. cells: (n, most) float64, the features of the row's
    group, NaN where missing. places: for each model the columns of `cells` that its program reads,
    in its order.
    """

    model: Ints
    user: list[bytes]
    sampled_ms: Ints
    closed_ms: Ints
    outcome: NDArray[np.bool_]
    score: NDArray[np.float64]
    trigger: Ints
    version: Ints
    tags: Ints
    cells: NDArray[np.float64]
    places: tuple[Ints, ...]

    def __len__(self) -> int:
        return len(self.user)

    def rows_of(self, model: int) -> Ints:
        """The rows of the examples of one model."""
        return np.flatnonzero(self.model == model)

    def features_of(self, model: int) -> NDArray[np.float64]:
        """What a model's program reads of its own examples: (`rows_of`, features) float64."""
        return self.cells[self.rows_of(model)][:, self.places[model]]


def feature_places(config: Config) -> tuple[Ints, ...]:
    """Where the features of each model's program stand among those that its snapshots keep."""
    places = [np.zeros(0, np.int64)] * len(config.models)
    for group in sampled_models(config):
        kept = snapshot_features([config.models[index] for index in group])
        for index in group:
            columns = [kept.index(feature) for feature in config.models[index].features]
            places[index] = np.array(columns, np.int64)
    return tuple(places)


def closed_examples(rows: Ints, users: Texts, places: tuple[Ints, ...]) -> ClosedExamples:
    """What the loop reported, in order of place."""
    rows = in_order(rows, users)
    floats = rows.view(np.float64)
    return ClosedExamples(
        model=rows[:, out.EXAMPLE_MODEL],
        user=texts_of(users, rows[:, out.EXAMPLE_USER]),
        sampled_ms=rows[:, out.EXAMPLE_SAMPLED],
        closed_ms=rows[:, out.EXAMPLE_CLOSED],
        outcome=rows[:, out.EXAMPLE_OUTCOME].astype(np.bool_),
        score=floats[:, out.EXAMPLE_SCORE],
        trigger=rows[:, _TRIGGER],
        version=rows[:, out.EXAMPLE_VERSION],
        tags=rows[:, out.EXAMPLE_TAGS],
        cells=floats[:, out.EXAMPLE_FEATURES :],
        places=places,
    )


def version_text(version: int) -> str:
    """A version as it is named: the hex digits of its 64 bits; "" for 0, which is none.

    >>> version_text(0), version_text(-1), version_text(0x1234)
    ('', 'ffffffffffffffff', '0000000000001234')
    """
    return f"{version % 2**64:016x}" if version else ""


def trigger_text(words: Sequence[int]) -> str:
    """A trigger's id as it is written, "" where there is none.

    >>> trigger_text((0x0807060504030201, -1)), trigger_text((0, 0))
    ('0102030405060708ffffffffffffffff', '')
    """
    return struct.pack("<qq", *words).hex() if any(words) else ""


def in_order(rows: Ints, users: Texts) -> Ints:
    """Rows of examples in order of place."""
    keys = (out.EXAMPLE_SAMPLED, out.EXAMPLE_MODEL, out.EXAMPLE_USER, out.EXAMPLE_CLOSED)
    rows = rows[np.lexsort([rows[:, key] for key in keys])]
    # Two users that close in the same second are rare: only then their ids need be looked at.
    same = np.diff(rows[:, out.EXAMPLE_CLOSED]) == 0
    among = np.flatnonzero(same & (np.diff(rows[:, out.EXAMPLE_USER]) != 0))
    if len(among) == 0:
        return rows
    runs = np.concatenate(([0], np.cumsum(~same)))
    for run in np.unique(runs[among]).tolist():
        first, end = np.searchsorted(runs, (run, run + 1)).tolist()
        names = texts_of(users, rows[first:end, out.EXAMPLE_USER])
        rows[first:end] = rows[first:end][sorted(range(end - first), key=names.__getitem__)]
    return rows


def example_lines(examples: ClosedExamples, config: Config) -> list[bytes]:
    """The examples as CloudEvents, a line of JSON each, in their order."""
    lines = [b""] * len(examples)
    for index, model in enumerate(config.models):
        rows, features = examples.rows_of(index), examples.features_of(index)
        for row, values in zip(rows.tolist(), features.tolist(), strict=True):
            lines[row] = encode(_event(examples, row, model, values, config))
    return lines


def _event(
    examples: ClosedExamples, row: int, model: Model, values: Sequence[float], config: Config
) -> CloudEvent:
    subject = examples.user[row].decode()
    sampled_at = instant_text(int(examples.sampled_ms[row]))
    held = int(examples.tags[row])
    return CloudEvent(
        id=decision_id(EXAMPLE, subject, model.name, sampled_at),
        type=EXAMPLE,
        subject=subject,
        time=instant_text(int(examples.closed_ms[row])),
        data=Example(
            model=model.name,
            sampled_at=sampled_at,
            trigger=trigger_text(examples.trigger[row].tolist()) or UNSET,
            outcome=bool(examples.outcome[row]),
            score=_number(float(examples.score[row])),
            version=version_text(int(examples.version[row])) or None,
            tags=[tag.name for index, tag in enumerate(config.tags) if held >> index & 1],
            features={
                name: _number(value)
                for name, value in zip(model.recipe.program.features, values, strict=True)
            },
        ),
    )


def _number(value: float) -> float | None:
    return value if value == value else None
