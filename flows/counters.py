"""What an engine counts: events, and what became of the stages of its journeys."""

from __future__ import annotations

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray


class JourneyCounters(Struct, frozen=True, kw_only=True):
    """What became of a journey's stages; scheduled = sent + all suppressed + pending."""

    entered: int
    scheduled: int
    sent: int
    suppressed: dict[str, int]
    pending: int
    goals: int


class Counters(Struct, frozen=True, kw_only=True):
    """Sums since the engine was made (users, pending and tags: as they stand now).

    Stages that were pending in the snapshot count as scheduled.
    """

    events: int
    duplicates: int
    late: int
    users: int
    journeys: dict[str, JourneyCounters]
    tags: dict[str, int]


class Tallies(Struct, frozen=True, kw_only=True):
    """Sums since the engine was made that are at hand; users and pending as they stand now.

    outcomes: (journeys, outcomes) int64.
    """

    events: int
    duplicates: int
    late: int
    users: int
    pending: int
    outcomes: NDArray[np.int64]


def since(before: Tallies, after: Tallies) -> Tallies:
    """What was added between two looks at an engine; users and pending as they stand after."""
    return Tallies(
        events=after.events - before.events,
        duplicates=after.duplicates - before.duplicates,
        late=after.late - before.late,
        users=after.users,
        pending=after.pending,
        outcomes=after.outcomes - before.outcomes,
    )
