"""The configs that are measured live: with quick stages, or with journeys for what is measured."""

from __future__ import annotations

import shutil
from pathlib import Path

from bench.measure import ROOT
from config.load import PACKAGED
from tests.chaos.traffic import AFTER, QUICKLY

SMALL_JOB = ROOT / "bench" / "small_job"
AT_ONCE, TIMER = "at_once", "timer"
JOURNEY = """\
about    = "{about}"
status   = "live"
purpose  = "marketing"
channels = ["push", "email"]
priority = 1

[entry]
event    = "{event}"

[stage.only]
after = "{after}"
send  = "{name}"
ttl   = "2h"
"""


def write_quick(source: Path, folder: Path) -> Path:
    """A copy whose stages are due within seconds: the backlog's month is appended in less than one.

    All else is as it was: what decides, what is remembered, cooldowns, hold-outs.
    """
    _copy(source, folder)
    for path in (folder / "journeys").glob("*.toml"):
        text = path.read_text()
        path.write_text(AFTER.sub(lambda found: f'after{found[1]}= "{QUICKLY[found[2]]}"', text))
    return folder


def write_with_timers(folder: Path) -> Path:
    """The packaged config, with a stage that is due at once and one that waits for two hours."""
    _copy(PACKAGED, folder)
    for name, event, after in (
        (AT_ONCE, "Product List Viewed", "0s"),
        (TIMER, "Coupon Applied", "2h"),
    ):
        text = JOURNEY.format(name=name, event=event, after=after, about=f"Measured: {name}.")
        (folder / "journeys" / f"{name}.toml").write_text(text)
    return folder


def _copy(source: Path, folder: Path) -> None:
    ignored = shutil.ignore_patterns("*.py", "__pycache__")
    shutil.copytree(source, folder, ignore=ignored, dirs_exist_ok=True)
