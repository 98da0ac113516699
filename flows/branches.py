"""A tree of texts, before it is drawn: what `beckon check` tells, part by part."""

from __future__ import annotations

from msgspec import Struct


class Branch(Struct, frozen=True, kw_only=True):
    """A text of one line or more, and what belongs below it."""

    text: str
    branches: tuple[Branch, ...] = ()


def counted(count: int, what: str) -> str:
    """A number of things.

    >>> counted(1, "problem"), counted(2_000, "event")
    ('1 problem', '2,000 events')
    """
    return f"{count:,} {what}" + ("s" if count != 1 else "")
