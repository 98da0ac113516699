"""What an engine counts: events, and what became of the stages of its journeys."""

from __future__ import annotations

from collections import Counter

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
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


def joined(before: Counters, after: Counters) -> Counters:
    """The sums of a partition before and after another config came into force.

    What was pending then is counted once; not at all where the new config has forgotten it.
    """
    nothing = JourneyCounters(entered=0, scheduled=0, sent=0, suppressed={}, pending=0, goals=0)
    journeys = {
        name: _joined(before.journeys.get(name, nothing), after.journeys.get(name, nothing))
        for name in {**before.journeys, **after.journeys}
    }
    return replace(
        after,
        events=before.events + after.events,
        duplicates=before.duplicates + after.duplicates,
        late=before.late + after.late,
        journeys=journeys,
    )


def _joined(before: JourneyCounters, after: JourneyCounters) -> JourneyCounters:
    return JourneyCounters(
        entered=before.entered + after.entered,
        scheduled=before.scheduled - before.pending + after.scheduled,
        sent=before.sent + after.sent,
        suppressed=dict(Counter(before.suppressed) + Counter(after.suppressed)),
        pending=after.pending,
        goals=before.goals + after.goals,
    )


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
