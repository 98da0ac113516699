"""What the live loop tells `flows.metrics` of its work, once per batch, commit and relay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from flows.places import Place


class BatchFacts(Struct, frozen=True, kw_only=True):
    """What one batch of a partition brought.

    outcomes: `Batch.outcomes()` of its decisions, (journeys, outcomes) int64; None: none were
    decided. lag_records: records behind the batch. log_ms: log time reached.
    """

    events: int
    duplicates: int
    late: int
    dead_letters: Mapping[str, int]
    outcomes: NDArray[np.int64] | None
    lag_records: int
    log_ms: int


class CommitFacts(Struct, frozen=True, kw_only=True):
    """A commit that was taken: how long it took, when it was done, what Redis holds now."""

    seconds: float
    now_ms: int
    rows: int
    outbox: int


class RelayFacts(Struct, frozen=True, kw_only=True):
    """A transaction that Kafka acknowledged at `now_ms` by the wall clock.

    event_instants_ms, timer_instants_ms: instants of the triggers in it, by what set them off (the
    place of the latter has offset -1). too_late: how many of each journey met their `send_by`.
    """

    seconds: float
    now_ms: int
    entries: int
    event_instants_ms: Sequence[int]
    timer_instants_ms: Sequence[int]
    too_late: Mapping[str, int] = {}


class StateFacts(Struct, frozen=True, kw_only=True):
    """How much a partition remembers; told every few seconds, for counting may walk all users."""

    users: int
    state_bytes: int
    pending_timers: int


def relay_facts(
    places: Sequence[Place], *, seconds: float, now_ms: int, too_late: Mapping[str, int]
) -> RelayFacts:
    """The facts of a transaction with decisions at these places."""
    return RelayFacts(
        seconds=seconds,
        now_ms=now_ms,
        entries=len(places),
        event_instants_ms=[place.instant_ms for place in places if place.offset >= 0],
        timer_instants_ms=[place.instant_ms for place in places if place.offset < 0],
        too_late=too_late,
    )
