"""The way out for a partition that stands before a version that it cannot read.

It goes on as soon as its log has, behind that version, a rollback of the model; until then it stops
there, and so does every replay. A later version of the learner's does not count: what is passed
over is an operator's to say.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future

from msgspec import Struct

from connectors.log import LogReader
from connectors.threads import on_thread
from flows.control_records import records_ahead
from flows.model_records import ModelRecordError, record_of

MODELS_MAX = 1_000
"""So many models' rollbacks are remembered of a partition; a log has hardly ever as many models."""


class Lookout:
    """Looks for rollbacks in one partition, from where a reader of its log stands.

    `pause` waits for some 10 ms while the broker fetches.
    """

    def __init__(self, reader: LogReader, pause: Callable[[], None]) -> None:
        self._reader = reader
        self._pause = pause
        self._last: dict[str, int] = {}

    def look(self) -> None:
        """Read on from where the last look ended, to the log's present end.

        Raises:
            OSError: the log could not be read to its end.
        """
        for found in records_ahead(self._reader, "model", self._pause):
            record = record_of(found.value)
            if record is None or not record.rollback:
                continue
            if record.model in self._last or len(self._last) < MODELS_MAX:
                self._last[record.model] = found.offset

    def has_behind(self, error: ModelRecordError) -> bool:
        """Whether what was seen has a rollback behind a version: of its model, or any of "".

        Not to be asked while a look goes on.
        """
        if error.model:
            return self._last.get(error.model, -1) > error.offset
        return max(self._last.values(), default=-1) > error.offset


class Looking(Struct, kw_only=True):
    """A lookout behind an offset, and its present look, which goes on on a thread of its own."""

    offset: int
    lookout: Lookout
    look: Future[None]


class Rollbacks:
    """Looks for the rollbacks that partitions wait for; nobody waits for it.

    `reader_from(partition, offset)` opens the log.
    """

    def __init__(
        self, reader_from: Callable[[int, int], LogReader], pause: Callable[[], None]
    ) -> None:
        self._reader_from = reader_from
        self._pause = pause
        self._looking: dict[int, Looking] = {}

    def found(self, partition: int, error: ModelRecordError) -> bool:
        """Whether a rollback was found by now; asked again and again, as the partition is opened.

        A partition may stand before several such versions, with nothing to commit between them:
        what was seen for the first answers for those behind it. What went wrong with a look is
        tried again.
        """
        looking = self._looking.get(partition)
        if looking is None or looking.offset > error.offset:
            reader = self._reader_from(partition, error.offset + 1)
            lookout = Lookout(reader, self._pause)
            look = on_thread(f"rollback-{partition}", lookout.look)
            self._looking[partition] = Looking(offset=error.offset, lookout=lookout, look=look)
            return False
        if not looking.look.done():
            return False
        if looking.lookout.has_behind(error):
            return True
        looking.look = on_thread(f"rollback-{partition}", looking.lookout.look)
        return False
