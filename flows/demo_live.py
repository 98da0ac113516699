"""What watches the demo's first act: it keeps the pace, and tells some of what happens."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Mapping, Sequence

from config.schema import Config
from flows.demo_acts import Setting
from flows.demo_scenes import Scene, Scenes
from flows.demo_screen import SCENES_KEPT_MAX, Screen, Stopwatch, View
from flows.moments import moments_at
from flows.partition import Engine
from flows.replay import Watch
from flows.slices import Decided
from flows.summary import held_tags, journey_sums

FRAME_SECONDS = 0.1
SCENE_SECONDS = 0.3
EXAMPLES = 8


class Showing:
    """Shows a run over a log on a screen so that it lasts `seconds`, if the engine keeps up."""

    def __init__(self, screen: Screen, setting: Setting, seconds: float) -> None:
        self._screen = screen
        self._scenes = Scenes(setting.config)
        self._config = setting.config
        self._pace = seconds / setting.records
        self._records_all = setting.records
        self._told: deque[Scene] = deque(maxlen=SCENES_KEPT_MAX)
        self._stopwatch = Stopwatch()
        self._records = 0
        self._engine_seconds = self._left_at = self._next_scene_at = self._next_frame_at = 0.0

    def watch(self, decided: Decided, engines: Sequence[Engine]) -> None:
        """Called with each stretch: tell, draw, and wait until it is time for the next one."""
        now = self._stopwatch.seconds()
        self._engine_seconds += self._stopwatch.cpu_seconds() - self._left_at
        self._records += decided.stretch.record_count
        if now >= self._next_scene_at and (scene := self._scenes.choose(decided)) is not None:
            self._told.append(scene)
            self._next_scene_at = now + SCENE_SECONDS
        if now >= self._next_frame_at or decided.stretch.final:
            self._screen.draw(self._view(decided, engines, now))
            self._next_frame_at = now + FRAME_SECONDS / 2
        self._stopwatch.wait_until(self._records * self._pace)
        self._left_at = self._stopwatch.cpu_seconds()

    def _view(self, decided: Decided, engines: Sequence[Engine], now: float) -> View:
        counters = [engine.counters for engine in engines]
        sums = journey_sums(counters).values()
        events = sum(one.events for one in counters)
        return View(
            clock=moments_at(self._config.shop.zone, decided.stretch.clock_ms).now(),
            share=self._records / self._records_all,
            events=events,
            shown_per_second=events / now,
            engine_per_second=events / self._engine_seconds,
            users=sum(one.users for one in counters),
            sent=sum(one.sent for one in sums),
            not_sent=sum(sum(one.suppressed.values()) for one in sums),
            pending=sum(one.pending for one in sums),
            tags=tuple(top_tags(self._config, held_tags(counters))),
            scenes=tuple(self._told),
        )


class Examples:
    """Keeps a few of the things that happen in a run over a log, spread over all of it."""

    def __init__(self, setting: Setting) -> None:
        self.told: list[Scene] = []
        self._scenes = Scenes(setting.config)
        self._records_all = setting.records
        self._records = 0

    def watch(self, decided: Decided, engines: Sequence[Engine]) -> None:
        """Called with each stretch."""
        self._records += decided.stretch.record_count
        due = len(self.told) * self._records_all < self._records * EXAMPLES
        if due and len(self.told) < EXAMPLES:
            scene = self._scenes.choose(decided)
            if scene is not None:
                self.told.append(scene)


class Progress:
    """Shows on a screen how far runs over a log of `records` are."""

    def __init__(self, screen: Screen, records: int) -> None:
        self._screen = screen
        self._records = records
        self._stopwatch = Stopwatch()
        self._next_at = 0.0

    def watch(self, label: str) -> Watch:
        """A watch that shows `label` and the record that a run has come to."""

        def show(decided: Decided, engines: Sequence[Engine]) -> None:
            now = self._stopwatch.seconds()
            if now >= self._next_at:
                offset = decided.stretch.next_offset
                note = f"{label}, record {offset:,}"
                self._screen.note(offset / self._records, note)
                self._next_at = now + FRAME_SECONDS

        return show


def top_tags(config: Config, held: Mapping[str, int]) -> list[tuple[str, int]]:
    """Of each group the tag that most users hold, with their number; groups in the config's order.

    So each group keeps its place on the screen.
    """
    groups: dict[int, list[str]] = defaultdict(list)
    for tag in config.tags:
        if tag.rule is not None:
            groups[tag.parent].append(tag.name)
    tops = (max(names, key=held.__getitem__) for names in groups.values())
    return [(name, held[name]) for name in tops]
