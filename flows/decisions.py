"""What one batch decided, in order of place, rendered to contract messages on demand."""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import numpy as np
from msgspec import UNSET, UnsetType
from numpy.typing import NDArray

from config.opcodes import OP_FEATURE, OP_TEXT
from config.schema import NUMBER_SCALE, Config, Journey, Program
from connectors.triggers import (
    GOAL,
    SUPPRESSED,
    TAG,
    TRIGGER,
    CloudEvent,
    Compared,
    Decided,
    GoalReached,
    Instance,
    Line,
    Turned,
    decision_id,
    encode,
    held_out,
    instant_text,
)
from flows import output as out
from flows.output import Output, Reported, reported
from flows.report import NO_CHANNEL
from state.texts import Texts, text_of

REASONS_OF_CHANNEL = (out.SENT, out.SHADOW, out.HOLDOUT)
KNOWN_TEXTS_MAX = 65_536
_Cells = list[int]


class Names:
    """Numbers to names for one partition: users, texts, features, tags, journeys.

    It remembers texts that it has looked up; `forget` is called when their numbers change.
    """

    def __init__(self, config: Config, users: Texts, texts: Texts) -> None:
        self.config = config
        self.users = users
        self.texts = texts
        self._known: dict[int, str] = {}
        self._known_tags: dict[int, list[str]] = {}
        features = list(enumerate(config.features))
        self._feature_names = [feature.name for feature in config.features]
        self._text_features = [index for index, feature in features if feature.value == "text"]
        self._recent_features: list[tuple[int, int, int]] = []
        cells = 0
        for index, feature in features:
            if feature.value == "texts":
                self._recent_features.append((index, cells, cells + feature.keep))
                cells += feature.keep
        self._minor_units = 10.0**config.shop.minor_digits
        self._channels = list(config.shop.channels)

    def forget(self) -> None:
        """The table of texts was made anew: its numbers mean other texts."""
        self._known.clear()

    def user(self, slot: int) -> bytes:
        """A user's id."""
        return text_of(self.users, slot)

    def text(self, number: int) -> str:
        """A text that events named."""
        known = self._known.get(number)
        if known is None:
            if len(self._known) >= KNOWN_TEXTS_MAX:
                self._known.clear()
            known = self._known[number] = text_of(self.texts, number).decode()
        return known

    def key(self, number: int) -> str | None:
        """An instance's key, None for "no key"."""
        return self.text(number) if number else None

    def channel(self, index: int) -> str | None:
        """A channel's name, None for NO_CHANNEL."""
        return None if index == NO_CHANNEL else self._channels[index]

    def tags(self, held: int) -> list[str]:
        """The names of the tags in these bits."""
        known = self._known_tags.get(held)
        if known is None:
            if len(self._known_tags) >= KNOWN_TEXTS_MAX:
                self._known_tags.clear()
            known = [tag.name for index, tag in enumerate(self.config.tags) if held >> index & 1]
            self._known_tags[held] = known
        return known

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
            name: value
            for name, value in zip(self._feature_names, named, strict=True)
            if value == value
        }

    def line(self, cells: _Cells) -> Line:
        """A cart line from its row of the output."""
        item, category, quantity, price = cells
        return Line(
            item=self.text(item),
            quantity=quantity / NUMBER_SCALE,
            price=price / self._minor_units,
            category=self.text(category) if category else None,
        )

    def compared(self, program: Program | None, trace: list[float]) -> list[Compared]:
        """The comparisons of a rule with the values that the loop left."""
        if program is None:
            return []
        found = []
        for index, comparison in enumerate(program.comparisons):
            left, right = trace[2 * index], trace[2 * index + 1]
            is_text = self._compares_texts(program, comparison.left)
            sides = [self._side(value, is_text) for value in (left, right)]
            holds = left == left and right == right and _holds(comparison.operator, left, right)
            found.append(Compared(rule=comparison.text, left=sides[0], right=sides[1], holds=holds))
        return found

    def _compares_texts(self, program: Program, side: tuple[int, int]) -> bool:
        opcode, operand = program.code[side[1] - 1]
        if opcode == OP_FEATURE:
            return self.config.features[operand].value == "text"
        return opcode == OP_TEXT

    def _side(self, value: float, is_text: bool) -> float | str | None:
        if value != value:
            return None
        return self.text(int(value)) if is_text else value


def _holds(operator: str, left: float, right: float) -> bool:
    if operator == "==":
        return left == right
    if operator == "!=":
        return left != right
    if operator == "<":
        return left < right
    if operator == "<=":
        return left <= right
    return left > right if operator == ">" else left >= right


class _Row(NamedTuple):
    """One decision: the user's id, its row of the output, and what `Reported` says of it."""

    user: bytes
    cells: _Cells
    features: list[float]
    texts: list[int]
    trace: list[float]
    lines: NDArray[np.int64]


