"""What one batch decided, in order of place, rendered to contract messages on demand."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from config.schema import Config
from connectors.json_text import written_number
from connectors.triggers import (
    GOAL,
    SUPPRESSED,
    TAG,
    TRIGGER,
    CloudEvent,
    GoalReached,
    Instance,
    Turned,
    decision_id,
    encode,
    held_out,
    instant_text,
)
from flows import output as out
from flows.output import Output, Reported, reported
from flows.places import Place
from flows.render import ID_BYTES, Decisions, render
from flows.render_plan import HEAD_BYTES, LINE_BYTES_MAX, bytes_max, make_render_plan
from state.texts import Texts, text_of

RENDERED_AT_ONCE = 128
_Cells = list[int]


class Names:
    """Numbers to names for one partition: the tables of users and texts, and tag names."""

    def __init__(self, config: Config, users: Texts, texts: Texts) -> None:
        self.config = config
        self.users = users
        self.texts = texts
        self.render_plan = make_render_plan(config)
        self.decision_bytes_max = bytes_max(config)
        self.holdouts = [(journey.name.encode(), journey.holdout) for journey in config.journeys]
        self._feature_names = [feature.name for feature in config.features]
        features = list(enumerate(config.features))
        self._text_features = [index for index, feature in features if feature.value == "text"]
        self._recent_features: list[tuple[int, int, int]] = []
        cells = 0
        for index, feature in features:
            if feature.value == "texts":
                self._recent_features.append((index, cells, cells + feature.keep))
                cells += feature.keep

    def user(self, slot: int) -> bytes:
        """A user's id."""
        return text_of(self.users, slot)

    def text(self, number: int) -> str:
        """A text that events named."""
        return text_of(self.texts, number).decode()

    def key(self, number: int) -> str | None:
        """An instance's key, None for "no key"."""
        return self.text(number) if number else None

    def tags(self, held: int) -> list[str]:
        """The names of the tags in these bits."""
        return [tag.name for index, tag in enumerate(self.config.tags) if held >> index & 1]

    def journey_that_sends(self, name: str, user: bytes) -> int:
        """The index of a journey; -1 when there is none, or the user is in its holdout."""
        for index, (known, share) in enumerate(self.holdouts):
            if known == name.encode() and not held_out(known, user, share):
                return index
        return -1

    def features(
        self, values: list[float], recent: list[int]
    ) -> dict[str, float | str | list[str]]:
        """Features by name, missing ones left out; `recent` are the cells of the lists of texts."""
        named: list[float | str | list[str]] = list(values)
        for index in self._text_features:
            if values[index] == values[index]:
                named[index] = self.text(int(values[index]))
        for index, first, end in self._recent_features:
            if values[index] == values[index]:
                named[index] = [self.text(number) for number in recent[first:end] if number]
        return {
            name: written_number(value) if isinstance(value, float) else value
            for name, value in zip(self._feature_names, named, strict=True)
            if value == value
        }


