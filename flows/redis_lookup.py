"""Looking up what engines keep in Redis: one user's profile, or everybody who holds a tag."""

from __future__ import annotations

from contextlib import closing
from datetime import datetime

import msgspec
from msgspec import Struct

from config.problems import shown
from flows.lookup import Audience
from state.redis_reading import RedisReader
from state.redis_settings import RedisSettings
from state.store import StoreError


class Held(Struct):
    """The part of a readable profile that says since when its tags are held."""

    tags: dict[str, str]


_held = msgspec.json.Decoder(Held)


def profile_in_redis(settings: RedisSettings, user: str) -> bytes:
    """The readable profile of a user, as JSON: one GET.

    Raises:
        StoreError: there is none.
    """
    with closing(RedisReader(settings)) as reader:
        # What was typed need not be UTF-8; an id always is, so it will not be found.
        found = reader.profile(user.encode(errors="surrogateescape"))
    if found is None:
        raise StoreError(
            settings.url,
            expected="a user whom an engine has seen",
            got=shown(user),
            fix="a user's id is the userId of their events, or else the anonymousId",
        )
    return found


def audience_in_redis(settings: RedisSettings, tag: str) -> Audience:
    """Who holds a tag, as of the least advanced partition's clock.

    Since when, the readable profile says; of a tag gained since that was last written, a second
    ago at most, the clock is told.

    Raises:
        StoreError: no engine has been at work there.
    """
    with closing(RedisReader(settings)) as reader:
        clocks_ms = [checkpoint.clock_ms for checkpoint in reader.checkpoints()]
        users = sorted(reader.holders(tag))
        clock_ms = min(clocks_ms, default=0)
        profiles = zip(users, reader.profiles(users), strict=True)
        holders = [(user, since_ms(profile, tag, clock_ms)) for user, profile in profiles]
    return Audience(holders=holders, clock_ms=clock_ms)


def since_ms(profile: bytes | None, tag: str, otherwise_ms: int) -> int:
    """Since when a readable profile has a tag.

    >>> since_ms(b'{"tags": {"vip": "2026-01-01T00:00:00.000Z"}}', "vip", 7)
    1767225600000
    >>> since_ms(None, "vip", 7)
    7
    """
    since = _held.decode(profile).tags.get(tag) if profile is not None else None
    return (
        otherwise_ms if since is None else round(datetime.fromisoformat(since).timestamp() * 1000)
    )
