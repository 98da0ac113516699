"""A decoded batch: events as numpy columns, one row per event, in log order.

This is what `connectors.events.Decoder` hands to the engine. Texts stay where they were: a text
cell is a span of `data`, packed into one int64.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

MISSING = -(2**63)
"""A cell of `values` or `lines` that the event does not have."""

SPAN_BITS = 16
"""A text cell is `start << SPAN_BITS | length`: bytes start .. start + length of `data`."""


class Columns(NamedTuple):
    """Events of one partition. All arrays but `lines` and `data` have one row per event.

    values: int64, one column per field (see `Decoder.fields`): money in minor units, numbers in
    thousandths, flags 0 or 1, texts as spans, MISSING where absent or not a field of this event.
    lines: int64 (all lines of the batch, 4): item span, price, quantity, category span.
    """

    offset: NDArray[np.int64]
    log_ms: NDArray[np.int64]
    at_ms: NDArray[np.int64]
    event: NDArray[np.int32]
    user_start: NDArray[np.int64]
    user_length: NDArray[np.int64]
    user_hash: NDArray[np.uint64]
    message_hash: NDArray[np.uint64]
    values: NDArray[np.int64]
    line_from: NDArray[np.int64]
    line_count: NDArray[np.int64]
    lines: NDArray[np.int64]
    data: NDArray[np.uint8]

    def take(self, rows: NDArray[np.int64]) -> Columns:
        """The events at `rows`, in that order; `lines` and `data` are shared, not copied."""
        return self._replace(
            offset=self.offset[rows],
            log_ms=self.log_ms[rows],
            at_ms=self.at_ms[rows],
            event=self.event[rows],
            user_start=self.user_start[rows],
            user_length=self.user_length[rows],
            user_hash=self.user_hash[rows],
            message_hash=self.message_hash[rows],
            values=self.values[rows],
            line_from=self.line_from[rows],
            line_count=self.line_count[rows],
        )


class DeadLetter(Struct, frozen=True, kw_only=True):
    """An input that cannot be used, kept whole, with the reason and what to do about it."""

    reason: str
    detail: str
    offset: int
    value: bytes
