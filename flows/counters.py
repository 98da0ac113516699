"""What an engine counts: events, and what became of the stages of its journeys."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from config.schema import Config
from connectors.late import TOO_LATE
from flows import output as out
from state.memory import DUPLICATES, EVENTS_APPLIED, JOURNEY_TALLIES, LATE, MODEL_TALLIES


class JourneyCounters(Struct, frozen=True, kw_only=True):
    """What became of a journey's stages; scheduled = sent + all suppressed + pending.

    Stages that were pending in the snapshot that a run began with are among those scheduled.
    """

    entered: int
    scheduled: int
    sent: int
    suppressed: dict[str, int]
    pending: int
    goals: int

    @property
    def missing(self) -> int:
        """Stages without an outcome, less outcomes without a stage: 0, or a fault of ours."""
        outcomes = self.sent + sum(self.suppressed.values())
        return self.scheduled - outcomes - self.pending


class ExampleCounters(Struct, frozen=True, kw_only=True):
    """A model's examples: how many have closed, and for how many of them its outcome came.

    skipped: messages at which none was taken, as too many of the user's were open.
    """

    closed: int
    outcomes: int
    skipped: int


class Counters(Struct, frozen=True, kw_only=True):
    """Sums since the engine was made (users, pending and tags: as they stand now).

    Stages that were pending in the snapshot count as scheduled. A trigger that turns out withheld
    moves from sent to suppressed here, also where an engine before this one counted it as sent.
    """

    events: int
    duplicates: int
    late: int
    users: int
    journeys: dict[str, JourneyCounters]
    tags: dict[str, int]
    examples: dict[str, ExampleCounters]


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


class EngineSums:
    """What became of the stages and examples of one engine, in sums since it was made.

    outcomes: (journeys, outcomes), as decided. withheld: how many (journeys,) of those sent turned
    out not to be. examples: (models, 2), closed and of those with outcome.
    """

    def __init__(self, config: Config) -> None:
        """Nothing yet."""
        self._config = config
        self.outcomes = np.zeros((len(config.journeys), out.HOLDOUT + 1), np.int64)
        self.withheld = np.zeros(len(config.journeys), np.int64)
        self.examples = np.zeros((len(config.models), 2), np.int64)

    def tallies(self, nodes: NDArray[np.int64], user_count: int) -> Tallies:
        """The tallies at hand; `nodes`: `Memory.nodes`."""
        ends = JOURNEY_TALLIES + 2 * len(self.outcomes)
        scheduled = int(nodes[JOURNEY_TALLIES + 1 : ends : 2].sum())
        # A goal is no end of a stage.
        ended = int(self.outcomes.sum() - self.outcomes[:, out.GOAL].sum())
        return Tallies(
            events=int(nodes[EVENTS_APPLIED]),
            duplicates=int(nodes[DUPLICATES]),
            late=int(nodes[LATE]),
            users=user_count,
            pending=scheduled - ended,
            outcomes=self.outcomes.copy(),
        )

    def counters(
        self, nodes: NDArray[np.int64], held: NDArray[np.int64], pending: Sequence[int]
    ) -> Counters:
        """All of it; `held`: (users,) bits of their tags; `pending`: stages of each journey."""
        tallies = self.tallies(nodes, len(held))
        return Counters(
            events=tallies.events,
            duplicates=tallies.duplicates,
            late=tallies.late,
            users=tallies.users,
            journeys={
                journey.name: self._journey(index, nodes, pending[index])
                for index, journey in enumerate(self._config.journeys)
            },
            tags={
                tag.name: int(np.count_nonzero(held >> at & 1))
                for at, tag in enumerate(self._config.tags)
            },
            examples={
                model.name: ExampleCounters(
                    closed=int(self.examples[index, 0]),
                    outcomes=int(self.examples[index, 1]),
                    skipped=int(nodes[MODEL_TALLIES + index]),
                )
                for index, model in enumerate(self._config.models)
                if not model.complement
            },
        )

    def _journey(self, index: int, nodes: NDArray[np.int64], pending: int) -> JourneyCounters:
        own, late = self.outcomes[index], int(self.withheld[index])
        suppressed = {reason: int(own[code]) for code, reason in out.REASONS.items() if own[code]}
        return JourneyCounters(
            entered=int(nodes[JOURNEY_TALLIES + 2 * index]),
            scheduled=int(nodes[JOURNEY_TALLIES + 2 * index + 1]),
            sent=int(own[out.SENT]) - late,
            suppressed=suppressed | ({TOO_LATE: late} if late else {}),
            pending=pending,
            goals=int(own[out.GOAL]),
        )


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
        examples=example_sums([before.examples, after.examples]),
    )


def example_sums(parts: Iterable[Mapping[str, ExampleCounters]]) -> dict[str, ExampleCounters]:
    """Sums over partitions, or over configs that were in force one after the other."""
    sums: dict[str, ExampleCounters] = {}
    nothing = ExampleCounters(closed=0, outcomes=0, skipped=0)
    for name, one in (pair for part in parts for pair in part.items()):
        before = sums.get(name, nothing)
        sums[name] = ExampleCounters(
            closed=before.closed + one.closed,
            outcomes=before.outcomes + one.outcomes,
            skipped=before.skipped + one.skipped,
        )
    return sums


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