class Batch:
    """The decisions and transitions of one batch of a partition.

    Rows refer to the partition's tables as they stand: render before the next batch is processed.
    """

    def __init__(self, names: Names) -> None:
        self._names = names
        self._parts: list[Reported] = []
        self.withheld: list[bytes] = []
        """Lines of stages that were decided earlier, and are suppressed: the log says so."""

    def take(self, output: Output) -> None:
        """Copy what the loop reported and empty its buffer."""
        part = reported(output)
        self._hold_out(part.rows)
        self._parts.append(part)

    def outcomes(self) -> NDArray[np.int64]:
        """(journeys, outcomes) int64: how often each journey had each outcome."""
        journeys = len(self._names.config.journeys)
        counts = np.zeros((journeys, out.HOLDOUT + 1), np.int64)
        for part in self._parts:
            np.add.at(counts, (part.rows[:, out.JOURNEY], part.rows[:, out.OUTCOME]), 1)
        return counts

    def triggers(self) -> list[bytes]:
        """The stages sent, in order of place: JSON, a line each, without newlines."""
        table = self._table()
        rows = table.rows[:, out.OUTCOME] == out.SENT
        return self._rendered(table, self._in_order(table.rows, np.flatnonzero(rows)))

    def placed_triggers(self) -> list[tuple[Place, bytes]]:
        """As `triggers`, each with its place."""
        table = self._table()
        rows = np.flatnonzero(table.rows[:, out.OUTCOME] == out.SENT)
        order = self._in_order(table.rows, rows)
        places = [self._whole_place(table.rows[row].tolist()) for row in order]
        return list(zip(places, self._rendered(table, order), strict=True))

    def decisions(self) -> list[bytes]:
        """All outcomes and goals, in order of place."""
        table = self._table()
        return self._decisions(table, np.arange(len(table.rows)))

    def side_decisions(self) -> list[bytes]:
        """The outcomes and goals that are not triggers, in order of place."""
        table = self._table()
        return self._decisions(table, np.flatnonzero(table.rows[:, out.OUTCOME] != out.SENT))

    def _decisions(self, table: Decisions, wanted: NDArray[np.int64]) -> list[bytes]:
        order = self._in_order(table.rows, wanted)
        lines: list[bytes] = []
        for is_goal, run in groupby(order, lambda row: table.rows[row, out.OUTCOME] == out.GOAL):
            if is_goal:
                lines += [encode(self._goal(table.rows[row].tolist())) for row in run]
            else:
                lines += self._rendered(table, list(run))
        return lines

    def transitions(self) -> list[bytes]:
        """Tags gained and lost, in order of instant, offset, user and tag."""
        rows = [cells for part in self._parts for cells in part.transitions.tolist()]
        named = [(cells, self._names.user(cells[out.TURNED_USER])) for cells in rows]
        named.sort(
            key=lambda row: (
                row[0][out.TURNED_INSTANT],
                row[0][out.TURNED_OFFSET],
                row[1],
                row[0][out.TURNED_TAG],
            )
        )
        return [encode(self._turned(cells, user)) for cells, user in named]

    def turned(self) -> Iterator[tuple[bytes, str, bool]]:
        """(user, tag, held) of each transition, each user's in their order."""
        tags = [tag.name for tag in self._names.config.tags]
        for part in self._parts:
            for cells in part.transitions.tolist():
                user = self._names.user(cells[out.TURNED_USER])
                yield user, tags[cells[out.TURNED_TAG]], bool(cells[out.TURNED_HELD])

    def _hold_out(self, rows: NDArray[np.int64]) -> None:
        """The last gate: what would be sent to a user in the journey's holdout is not."""
        sent = np.flatnonzero(rows[:, out.OUTCOME] == out.SENT)
        journeys, slots = rows[sent, out.JOURNEY].tolist(), rows[sent, out.USER].tolist()
        for row, journey, slot in zip(sent.tolist(), journeys, slots, strict=True):
            name, share = self._names.holdouts[journey]
            if share > 0.0 and held_out(name, self._names.user(slot), share):
                rows[row, out.OUTCOME] = out.HOLDOUT

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

    def _in_order(self, rows: NDArray[np.int64], wanted: NDArray[np.int64]) -> list[int]:
        """The rows `wanted` in order of place."""
        instants, offsets = rows[wanted, out.INSTANT], rows[wanted, out.OFFSET]
        by_time = np.lexsort((offsets, instants))
        order: list[int] = wanted[by_time].tolist()
        ties = (np.diff(instants[by_time]) == 0) & (np.diff(offsets[by_time]) == 0)
        at = 0
        for is_tie, run in groupby(ties.tolist()):
            length = len(list(run))
            if is_tie:
                tied = order[at : at + length + 1]
                order[at : at + length + 1] = sorted(tied, key=lambda row: self._place(rows[row]))
            at += length
        return order

    def _place(self, cells: NDArray[np.int64]) -> tuple[object, ...]:
        """What comes behind instant and offset in a decision's place."""
        journey, key = int(cells[out.JOURNEY]), int(cells[out.KEY])
        return (
            self._names.user(int(cells[out.USER])),
            -self._names.config.journeys[journey].priority,
            journey,
            key != 0,
            text_of(self._names.texts, key) if key else b"",
            int(cells[out.ENTRY]),
            int(cells[out.STAGE]),
        )

    def _whole_place(self, cells: _Cells) -> Place:
        journey, key = self._names.config.journeys[cells[out.JOURNEY]], cells[out.KEY]
        return Place(
            instant_ms=cells[out.INSTANT],
            offset=cells[out.OFFSET],
            user=self._names.user(cells[out.USER]).decode(),
            descending_priority=-journey.priority,
            journey=journey.name,
            has_key=key != 0,
            key=self._names.text(key) if key else "",
            entry_ms=cells[out.ENTRY],
            stage=cells[out.STAGE],
        )

    def _rendered(self, table: Decisions, order: list[int]) -> list[bytes]:
        """The lines of these decisions, none of them a goal, a buffer full at a time."""
        lines: list[bytes] = []
        for first in range(0, len(order), RENDERED_AT_ONCE):
            part = order[first : first + RENDERED_AT_ONCE]
            lines += self._render(table, np.array(part, np.int64))
        return lines

    def _render(self, table: Decisions, order: NDArray[np.int64]) -> list[bytes]:
        names = self._names
        line_count = int(table.rows[order, out.LINE_COUNT].sum())
        room = len(order) * names.decision_bytes_max + line_count * LINE_BYTES_MAX
        buffer = np.empty(room, np.uint8)
        spans = np.zeros((len(order), 4), np.int64)
        render(names.render_plan, (names.users, names.texts), table, order, buffer, spans)
        written = buffer.data
        sent = (table.rows[order, out.OUTCOME] == out.SENT).tolist()
        lines = []
        for (start, end, id_start, id_end), is_sent in zip(spans.tolist(), sent, strict=True):
            kind = _TRIGGER_ID if is_sent else _SUPPRESSED_ID
            name = hashlib.blake2b(kind + bytes(written[id_start:id_end]), digest_size=16)
            id_at = start + HEAD_BYTES
            written[id_at : id_at + ID_BYTES] = name.hexdigest().encode()
            lines.append(bytes(written[start:end]))
        return lines

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

    def _turned(self, cells: _Cells, user: bytes) -> CloudEvent:
        tag = self._names.config.tags[cells[out.TURNED_TAG]].name
        instant = instant_text(cells[out.TURNED_INSTANT])
        held, offset = bool(cells[out.TURNED_HELD]), cells[out.TURNED_OFFSET]
        subject = user.decode()
        parts = (TAG, subject, tag, instant, "true" if held else "false", str(offset))
        data = Turned(tag=tag, held=held, offset=offset)
        return CloudEvent(
            id=decision_id(*parts), type=TAG, subject=subject, time=instant, data=data
        )


_TRIGGER_ID = TRIGGER.encode() + b"\0"
_SUPPRESSED_ID = SUPPRESSED.encode() + b"\0"
