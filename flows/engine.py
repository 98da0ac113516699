"""The dataflow: what happens to a slice of the log, from source to sinks, on one screen.

One Bytewax item is a slice of some thousand records, never one event: an item costs nothing,
per-event state in Bytewax's operators costs more than all of Beckon. Nothing else imports Bytewax.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.inputs import DynamicSource, StatelessSourcePartition
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.testing import run_main
from msgspec import Struct

from flows.slices import Decided, Routed, Slice, Stretch

Item = TypeVar("Item")
Result = TypeVar("Result")

execute: Callable[[Dataflow], None] = run_main
"""Runs a flow in this thread, which Ctrl-C reaches; returns when its sources have ended."""


class Stages(Struct, frozen=True, kw_only=True):
    """The stages of one run, each called with what the one before it returned."""

    decode: Callable[[Slice], Stretch | None]
    route: Callable[[Stretch], Routed]
    apply: Callable[[Routed], Decided]


def run(
    slices: Iterator[Slice], stages: Stages, sinks: Mapping[str, Callable[[Decided], None]]
) -> None:
    """Run the flow until `slices` end, or until a stage raises: that is raised here."""
    guard = Guard()
    flow = Dataflow("beckon")

    read = op.input("read", flow, SliceSource(guard.slices(slices)))
    # Slice: raw records of the log, in order, with their offsets
    decoded = op.filter_map("decode", read, guard.step(stages.decode))
    # Stretch: the records' events as columns, the dead letters among them, the clock after them
    routed = op.filter_map("route", decoded, guard.step(stages.route))
    # Routed: the same, one Columns per partition
    decided = op.filter_map("apply", routed, guard.step(stages.apply))
    # Decided: what was decided, as JSON lines per output
    for name, write in sinks.items():
        op.output(f"write_{name}", decided, CallSink(guard.step(write)))

    execute(flow)
    if guard.failure is not None:
        raise guard.failure


def run_live(
    rounds: Callable[[], list[Item]],
    apply: Callable[[Item], Result],
    settle: Callable[[Result], None],
) -> None:
    """Run the live flow until `rounds` raises StopIteration, or a step raises: that is raised here.

    `rounds` returns at once with what has arrived, maybe nothing. All partitions of a process go
    through one worker: its threads would share one interpreter lock.
    """
    guard = Guard()
    flow = Dataflow("beckon_live")

    read = op.input("read", flow, RoundSource(guard, rounds))
    # Item: what one poll of a partition brought
    applied = op.filter_map("apply", read, guard.step(apply))
    # Result: what that led to
    op.output("settle", applied, CallSink(guard.step(settle)))

    execute(flow)
    if guard.failure is not None:
        raise guard.failure


class Guard:
    """Keeps the first exception of a run and stops the run's source.

    An exception that reached Bytewax would end the flow too, but with a panic message on stderr.
    """

    def __init__(self) -> None:
        self.failure: BaseException | None = None

    def slices(self, slices: Iterator[Item]) -> Iterator[Item]:
        """The same slices, until something fails."""
        following = self.step(lambda _: next(slices, None))
        while self.failure is None and (item := following(None)) is not None:
            yield item

    def step(self, function: Callable[[Item], Result]) -> Callable[[Item], Result | None]:
        """`function`, but once anything has failed: nothing, with None as its result."""

        def guarded(item: Item) -> Result | None:
            if self.failure is not None:
                return None
            try:
                return function(item)
            except BaseException as failure:
                self.failure = failure
                return None

        return guarded


class RoundSource(DynamicSource[Item]):
    """What has arrived, round after round, until that is over or anything has failed."""

    def __init__(self, guard: Guard, rounds: Callable[[], list[Item]]) -> None:
        self._guard = guard
        self._rounds = rounds

    def build(self, step_id: str, worker_index: int, worker_count: int) -> RoundPartition[Item]:
        """The whole source: a process has one worker."""
        assert worker_count == 1, "a live process runs on one worker"
        return RoundPartition(self._guard, self._rounds)


class RoundPartition(StatelessSourcePartition[Item]):
    """One round at a time; after an empty one Bytewax waits for a millisecond."""

    def __init__(self, guard: Guard, rounds: Callable[[], list[Item]]) -> None:
        self._guard = guard
        self._rounds = rounds

    def next_batch(self) -> list[Item]:
        """A round's items, or StopIteration."""
        if self._guard.failure is not None:
            raise StopIteration
        try:
            return self._rounds()
        except StopIteration:
            raise
        except BaseException as failure:
            self._guard.failure = failure
            raise StopIteration from failure


class SliceSource(DynamicSource[Slice]):
    """Slices from an iterator, which one worker reads."""

    def __init__(self, slices: Iterator[Slice]) -> None:
        self._slices = slices

    def build(self, step_id: str, worker_index: int, worker_count: int) -> SlicePartition:
        """The whole source: a replay has one worker."""
        assert worker_count == 1, "a replay runs on one worker"
        return SlicePartition(self._slices)


class SlicePartition(StatelessSourcePartition[Slice]):
    """One slice at a time; the iterator's end is the source's."""

    def __init__(self, slices: Iterator[Slice]) -> None:
        self._slices = slices

    def next_batch(self) -> list[Slice]:
        """One item, or StopIteration."""
        return [next(self._slices)]


class CallSink(DynamicSink[Item]):
    """Hands each item to a function."""

    def __init__(self, write: Callable[[Item], None]) -> None:
        self._write = write

    def build(self, step_id: str, worker_index: int, worker_count: int) -> CallPartition[Item]:
        """The whole sink: a replay has one worker."""
        return CallPartition(self._write)


class CallPartition(StatelessSinkPartition[Item]):
    """Items in the order in which they were decided."""

    def __init__(self, write: Callable[[Item], None]) -> None:
        self._write = write

    def write_batch(self, items: list[Item]) -> None:
        """Hand on what has arrived."""
        for item in items:
            self._write(item)
