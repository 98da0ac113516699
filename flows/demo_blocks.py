"""The demo's printed blocks: what each act found, in lines that fit a terminal of 80 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from itertools import zip_longest

from flows.counters import JourneyCounters
from flows.demo_acts import Resumed, Whole
from flows.demo_change import Changed, Difference, Side
from flows.demo_scenes import Scene

COLUMNS = 80
GAP = "  "


def scenes_block(scenes: Sequence[Scene]) -> list[str]:
    """Some of what happened, for those who did not see it happen."""
    lines = ["   Some of what happened:"]
    for scene in scenes:
        user = f" ({scene.user})" if scene.user else ""
        text = f"{scene.when} {scene.who}{user} {scene.told}"
        lines += _wrapped(text, first="   ", indent=" " * 6)
    return lines


def sums_block(whole: Whole) -> list[str]:
    """Each journey's stages, written as a sum that closes, and why some were not sent."""
    width = max(map(len, whole.journeys), default=0)
    heads = ("entered", "planned", "sent", "not sent", "to come")
    lines = [_sum_line("", heads, width)]
    for name, sums in whole.journeys.items():
        counts = _counts(sums)
        lines.append(_sum_line(name, [f"{count:,}" for count in counts], width))
        if sums.suppressed:
            by_reason = sorted(sums.suppressed.items(), key=lambda item: -item[1])
            reasons = ", ".join(f"{count:,} {reason}" for reason, count in by_reason)
            lines += _wrapped(f"not sent: {reasons}", first="  ", indent=" " * 4)
    return lines


def digests_block(whole: Whole, resumed: Resumed) -> list[str]:
    """The digests of both runs, one below the other."""
    lines = []
    for name, digest in whole.digests.items():
        lines += [
            f"   {name}.jsonl, sha256",
            f"   one go    {digest}",
            f"   resumed   {resumed.digests[name]}",
        ]
    return lines


def difference_block(changed: Changed, found: Difference) -> list[str]:
    """Triggers gained and lost, and one user's before and after, side by side."""
    lines = [
        f"   {found.before:,} triggers before - {found.lost:,} lost + {found.gained:,} gained"
        f" = {found.after:,} after"
    ]
    example = found.example
    if example is None:
        return lines
    lines.append(f"   For example {example.who} ({example.user}):")
    name, value = changed.change.threshold, changed.change.value
    heads = f"{name} = {changed.value_before}", f"{name} = {value}"
    lines += _side_by_side(*heads)
    for before, after in example.stages:
        lines += _side_by_side(_side_text(before), _side_text(after))
    return lines


def checks_block(checks: Mapping[str, bool]) -> list[str]:
    """What had to hold, and whether it does."""
    return [f"   {'ok    ' if holds else 'FAILED'} {name}" for name, holds in checks.items()]


def _counts(sums: JourneyCounters) -> tuple[int, ...]:
    not_sent = sum(sums.suppressed.values())
    return sums.entered, sums.scheduled, sums.sent, not_sent, sums.pending


def _sum_line(name: str, cells: Sequence[str], width: int) -> str:
    entered, planned, sent, not_sent, pending = cells
    return f"{name:{width}}  {entered:>9}  {planned:>9} = {sent:>9} + {not_sent:>9} + {pending:>8}"


def _side_text(side: Side) -> str:
    return f"{side.when} {side.told}"


def _side_by_side(left: str, right: str) -> list[str]:
    """Two texts as columns of equal width."""
    width = (COLUMNS - 3 - len(GAP)) // 2
    columns = (textwrap.wrap(text, width) for text in (left, right))
    pairs = zip_longest(*columns, fillvalue="")
    return [f"   {one:{width}}{GAP}{other}".rstrip() for one, other in pairs]


def _wrapped(text: str, *, first: str, indent: str) -> list[str]:
    return textwrap.wrap(
        text, COLUMNS, initial_indent=first, subsequent_indent=indent, break_on_hyphens=False
    )
