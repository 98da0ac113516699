"""Other configs, and so other layouts of rows, pushed while engines run, die and are away."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from random import Random
from typing import NamedTuple

from tests.chaos.world import World
from tests.config_folders import edit


class Edit(NamedTuple):
    """What stands in a file of the config, and what is put in its place."""

    file: str
    old: str
    new: str


ANOTHER_WINDOW = (
    Edit("features.toml", 'window = "24h"\ntile   = "1h"', 'window = "12h"\ntile   = "1h"'),
)
MORE = (
    Edit(
        "features.toml",
        "# Cart and checkout\n",
        '[pages_1h]\nkind = "count"\nevents = ["page"]\nwindow = "1h"\ntile = "5m"\n',
    ),
    Edit("tags.toml", "[basket]\n", '[visit]\nlong = "pages_1h >= 3"\n\n[basket]\n'),
)
LESS = (
    Edit("tags.toml", '[push]\ntaps = "push_taps_30d > 0"\n', ""),
    Edit(
        "features.toml",
        '[first_category]\nkind   = "first"            # of the first order\n'
        'of     = "category"\nevents = ["Order Completed"]\n',
        "",
    ),
)
CHANGES = (ANOTHER_WINDOW, MORE, LESS)


def reconfigured(world: World, random: Random, times: int) -> int:
    """Another config is put in force while nobody runs, or while an engine runs that is killed."""
    for number in range(times):
        engine = world.running()
        time.sleep(random.uniform(0.0, 2.0))
        if number % 2:
            world.stop(engine)
        pushing = world.start_push(changed(world.config, random))
        time.sleep(random.uniform(0.0, 1.0))
        engine.kill()
        world.wait_for_end(pushing)
    return times


def changed(config: Path, random: Random) -> Path:
    """A new folder with some of the CHANGES to a config, or with none."""
    chosen = [change for change in CHANGES if random.random() < 0.6]
    name = f"{config.name}-{random.randrange(1 << 40):x}"
    folder = Path(shutil.copytree(config, config.with_name(name)))
    for one in (one for change in chosen for one in change):
        edit(folder, *one)
    return folder
