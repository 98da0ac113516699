"""How a partition stands with a process: run, being opened, or in trouble, and for how long."""

from __future__ import annotations

from concurrent.futures import Future

from msgspec import Struct

from connectors.kafka_errors import BrokerError
from connectors.log import Fenced
from connectors.triggers import instant_text
from flows.control_records import LogRecordError
from flows.health import PartitionHealth
from flows.live import LivePartition
from flows.metrics import Source
from state.store import StoreConflict, StoreError, StoreFellBack

PAUSE_MS_MIN, PAUSE_MS_MAX = 250, 10_000
TOLD_AGAIN_MS = 60_000
"""How long after a failure a partition is opened again; how often the same trouble is told."""

STEADY_MS = 3_000
"""A run that commits after so long is well; one that fails earlier fails as the last one did."""


class Turn(Struct, kw_only=True):
    """How a partition stands: its run, or what opens it, or when to try that again.

    leaving: what ends the run before, on a thread, as `opening` is. changed_at_ms: since when it
    has stood so. trouble: what it was let go for, and since when it is in trouble; "" once it is
    well again. told: what of that the operator was told last.
    """

    run: LivePartition | None = None
    opening: Future[LivePartition | None] | None = None
    leaving: Future[None] | None = None
    changed_at_ms: int = 0
    open_at_ms: int = 0
    failures: int = 0
    failed_at_ms: int = 0
    trouble: str = ""
    told: str = ""
    told_at_ms: int = 0


def note_trouble(turn: Turn, error: Exception, now_ms: int) -> bool:
    """Note why a partition is let go, and when to open it again; whether that should be told."""
    if not turn.trouble:
        turn.failed_at_ms = now_ms
    turn.trouble = f"{error} (since {instant_text(turn.failed_at_ms)})"
    turn.open_at_ms = now_ms + min(PAUSE_MS_MIN << min(turn.failures, 10), PAUSE_MS_MAX)
    turn.failures += 1
    if turn.told == str(error) and now_ms - turn.told_at_ms < TOLD_AGAIN_MS:
        return False
    turn.told, turn.told_at_ms = str(error), now_ms
    return True


def is_over(turn: Turn) -> bool:
    """Whether a partition that was in trouble is well again; it is then noted so."""
    run, since_ms = turn.run, turn.changed_at_ms + STEADY_MS
    if not turn.trouble or run is None or not run.is_steady(since_ms):
        return False
    turn.failures, turn.trouble, turn.told = 0, "", ""
    return True


def was_taken(error: Exception) -> bool:
    """Whether a run was let go because another owner has its partition."""
    return isinstance(error, Fenced | StoreConflict)


def is_refusal(error: Exception) -> bool:
    """Whether only the operator can mend what a partition was let go for."""
    mends_itself = isinstance(error, StoreConflict | StoreFellBack)
    return isinstance(error, LogRecordError | StoreError) and not mends_itself


def source_of(error: Exception) -> Source:
    """Who made the trouble."""
    return "kafka" if isinstance(error, BrokerError | LogRecordError) else "redis"


def health_of(partition: int, turn: Turn, turned_at_ms: int, now_ms: int) -> PartitionHealth:
    """How a partition is; also called while its turn goes on."""
    run, since_ms = turn.run, turn.changed_at_ms
    return PartitionHealth(
        partition=partition,
        owned=run is not None,
        turned_at_ms=turned_at_ms,
        behind_ms=run.behind_ms(now_ms) if run is not None else 0,
        uncommitted_ms=now_ms - max(run.stored_at_ms, since_ms) if run is not None else 0,
        unheard_ms=now_ms - max(run.heard_at_ms, since_ms) if run is not None else 0,
        opening_ms=now_ms - since_ms if turn.opening is not None else 0,
        trouble=turn.trouble,
    )
