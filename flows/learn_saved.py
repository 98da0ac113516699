"""A learner as bytes, and a version of it that can be scored by: exact, checked when read.

Bytes start with what they are and their format, then a digest of all that follows (BLAKE2b, 32
bytes), then MessagePack; arrays are little-endian float64. What was saved reads back to the same
bits. The digest is also a version's name.
"""

from __future__ import annotations

import hashlib
from typing import Literal, TypeVar

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from config.terms import TermProgram
from flows.learn_loops import Moments, Program, Scorer
from flows.learn_model import Learner, Settings
from flows.learn_program import ProgramError, compiled_program

FORMAT = 1
DIGEST_BYTES = 32
SAVED_BYTES_MAX = 8_000_000
VERSION_BYTES_MAX = 900_000
"""A version travels in one record of the log."""

Kind = Literal["learner", "version"]


class UnreadableModelError(ValueError):
    """Bytes that are no learner or version that this program can read."""


class SavedRegression(Struct, frozen=True, kw_only=True):
    """A regression between two batches."""

    precision: bytes
    weights: bytes


class SavedLearner(Struct, frozen=True, kw_only=True):
    """All that a learner knows."""

    settings: Settings
    learned_count: int
    counts: bytes
    means: bytes
    squares: bytes
    regressions: tuple[SavedRegression, ...]
    waiting_terms: bytes
    waiting_outcomes: bytes


class SavedVersion(Struct, frozen=True, kw_only=True):
    """What scores need of a learner: its program, and three numbers a term."""

    program: TermProgram
    learned_count: int
    clip: float
    intercept: float
    means: bytes
    scales: bytes
    weights: bytes


class Version(Struct, frozen=True, kw_only=True):
    """A version as it is scored by; `id` is the digest of its bytes, in hex."""

    id: str
    learned_count: int
    terms: TermProgram
    program: Program
    scorer: Scorer


Saved = TypeVar("Saved", SavedLearner, SavedVersion)


def save(learner: Learner) -> bytes:
    """The learner as bytes, with what waits for its batch."""
    moments = learner.moments
    return _sealed(
        "learner",
        SavedLearner(
            settings=learner.settings,
            learned_count=learner.learned_count,
            counts=_bytes_of(moments.counts),
            means=_bytes_of(moments.means),
            squares=_bytes_of(moments.squares),
            regressions=tuple(
                SavedRegression(
                    precision=_bytes_of(regression.precision),
                    weights=_bytes_of(regression.weights),
                )
                for regression in learner.regressions
            ),
            waiting_terms=_bytes_of(learner.waiting_terms),
            waiting_outcomes=_bytes_of(learner.waiting_outcomes),
        ),
    )


def load(data: bytes) -> Learner:
    """The learner that was saved: it scores and learns on, to the same bits.

    Raises:
        UnreadableModelError: the bytes are damaged, of another kind, or of another format.
    """
    saved = _opened("learner", data, SavedLearner)
    try:
        learner = Learner(saved.settings)
        terms = len(saved.settings.recipe.program.terms)
        counts, means, squares = (
            _array_of(held, (terms,)) for held in (saved.counts, saved.means, saved.squares)
        )
        learner.moments = Moments(counts=counts, means=means, squares=squares)
        for regression, held in zip(learner.regressions, saved.regressions, strict=True):
            regression.precision[:] = _array_of(held.precision, regression.precision.shape)
            regression.weights[:] = _array_of(held.weights, regression.weights.shape)
        learner.waiting_terms = _array_of(saved.waiting_terms, (-1, terms))
        learner.waiting_outcomes = _array_of(saved.waiting_outcomes, (len(learner.waiting_terms),))
    except (ValueError, KeyError) as error:
        raise UnreadableModelError(f"learner: expected parts that fit, got {error}") from error
    learner.learned_count = saved.learned_count
    return learner


def publish(learner: Learner) -> bytes:
    """The learner's present version: what a `model` record carries."""
    scorer = learner.scorer()
    clip, intercept = scorer.bounds.tolist()
    data = _sealed(
        "version",
        SavedVersion(
            program=learner.settings.recipe.program,
            learned_count=learner.learned_count,
            clip=clip,
            intercept=intercept,
            means=_bytes_of(scorer.means),
            scales=_bytes_of(scorer.scales),
            weights=_bytes_of(scorer.weights),
        ),
    )
    assert len(data) <= VERSION_BYTES_MAX, "a program's limits keep versions small"
    return data


def read_version(data: bytes) -> Version:
    """The version that was published.

    Raises:
        UnreadableModelError: the bytes are damaged, of another kind, or of another format.
    """
    saved = _opened("version", data, SavedVersion)
    try:
        program = compiled_program(saved.program)
        shape = (len(saved.program.terms),)
        means, scales, weights = (
            _array_of(held, shape) for held in (saved.means, saved.scales, saved.weights)
        )
    except (ProgramError, ValueError) as error:
        raise UnreadableModelError(f"version: expected parts that fit, got {error}") from error
    bounds = np.array([saved.clip, saved.intercept])
    return Version(
        id=version_id(data),
        learned_count=saved.learned_count,
        terms=saved.program,
        program=program,
        scorer=Scorer(means=means, scales=scales, weights=weights, bounds=bounds),
    )


def version_id(data: bytes) -> str:
    """The name of what `publish` gave: the same bytes have the same name."""
    start = len(_heading("version"))
    return data[start : start + DIGEST_BYTES].hex()


def _heading(kind: Kind) -> bytes:
    return f"beckon {kind} {FORMAT}\n".encode()


def _sealed(kind: Kind, saved: Struct) -> bytes:
    payload = msgspec.msgpack.encode(saved)
    return _heading(kind) + _digest_of(payload) + payload


def _opened(kind: Kind, data: bytes, shape: type[Saved]) -> Saved:
    heading = _heading(kind)
    got = data[: len(heading)]
    if got != heading:
        raise UnreadableModelError(f"{kind}: expected {heading!r} at the start, got {got!r}")
    if len(data) > SAVED_BYTES_MAX:
        raise UnreadableModelError(
            f"{kind}: expected at most {SAVED_BYTES_MAX} bytes, got {len(data)}"
        )
    start = len(heading) + DIGEST_BYTES
    if data[len(heading) : start] != _digest_of(data[start:]):
        raise UnreadableModelError(f"{kind}: expected the digest of its bytes, got another one")
    try:
        return msgspec.msgpack.decode(data[start:], type=shape)
    except msgspec.DecodeError as error:
        raise UnreadableModelError(f"{kind}: expected its parts, got {error}") from error


def _digest_of(payload: bytes) -> bytes:
    return hashlib.blake2b(payload, digest_size=DIGEST_BYTES).digest()


def _bytes_of(values: NDArray[np.float64]) -> bytes:
    return values.astype("<f8").tobytes()


def _array_of(data: bytes, shape: tuple[int, ...]) -> NDArray[np.float64]:
    return np.frombuffer(data, "<f8").astype(np.float64).reshape(shape)
