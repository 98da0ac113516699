"""One partition of the engine: its profile table, and the compiled loop that events go through."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from config.schema import Config
from connectors.columns import Columns
from connectors.late import Withheld
from flows import output as out
from flows.answers import id_words
from flows.apply import (
    NODES_MARGIN,
    apply_events,
    pass_time,
    pending_stages,
    plan_everybody,
    set_deadlines,
    settle_users,
    withhold,
    withhold_example,
)
from flows.counters import Counters, EngineSums, Tallies
from flows.decisions import Batch, Names
from flows.learn_saved import Version
from flows.live_commit import Live
from flows.machine import Machine, new_scratch
from flows.plan import make_plan
from flows.plan_words import DRAINING
from flows.profiles import ProfileReader, UsersAtClock
from flows.versions import Versions
from state.conversion import Conversion
from state.convert import convert_stored, give_hashes
from state.layout import LEARN_AT, TAGS
from state.memory import (
    EARLIEST,
    JOURNEY_TALLIES,
    LAST_INSTANT,
    NODES_MADE,
    new_memory,
    with_nodes,
    with_users,
)
from state.packing import RowPacker
from state.renumber import Rows, without_unused
from state.row_shape import encode_shape, shape_digest, shape_of
from state.seconds import NO_SECOND
from state.store import Checkpoint, Commit, Snapshot, encode_checkpoint
from state.texts import (
    COUNT,
    find_all,
    find_number,
    intern_all,
    joined,
    new_texts,
    number_of,
    texts_of,
    with_room,
)

DRAIN_MS = 3660 * 86_400_000
"""How far ahead `drain` looks: what recurs each day for ever must end somewhere."""

NO_TEXT = b"\xff"
"""Takes number 0, which stands for "none", in the table of texts; no message's text is like it."""

TEXTS_MAX = 1_000_000
"""Beyond this many texts those that no row names any more are forgotten."""


