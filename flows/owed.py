"""Who is owed a readable profile: each gets it at most once a second, the oldest debt first.

While a partition is far behind its log it is at most once in half a minute.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

EVERY_MS, EVERY_BEHIND_MS = 1_000, 30_000
"""How often a user's profile is written at most; and how often while the partition is far behind:
what is written then is old at once, and soon written again."""

RATE, RATE_INHERITED = 5, 1
"""Profiles of a partition in a millisecond, at most; and how many of them may be of users whom only
an earlier owner has touched."""

NEVER = -EVERY_BEHIND_MS


class Owed:
    """Keeps account of the users of one partition, by slot; `now_ms` is the wall clock throughout.

    The users who are there from the start are owed a profile, too: an earlier owner may have
    stopped before it wrote theirs. They come after those who are touched now.
    """

    def __init__(self, inherited_count: int) -> None:
        self._inherited = range(inherited_count)
        self._waiting = np.zeros(0, np.int64)
        self._is_waiting = np.zeros(inherited_count, np.bool_)
        self._written_at_ms = np.full(inherited_count, NEVER, np.int64)
        self._taken_at_ms = NEVER

    @property
    def any_waiting(self) -> bool:
        """Whether somebody waits for a profile."""
        return bool(len(self._waiting) or self._inherited)

    def take(
        self,
        touched: NDArray[np.int64],
        now_ms: int,
        *,
        is_behind: bool = False,
        leaving: bool = False,
    ) -> NDArray[np.int64]:
        """Whose profiles go into a commit of the users `touched`, whom it adds to those owed.

        An owner that is `leaving` writes also those that it wrote less than a second ago.
        """
        self._make_room(int(touched.max(initial=-1)) + 1)
        added = touched[~self._is_waiting[touched]]
        self._is_waiting[added] = True
        self._waiting = np.concatenate((self._waiting, added))
        # Where the clock is set back, nobody waits until it is where it was.
        passed_ms = EVERY_MS if leaving else min(abs(now_ms - self._taken_at_ms), EVERY_MS)
        most = passed_ms * RATE
        pause_ms = EVERY_BEHIND_MS if is_behind else EVERY_MS
        is_ready = np.abs(now_ms - self._written_at_ms[self._waiting]) >= pause_ms
        ready = np.flatnonzero(is_ready | leaving)[:most]
        taken = self._waiting[ready]
        self._waiting = np.delete(self._waiting, ready)
        self._is_waiting[taken] = False
        inherited = self._take_inherited(min(passed_ms * RATE_INHERITED, most - len(taken)))
        taken = np.concatenate((taken, inherited))
        self._written_at_ms[taken] = now_ms
        self._taken_at_ms = now_ms
        return taken

    def _take_inherited(self, most: int) -> NDArray[np.int64]:
        """The next of those who were there from the start, without those written or waiting."""
        part, self._inherited = self._inherited[:most], self._inherited[most:]
        slots = np.arange(part.start, part.stop)
        is_done = self._is_waiting[slots] | (self._written_at_ms[slots] != NEVER)
        return np.extract(~is_done, slots)

    def _make_room(self, users: int) -> None:
        room = len(self._is_waiting)
        if users > room:
            more = max(users, 2 * room) - room
            self._is_waiting = np.concatenate((self._is_waiting, np.zeros(more, np.bool_)))
            written = np.full(more, NEVER, np.int64)
            self._written_at_ms = np.concatenate((self._written_at_ms, written))
