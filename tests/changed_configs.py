"""Two configurations that share a world's own and differ in all that can be added to it."""

from __future__ import annotations

import shutil
from pathlib import Path
from random import Random

from tests.world_configs import Table, feature_tables, toml, write

TAGS_BEFORE = """
[extra]
pick = "first"
lively = "count_0 >= 1"
quiet = "days_since_0 >= 1"
kept = { when = "count_1 >= 1", keep = "10m" }
gone = "has(days_since_1)"
"""
TAGS_AFTER = """
[another.deep]
tag = "days_since_0 >= 2"
[extra]
kept = { when = "count_1 >= 1", keep = "10m" }
quiet = { when = "days_since_0 >= 1", keep = "1h" }
lively = "count_0 >= 1"
"""
JOURNEYS_BEFORE = {
    "aa_gone": ("extra.lively", ("one", "two")),
    "extra": ("extra.quiet", ("one", "two", "three")),
}
JOURNEYS_AFTER = {
    "bb_new": ("another", ("one",)),
    "extra": ("extra.quiet", ("three", "new", "one")),
}


def write_changed(
    seed: int, world: Path, directory: Path, *, journeys: bool = True
) -> tuple[Path, Path]:
    """The folders before and after a change, each with all that is in `world` and more.

    Nothing that they add has a say in what becomes of the rest: their journeys are shadows, and
    nothing of the world reads their tags or features. Only, a user has at most 8 instances: with
    `journeys` False none are added, for worlds that come so far.
    """
    before, after = directory / "before", directory / "after"
    for folder, place in ((before, 0), (after, 1)):
        shutil.copytree(world, folder)
        add(folder / "features.toml", features(Random(f"{folder.name} {seed}")), place)
    add(before / "tags.toml", TAGS_BEFORE, 0)
    add(after / "tags.toml", TAGS_AFTER, Random(f"tags {seed}").randint(0, 1))
    for folder, added in ((before, JOURNEYS_BEFORE), (after, JOURNEYS_AFTER)):
        for name, (tag, stages) in added.items() if journeys else ():
            write(folder / "journeys" / f"{name}.toml", shadow(tag, stages))
    return before, after


def add(path: Path, text: str, place: int) -> None:
    """Put tables before (0) or after (1) those of a file."""
    parts = [path.read_text()]
    parts.insert(place, text)
    path.write_text("\n".join(parts))


def features(random: Random) -> str:
    """Features of every kind. Most of one name are defined in another way before and after."""
    tables = {
        f"extra_{name}": table
        for name, table in feature_tables(random).items()
        if not name.startswith("ratio")
    }
    names = list(tables)
    random.shuffle(names)
    return toml({name: tables[name] for name in names})


def shadow(tag: str, stages: tuple[str, ...]) -> Table:
    return {
        "about": "A journey that says nothing to anybody.",
        "status": "shadow",
        "purpose": "marketing",
        "channels": ["email"],
        "priority": 10,
        "entry": {"tag": tag, "reentry": "ignore", "cooldown": "1s"},
        "stage": {
            name: {"after": f"{index + 1}m", "send": "nothing", "ttl": "1h"}
            for index, name in enumerate(stages)
        },
    }