class Engine:
    """The profiles of one partition, and what their events decide.

    Events are given in log order. Everything is a function of them, the configuration and the
    snapshot: how they are cut into batches changes nothing.
    """

    def __init__(
        self,
        config: Config,
        *,
        partition: int = 0,
        snapshot: Snapshot | None = None,
        texts_max: int = TEXTS_MAX,
    ) -> None:
        self._config = config
        self._made = make_plan(config)
        self._packer = RowPacker(self._made.layout)
        self._shape = shape_of(config, self._made.layout)
        self._shape_is_stored = False
        self.conversion: Conversion | None = None
        """What the snapshot's rows lost and gained, where they were of another shape."""
        self._versions = Versions(config, self._made.plan)
        self._memory = new_memory(self._made.layout.words)
        self._users = new_texts()
        self._texts = new_texts()
        for text in (NO_TEXT, *(text.encode() for text in self._made.texts)):
            self._texts = with_room(self._texts, 1, len(text))
            number_of(self._texts, text)
        self._texts_max = self._texts_at_least = texts_max
        self._names = Names(config, self._users, self._texts)
        self._reader = ProfileReader(config, self._names.render_plan)
        self._scratch = new_scratch(self._made.registers)
        self._output = out.new_output(self._made.counts)
        self._touched = np.zeros(len(self._memory.deadline), np.uint8)
        self._sums = EngineSums(config)
        self._previous: bytes | None = None
        self._has_new_rules = False
        self.checkpoint = Checkpoint(
            partition=partition,
            next_offset=0,
            clock_ms=0,
            user_count=0,
            config_version=config.version,
            layout=shape_digest(self._shape),
            commit_number=0,
        )
        if snapshot is not None:
            self._load(snapshot)

    def process(self, columns: Columns, *, clock_ms: int, next_offset: int) -> Batch:
        """Apply events in log order, then decide what is due up to `clock_ms` for everybody.

        Args:
            columns: events of this partition; log times never decrease, from batch to batch too.
            clock_ms: log time reached; no record before it can still arrive.
            next_offset: the offset after the last record that was read.
        """
        self._make_room(columns)
        batch = Batch(self._names)
        self._settle_by_new_rules(batch)
        columns = columns._replace(
            user_hash=columns.user_hash.view(np.int64),
            message_hash=columns.message_hash.view(np.int64),
        )
        slots = np.zeros(len(columns.offset), np.int64)
        strings = (columns.user_hash.view(np.int64), columns.user_start, columns.user_length)
        find_all(self._users, columns.data, strings, slots)
        template = self._made.layout.template
        first = 0
        while first < len(columns.offset):
            machine, naming = self._machine(), self._names.naming()
            after = apply_events(machine, naming, slots, columns, template, self._touched, first)
            self._empty_buffers(batch, moved=after > first)
            first = after
        self._pass_time(batch, clock_ms)
        self._advance(clock_ms, next_offset)
        return self._counted(batch)

    def withhold(self, withheld: Withheld) -> Batch:
        """The log says that a trigger was not sent: give back what it took.

        What is due up to the record is decided first, for everybody. What the engine does not know
        of (any more) is passed over; else `Batch.withheld` has the stage's line.
        """
        batch = Batch(self._names)
        self._settle_by_new_rules(batch)
        self._pass_time(batch, withheld.log_ms)
        self._advance(withheld.log_ms, withheld.offset + 1)
        counted = self._counted(batch)
        slot = find_number(self._users, withheld.subject.encode())
        journey = self._names.journey_that_sends(withheld.journey, withheld.subject.encode())
        is_known = min(slot, journey) >= 0 and withheld.instant_ms < withheld.log_ms
        machine, touched = self._machine(), self._touched
        if slot >= 0:
            withhold_example(machine, touched, slot, id_words(withheld.trigger), withheld.log_ms)
        if is_known and withhold(machine, touched, slot, journey, withheld.instant_ms):
            self._sums.withheld[journey] += 1
            batch.withheld.append(withheld.line)
        return counted

    def drain(self) -> Batch:
        """Decide all that is pending, however far ahead; the clock is then the last instant.

        Nobody is sampled and no example closes any more: what comes of them is not in the log.
        """
        self._memory.rows32.reshape(-1, 2 * self._made.layout.words)[:, LEARN_AT] = NO_SECOND
        self._made.plan.ints[DRAINING] = 1
        set_deadlines(self._machine(), self._user_count(), self.checkpoint.clock_ms)
        batch = Batch(self._names)
        self._settle_by_new_rules(batch)
        self._memory.nodes[LAST_INSTANT] = self.checkpoint.clock_ms
        self._pass_time(batch, self.checkpoint.clock_ms + DRAIN_MS)
        self._made.plan.ints[DRAINING] = 0
        clock_ms = max(self.checkpoint.clock_ms, int(self._memory.nodes[LAST_INSTANT]))
        self._advance(clock_ms, self.checkpoint.next_offset)
        return self._counted(batch)

    def adopt(self, name: str, version: Version) -> bool:
        """Score by a version of a model from now on; False, and by its default, if it cannot be.

        No tag settles: scores that tags read change when they are looked at next.
        """
        return self._versions.adopt(name, version)

    def commit(self, live: Live | None = None) -> Commit:
        """What changed since the last commit (or the start), with the checkpoint it leads to."""
        live = live or Live()
        slots = self.touched()
        packed = self._packer.pack(self._memory, self._made.plan, self._texts, slots)
        commit = Commit(
            checkpoint=replace(
                self.checkpoint,
                commit_number=self.checkpoint.commit_number + 1,
                owner=live.owner,
                last_place=live.last_place or self.checkpoint.last_place,
            ),
            previous=self._previous,
            rows=list(zip(texts_of(self._users, slots), packed, strict=True)),
            deadlines=self._memory.deadline[slots].tolist(),
            outbox=live.outbox,
            relayed_count=live.relayed_count,
            audiences=live.audiences,
            profiles=live.profiles,
            config=live.config,
            models=live.models,
            shape=b"" if self._shape_is_stored else encode_shape(self._shape),
        )
        self._touched[:] = 0
        self.checkpoint = commit.checkpoint
        self._previous = encode_checkpoint(commit.checkpoint)
        self._shape_is_stored = True
        return commit

    def successor(self, config: Config) -> Engine:
        """An engine that goes on with these profiles, by another config and no version yet."""
        slots = np.arange(self._user_count())
        packed = self._packer.pack(self._memory, self._made.plan, self._texts, slots)
        users = texts_of(self._users, slots)
        snapshot = Snapshot(
            checkpoint=self.checkpoint,
            rows=list(zip(users, packed, strict=True)),
            shape=encode_shape(self._shape),
        )
        engine = Engine(config, partition=self.checkpoint.partition, snapshot=snapshot)
        engine._previous = self._previous
        engine._touched[: len(slots)] = 1
        engine._shape_is_stored &= self._shape_is_stored
        return engine

    @property
    def next_deadline_ms(self) -> int:
        """The earliest deadline of any user, or earlier: when time alone brings something about."""
        return int(self._memory.nodes[EARLIEST])

    @property
    def touched_count(self) -> int:
        """How many users the next commit has to write."""
        return int(np.count_nonzero(self._touched[: self._user_count()]))

    @property
    def tallies(self) -> Tallies:
        """Some of `counters`, without walking all users."""
        return self._sums.tallies(self._memory.nodes, self._user_count())

    @property
    def resident_bytes(self) -> int:
        """Memory that the profiles take, with the room that was made for more."""
        memory = self._memory
        tables = (memory.rows64, memory.deadline, memory.nodes, *self._users, *self._texts)
        return sum(table.nbytes for table in tables)

    @property
    def counters(self) -> Counters:
        """Sums since the engine was made."""
        held = self._memory.rows64[TAGS :: self._made.layout.words][: self._user_count()]
        return self._sums.counters(self._memory.nodes, held, self._pending())

    def touched(self) -> NDArray[np.int64]:
        """The slots of the users whom the next commit has to write."""
        return np.flatnonzero(self._touched[: self._user_count()])

    def profiles(self) -> Iterator[bytes]:
        """Everybody's readable profile as of the clock, JSON lines, sorted by user id."""
        return self._reader.everybody(self._users_at_clock())

    def positioned_profiles(self, slots: NDArray[np.int64]) -> list[tuple[bytes, bytes]]:
        """(user, readable profile) of these, as of the clock and with the position in the log."""
        at = self.checkpoint
        position = b',"partition":%d,"next_offset":%d' % (at.partition, at.next_offset)
        profiles = self._reader.profiles(self._users_at_clock(), slots, position)
        return list(zip(texts_of(self._users, slots), profiles, strict=True))

    def holders(self, tag: int) -> Iterator[tuple[bytes, int]]:
        """Who holds a tag (its index in the config), and since when in ms; in no order."""
        held = self._memory.rows64[TAGS :: self._made.layout.words][: self._user_count()]
        slots = np.flatnonzero(held >> tag & 1)
        since = self._reader.since(self._users_at_clock(), slots, tag)
        return zip(texts_of(self._users, slots), since.tolist(), strict=True)

    def _users_at_clock(self) -> UsersAtClock:
        return UsersAtClock(self._machine(), self._users, self.checkpoint.clock_ms)

    def _pending(self) -> list[int]:
        """Pending stages per journey, counted by walking all instances."""
        counts = np.zeros(len(self._config.journeys), np.int64)
        pending_stages(self._machine(), self._user_count(), counts)
        return [int(count) for count in counts]

    def _user_count(self) -> int:
        return int(self._users.entries[COUNT])

    def _machine(self) -> Machine:
        return Machine(self._memory, self._made.plan, self._texts, self._scratch, self._output)

    def _make_room(self, columns: Columns) -> None:
        """Room for whatever the events can bring: users, and texts in their fields and lines."""
        if self._texts.entries[COUNT] > self._texts_max:
            self._forget_texts()
        events, size = len(columns.offset), len(columns.data)
        self._users = with_room(self._users, events, int(columns.user_length.sum()))
        cells = events * columns.values.shape[1] + 2 * len(columns.lines)
        self._texts = with_room(self._texts, cells, size)
        self._memory = with_users(
            self._memory, self._made.layout.words, self._user_count() + events
        )
        self._names.users, self._names.texts = self._users, self._texts
        if len(self._touched) < len(self._memory.deadline):
            touched = np.zeros(len(self._memory.deadline), np.uint8)
            touched[: len(self._touched)] = self._touched
            self._touched = touched
        self._memory = with_nodes(self._memory, NODES_MARGIN)

    def _forget_texts(self) -> None:
        """Keep the texts that rows and rules name; look again when there are twice as many."""
        rows = Rows(self._memory, self._made.plan, self._made.layout, self._user_count())
        self._texts = without_unused(rows, self._texts, always=1 + len(self._made.texts))
        self._texts_max = max(self._texts_at_least, 2 * int(self._texts.entries[COUNT]))

    def _empty_buffers(self, batch: Batch, *, moved: bool) -> None:
        had_room = self._memory.nodes[NODES_MADE] * 8 + NODES_MARGIN * 8 < len(self._memory.nodes)
        assert moved or self._output.ints[: out.FILLED_WORDS].any() or not had_room, (
            "the loop stopped for no reason"
        )
        batch.take(self._output)
        self._memory = with_nodes(self._memory, NODES_MARGIN)

    def _pass_time(self, batch: Batch, clock_ms: int) -> None:
        touched, users, naming = self._touched, self._user_count(), self._names.naming()
        while not pass_time(self._machine(), naming, touched, users, clock_ms):
            self._empty_buffers(batch, moved=False)
        batch.take(self._output)

    def _counted(self, batch: Batch) -> Batch:
        self._sums.outcomes += batch.outcomes()
        self._sums.examples += batch.example_counts()
        return batch

    def _advance(self, clock_ms: int, next_offset: int) -> None:
        self.checkpoint = replace(
            self.checkpoint,
            clock_ms=max(clock_ms, self.checkpoint.clock_ms),
            next_offset=next_offset,
            user_count=self._user_count(),
        )

    def _load(self, snapshot: Snapshot) -> None:
        checkpoint = snapshot.checkpoint
        users, rows = [user for user, _ in snapshot.rows], [row for _, row in snapshot.rows]
        self._shape_is_stored = checkpoint.layout == self.checkpoint.layout
        if not self._shape_is_stored:
            template = self._made.layout.template
            rows, self.conversion = convert_stored(rows, snapshot.shape, self._shape, template)
        self._users = with_room(self._users, len(users), sum(map(len, users)))
        self._memory = with_users(self._memory, self._made.layout.words, len(snapshot.rows))
        intern_all(self._users, *joined(users))
        assert self._user_count() == len(snapshot.rows), "a snapshot has each user once"
        self._memory, self._texts = self._packer.unpack(
            self._memory, self._made.plan, self._texts, 0, rows
        )
        give_hashes(self._memory, self._made.layout.words, self._users)
        self._has_new_rules = checkpoint.config_version != self._config.version
        if self._has_new_rules or not self._shape_is_stored:
            plan_everybody(self._machine(), self._user_count(), checkpoint.clock_ms)
        set_deadlines(self._machine(), self._user_count(), checkpoint.clock_ms)
        self._touched = np.zeros(len(self._memory.deadline), np.uint8)
        self._touched[: self._user_count()] = not self._shape_is_stored
        self._names.users, self._names.texts = self._users, self._texts
        for index, pending in enumerate(self._pending()):
            self._memory.nodes[JOURNEY_TALLIES + 2 * index + 1] = pending
        self._previous = snapshot.encoded or encode_checkpoint(checkpoint)
        # Its version stays the stored one until everybody's tags are settled by the new rules.
        self.checkpoint = replace(checkpoint, layout=self.checkpoint.layout)

    def _settle_by_new_rules(self, batch: Batch) -> None:
        """If other rules than before are in force: tags are held by them; no journey opens."""
        if not self._has_new_rules:
            return
        done, users, now_ms = 0, self._user_count(), self.checkpoint.clock_ms
        while done < users:
            after = settle_users(self._machine(), self._touched, done, users, now_ms)
            self._empty_buffers(batch, moved=after > done)
            done = after
        self._has_new_rules = False
        self.checkpoint = replace(self.checkpoint, config_version=self._config.version)
