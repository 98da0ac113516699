"""The decode stage of a replay: slices of raw records become stretches of typed events.

What the decoder holds back, until the next record shows what to make of it, is put before the next
slice here; and here the log ends early where `--until` says so.
"""

from __future__ import annotations

from collections import Counter

from connectors.events import Decoded, Decoder
from flows.slices import Slice, Stretch, no_records, part_of, preceded_by
from flows.until import stretch_before


class DecodeStage:
    """Decodes the log from a decoder's clock on.

    If `until_ms` is given, up to but without that log time: once a record at or after it was met,
    `ended` is true; neither that record nor what follows is consumed. `dead_letters` counts those
    of the run by reason.
    """

    def __init__(self, decoder: Decoder, *, until_ms: int | None = None) -> None:
        self.ended = False
        self.dead_letters: Counter[str] = Counter()
        self._decoder = decoder
        self._until_ms = until_ms
        self._held = no_records()

    def decode(self, piece: Slice) -> Stretch | None:
        """What one slice (and what was held back before it) holds; None once the log has ended."""
        if self.ended:
            return None
        piece = preceded_by(self._held, piece)
        clock_ms = self._decoder.clock_ms
        decoded = self._decoder.decode(piece.records, last=piece.last)
        if self._until_ms is None or decoded.clock_ms < self._until_ms:
            stretch = self._all(piece, decoded)
        else:
            self.ended = True
            self._decoder.clock_ms = clock_ms
            stretch = stretch_before(self._until_ms, piece, self._decoder)
        self.dead_letters.update(letter.reason for letter in stretch.dead_letters)
        return stretch

    def _all(self, piece: Slice, decoded: Decoded) -> Stretch:
        """All that the slice holds, but for what the decoder holds back."""
        records = piece.records
        record_count = len(records.offset) - decoded.held
        self._held = part_of(records, record_count, len(records.offset))
        until_ms = self._until_ms if piece.last else None
        return Stretch(
            columns=decoded.columns,
            dead_letters=decoded.dead_letters,
            record_count=record_count,
            clock_ms=decoded.clock_ms if until_ms is None else until_ms,
            next_offset=int(self._held.offset[0]) if decoded.held else piece.next_offset,
            final=piece.last,
            withheld=decoded.withheld,
        )
