"""How good a model's scores have been lately: fading sums over those whose outcome is known."""

from __future__ import annotations

import math
from bisect import bisect_right

from msgspec import Struct

EDGES = tuple(half / 2.0 for half in range(-9, 5))
"""Logits between the bins of calibration: from scores of 1.1 % to 88 %, half a logit each."""


class Bin(Struct, array_like=True):
    """Scores that are close to each other: how many, what they said in all, what came."""

    count: float = 0.0
    said: float = 0.0
    came: float = 0.0


class Figures(Struct, kw_only=True):
    """What is known of a model's scores; the sums fade, the counts do not."""

    taken_count: int = 0
    happened_count: int = 0
    scored_count: int = 0
    alarm_count: int = 0
    loss: float = 0.0
    bins: list[Bin] = []

    def fade(self, kept: float) -> None:
        """Let what is known lose weight."""
        self.loss *= kept
        for held in self.bins:
            held.count, held.said, held.came = (
                kept * held.count,
                kept * held.said,
                kept * held.came,
            )

    def add(self, logit: float, outcome: bool, loss: float) -> None:
        """Take in a score by its logit, with what came and what it cost."""
        if not self.bins:
            self.bins = [Bin() for _ in range(len(EDGES) + 1)]
        held = self.bins[bisect_right(EDGES, logit)]
        held.count += 1.0
        held.said += 1.0 / (1.0 + math.exp(-logit))
        held.came += float(outcome)
        self.scored_count += 1
        self.loss += loss

    @property
    def log_loss(self) -> float:
        """Per score; NaN before there is one."""
        return self.loss / self._weight if self.bins else math.nan

    @property
    def calibration_error(self) -> float:
        """How far scores are from the share of outcomes, on average over bins; NaN before any."""
        apart = sum(abs(held.said - held.came) for held in self.bins)
        return apart / self._weight if self.bins else math.nan

    @property
    def _weight(self) -> float:
        return sum(held.count for held in self.bins)
