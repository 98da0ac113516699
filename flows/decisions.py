"""What one batch decided, in order of place, rendered to contract messages on demand."""

from __future__ import annotations

from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from config.schema import Config
from connectors.blake2b import new_hashing
from connectors.json_text import Bytes
from connectors.log import Keyed
from connectors.triggers import (
    GOAL,
    CloudEvent,
    GoalReached,
    Instance,
    decision_id,
    encode,
    held_out,
    instant_text,
)
from flows import output as out
from flows.examples import ClosedExamples, closed_examples, example_lines, feature_places
from flows.identity import HASHED_BYTES_MAX, Naming
from flows.output import Output, Reported, reported
from flows.places import Place
from flows.render import render
from flows.render_parts import Decisions
from flows.render_plan import (
    LINE_BYTES_MAX,
    bytes_max,
    make_render_plan,
    transition_bytes_max,
)
from flows.render_tags import render_transitions
from state.texts import Texts, text_of, texts_of

RENDERED_AT_ONCE, TRANSITIONS_AT_ONCE = 128, 512
_Cells = list[int]


class Names:
    """Numbers to names for one partition: the tables of users and texts, and tag names."""

    def __init__(self, config: Config, users: Texts, texts: Texts) -> None:
        self.config = config
        self.users = users
        self.texts = texts
        self.render_plan = make_render_plan(config)
        self.decision_bytes_max = bytes_max(config)
        self.transition_bytes_max = transition_bytes_max(config)
        self.hashing = new_hashing()
        self.feature_places = feature_places(config)
        self._buffer = np.empty(0, np.uint8)
        self.falling_priorities = -np.array([one.priority for one in config.journeys], np.int64)
        self.holdouts = [(journey.name.encode(), journey.holdout) for journey in config.journeys]

    def buffer(self, size: int) -> Bytes:
        """A buffer of this size, the same one again and again: memory that is new takes time."""
        if size > len(self._buffer):
            self._buffer = np.empty(size, np.uint8)
        return self._buffer

    def naming(self) -> Naming:
        """What the loop makes ids of."""
        buffer = self.buffer(HASHED_BYTES_MAX)
        return Naming(self.render_plan, self.users, self.hashing, buffer)

    def user(self, slot: int) -> bytes:
        """A user's id."""
        return text_of(self.users, slot)

    def text(self, number: int) -> str:
        """A text that events named."""
        return text_of(self.texts, number).decode()

    def key(self, number: int) -> str | None:
        """An instance's key, None for "no key"."""
        return self.text(number) if number else None

    def journey_that_sends(self, name: str, user: bytes) -> int:
        """The index of a journey; -1 when there is none, or the user is in its holdout."""
        for index, (known, share) in enumerate(self.holdouts):
            if known == name.encode() and not held_out(known, user, share):
                return index
        return -1


