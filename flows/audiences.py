"""Who gained and lost which tag since the last commit: the net, for the store's audiences."""

from __future__ import annotations

from collections.abc import Iterable

from state.store import AudienceChange


class Audiences:
    """Collects transitions between two commits."""

    def __init__(self) -> None:
        self._turned: dict[str, dict[bytes, bool]] = {}

    def note(self, turned: Iterable[tuple[bytes, str, bool]]) -> None:
        """Take transitions (user, tag, held), each user's in their order."""
        for user, tag, held in turned:
            users = self._turned.setdefault(tag, {})
            if users.get(user, held) != held:
                # Back to how it was when the last commit was made.
                del users[user]
            else:
                users[user] = held

    def taken(self) -> list[AudienceChange]:
        """The net of what was noted, in order of tags; nothing is noted any more.

        >>> audiences = Audiences()
        >>> audiences.note([(b"ada", "vip", True), (b"bob", "new", False), (b"ada", "vip", False)])
        >>> audiences.taken()
        [AudienceChange(tag='new', gained=[], lost=[b'bob'])]
        """
        changes = [
            AudienceChange(
                tag=tag,
                gained=[user for user, held in users.items() if held],
                lost=[user for user, held in users.items() if not held],
            )
            for tag, users in sorted(self._turned.items())
            if users
        ]
        self._turned = {}
        return changes
