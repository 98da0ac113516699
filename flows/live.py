"""One partition, live: what arrives is applied, what is decided is committed and then relayed.

A round (`LivePartition.step`) does not wait for Redis or the broker: see `flows.committing`.
Whatever fails is raised by a step. The run is then dropped with all its memory, and a new one
starts from what is stored; so nothing here has to be undone.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import msgspec
from msgspec import Struct

from connectors.failpoints import failpoint
from connectors.log import (
    ControlRecord,
    LogReader,
    LogWriter,
    OutboxEntry,
    Polled,
    Relay,
    SideOutput,
)
from flows.audiences import Audiences
from flows.committing import Committing
from flows.config_records import config_of, stored_config
from flows.live_apply import Applied, Applier
from flows.live_commit import Live
from flows.loading import load_engine
from flows.model_versions import ModelVersions, RolledBack, never
from flows.owed import Owed
from flows.partition import Engine
from flows.partition_metrics import PartitionMetrics
from flows.places import Place, decode_place
from state.store import Snapshot, Store, StoreError

POLL_RECORDS_MAX = 2_000
COMMIT_EVERY_MS = 200
RENEW_EVERY_MS = 1_000
TICK_EVERY_MS, TICK_LOST_MS = 50, 1_000
FAR_BEHIND_MS = 10_000
USERS_TOUCHED_MAX = 5_000
OUTBOX_MAX = 10_000
"""A poll's records; how often a commit, a lease's renewal and a tick come; how old the next record
must be for commits, and the readable profiles in them, to be made seldom; beyond how many users
touched, or triggers that wait, nothing is read."""

TICK = b'{"control":"tick"}'
NOTHING = Polled(pieces=[], record_count=0, next_offset=0, end_offset=0)


class LiveParts(Struct, frozen=True, kw_only=True):
    """What the run of a partition is made of.

    `reader_from` opens the log at an offset. `first_config` reads the record of the first config
    that the partition's log has, for a run without profiles. `released` gives the partition back.
    """

    partition: int
    partitions: int
    owner: str
    store: Store
    reader_from: Callable[[int], LogReader]
    first_config: Callable[[], ControlRecord]
    writer: LogWriter
    relay: Relay
    side: SideOutput
    metrics: PartitionMetrics
    released: Callable[[], None]
    rolled_back: RolledBack = never
    rebuild: bool = False
    """Where profiles are lost, make them anew from the log; what was relayed is not sent again."""


def open_partition(parts: LiveParts) -> LivePartition:
    """Take a partition: fence earlier owners, load what is stored, relay what they left.

    Raises:
        StoreError: what is stored and what was relayed do not belong together.
        LogRecordError: a config or a version that is stored cannot be read.
        OSError: store or broker cannot be reached.
    """
    noted = parts.relay.begin()
    failpoint("begun")
    snapshot = parts.store.load(parts.partition)
    failpoint("loaded")
    relayed = decode_place(noted) if noted is not None else None
    check_together(parts, snapshot, relayed)
    return LivePartition(parts, snapshot, relayed)


def check_together(parts: LiveParts, snapshot: Snapshot | None, relayed: Place | None) -> None:
    """Refuse to go on where either the profiles or the note of what was relayed is lost."""
    where = f"partition {parts.partition}"
    if snapshot is None and relayed is not None and not parts.rebuild:
        raise StoreError(
            where,
            expected="profiles beside the note of what was relayed",
            got="none",
            fix="restore them, or rebuild them from the log with --rebuild: what was relayed "
            "before is not sent again",
        )
    stored = snapshot.checkpoint.last_place if snapshot is not None else ""
    waiting = len(snapshot.outbox) if snapshot is not None else 0
    if stored and relayed is None and not waiting:
        raise StoreError(
            where,
            expected="the note of what was relayed beside the profiles",
            got="none",
            fix="restore the topic of notes; or, if triggers may be sent again, start with new "
            "profiles",
        )


class LivePartition:
    """The run of one partition, from its snapshot on. `now_ms` is the wall clock throughout."""

    def __init__(self, parts: LiveParts, snapshot: Snapshot | None, relayed: Place | None) -> None:
        self._parts = parts
        self._relayed = relayed
        stored = stored_config(snapshot) if snapshot is not None else None
        record = stored or parts.first_config()
        self._config_to_store = record.value if stored is None else b""
        config = config_of(record)
        engine = Engine(config, partition=parts.partition)
        versions = ModelVersions(parts.rolled_back)
        if snapshot is not None:
            engine = load_engine(f"partition {parts.partition}", config, parts.partition, snapshot)
            versions.resume(snapshot.models, config, engine)
        self._applier = Applier(
            config, engine, versions, partition=parts.partition, partitions=parts.partitions
        )
        self._reader = parts.reader_from(engine.checkpoint.next_offset)
        self._audiences = Audiences()
        self._metrics = parts.metrics
        self._metrics.configured(config, versions.in_force)
        self._committing = Committing(parts.store, parts.relay, parts.side, parts.metrics)
        self._committing.stored_offset = engine.checkpoint.next_offset
        self._entries: list[OutboxEntry] = []
        self._last_place = engine.checkpoint.last_place
        self._relayed_noted = 0
        self._applied_offset = self._end_offset = engine.checkpoint.next_offset
        self._committed_offset = -1
        self._committed_at_ms = self._ticked_at_ms = self.heard_at_ms = 0
        self._heard = False
        self._tick_is_out = False
        self._owed = Owed(engine.checkpoint.user_count)
        self._take_over(snapshot)

    @property
    def engine(self) -> Engine:
        """The partition's profiles."""
        return self._applier.engine

    @property
    def stored_at_ms(self) -> int:
        """When the store took a commit of this run last; 0 before it did."""
        return self._committing.stored_at_ms

    def is_steady(self, since_ms: int) -> bool:
        """Whether the store took a commit after an instant, and the relay what waited for it."""
        committing = self._committing
        relays = not committing.waiting_count or committing.relayed_at_ms > since_ms
        return relays and committing.stored_at_ms > since_ms

    def unfinished(self) -> str:
        """What is lost with this run, and will be done again by the next owner: in words."""
        stored_offset = self._committing.stored_offset
        records = self._applied_offset - stored_offset
        triggers = self._committing.waiting_count + len(self._entries)
        return (
            f"{records:,} records from offset {stored_offset:,} on are not committed, {triggers:,} "
            "triggers not sent; nothing is lost: the next owner goes on from there"
        )

    def behind_ms(self, now_ms: int) -> int:
        """How old the oldest record is that is known of and still to be applied; 0 without one."""
        clock_ms = self.engine.checkpoint.clock_ms
        is_behind = self._end_offset > self._applied_offset and clock_ms > 0
        return max(now_ms - clock_ms, 1) if is_behind else 0

    def step(self, now_ms: int) -> int:
        """One round: `poll`, `apply`, `settle`; how many records it applied.

        Raises:
            StoreError, Fenced: the partition has another owner, or the store fell back.
            OSError: store or broker could not be reached in time.
        """
        polled = self.poll()
        self.settle(self.apply(polled), now_ms)
        return polled.record_count

    def poll(self) -> Polled:
        """What has arrived; nothing while too much waits for the store or the relay."""
        self._committing.check()
        if not self._has_room():
            return NOTHING
        polled = self._reader.poll(POLL_RECORDS_MAX)
        self._heard |= polled.heard
        self._end_offset = max(self._end_offset, polled.end_offset)
        return polled

    def apply(self, polled: Polled) -> list[Applied]:
        """Apply what has arrived, piece by piece."""
        if polled.pieces:
            failpoint("polled")
        return [applied for piece in polled.pieces for applied in self._applier.apply(piece)]

    def settle(self, applied: list[Applied], now_ms: int) -> None:
        """Send what need not wait, commit what is due, and ask for time to pass if nothing came."""
        if self._heard:
            self.heard_at_ms, self._heard = now_ms, False
        for one in applied:
            self._take(one)
            self._tick_is_out = False
        if not applied:
            self._tick(now_ms)
        self._commit_if_due(now_ms)
        self._metrics.state(self.engine, now_ms)

    def close(self, now_ms: int) -> None:
        """Commit what was applied, relay what was decided, and leave."""
        try:
            self._committing.finish()
            self._commit(now_ms, leaving=True)
            self._committing.finish()
            # What was relayed meanwhile leaves the outbox.
            if self._committing.relayed_count != self._relayed_noted:
                self._commit(now_ms)
                self._committing.finish()
            self._parts.released()
        finally:
            self.drop()

    def drop(self) -> None:
        """Leave at once: what was not committed is decided again by the next owner."""
        self._committing.close()
        self._reader.close()
        self._parts.relay.close()

    def leave(self) -> None:
        """Leave at once, and give the partition back where that is possible."""
        self.drop()
        with suppress(OSError, StoreError):
            self._parts.released()

    def _take_over(self, snapshot: Snapshot | None) -> None:
        """Relay what an earlier owner stored and did not relay."""
        stored = [decode_entry(encoded) for encoded in snapshot.outbox] if snapshot else []
        left = [entry for entry in stored if self._is_new(decode_place(entry.place))]
        self._committing.stored_count = len(stored)
        self._committing.relayed_count = len(stored) - len(left)
        self._committing.relay(left)

    def _is_new(self, place: Place) -> bool:
        """Whether a decision was not relayed before."""
        return self._relayed is None or place > self._relayed

    def _has_room(self) -> bool:
        waiting = self._committing.waiting_count
        return waiting < OUTBOX_MAX and self.engine.touched_count < USERS_TOUCHED_MAX

    def _is_far_behind(self, now_ms: int) -> bool:
        """Whether what is read is old, however soon it is passed on."""
        return self.behind_ms(now_ms) > FAR_BEHIND_MS

    def _take(self, applied: Applied) -> None:
        failpoint("applied")
        for topic, messages in applied.messages.items():
            self._parts.side.produce_all(topic, messages)
        for place, entry in applied.triggers:
            self._last_place = entry.place.decode()
            if self._is_new(place):
                self._entries.append(entry)
        self._metrics.applied(applied, self._end_offset)
        self._audiences.note(applied.turned)
        self._applied_offset = applied.next_offset
        self._config_to_store = applied.config_record or self._config_to_store

    def _tick(self, now_ms: int) -> None:
        """Have the broker prove that time has passed, where something is due by the wall clock."""
        due = self.engine.next_deadline_ms <= now_ms
        # A tick that does not come back stands behind an open transaction: more would, too.
        pause_ms = TICK_LOST_MS if self._tick_is_out else TICK_EVERY_MS
        if due and now_ms - self._ticked_at_ms >= pause_ms:
            self._parts.writer.append(self._parts.partition, "tick", TICK)
            self._ticked_at_ms = now_ms
            self._tick_is_out = True

    def _commit_if_due(self, now_ms: int) -> None:
        if self._committing.busy:
            return
        waited_ms = now_ms - self._committed_at_ms
        moved = self._applied_offset != self._committed_offset or self._owed.any_waiting
        at_once = bool(self._entries) or waited_ms >= COMMIT_EVERY_MS
        # Few large commits take less than many small ones, and nothing there is in a hurry.
        at_once &= not self._is_far_behind(now_ms)
        at_once |= self.engine.touched_count >= USERS_TOUCHED_MAX
        if (moved and at_once) or waited_ms >= RENEW_EVERY_MS:
            self._commit(now_ms)

    def _commit(self, now_ms: int, *, leaving: bool = False) -> None:
        relayed_count = self._committing.relayed_count
        is_behind = self._is_far_behind(now_ms)
        owed = self._owed.take(self.engine.touched(), now_ms, is_behind=is_behind, leaving=leaving)
        live = Live(
            owner=self._parts.owner,
            last_place=self._last_place,
            config=self._config_to_store,
            outbox=[encode_entry(entry) for entry in self._entries],
            relayed_count=relayed_count - self._relayed_noted,
            audiences=self._audiences.taken(),
            profiles=self.engine.positioned_profiles(owed),
            models=self._applier.versions.taken(),
        )
        commit = self.engine.commit(live)
        self._committing.begin(commit, self._entries)
        self._relayed_noted = relayed_count
        self._entries, self._config_to_store = [], b""
        self._committed_offset = self._applied_offset
        self._committed_at_ms = now_ms


def encode_entry(entry: OutboxEntry) -> bytes:
    """An outbox entry as it is stored."""
    return msgspec.msgpack.encode(entry)


def decode_entry(encoded: bytes) -> OutboxEntry:
    """The entry that `encode_entry` encoded."""
    return msgspec.msgpack.decode(encoded, type=OutboxEntry)
