"""Which of the thousands of things that happen are told: every kind in turn, never the same one."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from datetime import datetime
from typing import Literal

import msgspec
from msgspec import Struct

from config.schema import Config
from connectors.columns import Columns, DeadLetter
from connectors.triggers import GOAL, SUPPRESSED, TAG
from flows.moments import Moments, instant
from flows.rule_facts import distance
from flows.simulate_names import first_name
from flows.slices import Decided
from flows.told import Decision, Happened, Told, missed, read, told

Tone = Literal["sent", "not_sent", "ended", "reached", "tag", "unusable"]

WEIGHTS = {"sent": 6, "rule": 4, "gained": 3, "exit": 2, "unusable": 2, "goal": 2}
"""How often a kind of thing is told beside the others, which are told once as often."""

TONES: dict[str, Tone] = {
    "sent": "sent",
    "exit": "ended",
    "goal": "reached",
    "gained": "tag",
    "lost": "tag",
    "unusable": "unusable",
}
"""Of each kind; the reasons of what was not sent have the tone of "not_sent"."""

CANDIDATES_MAX = 24
"""Rules that missed are read for the nearest of so many."""

CUSTOMER = re.compile(r"u(\d{9})")


class Scene(Struct, frozen=True, kw_only=True):
    """One thing that happened to somebody (`user` is "" where nobody is known), as it is told."""

    when: str
    who: str
    user: str
    tone: Tone
    told: Told


class HeadData(Struct):
    """What of a line's data says which kind of thing happened."""

    journey: str = ""
    reason: str = "sent"
    tag: str = ""
    held: bool = True


class Head(Struct):
    """What of a line says which kind of thing happened."""

    type: str
    subject: str
    data: HeadData


head_of = msgspec.json.Decoder(Head)


class Scenes:
    """Chooses what is told of a run, one thing at a time."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._rules = {tag.name for tag in config.tags if tag.rule is not None}
        self._told_kinds: Counter[str] = Counter()
        self._told_themes: Counter[tuple[str, str]] = Counter()

    def choose(self, decided: Decided) -> Scene | None:
        """Of what a stretch led to the kind, and of that the journey or tag, told least so far.

        None where nothing happened. The lines of "decisions" and "tags" have to be there.
        """
        found = self._by_theme(decided)
        letters = decided.stretch.dead_letters
        for letter in letters:
            found["unusable", letter.reason] = []
        if not found:
            return None
        kind, theme = min(found, key=self._turn)
        self._told_kinds[kind] += 1
        self._told_themes[kind, theme] += 1
        if kind == "unusable":
            letter = next(letter for letter in letters if letter.reason == theme)
            return unusable(letter, self._when(instant(decided.stretch.clock_ms)))
        return self._scene(kind, found[kind, theme], decided.stretch.columns)

    def _when(self, at: datetime) -> str:
        return Moments(self._config.shop.zone, at).day_and_time(at)

    def _by_theme(self, decided: Decided) -> dict[tuple[str, str], list[bytes]]:
        """The lines by (kind, journey or tag)."""
        found: dict[tuple[str, str], list[bytes]] = defaultdict(list)
        for line in (*decided.lines["decisions"], *decided.lines["tags"]):
            head = head_of.decode(line)
            data = head.data
            if head.type == TAG:
                if data.tag in self._rules:
                    found["gained" if data.held else "lost", data.tag].append(line)
            else:
                found["goal" if head.type == GOAL else data.reason, data.journey].append(line)
        return found

    def _turn(self, key: tuple[str, str]) -> tuple[float, int, tuple[str, str]]:
        """What is told next has the least of these."""
        kind, _ = key
        times = (self._told_kinds[kind] + 1) / WEIGHTS.get(kind, 1)
        return times, self._told_themes[key], key

    def _scene(self, kind: str, lines: list[bytes], columns: Columns) -> Scene:
        happened = self._chosen(kind, lines)
        return Scene(
            when=self._when(datetime.fromisoformat(happened.time)),
            who=person(happened.subject),
            user=happened.subject,
            tone=TONES.get(kind, "not_sent"),
            told=told(happened, self._config, cause_of(happened, columns, self._config)),
        )

    def _chosen(self, kind: str, lines: list[bytes]) -> Happened:
        """Somebody who has a name; of rules that did not hold, one that nearly did."""
        step = max(1, len(lines) // CANDIDATES_MAX)
        candidates = [read(line) for line in lines[::step][:CANDIDATES_MAX]]
        named = [one for one in candidates if CUSTOMER.fullmatch(one.subject)] or candidates
        if kind != "rule":
            return named[0]
        return min(named, key=self._miss)

    def _miss(self, happened: Happened) -> float:
        """How far a rule was from holding."""
        assert isinstance(happened, Decision), "only decisions have rules"
        compared = missed(happened, self._config)
        return 1.0 if compared is None else distance(compared)


def unusable(letter: DeadLetter, when: str) -> Scene:
    """A dead letter; `when` is the log's clock, as its own time may be what is wrong."""
    return Scene(
        when=when,
        who=f"record {letter.offset:,}",
        user="",
        tone="unusable",
        told=Told(f"dead letter {letter.reason}", letter.detail),
    )


def person(user: str) -> str:
    """What to call a user of the simulated shop: by the given name, or a guest.

    >>> person("31862cf78bfa")
    'a guest'
    """
    number = CUSTOMER.fullmatch(user)
    return first_name(int(number[1])) if number else "a guest"


def cause_of(happened: Happened, columns: Columns, config: Config) -> str:
    """The event that a suppressed stage came with, if it came with one of these."""
    if happened.type != SUPPRESSED:
        return ""
    assert isinstance(happened, Decision), "what is suppressed was decided"
    rows = (columns.offset == happened.data.offset).nonzero()[0]
    number = int(columns.event[rows[0]]) if len(rows) else -1
    return config.events[number].name if 0 <= number < len(config.events) else ""
