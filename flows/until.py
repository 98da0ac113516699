"""Where `--until` ends the log: what of a slice comes before a log time.

Log time is made while decoding (and ticks leave no event behind), so the place is found by decoding
the slice's first records, fewer and fewer of them: a dozen times, once in a run.
"""

from __future__ import annotations

import numpy as np

from connectors.events import Decoded, Decoder
from flows.slices import Slice, Stretch, part_of


def stretch_before(until_ms: int, piece: Slice, decoder: Decoder) -> Stretch:
    """What of `piece` has a log time before `until_ms`, as the log's final stretch.

    Called when decoding all of `piece` from the decoder's clock on reaches `until_ms`. The
    decoder's clock stays where it is. The first record at or after `until_ms` is not consumed, be
    it a tick.
    """
    count = _count_reaching(until_ms, piece, decoder)
    decoded = _decode_first(count, piece, decoder)
    end_offset = _end_offset(until_ms, piece, decoded, count)
    columns = decoded.columns
    return Stretch(
        columns=columns.take(np.flatnonzero(columns.offset < end_offset)),
        dead_letters=[letter for letter in decoded.dead_letters if letter.offset < end_offset],
        record_count=int(np.searchsorted(piece.records.offset, end_offset)),
        clock_ms=max(until_ms, decoder.clock_ms),
        next_offset=end_offset,
        final=True,
        withheld=[one for one in decoded.withheld if one.offset < end_offset],
    )


def _count_reaching(until_ms: int, piece: Slice, decoder: Decoder) -> int:
    """How many first records lift the clock to `until_ms`; 0 if it is there already."""
    if decoder.clock_ms >= until_ms:
        return 0
    too_few, enough = 0, len(piece.records.offset)
    while enough - too_few > 1:
        middle = (too_few + enough) // 2
        if _decode_first(middle, piece, decoder).clock_ms < until_ms:
            too_few = middle
        else:
            enough = middle
    return enough


def _decode_first(count: int, piece: Slice, decoder: Decoder) -> Decoded:
    """The first `count` records, decoded without moving the decoder's clock."""
    clock_ms = decoder.clock_ms
    last = piece.last and count == len(piece.records.offset)
    decoded = decoder.decode(part_of(piece.records, 0, count), last=last)
    decoder.clock_ms = clock_ms
    return decoded


def _end_offset(until_ms: int, piece: Slice, decoded: Decoded, count: int) -> int:
    """The offset of the first record at or after `until_ms`, given the `count` that reach it."""
    reaching = np.flatnonzero(decoded.columns.log_ms >= until_ms)
    if count and len(reaching):
        return int(decoded.columns.offset[reaching[0]])
    # No event reaches it: it is a tick, the last of these records; or the log stood there already.
    offsets = piece.records.offset
    first = max(count - 1, 0)
    return int(offsets[first]) if len(offsets) else piece.next_offset