class Batch:
    """The decisions and transitions of one batch of a partition.

    Rows refer to the partition's tables as they stand: render before the next batch is processed,
    and after the last `take`.
    """

    def __init__(self, names: Names) -> None:
        self._names = names
        self._parts: list[Reported] = []
        self.withheld: list[bytes] = []
        """Lines of stages that were decided earlier, and are suppressed: the log says so."""

    def take(self, output: Output) -> None:
        """Copy what the loop reported and empty its buffer."""
        self._parts.append(reported(output))

    def outcomes(self) -> NDArray[np.int64]:
        """(journeys, outcomes) int64: how often each journey had each outcome."""
        journeys = len(self._names.config.journeys)
        counts = np.zeros((journeys, out.HOLDOUT + 1), np.int64)
        for part in self._parts:
            np.add.at(counts, (part.rows[:, out.JOURNEY], part.rows[:, out.OUTCOME]), 1)
        return counts

    def triggers(self) -> list[bytes]:
        """The stages sent, in order of place: JSON, a line each, without newlines."""
        table = self._table
        rows = table.rows[:, out.OUTCOME] == out.SENT
        return self._rendered(table, self._in_order(table.rows, np.flatnonzero(rows)))

    def placed_triggers(self) -> list[tuple[Place, bytes]]:
        """As `triggers`, each with its place."""
        table = self._table
        rows = np.flatnonzero(table.rows[:, out.OUTCOME] == out.SENT)
        order = self._in_order(table.rows, rows)
        places = self._whole_places(table.rows[order])
        return list(zip(places, self._rendered(table, order), strict=True))

    def decisions(self) -> list[bytes]:
        """All outcomes and goals, in order of place."""
        table = self._table
        order = self._in_order(table.rows, np.arange(len(table.rows)))
        are_goals = table.rows[order, out.OUTCOME] == out.GOAL
        lines: list[bytes] = []
        for run in np.split(order, np.flatnonzero(np.diff(are_goals)) + 1):
            if len(run) and table.rows[run[0], out.OUTCOME] == out.GOAL:
                lines += self._goals(table.rows[run])
            else:
                lines += self._rendered(table, run)
        return lines

    def suppressed(self) -> list[Keyed]:
        """The stages not sent, in order of place: (user, line)."""
        table = self._table
        outcomes = table.rows[:, out.OUTCOME]
        rows = np.flatnonzero((outcomes != out.SENT) & (outcomes != out.GOAL))
        order = self._in_order(table.rows, rows)
        users = texts_of(self._names.users, table.rows[order, out.USER])
        return list(zip(users, self._rendered(table, order), strict=True))

    def goals(self) -> list[Keyed]:
        """The goals reached, in order of place: (user, line)."""
        rows = self._table.rows
        order = self._in_order(rows, np.flatnonzero(rows[:, out.OUTCOME] == out.GOAL))
        users = texts_of(self._names.users, rows[order, out.USER])
        return list(zip(users, self._goals(rows[order]), strict=True))

    def transitions(self) -> list[bytes]:
        """Tags gained and lost, in order of instant, offset, user and tag: JSON, a line each."""
        names, rows = self._names, self._transitions
        count = min(len(rows), TRANSITIONS_AT_ONCE)
        buffer = names.buffer(count * names.transition_bytes_max)
        lines: list[bytes] = []
        for first in range(0, len(rows), TRANSITIONS_AT_ONCE):
            part = rows[first : first + TRANSITIONS_AT_ONCE]
            ends = np.zeros(len(part), np.int64)
            render_transitions(names.render_plan, names.users, part, names.hashing, buffer, ends)
            lines += parts_of(buffer, ends)
        return lines

    def example_counts(self) -> NDArray[np.int64]:
        """(models, 2) int64: how many examples of each model have closed, with its outcome."""
        counts = np.zeros((len(self._names.config.models), 2), np.int64)
        for part in self._parts:
            models = part.examples[:, out.EXAMPLE_MODEL]
            np.add.at(counts[:, 0], models, 1)
            np.add.at(counts[:, 1], models, part.examples[:, out.EXAMPLE_OUTCOME])
        return counts

    def closed(self) -> ClosedExamples:
        """The examples that have closed, in order of place."""
        return self._closed

    def examples(self) -> list[bytes]:
        """The examples that have closed, in order of place: JSON, a line each."""
        return example_lines(self._closed, self._names.config)

    def turned(self) -> list[tuple[bytes, str, bool]]:
        """(user, tag, held) of each of `transitions`."""
        tags = [tag.name for tag in self._names.config.tags]
        rows = self._transitions
        users = texts_of(self._names.users, rows[:, out.TURNED_USER])
        turned = [tags[tag] for tag in rows[:, out.TURNED_TAG].tolist()]
        held = rows[:, out.TURNED_HELD].astype(np.bool_).tolist()
        return list(zip(users, turned, held, strict=True))

    @cached_property
    def _closed(self) -> ClosedExamples:
        names = self._names
        rows = np.concatenate([part.examples for part in self._parts])
        return closed_examples(rows, names.users, names.feature_places)

    @cached_property
    def _table(self) -> Decisions:
        """The decisions of all parts in one table."""
        if len(self._parts) == 1:
            part = self._parts[0]
            return Decisions(part.rows, part.floats, part.lines)
        rows = np.concatenate([part.rows for part in self._parts])
        first = 0
        lines_before = 0
        for part in self._parts:
            rows[first : first + len(part.rows), out.FIRST_LINE] += lines_before
            first += len(part.rows)
            lines_before += len(part.lines)
        lines = np.concatenate([part.lines for part in self._parts])
        return Decisions(rows, rows.view(np.float64), lines)

    def _in_order(self, rows: NDArray[np.int64], wanted: NDArray[np.int64]) -> NDArray[np.int64]:
        """The rows `wanted` in order of place."""
        offsets, instants = rows[wanted, out.OFFSET], rows[wanted, out.INSTANT]
        by_time = np.lexsort((offsets, instants))
        order = wanted[by_time]
        ties = (np.diff(instants[by_time]) == 0) & (np.diff(offsets[by_time]) == 0)
        # Only of those tied to one beside them texts are looked at: these stay where they are.
        tied = np.flatnonzero(np.append(ties, False) | np.append(False, ties))
        order[tied] = self._in_whole_order(rows, order[tied])
        return order

    def _in_whole_order(
        self, rows: NDArray[np.int64], wanted: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """The rows `wanted` in order of place, by all that makes one."""
        cells = rows[wanted, : out.FIRST_LINE]
        users = ranks(self._names.users, cells[:, out.USER])
        keys = cells[:, out.KEY]
        keys = np.where(keys == 0, -1, ranks(self._names.texts, keys))
        falling = self._names.falling_priorities[cells[:, out.JOURNEY]]
        inner = (cells[:, out.STAGE], cells[:, out.ENTRY], keys, cells[:, out.JOURNEY], falling)
        return wanted[np.lexsort((*inner, users, cells[:, out.OFFSET], cells[:, out.INSTANT]))]

    def _whole_places(self, rows: NDArray[np.int64]) -> list[Place]:
        """The places of decisions."""
        names, journeys = self._names, self._names.config.journeys
        users = texts_of(names.users, rows[:, out.USER])
        keys = texts_of(names.texts, rows[:, out.KEY])
        cells = rows[:, : out.FIRST_LINE].tolist()
        return [
            Place(
                instant_ms=cell[out.INSTANT],
                offset=cell[out.OFFSET],
                user=user.decode(),
                descending_priority=-journeys[cell[out.JOURNEY]].priority,
                journey=journeys[cell[out.JOURNEY]].name,
                has_key=cell[out.KEY] != 0,
                key=key.decode() if cell[out.KEY] else "",
                entry_ms=cell[out.ENTRY],
                stage=cell[out.STAGE],
            )
            for cell, user, key in zip(cells, users, keys, strict=True)
        ]

    def _rendered(self, table: Decisions, order: NDArray[np.int64]) -> list[bytes]:
        """The lines of these decisions, none of them a goal, a buffer full at a time."""
        lines: list[bytes] = []
        for first in range(0, len(order), RENDERED_AT_ONCE):
            lines += self._render(table, order[first : first + RENDERED_AT_ONCE])
        return lines

    def _render(self, table: Decisions, order: NDArray[np.int64]) -> list[bytes]:
        names = self._names
        line_count = int(table.rows[order, out.LINE_COUNT].sum())
        room = len(order) * names.decision_bytes_max + line_count * LINE_BYTES_MAX
        buffer, ends = names.buffer(room), np.zeros(len(order), np.int64)
        tables = (names.users, names.texts)
        render(names.render_plan, tables, table, order, names.hashing, buffer, ends)
        return parts_of(buffer, ends)

    @cached_property
    def _transitions(self) -> NDArray[np.int64]:
        """The transitions in order of instant, offset, user and tag."""
        rows = np.concatenate([part.transitions for part in self._parts])
        instant, offset = rows[:, out.TURNED_INSTANT], rows[:, out.TURNED_OFFSET]
        order = np.lexsort((rows[:, out.TURNED_TAG], rows[:, out.TURNED_USER], offset, instant))
        rows = rows[order]
        # One event turns tags of one user; only time does those of several at one instant.
        same = (np.diff(instant[order]) == 0) & (np.diff(offset[order]) == 0)
        among = np.flatnonzero(same & (np.diff(rows[:, out.TURNED_USER]) != 0))
        runs = np.concatenate(([0], np.cumsum(~same)))
        for run in np.unique(runs[among]).tolist():
            first, end = np.searchsorted(runs, (run, run + 1)).tolist()
            rows[first:end] = self._by_user(rows[first:end])
        return rows

    def _by_user(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Transitions, sorted by slot and tag, in order of the users' ids."""
        users = texts_of(self._names.users, rows[:, out.TURNED_USER])
        return rows[sorted(range(len(rows)), key=users.__getitem__)]

    def _goals(self, rows: NDArray[np.int64]) -> list[bytes]:
        """The lines of these decisions, each of them a goal."""
        return [encode(self._goal(cells)) for cells in rows.tolist()]

    def _goal(self, cells: _Cells) -> CloudEvent:
        journey = self._names.config.journeys[cells[out.JOURNEY]]
        assert journey.goal is not None, "a goal was reached of a journey that has none"
        user = self._names.user(cells[out.USER])
        key, entry = self._names.key(cells[out.KEY]), instant_text(cells[out.ENTRY])
        stage, subject = journey.stages[cells[out.STAGE]].name, user.decode()
        return CloudEvent(
            id=decision_id(GOAL, subject, journey.name, key or "", entry, stage),
            type=GOAL,
            subject=subject,
            time=instant_text(cells[out.INSTANT]),
            data=GoalReached(
                journey=journey.name,
                stage=stage,
                instance=Instance(key=key, entry=entry),
                offset=cells[out.OFFSET],
                event=journey.goal.event,
                held_out=held_out(journey.name.encode(), user, journey.holdout),
            ),
        )


def parts_of(buffer: Bytes, ends: NDArray[np.int64]) -> list[bytes]:
    """What was written into a buffer, one after the other.

    >>> parts_of(np.frombuffer(b"onetwo", np.uint8), np.array([3, 6]))
    [b'one', b'two']
    """
    written = buffer[: int(ends.max(initial=0))].tobytes()
    return [written[start:end] for start, end in pairwise([0, *ends.tolist()])]


def ranks(table: Texts, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """Numbers that are in the order of the texts; the same for the same text."""
    distinct, places = np.unique(numbers, return_inverse=True)
    texts = texts_of(table, distinct)
    order = sorted(range(len(texts)), key=texts.__getitem__)
    ranked = np.empty(len(texts), np.int64)
    ranked[order] = np.arange(len(texts))
    return ranked[places]
