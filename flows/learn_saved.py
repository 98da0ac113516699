"""A learner as bytes, and a version of it that can be scored by: exact, checked when read."""

from __future__ import annotations

import numpy as np
from msgspec import Struct

from config.terms import TermProgram
from flows.learn_loops import Moments, Program, Scorer
from flows.learn_model import Learner, Settings
from flows.learn_program import ProgramError, compiled_program
from flows.learn_sealed import UnreadableModelError, array_of, bytes_of, digest_of, opened, sealed

VERSION_BYTES_MAX = 900_000
"""A version travels in one record of the log."""


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


def save(learner: Learner) -> bytes:
    """The learner as bytes, with what waits for its batch."""
    moments = learner.moments
    return sealed(
        "learner",
        SavedLearner(
            settings=learner.settings,
            learned_count=learner.learned_count,
            counts=bytes_of(moments.counts),
            means=bytes_of(moments.means),
            squares=bytes_of(moments.squares),
            regressions=tuple(
                SavedRegression(
                    precision=bytes_of(regression.precision),
                    weights=bytes_of(regression.weights),
                )
                for regression in learner.regressions
            ),
            waiting_terms=bytes_of(learner.waiting_terms),
            waiting_outcomes=bytes_of(learner.waiting_outcomes),
        ),
    )


def load(data: bytes) -> Learner:
    """The learner that was saved: it scores and learns on, to the same bits.

    Raises:
        UnreadableModelError: the bytes are damaged, of another kind, or of another format.
    """
    saved = opened("learner", data, SavedLearner)
    try:
        learner = Learner(saved.settings)
        terms = len(saved.settings.recipe.program.terms)
        counts, means, squares = (
            array_of(held, (terms,)) for held in (saved.counts, saved.means, saved.squares)
        )
        learner.moments = Moments(counts=counts, means=means, squares=squares)
        for regression, held in zip(learner.regressions, saved.regressions, strict=True):
            regression.precision[:] = array_of(held.precision, regression.precision.shape)
            regression.weights[:] = array_of(held.weights, regression.weights.shape)
        learner.waiting_terms = array_of(saved.waiting_terms, (-1, terms))
        learner.waiting_outcomes = array_of(saved.waiting_outcomes, (len(learner.waiting_terms),))
    except (ValueError, KeyError) as error:
        raise UnreadableModelError(f"learner: expected parts that fit, got {error}") from error
    learner.learned_count = saved.learned_count
    return learner


def publish(learner: Learner, scorer: Scorer | None = None) -> bytes:
    """The learner's present version: what a `model` record carries; `scorer` instead of its own."""
    scorer = scorer or learner.scorer()
    clip, intercept = scorer.bounds.tolist()
    data = sealed(
        "version",
        SavedVersion(
            program=learner.settings.recipe.program,
            learned_count=learner.learned_count,
            clip=clip,
            intercept=intercept,
            means=bytes_of(scorer.means),
            scales=bytes_of(scorer.scales),
            weights=bytes_of(scorer.weights),
        ),
    )
    assert len(data) <= VERSION_BYTES_MAX, "a program's limits keep versions small"
    return data


def read_version(data: bytes) -> Version:
    """The version that was published.

    Raises:
        UnreadableModelError: the bytes are damaged, of another kind, or of another format.
    """
    saved = opened("version", data, SavedVersion)
    try:
        program = compiled_program(saved.program)
        shape = (len(saved.program.terms),)
        means, scales, weights = (
            array_of(held, shape) for held in (saved.means, saved.scales, saved.weights)
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
    return digest_of("version", data).hex()
