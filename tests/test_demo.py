"""The demo: true blocks in a pipe, frames that fit a terminal, and an exit code that tells."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest
from msgspec.structs import replace

from flows.demo import Play, change_checks, resumed_checks, run_demo, told, whole_checks
from flows.demo_acts import Resumed, Whole
from flows.demo_blocks import sums_block
from flows.demo_change import Difference
from flows.demo_scenes import Scene
from flows.demo_screen import View, frame, scene_lines
from flows.summary import JourneySums
from flows.told import Told
from tests.conftest import Run
from tests.terminal import ENTER_SCREEN, at_terminal

PLAY = Play(users=800, days=14, seconds=2)
AT_TERMINAL = ("demo", "--users", PLAY.users, "--days", PLAY.days, "--seconds", PLAY.seconds)
SUMS = JourneySums(
    entered=9, scheduled=8, sent=4, suppressed={"rule": 2, "exit": 1}, pending=1, goals=0
)
WHOLE = Whole(
    records=100, users=7, dead_letters=0, journeys={"win_back": SUMS}, digests={"decisions": "ab"}
)
RESUMED = Resumed(stops=20, users=7, digests={"decisions": "ab"})
FOUND = Difference(before=4, lost=2, gained=1, after=3, example=None)
AFTER = replace(WHOLE, journeys={"win_back": replace(SUMS, sent=3, pending=2)})
SUM_LINE = re.compile(r"^(\w+) +([\d,]+) +([\d,]+) = +([\d,]+) \+ +([\d,]+) \+ +([\d,]+)$", re.M)


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, Path, str]:
    """A demo in a pipe: its exit code, its folder and what it printed."""
    folder = tmp_path_factory.mktemp("demo")
    out, err = tmp_path_factory.mktemp("printed") / "out", Path("/dev/null")
    code = in_a_pipe(PLAY, folder, out, err)
    return code, folder, out.read_text()
