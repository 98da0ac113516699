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


class Lookout:
    """Looks for a rollback of a model (of any, if ""), from where a reader of the log stands.

    `pause` waits for some 10 ms while the broker fetches.
    """

    def __init__(self, model: str, reader: LogReader, pause: Callable[[], None]) -> None:
        self._model = model
        self._reader = reader
        self._pause = pause

    def look(self) -> bool:
        """Whether there is one between where the last look ended and the log's present end.

        Raises:
            OSError: the log could not be read to its end.
        """
        for found in records_ahead(self._reader, "model", self._pause):
            record = record_of(found.value)
            if record is not None and record.rollback and self._model in ("", record.model):
                return True
        return False


class Looking(Struct, kw_only=True):
    """A lookout behind an offset, and its present look, which goes on on a thread of its own."""

    offset: int
    lookout: Lookout
    look: Future[bool]


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

        What went wrong with a look is tried again.
        """
        looking = self._looking.get(partition)
        if looking is None or looking.offset != error.offset:
            reader = self._reader_from(partition, error.offset + 1)
            lookout = Lookout(error.model, reader, self._pause)
            look = on_thread(f"rollback-{partition}", lookout.look)
            self._looking[partition] = Looking(offset=error.offset, lookout=lookout, look=look)
            return False
        if not looking.look.done():
            return False
        if looking.look.exception() is None and looking.look.result():
            return True
        looking.look = on_thread(f"rollback-{partition}", looking.lookout.look)
        return False
