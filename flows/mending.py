"""Whether dead letters are events by a config of now, and what to append to the log for them.

An event keeps the time that it had: what depends on when the broker took the record is said in it
before it is appended again. Its time depends on that where it has none of its own, where the
sender's clock is corrected (`sentAt`), and where it was dated later than it came. Such events are
known by this: of a record that comes a millisecond later they would have another time.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from config.schema import Config
from connectors.clock import NO_CLOCK
from connectors.columns import Columns
from connectors.events import Decoded, Decoder, partition_of
from connectors.memory_broker import raw_batches
from connectors.scan import RECORD_BYTES_MAX
from connectors.triggers import instant_text
from flows.letters import NO_TIME, Letter
from flows.slices import no_records

UNPLACED = "unplaced"
"""Why a letter is left that does not say where and when its record came."""

CONTROL = "bad_control"


class Mended(Struct, frozen=True, kw_only=True):
    """An event to append to the log, under its profile's id and in its partition."""

    letter: Letter
    partition: int
    key: bytes
    value: bytes


class Mending(Struct, frozen=True, kw_only=True):
    """What became of letters: events, and those that would be dead letters again, with why."""

    events: list[Mended]
    left: list[tuple[Letter, str]]


class Mender:
    """Mends letters by a config, for a log of so many partitions."""

    def __init__(self, config: Config, partitions: int) -> None:
        self._decoder = Decoder(config)
        self._partitions = partitions

    def mend(self, letters: Sequence[Letter]) -> Mending:
        """Letters as events, in the order in which their records came."""
        left = [(letter, why) for letter in letters if (why := why_never(letter))]
        tried = sorted(
            (letter for letter in letters if not why_never(letter)),
            key=lambda letter: (letter.log_ms, letter.position),
        )
        at_ms = self._times_of([letter.value for letter in tried], tried, 0)
        later_ms = self._times_of([letter.value for letter in tried], tried, 1)
        values = [
            with_time(letter.value, at_ms[row])
            if row in at_ms and at_ms[row] != later_ms[row]
            else letter.value
            for row, letter in enumerate(tried)
        ]
        decoded = self._decoded(values, tried, 1)
        assert times_of(decoded).items() <= at_ms.items(), "events keep their times"
        left += [(tried[one.offset], one.reason) for one in decoded.dead_letters]
        rows = decoded.columns.offset.tolist()
        chosen = partition_of(decoded.columns, self._partitions).tolist()
        events = [
            Mended(letter=tried[row], partition=partition, key=user, value=values[row])
            for row, partition, user in zip(rows, chosen, users_of(decoded.columns), strict=True)
        ]
        return Mending(events=events, left=left)

    def _times_of(
        self, values: Sequence[bytes], letters: Sequence[Letter], late_by_ms: int
    ) -> dict[int, int]:
        return times_of(self._decoded(values, letters, late_by_ms))

    def _decoded(
        self, values: Sequence[bytes], letters: Sequence[Letter], late_by_ms: int
    ) -> Decoded:
        """Values as if the broker took them so much after their letters' records.

        The offset of an event or a dead letter is the index of its value.
        """
        times = [letter.log_ms + late_by_ms for letter in letters]
        batches = raw_batches(list(zip(times, values, strict=True)), 0)
        self._decoder.clock_ms = NO_CLOCK
        return self._decoder.decode(batches[0] if batches else no_records(), last=True)


def times_of(decoded: Decoded) -> dict[int, int]:
    """The event time of each event, by the index of its value."""
    columns = decoded.columns
    return dict(zip(columns.offset.tolist(), columns.at_ms.tolist(), strict=True))


def why_never(letter: Letter) -> str:
    """Why a letter can be no event by any config; "" of one that can."""
    if letter.position.partition < 0 or letter.log_ms == NO_TIME:
        return UNPLACED
    if letter.reason == CONTROL:
        # Its header is lost; without it, it would be taken for an event.
        return CONTROL
    return "too_large" if len(letter.value) > RECORD_BYTES_MAX else ""


def with_time(value: bytes, at_ms: int) -> bytes:
    """A message, which is a JSON object with members, that says its event time for good.

    Of a key given twice the last counts, so its own bytes stay as they were. With an
    `originalTimestamp`, `timestamp` is taken as it is.

    >>> with_time(b'{"type":"page"} ', 0)[:40]
    b'{"type":"page","timestamp":"1970-01-01T0'
    """
    time = instant_text(at_ms)
    members = f',"timestamp":"{time}","originalTimestamp":"{time}"}}'
    return value.rstrip()[:-1] + members.encode()


def users_of(columns: Columns) -> list[bytes]:
    """The profile id of each event."""
    spans = zip(columns.user_start.tolist(), columns.user_length.tolist(), strict=True)
    data = columns.data
    return [data[start : start + length].tobytes() for start, length in spans]
