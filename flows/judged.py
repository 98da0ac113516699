"""Closed examples of a model, as columns: who was scored when, what was said, and what came."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import ArrayLike, NDArray

EXAMPLES_MAX = 20_000_000
"""Of one model, in one evaluation: about 1 GB."""


class Judged(Struct, frozen=True, kw_only=True):
    """Examples in the order in which they were sampled; of one instant, by number of the user.

    users: (n,) their numbers. sampled_ms: (n,). outcomes: (n,) bool. scores: (n,) as they were
    given at the instant; NaN while there was no version. versions: (n,) indices into
    `version_names`, of which the first stands for none. tags: (n,) a bit for each tag of the config
    that was held.
    """

    users: NDArray[np.int64]
    sampled_ms: NDArray[np.int64]
    outcomes: NDArray[np.bool_]
    scores: NDArray[np.float64]
    versions: NDArray[np.int64]
    tags: NDArray[np.int64]
    version_names: tuple[str, ...]

    def chosen(self, which: NDArray[np.bool_] | NDArray[np.int64]) -> Judged:
        """Some of them."""
        return Judged(
            users=self.users[which],
            sampled_ms=self.sampled_ms[which],
            outcomes=self.outcomes[which],
            scores=self.scores[which],
            versions=self.versions[which],
            tags=self.tags[which],
            version_names=self.version_names,
        )

    @property
    def is_scored(self) -> NDArray[np.bool_]:
        """(n,) whether there was a version."""
        return ~np.isnan(self.scores)


class Numbers:
    """Numbers for texts, from 0 on in the order in which they are met."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def of(self, texts: Iterable[str]) -> NDArray[np.int64]:
        """(n,) the number of each."""
        numbers = self._numbers
        return np.array([numbers.setdefault(text, len(numbers)) for text in texts], np.int64)

    def texts(self) -> tuple[str, ...]:
        """All texts, by number."""
        return tuple(self._numbers)


def check_count(model: str, count: int) -> None:
    """Refuse more examples of a model than are judged at once; raises `OSError`."""
    if count > EXAMPLES_MAX:
        raise OSError(
            f"{model}: expected at most {EXAMPLES_MAX:,} closed examples to judge at once, got "
            "more; take a shorter part of the log"
        )


def in_order_once(judged: Judged) -> Judged:
    """The examples in order, each once: a topic may bring some of them again."""
    order = np.lexsort((judged.users, judged.sampled_ms))
    users, sampled_ms = judged.users[order], judged.sampled_ms[order]
    is_new = np.ones(len(order), np.bool_)
    is_new[1:] = (np.diff(users) != 0) | (np.diff(sampled_ms) != 0)
    return judged.chosen(order[is_new])


def complement_of(judged: Judged) -> Judged:
    """The examples of the model that is one minus this one."""
    return replace(judged, outcomes=~judged.outcomes, scores=1.0 - judged.scores)


_NO_NUMBERS = np.zeros(0, np.int64)
NONE = Judged(
    users=_NO_NUMBERS,
    sampled_ms=_NO_NUMBERS,
    outcomes=np.zeros(0, np.bool_),
    scores=np.zeros(0),
    versions=_NO_NUMBERS,
    tags=_NO_NUMBERS,
    version_names=("",),
)
"""No examples."""


class Closed(NamedTuple):
    """Examples of one model as they come: (n,) each; versions are "" where there was none."""

    users: Sequence[str]
    sampled_ms: ArrayLike
    outcomes: ArrayLike
    scores: ArrayLike
    versions: Sequence[str]
    tags: ArrayLike


class Gathering:
    """Collects closed examples, model by model, until all of them are there."""

    def __init__(self) -> None:
        self._users = Numbers()
        self._versions = Numbers()
        # The first number, which stands for none.
        self._versions.of([""])
        self._parts: dict[str, list[Judged]] = {}
        self._counts: Counter[str] = Counter()

    def add(self, model: str, closed: Closed) -> None:
        """Take in some examples of a model.

        Raises:
            OSError: there are more than `EXAMPLES_MAX` of it.
        """
        self._counts[model] += len(closed.users)
        check_count(model, self._counts[model])
        part = Judged(
            users=self._users.of(closed.users),
            sampled_ms=np.asarray(closed.sampled_ms, np.int64),
            outcomes=np.asarray(closed.outcomes, np.bool_),
            scores=np.asarray(closed.scores, np.float64),
            versions=self._versions.of(closed.versions),
            tags=np.asarray(closed.tags, np.int64),
            version_names=(),
        )
        self._parts.setdefault(model, []).append(part)

    def judged(self, model: str) -> Judged:
        """All examples of a model, in order and each once."""
        parts = self._parts.get(model, [NONE])
        return in_order_once(
            Judged(
                users=np.concatenate([part.users for part in parts]),
                sampled_ms=np.concatenate([part.sampled_ms for part in parts]),
                outcomes=np.concatenate([part.outcomes for part in parts]),
                scores=np.concatenate([part.scores for part in parts]),
                versions=np.concatenate([part.versions for part in parts]),
                tags=np.concatenate([part.tags for part in parts]),
                version_names=self._versions.texts(),
            )
        )

    def models(self) -> list[str]:
        """The names of the models that have examples, in the order in which they were met."""
        return [*self._parts]
