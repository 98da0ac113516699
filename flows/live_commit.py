"""What a live commit holds beside the engine's rows."""

from __future__ import annotations

from msgspec import Struct

from state.store import AudienceChange


class Live(Struct, frozen=True, kw_only=True):
    """What a live commit holds beside rows; as `Checkpoint` and `Commit` say."""

    owner: str = ""
    last_place: str = ""
    config: bytes = b""
    outbox: list[bytes] = []
    relayed_count: int = 0
    audiences: list[AudienceChange] = []
    profiles: list[tuple[bytes, bytes]] = []
    models: dict[str, bytes] = {}
