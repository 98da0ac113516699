"""What a replay did: its counts, and whether its sums close."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from msgspec import Struct

from connectors.triggers import instant_text
from flows.counters import Counters, ExampleCounters, JourneyCounters, example_sums
from flows.score_sums import ScoreFigures
from state.store import Checkpoint


class Replayed(Struct, frozen=True, kw_only=True):
    """What a run leaves behind to be summed up."""

    records: int
    counters: list[Counters]
    dead_letters: Mapping[str, int]
    checkpoint: Checkpoint
    interrupted: bool
    scores: Mapping[str, ScoreFigures] = {}


class Measured(Struct, frozen=True, kw_only=True):
    """What differs from run to run: of the whole process, from its start on."""

    seconds: float
    cpu_seconds: float
    events_per_second: int
    events_per_cpu_second: int
    resident_mb: int


class Summary(Struct, frozen=True, kw_only=True):
    """The counts of a run. docs/operations.md says what each key of its JSON means."""

    records: int
    events: int
    users: int
    dead_letters: dict[str, int]
    duplicates: int
    late: int
    tags: dict[str, int]
    journeys: dict[str, JourneyCounters]
    examples: dict[str, ExampleCounters]
    scores: dict[str, ScoreFigures]
    clock: str | None
    next_offset: int
    partitions: int
    config_version: str
    interrupted: bool
    sums_close: bool
    measured: Measured


def sum_up(replayed: Replayed, measured: Measured) -> Summary:
    """The summary of a run."""
    counters = replayed.counters
    checkpoint = replayed.checkpoint
    journeys = journey_sums(counters)
    return Summary(
        records=replayed.records,
        events=sum(one.events for one in counters),
        users=sum(one.users for one in counters),
        dead_letters=dict(replayed.dead_letters),
        duplicates=sum(one.duplicates for one in counters),
        late=sum(one.late for one in counters),
        tags=held_tags(counters),
        journeys=journeys,
        examples=example_sums([one.examples for one in counters]),
        scores=dict(replayed.scores),
        clock=instant_text(checkpoint.clock_ms) if checkpoint.next_offset else None,
        next_offset=checkpoint.next_offset,
        partitions=len(counters),
        config_version=checkpoint.config_version,
        interrupted=replayed.interrupted,
        sums_close=not any(sums.missing for sums in journeys.values()),
        measured=measured,
    )


def journey_sums(counters: list[Counters]) -> dict[str, JourneyCounters]:
    """Each journey's sums over all partitions."""
    names = dict.fromkeys(name for one in counters for name in one.journeys)
    return {
        name: _sums([one.journeys[name] for one in counters if name in one.journeys])
        for name in names
    }


def _sums(partitions: list[JourneyCounters]) -> JourneyCounters:
    suppressed: Counter[str] = Counter()
    for one in partitions:
        suppressed.update(one.suppressed)
    return JourneyCounters(
        entered=sum(one.entered for one in partitions),
        scheduled=sum(one.scheduled for one in partitions),
        sent=sum(one.sent for one in partitions),
        suppressed=dict(sorted(suppressed.items())),
        pending=sum(one.pending for one in partitions),
        goals=sum(one.goals for one in partitions),
    )


def held_tags(partitions: Iterable[Counters]) -> dict[str, int]:
    """How many users hold each tag now, over all partitions."""
    held: Counter[str] = Counter()
    for one in partitions:
        held.update(one.tags)
    return dict(held)


def open_sums(summary: Summary) -> list[str]:
    """One line for each journey whose scheduled stages do not all have exactly one outcome."""
    return [
        f"journeys/{name}: expected scheduled = sent + suppressed + pending, got "
        f"{sums.scheduled} = {sums.sent} + {sum(sums.suppressed.values())} + "
        f"{sums.pending}; this is a fault of Beckon, please report it"
        for name, sums in summary.journeys.items()
        if sums.missing
    ]
