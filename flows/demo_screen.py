"""The demo at a terminal: the frame of its first act, drawn ten times a second at a set pace."""

from __future__ import annotations

import os
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager

from msgspec import Struct
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from flows.demo_scenes import Scene, Tone

SCENES_KEPT_MAX = 200
TIME_COLUMNS = 17
"""Where a scene's text begins, behind its day and time."""

LINES_MAX = 2
"""That a scene's text, or its reason, may take."""

TAG_COLUMNS = 26
TAG_ROWS = 2
NOTE_BAR_COLUMNS = 30
LINE_COLUMNS_MIN = 20
"""Of a scene's text; on a terminal that has no room for them lines are cut."""
STYLES: dict[Tone, str] = {
    "sent": "bold green",
    "not_sent": "yellow",
    "ended": "cyan",
    "reached": "bold magenta",
    "tag": "blue",
    "unusable": "red",
}
FOOTER = "Ctrl-C ends the demo"


class View(Struct, frozen=True, kw_only=True):
    """What a frame shows. `share` of the log is done; speeds are in events per second.

    That of the engine is per second of CPU time, without what drawing takes.
    """

    clock: str
    share: float
    events: int
    shown_per_second: float
    engine_per_second: float
    users: int
    sent: int
    not_sent: int
    pending: int
    tags: tuple[tuple[str, int], ...]
    scenes: tuple[Scene, ...]


class Stopwatch:
    """Seconds since it was started, on the wall and of this process's CPU time."""

    def __init__(self) -> None:
        self._start = time.perf_counter()
        self._cpu_start = time.process_time()

    def seconds(self) -> float:
        """How long ago it was started."""
        return time.perf_counter() - self._start

    def cpu_seconds(self) -> float:
        """How long this process has worked since."""
        return time.process_time() - self._cpu_start

    def wait_until(self, seconds: float) -> None:
        """Sleep until so many seconds have passed since the start, if they have not."""
        time.sleep(max(0.0, seconds - self.seconds()))


def at_terminal() -> bool:
    """Whether standard output can be drawn on."""
    drawable = os.environ.get("TERM", "dumb") != "dumb" and sys.stdout.encoding == "utf-8"
    return drawable and sys.stdout.isatty()


class Screen:
    """A terminal that shows one frame at a time, each in the place of the one before."""

    def __init__(self, live: Live) -> None:
        self._live = live

    def draw(self, view: View) -> None:
        """Show a frame of the terminal's present size."""
        size = self._live.console.size
        self._show(frame(view, size.width, size.height))

    def note(self, share: float, text: str) -> None:
        """Show how much is done, and a text, in one line."""
        line = Text("   ").append(_bar(share, NOTE_BAR_COLUMNS)).append(f"  {text}")
        line.truncate(self._live.console.width, overflow="ellipsis")
        self._show([line])

    def _show(self, lines: list[Text]) -> None:
        self._live.update(Group(*lines), refresh=True)


@contextmanager
def whole_screen() -> Iterator[Screen]:
    """The terminal as a screen of its own; what was there before comes back at the end."""
    with _live(alternate=True) as live:
        yield Screen(live)


@contextmanager
def line_below() -> Iterator[Screen]:
    """A line below what was printed, which is gone at the end."""
    with _live(alternate=False) as live:
        yield Screen(live)


def frame(view: View, width: int, height: int) -> list[Text]:
    """A frame of at most `height` lines of at most `width` columns."""
    head = [
        _ends("Beckon demo, 1 of 3: a shop, live", view.clock, width),
        _bar(view.share, width),
        _counts(
            f"{view.events:,} events",
            f"{view.shown_per_second:,.0f} a second, paced",
            f"{view.engine_per_second:,.0f} a CPU-second of the engine",
        ),
        _counts(
            f"{view.users:,} users",
            f"{view.sent:,} sent",
            f"{view.not_sent:,} not sent",
            f"{view.pending:,} timers pending",
        ),
        *_tags(view.tags, width),
        Text("─" * width, style="dim"),
    ]
    room = max(0, height - len(head) - 1)
    below = _latest(view.scenes, width, room)
    space = [Text()] * (room - len(below))
    lines = [*head, *below, *space, Text(FOOTER, style="dim")]
    for line in lines:
        line.truncate(width, overflow="ellipsis")
    return lines[:height]


def scene_lines(scene: Scene, width: int) -> list[Text]:
    """A scene: when, who, what; and why, below where it does not fit beside."""
    when = f"{scene.when:>{TIME_COLUMNS - 2}}  "
    user = f" ({scene.user})" if scene.user else ""
    head = Text.assemble((when, "dim"), (scene.who, "bold"), (f"{user} ", "dim"))
    what, why = scene.told
    style = STYLES[scene.tone]
    if not why or head.cell_len + len(what) + len(why) + 2 <= width:
        first, *rest = _wrapped(what, width, head.cell_len)
        why_beside = f": {why}" if why else ""
        return [
            head.append(first, style).append(why_beside),
            *(_below(line, style) for line in rest),
        ]
    return [
        head.append(what, style),
        *(_below(line, "") for line in _wrapped(why, width, TIME_COLUMNS)),
    ]


def _wrapped(text: str, width: int, first_column: int) -> list[str]:
    """A text in lines, of which the first begins at `first_column` and the others below."""
    room = max(LINE_COLUMNS_MIN, width - TIME_COLUMNS)
    lines = textwrap.wrap(
        text,
        room,
        initial_indent=" " * min(first_column - TIME_COLUMNS, room // 2),
        max_lines=LINES_MAX,
        placeholder=" ...",
    )
    return [line.strip() for line in lines] or [""]


def _below(line: str, style: str) -> Text:
    return Text(" " * TIME_COLUMNS).append(line, style)


@contextmanager
def _live(*, alternate: bool) -> Iterator[Live]:
    console = Console(highlight=False)
    live = Live(console=console, screen=alternate, auto_refresh=False, transient=True)
    with live:
        yield live


def _latest(scenes: tuple[Scene, ...], width: int, room: int) -> list[Text]:
    """The last scenes that fit, whole ones only, the newest at the bottom."""
    lines: list[Text] = []
    for scene in reversed(scenes):
        above = scene_lines(scene, width)
        if len(lines) + len(above) > room:
            break
        lines = [*above, *lines]
    return lines


def _ends(left: str, right: str, width: int) -> Text:
    """A line with a text at each end."""
    space = " " * max(1, width - len(left) - len(right))
    return Text.assemble((left, "bold"), space, (right, "bold"))


def _bar(share: float, width: int) -> Text:
    percent = f" {share:4.0%}"
    columns = max(0, width - len(percent))
    done = round(columns * share)
    return Text.assemble(("━" * done, "green"), ("─" * (columns - done), "dim"), percent)


def _counts(*texts: str) -> Text:
    return Text("   ".join(texts))


def _tags(tags: tuple[tuple[str, int], ...], width: int) -> list[Text]:
    """The tags that fit into the rows there are for them, in columns that stay where they are."""
    cells = max(1, width // TAG_COLUMNS)
    rows = []
    for first in range(0, min(len(tags), TAG_ROWS * cells), cells):
        row = Text()
        for name, count in tags[first : first + cells]:
            row.append(f"{name} ", style="blue").append(f"{count:,}")
            row.pad_right(TAG_COLUMNS - row.cell_len % TAG_COLUMNS)
        rows.append(row)
    return rows
