"""Users' profiles as a person reads them: features, tags, instances, last triggers, all by name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from config.schema import Config
from connectors.blake2b import new_hashing
from flows.decisions import parts_of
from flows.machine import Machine
from flows.output import DECISIONS_AT, LINE_WORDS, ROW_SIZE
from flows.render_parts import Decisions
from flows.render_plan import RenderPlan, profile_bytes_max
from flows.render_profile import Profiles, fill_since, render_profiles
from state.texts import COUNT, Texts, texts_of

BUFFER_BYTES = 1_000_000
"""What is rendered at a time: some hundreds of profiles."""

PROFILES_AT_ONCE = 10_000
"""How many profiles are made at a time where everybody's are."""


class UsersAtClock(NamedTuple):
    """Whose profiles are read, and as of when; slots are those of the table of users."""

    machine: Machine
    users: Texts
    clock_ms: int


class ProfileReader:
    """Reads the rows of one partition."""

    def __init__(self, config: Config, plan: RenderPlan) -> None:
        self._plan = plan
        self._bytes_max = profile_bytes_max(config)
        self._buffer = np.empty(BUFFER_BYTES + self._bytes_max, np.uint8)
        self._since = np.zeros(len(config.tags), np.int64)
        self._hashing = new_hashing()

    def profiles(
        self, source: UsersAtClock, slots: NDArray[np.int64], position: bytes = b""
    ) -> list[bytes]:
        """Readable profiles, JSON, in the order of `slots`; docs/semantics.md says what they hold.

        `position` is the JSON of further members, each with a comma before it.
        """
        read_from, added = self._made_ready(source), np.frombuffer(position, np.uint8)
        ends = np.zeros(len(slots), np.int64)
        written: list[bytes] = []
        while len(written) < len(slots):
            left = slots[len(written) :]
            count = render_profiles(read_from, left, source.clock_ms, added, self._buffer, ends)
            written += parts_of(self._buffer, ends[:count])
        return written

    def everybody(self, source: UsersAtClock) -> Iterator[bytes]:
        """Everybody's readable profile, sorted by user id."""
        names = texts_of(source.users, np.arange(source.users.entries[COUNT]))
        slots = np.array(sorted(range(len(names)), key=names.__getitem__), np.int64)
        for first in range(0, len(slots), PROFILES_AT_ONCE):
            yield from self.profiles(source, slots[first : first + PROFILES_AT_ONCE])

    def since(self, source: UsersAtClock, slots: NDArray[np.int64], tag: int) -> NDArray[np.int64]:
        """Since when (ms) users have held a tag that they hold now.

        A group is held since the earliest of the tags for which it is held now.
        """
        since = np.zeros(len(slots), np.int64)
        fill_since(self._made_ready(source), slots, tag, since)
        return since

    def _made_ready(self, source: UsersAtClock) -> Profiles:
        output = source.machine.output
        row = slice(DECISIONS_AT, DECISIONS_AT + int(output.ints[ROW_SIZE]))
        facts = Decisions(
            rows=output.ints[row].reshape(1, -1),
            floats=output.floats[row].reshape(1, -1),
            lines=np.zeros((0, LINE_WORDS), np.int64),
        )
        return Profiles(
            machine=source.machine,
            plan=self._plan,
            users=source.users,
            facts=facts,
            since=self._since,
            hashing=self._hashing,
            bytes_max=self._bytes_max,
        )
