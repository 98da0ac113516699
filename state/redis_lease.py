"""Leases in Redis: who owns something, until when by Redis' own clock."""

from __future__ import annotations

from state.redis_client import Retrying, Transaction


def take_lease(redis: Retrying, key: bytes, owner: str, lease_ms: int) -> int:
    """Take a lease, or renew it.

    Returns:
        0 if `owner` has it now; else the ms after which it is worth asking again.
    """

    def take(pipe: Transaction) -> int:
        holder, left_ms = pipe.execute_command("GET", key), pipe.execute_command("PTTL", key)
        if holder not in (None, owner.encode()):
            return max(int(left_ms), 1)
        pipe.multi()
        pipe.execute_command("SET", key, owner, "PX", lease_ms)
        pipe.execute()
        return 0

    return redis.watching([key], take)


def give_up_lease(redis: Retrying, key: bytes, owner: str) -> None:
    """Give a lease up, if `owner` has it, so that the next owner need not wait."""

    def give_up(pipe: Transaction) -> int:
        if pipe.execute_command("GET", key) == owner.encode():
            pipe.multi()
            pipe.execute_command("DEL", key)
            pipe.execute()
        return 0

    redis.watching([key], give_up)