class Batch:
    """The decisions and transitions of one batch of a partition.

    Rows refer to the partition's tables as they stand: render before the next batch is processed.
    """

    def __init__(self, names: Names) -> None:
        self._names = names
        self._parts: list[Reported] = []

    def take(self, output: Output) -> None:
        """Copy what the loop reported and empty its buffer."""
        part = reported(output)
        self._hold_out(part.decisions)
        self._parts.append(part)

    def outcomes(self) -> NDArray[np.int64]:
        """(journeys, outcomes) int64: how often each journey had each outcome."""
        journeys = len(self._names.config.journeys)
        counts = np.zeros((journeys, out.HOLDOUT + 1), np.int64)
        for part in self._parts:
            cells = part.decisions
            np.add.at(counts, (cells[:, out.JOURNEY], cells[:, out.OUTCOME]), 1)
        return counts

    def triggers(self) -> list[bytes]:
        """The stages sent, in order of place: JSON, a line each, without newlines."""
        return [encode(self._decided(row)) for row in self._rows(triggers_only=True)]

    def decisions(self) -> list[bytes]:
        """All outcomes and goals, in order of place."""
        return [
            encode(self._goal(row) if row.cells[out.OUTCOME] == out.GOAL else self._decided(row))
            for row in self._rows(triggers_only=False)
        ]

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

    @cached_property
    def _journeys(self) -> tuple[Journey, ...]:
        return self._names.config.journeys

    def _hold_out(self, decisions: NDArray[np.int64]) -> None:
        """The last gate: what would be sent to a user in the journey's holdout is not."""
        for row in np.flatnonzero(decisions[:, out.OUTCOME] == out.SENT).tolist():
            journey = self._journeys[decisions[row, out.JOURNEY]]
            if journey.holdout > 0.0:
                user = self._names.user(decisions[row, out.USER])
                if held_out(journey.name, user, journey.holdout):
                    decisions[row, out.OUTCOME] = out.HOLDOUT

    def _rows(self, *, triggers_only: bool) -> list[_Row]:
        """The decisions in order of place."""
        found: list[_Row] = []
        for part in self._parts:
            outcomes = part.decisions[:, out.OUTCOME]
            rows = np.flatnonzero(outcomes == out.SENT if triggers_only else outcomes >= 0)
            for cells, features, texts, trace in zip(
                part.decisions[rows].tolist(),
                part.features[rows].tolist(),
                part.texts[rows].tolist(),
                part.trace[rows].tolist(),
                strict=True,
            ):
                lines = part.lines[cells[out.FIRST_LINE] :][: cells[out.LINE_COUNT]]
                user = self._names.user(cells[out.USER])
                found.append(_Row(user, cells, features, texts, trace, lines))
        found.sort(key=self._place)
        return found

    def _place(self, row: _Row) -> tuple[object, ...]:
        cells = row.cells
        journey, key = cells[out.JOURNEY], cells[out.KEY]
        return (
            cells[out.INSTANT],
            cells[out.OFFSET],
            row.user,
            -self._journeys[journey].priority,
            journey,
            key != 0,
            self._names.text(key).encode() if key else b"",
            cells[out.ENTRY],
            cells[out.STAGE],
        )

    def _decided(self, row: _Row) -> CloudEvent:
        names, cells = self._names, row.cells
        journey = self._journeys[cells[out.JOURNEY]]
        stage = journey.stages[cells[out.STAGE]]
        outcome = cells[out.OUTCOME]
        sent = outcome == out.SENT
        channel = cells[out.CHANNEL] if outcome in REASONS_OF_CHANNEL else NO_CHANNEL
        data = Decided(
            journey=journey.name,
            version=names.config.version,
            stage=stage.name,
            instance=self._instance(cells),
            deadline=instant_text(cells[out.DEADLINE]),
            reason=UNSET if sent else out.REASONS[outcome],
            offset=cells[out.OFFSET],
            send=stage.send,
            channel=names.channel(channel),
            purpose=journey.purpose,
            lines=[names.line(line) for line in row.lines.tolist()],
            features=names.features(row.features, row.texts),
            tags=names.tags(cells[out.TAGS_HELD]),
            scores={},
            rules=names.compared(stage.when, row.trace),
        )
        kind = TRIGGER if sent else SUPPRESSED
        expires_ms = cells[out.INSTANT] + stage.ttl_ms
        return self._envelope(kind, row, data, instant_text(expires_ms) if sent else UNSET)

    def _envelope(
        self,
        kind: str,
        row: _Row,
        data: Decided | GoalReached,
        expires: str | UnsetType = UNSET,
    ) -> CloudEvent:
        key, subject = data.instance.key or "", row.user.decode()
        parts = (kind, subject, data.journey, key, data.instance.entry, data.stage)
        return CloudEvent(
            id=decision_id(*parts),
            type=kind,
            subject=subject,
            time=instant_text(row.cells[out.INSTANT]),
            expirytime=expires,
            data=data,
        )

    def _goal(self, row: _Row) -> CloudEvent:
        cells = row.cells
        journey = self._journeys[cells[out.JOURNEY]]
        assert journey.goal is not None, "a goal was reached of a journey that has none"
        data = GoalReached(
            journey=journey.name,
            stage=journey.stages[cells[out.STAGE]].name,
            instance=self._instance(cells),
            offset=cells[out.OFFSET],
            event=journey.goal.event,
            held_out=held_out(journey.name, row.user, journey.holdout),
        )
        return self._envelope(GOAL, row, data)

    def _instance(self, cells: _Cells) -> Instance:
        return Instance(key=self._names.key(cells[out.KEY]), entry=instant_text(cells[out.ENTRY]))

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
