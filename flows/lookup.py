"""Looking up what a state directory holds: one user's profile, or everybody who holds a tag.

It is read as of its last commits: also while a replay works on it, and without being in its way.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from msgspec import Struct

from config.problems import shown
from config.schema import Config
from connectors.murmur import fill_partitions
from flows.loading import load_engine, tell_conversions
from flows.model_versions import ModelVersions
from state.store import Snapshot, StoreError
from state.stored import open_partition, partitions_of

NEAREST_COUNT = 3
NEAREST_AMONG_MAX = 200_000
"""How many user ids are compared to name the nearest of them."""


class Audience(Struct, frozen=True, kw_only=True):
    """Who holds a tag: (user id, since when in ms), sorted by id; as of the clock."""

    holders: list[tuple[bytes, int]]
    clock_ms: int


def profile_of(directory: Path, config: Config, user: str) -> bytes:
    """The profile of a user: its line of `beckon replay --profiles`.

    Raises:
        StoreError: there is no state, it cannot be converted, or it does not know the user.
    """
    # What was typed need not be UTF-8; an id always is, so it will not be found.
    name = user.encode(errors="surrogateescape")
    partitions = partitions_of(directory)
    partition = partition_of_user(name, partitions)
    snapshot = None
    with open_partition(directory, partition, partitions=partitions) as stored:
        if stored is not None:
            snapshot = stored.snapshot_of(name)
    if snapshot is None:
        raise unknown_user(directory, user, partitions)
    engine = load_engine(str(directory), config, partition, snapshot)
    ModelVersions().resume(snapshot.models, config, engine)
    tell_conversions(str(directory), [engine.conversion])
    return next(engine.profiles())


def audience_of(directory: Path, config: Config, tag_index: int) -> Audience:
    """Who holds a tag of the config. Partitions that a kill left apart count as of their own clock.

    Raises:
        StoreError: there is no state, or it cannot be converted.
    """
    holders: list[tuple[bytes, int]] = []
    clocks_ms = []
    conversions = []
    for partition, snapshot in _snapshots(directory):
        engine = load_engine(str(directory), config, partition, snapshot)
        holders += engine.holders(tag_index)
        clocks_ms.append(snapshot.checkpoint.clock_ms)
        conversions.append(engine.conversion)
    tell_conversions(str(directory), conversions)
    return Audience(holders=sorted(holders), clock_ms=min(clocks_ms))


def partition_of_user(user: bytes, partitions: int) -> int:
    """The partition that a user's events are routed to.

    >>> partition_of_user(b"ada", 1)
    0
    """
    chosen = np.zeros(1, np.int64)
    data = np.frombuffer(user, np.uint8).copy()
    start, length = np.zeros(1, np.int64), np.array([len(user)])
    fill_partitions(data, start, length, partitions, chosen)
    return int(chosen[0])


def unknown_user(directory: Path, user: str, partitions: int) -> StoreError:
    """What to tell who asked for a user that the state does not know: the nearest that it does."""
    known: set[str] = set()
    count = 0
    for partition in range(partitions):
        with open_partition(directory, partition, partitions=partitions) as stored:
            if stored is not None:
                count += stored.checkpoint.user_count
                names = islice(stored.entries(), NEAREST_AMONG_MAX)
                known.update(name.decode() for name, _ in names)
    nearest = nearest_users(user, known)
    return StoreError(
        str(directory),
        expected=f"one of the {count:,} users of this state",
        got=shown(user),
        fix="did you mean " + " or ".join(map(shown, nearest)) + "?"
        if nearest
        else "a user's id is the userId of their events, or else the anonymousId",
    )


def nearest_users(user: str, known: Iterable[str]) -> list[str]:
    """The known ids that begin and end most like `user`, the most like it first.

    >>> nearest_users("u00471", ["u00417", "u00472", "bob", "u00571"])
    ['u00472', 'u00571', 'u00417']
    """
    wanted = user.casefold()
    ranked = (
        (-alike, abs(len(name) - len(user)), name)
        for name in known
        if 2 * (alike := _ends_in_common(wanted, name.casefold())) >= len(user)
    )
    return [name for _, _, name in heapq.nsmallest(NEAREST_COUNT, ranked)]


def _ends_in_common(one: str, other: str) -> int:
    """How many letters two texts share at their beginnings and ends."""
    begin = _beginning_in_common(one, other)
    return begin + _beginning_in_common(one[begin:][::-1], other[begin:][::-1])


def _beginning_in_common(one: str, other: str) -> int:
    differing = (at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)
    return next(differing, min(len(one), len(other)))


def _snapshots(directory: Path) -> Iterator[tuple[int, Snapshot]]:
    partitions = partitions_of(directory)
    for partition in range(partitions):
        with open_partition(directory, partition, partitions=partitions) as stored:
            if stored is not None:
                yield partition, stored.snapshot()
