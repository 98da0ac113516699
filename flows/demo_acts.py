"""The demo's three acts: each a run of the engine on the same log, and what came of it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from threading import Event

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from config.schema import Config
from flows.counters import JourneyCounters
from flows.partition import Engine
from flows.replay import ReplayOptions, Watch, replay
from flows.slices import Decided
from flows.summary import Replayed, journey_sums

STATE = "profiles"
COMPARED = ("decisions",)
OUTPUTS = (*COMPARED, "triggers", "tags", "dead_letters")
BLOCK_BYTES = 1 << 20


class Setting(Struct, frozen=True, kw_only=True):
    """Where an act plays. `records` is the length of the log; once `stop` is set a run ends."""

    folder: Path
    config: Config
    records: int
    seed: int
    stop: Event

    @property
    def log(self) -> Path:
        """The file with the log's records."""
        return self.folder / "events.jsonl"

    @property
    def state(self) -> Path:
        """Where the runs of the second act keep the profiles."""
        return self.folder / STATE


class Whole(Struct, frozen=True, kw_only=True):
    """A run over the whole log: its sums, and the digest of each output that is compared."""

    records: int
    users: int
    dead_letters: int
    journeys: Mapping[str, JourneyCounters]
    digests: Mapping[str, str]

    @property
    def sent(self) -> int:
        """Triggers of all journeys."""
        return sum(sums.sent for sums in self.journeys.values())


class Resumed(Struct, frozen=True, kw_only=True):
    """A run over the whole log in pieces: how often it was stopped, what it gave."""

    stops: int
    users: int
    digests: Mapping[str, str]


def play_whole(setting: Setting, watch: Watch, batch_size: int) -> Whole:
    """The log in one go; the outputs go to the setting's folder."""
    options = replace(_options(setting, setting.folder, OUTPUTS), batch_size=batch_size)
    return _whole(replay(options, setting.stop, watch), setting.folder)


def play_changed(setting: Setting, changed: Config, folder: Path, watch: Watch) -> Whole:
    """The log in one go with another config; the outputs go to `folder`."""
    options = replace(_options(setting, folder, COMPARED), config=changed)
    return _whole(replay(options, setting.stop, watch), folder)


def play_resumed(setting: Setting, stops: int, watch_of: Callable[[int], Watch]) -> Resumed:
    """The log in pieces, each by an engine that knows only what the one before it has saved.

    Where a piece ends, and the size of its batches, are drawn from the setting's seed. `watch_of`
    gives the watch of a piece by how many stops there were before it.
    """
    random = np.random.Generator(np.random.PCG64([setting.seed, stops]))
    stretch = setting.records / (stops + 1)
    ends = ((np.arange(stops) + random.random(stops)) * stretch).astype(np.int64)
    largest = max(2, int(stretch / 4))
    sizes = random.integers(max(1, largest // 8), largest, stops + 1)
    digests = {name: hashlib.sha256() for name in COMPARED}
    stopped = users = 0
    for end, size in zip([*ends.tolist(), setting.records], sizes.tolist(), strict=True):
        piece = _piece(setting, size, end, watch_of(stopped))
        if setting.stop.is_set():
            break
        stopped += piece.interrupted
        users = piece.checkpoint.user_count
        for name, digest in digests.items():
            part = _part(setting.folder, name)
            _add_file(digest, part)
            part.unlink()
    found = {name: digest.hexdigest() for name, digest in digests.items()}
    return Resumed(stops=stopped, users=users, digests=found)


def _piece(setting: Setting, batch_size: int, end: int, watch: Watch) -> Replayed:
    """Go on from the saved state until the record `end` is passed or the log has ended."""
    stop = Event()

    def watch_for_end(decided: Decided, engines: Sequence[Engine]) -> None:
        watch(decided, engines)
        if decided.stretch.next_offset > end or setting.stop.is_set():
            stop.set()

    outputs = {name: str(_part(setting.folder, name)) for name in COMPARED}
    options = _options(setting, setting.folder, COMPARED)
    piece = replace(options, outputs=outputs, batch_size=batch_size, state=setting.state)
    return replay(piece, stop, watch_for_end)


def _options(setting: Setting, folder: Path, names: Iterable[str]) -> ReplayOptions:
    return ReplayOptions(
        events=(str(setting.log),),
        config=setting.config,
        outputs={name: str(folder / f"{name}.jsonl") for name in names},
    )


def _whole(replayed: Replayed, folder: Path) -> Whole:
    digests = {name: hashlib.sha256() for name in COMPARED}
    for name, digest in digests.items():
        _add_file(digest, folder / f"{name}.jsonl")
    return Whole(
        records=replayed.records,
        dead_letters=sum(replayed.dead_letters.values()),
        users=sum(one.users for one in replayed.counters),
        journeys=journey_sums(replayed.counters),
        digests={name: digest.hexdigest() for name, digest in digests.items()},
    )


def _part(folder: Path, name: str) -> Path:
    """Where a piece writes an output; once it has its place in the digest, it is deleted."""
    return folder / f"{name}.part.jsonl"


def _add_file(digest: hashlib._Hash, path: Path) -> None:
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            digest.update(block)
