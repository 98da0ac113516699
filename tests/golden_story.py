"""Golden stories: customers of the default config, what happened to them, and how it is told.

A story is a folder of `tests/golden`; `tests/golden/README.md` says what its files are.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from itertools import groupby
from pathlib import Path
from threading import Event
from typing import NamedTuple
from zoneinfo import ZoneInfo

from config.load import load
from config.schema import Config
from connectors.triggers import GOAL, TRIGGER
from flows.replay import ReplayOptions, replay, unwatched
from flows.summary import Replayed
from flows.told import GoalEvent, Happened, Transition, read, told
from tests.conftest import ROOT
from tests.oracle_profile import Document, World
from tests.running import documents

GOLDEN = ROOT / "tests" / "golden"
STORIES = tuple(sorted(path.parent.name for path in GOLDEN.glob("*/story.md")))
OUTPUTS = ("decisions", "tags", "profiles")
ANY_VERSION = "any"
"""Stands for the version of the config, which each edit of the config changes."""


class Golden(NamedTuple):
    """What is reviewed of a story: the short lines, and the full records."""

    told: str
    decisions: str


class Played(NamedTuple):
    """What a replay of a story led to."""

    replayed: Replayed
    decisions: list[bytes]
    tags: list[bytes]
    profiles: list[bytes]

    def world(self) -> World:
        """The same as the oracle gives it."""
        decisions, tags = documents(self.decisions), documents(self.tags)
        profiles = documents(self.profiles)
        return World(decisions=decisions, transitions=tags, profiles=profiles, counters={})


def log_of(story: str) -> list[bytes]:
    return (GOLDEN / story / "events.jsonl").read_bytes().splitlines()


def reviewed(story: str) -> Golden:
    """What the files of a story say."""
    folder = GOLDEN / story
    return Golden((folder / "told.txt").read_text(), (folder / "decisions.jsonl").read_text())


def rewrite(story: str, golden: Golden) -> None:
    """Make the files of a story say something else."""
    (GOLDEN / story / "told.txt").write_text(golden.told)
    (GOLDEN / story / "decisions.jsonl").write_text(golden.decisions)


def play(story: str, folder: Path, batch_size: int) -> Played:
    """Replay a story on the default config, as `beckon replay` does it."""
    options = ReplayOptions(
        events=(str(GOLDEN / story / "events.jsonl"),),
        config=load(),
        outputs={name: str(folder / name) for name in OUTPUTS},
        batch_size=batch_size,
    )
    done = replay(options, Event(), unwatched)
    return Played(done, *((folder / name).read_bytes().splitlines() for name in OUTPUTS))


def golden_of(story: str, played: Played) -> Golden:
    """What the files of a story should say."""
    config = load()
    version, any_version = (f'"version":"{name}"' for name in (config.version, ANY_VERSION))
    decisions = "".join(f"{line.decode()}\n" for line in played.decisions)
    return Golden(Teller(story, config).tell(played), decisions.replace(version, any_version))


class Teller:
    """Tells what came of a story in short lines, user by user, in the shop's time."""

    def __init__(self, story: str, config: Config) -> None:
        self._config = config
        self._zone = ZoneInfo(config.shop.zone)
        self._log = log_of(story)
        names = [tag.name for tag in config.tags]
        self._groups = {name for name in names if any(one.startswith(f"{name}.") for one in names)}

    def tell(self, played: Played) -> str:
        """A block for each user: what happened, and how they stand at the end."""
        happened = sorted(map(read, played.tags + played.decisions), key=lambda one: one.time)
        blocks = []
        for profile in documents(played.profiles):
            own = [one for one in happened if one.subject == profile["user"]]
            lines = [*self._happened(own), *self._end(profile)]
            blocks.append("".join(f"{when} {profile['user']} {what}\n" for when, what in lines))
        return "\n".join(blocks)

    def _happened(self, happened: list[Happened]) -> Iterator[tuple[str, str]]:
        """Instant and words; the tags that turned together share a line, groups go without."""
        for (time, turned), together in groupby(happened, key=time_and_kind):
            if turned:
                turns = [turn(one) for one in together if not self._is_group(one)]
                yield self._local(time), " ".join(turns)
            else:
                yield from ((self._local(time), self._decided(one)) for one in together)

    def _decided(self, happened: Happened) -> str:
        assert not isinstance(happened, Transition)
        data = happened.data
        key = f"[{data.instance.key}]" if data.instance.key is not None else ""
        words = told(happened, self._config, self._cause(data.offset))
        return f"{data.journey}{key}.{data.stage} {outcome(happened)}{words}"

    def _end(self, profile: Document) -> Iterator[tuple[str, str]]:
        """The tags that a user holds at the end, since when, and the stages still to come."""
        assert isinstance(profile["tags"], dict)
        assert isinstance(profile["instances"], list)
        at = self._local(str(profile["at"]))
        held = [name for name in profile["tags"] if name not in self._groups]
        for since in sorted({profile["tags"][name] for name in held}):
            names = " ".join(name for name in held if profile["tags"][name] == since)
            yield at, f"holds since {self._local(since)}: {names}"
        for one in profile["instances"]:
            yield at, f"waits for {one['journey']}.{one['stage']}: {self._local(one['due'])}"

    def _is_group(self, happened: Happened) -> bool:
        return isinstance(happened, Transition) and happened.data.tag in self._groups

    def _cause(self, offset: int) -> str:
        """The event that a decision came with; "" where time alone brought it."""
        return json.loads(self._log[offset]).get("event", "") if offset >= 0 else ""

    def _local(self, instant: str) -> str:
        return f"{datetime.fromisoformat(instant).astimezone(self._zone):%Y-%m-%d %a %H:%M:%S}"


def time_and_kind(happened: Happened) -> tuple[str, bool]:
    """What lines have in common that are told as one: the instant, and being tags."""
    return happened.time, isinstance(happened, Transition)


def turn(happened: Happened) -> str:
    """A tag gained or lost, such as "+intent.cart"."""
    assert isinstance(happened, Transition)
    return f"{'+' if happened.data.held else '-'}{happened.data.tag}"


def outcome(happened: Happened) -> str:
    """The reason of a suppressed stage, or "goal", to stand before the words."""
    if isinstance(happened, GoalEvent):
        return f"{GOAL.removeprefix('beckon.')}: "
    assert not isinstance(happened, Transition)
    return "" if happened.type == TRIGGER else f"{happened.data.reason}: "
