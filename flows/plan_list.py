"""The words of a plan while it is written: runs and lists, one behind the other."""

from __future__ import annotations

import struct
from collections.abc import Sequence


class PlanList:
    """Words that are appended to; those of the head are set once it is known where tables start."""

    def __init__(self, head: int) -> None:
        """A head of so many words, all 0."""
        self.words = [0] * head

    def run(self, values: Sequence[int]) -> int:
        """Append a run of words; where it starts."""
        start = len(self.words)
        self.words.extend(values)
        return start

    def listed(self, values: Sequence[int]) -> int:
        """Append a list: its length, then its entries."""
        return self.run([len(values), *values])

    def counted(self, records: Sequence[Sequence[int]]) -> int:
        """Append a list of records: how many, then their words."""
        return self.run([len(records), *(word for record in records for word in record)])


def float_bits(value: float) -> int:
    """The 64 bits of a float as a whole number, as it stands in `plan.ints`."""
    (bits,) = struct.unpack("<q", struct.pack("<d", value))
    return int(bits)
