"""Dead letters as pages for a terminal: how many of which reason, one by one, one as a whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import msgspec
from msgspec import Struct, field

from config.places import printable
from connectors.reasons import MEANINGS
from connectors.triggers import instant_text
from flows.letters import Letter, Position
from flows.plain_text import folded

REASONS_MAX = 100
"""Reasons that are counted apart: Beckon has fewer, but anyone may write to a topic."""

OTHERS = "others"
SHOWN_BYTES_MAX = 65_536
"""How much of a record is shown."""

WIDTH = 100
_MEANINGS: dict[str, str] = {str(reason): meaning for reason, meaning in MEANINGS.items()}
_ROW = "{:20} {:>12} {:>12}  {:24}  {:24}"


class Group(Struct, kw_only=True):
    """The letters of a reason. first, last: log times of the earliest and the latest record."""

    reason: str
    open: int = 0
    redriven: int = 0
    first: str | None = None
    last: str | None = None
    example: str = ""
    detail: str = ""


class Overview(Struct, kw_only=True):
    """All letters of a source, each once. foreign: records that are none."""

    source: str
    open: int = 0
    redriven: int = 0
    foreign: int = 0
    reasons: list[Group] = []


class Listed(Struct, kw_only=True):
    """A letter in a list: all but its record. time, version: "" where they are not told."""

    position: str
    redriven: bool
    reason: str
    detail: str
    time: str
    version: str


class Outcome(Struct, kw_only=True):
    """What a re-drive has done so far.

    redriven, left: letters put back and letters that the config `version` would refuse again, by
    reason; example: the position of one of those. before: letters re-driven earlier. found: the
    positions asked for, as far as there are letters of them.
    """

    version: str = ""
    redriven: Counter[str] = field(default_factory=Counter)
    left: Counter[str] = field(default_factory=Counter)
    example: str = ""
    before: int = 0
    found: set[Position] = set()


class Counting:
    """Makes an overview of letters, one after the other."""

    def __init__(self, source: str) -> None:
        self._overview = Overview(source=source)
        self._groups: dict[str, Group] = {}

    def count(self, letter: Letter, *, is_redriven: bool) -> None:
        """Count a letter."""
        known = letter.reason in self._groups or len(self._groups) < REASONS_MAX
        reason = letter.reason if known else OTHERS
        group = self._groups.setdefault(reason, Group(reason=reason))
        group.redriven += is_redriven
        group.open += not is_redriven
        self._overview.redriven += is_redriven
        self._overview.open += not is_redriven
        time = time_of(letter)
        group.first = min(group.first or time, time) or None
        group.last = max(group.last or time, time) or None
        if not is_redriven or not group.example:
            group.example, group.detail = str(letter.position), letter.detail

    def count_foreign(self) -> None:
        """Count a record that is no letter."""
        self._overview.foreign += 1

    def overview(self) -> Overview:
        """What was counted; the reason with most open letters first."""
        groups = self._groups.values()
        self._overview.reasons = sorted(groups, key=lambda group: (-group.open, group.reason))
        return self._overview


def time_of(letter: Letter) -> str:
    """The log time of a letter's record; "" where it is not told."""
    return instant_text(letter.log_ms) if letter.log_ms >= 0 else ""


def listed(letter: Letter, *, is_redriven: bool) -> Listed:
    """A letter as it is listed."""
    return Listed(
        position=str(letter.position),
        redriven=is_redriven,
        reason=letter.reason,
        detail=letter.detail,
        time=time_of(letter),
        version=letter.version,
    )


def list_line(one: Listed) -> str:
    """A line of a list."""
    state = "re-driven" if one.redriven else "open"
    line = f"{one.position:>12}  {one.time:24}  {one.reason:18}  {state:9}  {one.detail}"
    return printable(line)


def overview_page(overview: Overview) -> Iterator[str]:
    """The lines of an overview."""
    counts = f"{overview.open:,} open, {overview.redriven:,} re-driven"
    yield f"{printable(overview.source)}: {counts}"
    if overview.foreign:
        yield f"(records there that are no dead letters: {overview.foreign:,})"
    if not overview.reasons:
        return
    yield ""
    yield _ROW.format("reason", "open", "re-driven", "first", "last").rstrip()
    for group in overview.reasons:
        counted = f"{group.open:,}", f"{group.redriven:,}"
        times = group.first or "", group.last or ""
        yield _ROW.format(printable(group.reason), *counted, *times).rstrip()
        example = f"  {group.example}: {group.detail}"
        yield from folded(printable(example), indent=4, width=WIDTH)


def outcome_page(outcome: Outcome, *, dry: bool) -> Iterator[str]:
    """The lines of what a re-drive has done, or if `dry`, would do."""
    done = "would be re-driven" if dry else "re-driven"
    yield f"{outcome.redriven.total():,} {done}{by_reason(outcome.redriven)}"
    if outcome.left:
        yield (
            f"{outcome.left.total():,} left, as config {outcome.version} would refuse them again"
            f"{by_reason(outcome.left)}; for example {outcome.example}"
        )
    if outcome.before:
        yield f"{outcome.before:,} re-driven before"


def by_reason(counts: Counter[str]) -> str:
    """Counts in words, the largest first.

    >>> by_reason(Counter(bad_json=1, wrong_type=2000))
    ': wrong_type 2,000, bad_json 1'
    """
    counted = (f"{reason} {count:,}" for reason, count in counts.most_common())
    return f": {', '.join(counted)}" if counts else ""


def letter_page(letter: Letter, *, is_redriven: bool) -> Iterator[str]:
    """The lines of one letter, whole."""
    meaning = _MEANINGS.get(letter.reason, "")
    yield f"{letter.position}"
    facts = {
        "reason": f"{letter.reason}: {meaning}" if meaning else letter.reason,
        "detail": letter.detail,
        "log time": time_of(letter),
        "config": letter.version,
        "state": "re-driven" if is_redriven else "open",
        "record": f"{len(letter.value):,} bytes",
    }
    for name, fact in facts.items():
        if fact:
            yield from folded(f"  {name:10}{printable(fact)}", indent=12, width=WIDTH)
    yield ""
    yield from record_lines(letter.value)


def record_lines(value: bytes) -> Iterator[str]:
    r"""A record for reading: JSON laid out, anything else as it is, nothing that a terminal obeys.

    >>> list(record_lines(b'{"a":1.50}'))
    ['{', '  "a": 1.50', '}']
    >>> list(record_lines(b"{\xff\x1b[2J"))
    ['{\\xff\\x1b[2J']
    """
    try:
        text = msgspec.json.format(value.decode(), indent=2)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        text = value[:SHOWN_BYTES_MAX].decode(errors="backslashreplace")
    for line in text[:SHOWN_BYTES_MAX].split("\n"):
        yield printable(line)
    if len(text) > SHOWN_BYTES_MAX or len(value) > SHOWN_BYTES_MAX:
        yield f"... (the first {SHOWN_BYTES_MAX:,} of {len(value):,} bytes)"
