"""How good a model's scores were: in all, over time, per version and per tag of each group.

Every score was given before anything of its outcome could be known, and none is left out but those
before the first version. Examples that are still open when the log ends are not among them: their
outcomes are to come, and days that are half over look better than they are.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from config.limits import DAY_MS
from config.schema import Model, Tag
from connectors.triggers import instant_text
from flows.judged import Judged
from flows.learn_bootstrap import Examined, Interval, intervals, resample
from flows.learn_progress import EITHER_MIN
from flows.learn_quality import (
    FIGURES,
    CalibrationBin,
    Quality,
    calibration_of,
    months_of,
    quality_of,
)

VERSIONS_SHOWN = 12
SEED = 1
WEEK_DAYS = 7
MONDAY = 3
"""1970 began on a Thursday, three days after a Monday."""

NO_TAG = "none"


class Part(Struct, frozen=True, kw_only=True):
    """Some of a model's examples: a month, a week, a version, the holders of a tag.

    `intervals` (95 %, users drawn again and again) are left out where fewer than `EITHER_MIN` had
    one of both outcomes: then the figures say nothing.
    """

    name: str
    user_count: int
    quality: Quality
    intervals: dict[str, Interval]


class Group(Struct, frozen=True, kw_only=True):
    """The tags of a group of which a user holds one, and how far the best is from the worst.

    `gaps`: by figure, among tags whose figures say something.
    """

    name: str
    tags: list[Part]
    gaps: dict[str, float]


class ModelReport(Struct, frozen=True, kw_only=True):
    """What an evaluation says of a model; instants are those of scores."""

    model: str
    about: str
    within_ms: int
    default: float
    example_count: int
    unscored_count: int
    first_scored_at: str | None
    last_scored_at: str | None
    whole: Part
    reliability: list[CalibrationBin]
    months: list[Part]
    weeks: list[Part]
    version_count: int
    versions: list[Part]
    groups: list[Group]


def report_of(model: Model, judged: Judged, tags: Sequence[Tag]) -> ModelReport:
    """The report on a model: `judged` are its examples, with bits for these tags."""
    scored = judged.chosen(judged.is_scored)
    instants = scored.sampled_ms[[0, -1]].tolist() if len(scored.users) else []
    first, last = map(instant_text, instants) if instants else (None, None)
    versions = versions_of(scored)
    return ModelReport(
        model=model.name,
        about=model.about,
        within_ms=model.within_ms,
        default=model.default,
        example_count=len(judged.users),
        unscored_count=len(judged.users) - len(scored.users),
        first_scored_at=first,
        last_scored_at=last,
        whole=part_of("", scored),
        reliability=calibration_of(scored.scores, scored.outcomes),
        months=parts_by(months_of(scored.sampled_ms), scored),
        weeks=parts_by(weeks_of(scored.sampled_ms), scored),
        version_count=len(versions),
        versions=last_versions(versions, scored),
        groups=groups_of(scored, tags),
    )


def part_of(name: str, scored: Judged) -> Part:
    """The figures of some examples, all of them scored."""
    return Part(
        name=name,
        user_count=len(np.unique(scored.users)),
        quality=quality_of(scored.scores, scored.outcomes),
        intervals=_intervals(scored) if says_something(scored.outcomes) else {},
    )


def parts_by(names: NDArray[np.str_], scored: Judged) -> list[Part]:
    """The figures of the examples of each name, in order of name."""
    return [part_of(str(name), scored.chosen(names == name)) for name in np.unique(names)]


def says_something(outcomes: NDArray[np.bool_]) -> bool:
    """Whether there are enough of both outcomes for figures.

    >>> says_something(np.arange(40) < 20), says_something(np.arange(40) < 21)
    (True, False)
    """
    happened = int(np.count_nonzero(outcomes))
    return min(happened, len(outcomes) - happened) >= EITHER_MIN


def weeks_of(at_ms: NDArray[np.int64]) -> NDArray[np.str_]:
    """The Monday of each instant's week, in UTC.

    >>> weeks_of(np.array([0, 3 * DAY_MS, 4 * DAY_MS])).tolist()
    ['1969-12-29', '1969-12-29', '1970-01-05']
    """
    days = at_ms // DAY_MS
    mondays = days - (days + MONDAY) % WEEK_DAYS
    return mondays.astype("datetime64[D]").astype(np.str_)


def versions_of(scored: Judged) -> list[int]:
    """The versions that scored, in the order in which they came into force."""
    versions, firsts = np.unique(scored.versions, return_index=True)
    ordered: list[int] = versions[np.argsort(firsts)].tolist()
    return ordered


def last_versions(versions: Sequence[int], scored: Judged) -> list[Part]:
    """The last ones of which there is enough to say something, the oldest first."""
    found: list[Part] = []
    for version in reversed(versions):
        chosen = scored.chosen(scored.versions == version)
        if says_something(chosen.outcomes):
            found.append(part_of(scored.version_names[version], chosen))
        if len(found) == VERSIONS_SHOWN:
            break
    return found[::-1]


def groups_of(scored: Judged, tags: Sequence[Tag]) -> list[Group]:
    """The groups of which a user holds one tag at most, where anybody holds one."""
    picking = [index for index, tag in enumerate(tags) if tag.pick_first]
    groups = [group_of(index, scored, tags) for index in picking]
    return [group for group in groups if [part.name for part in group.tags] != [NO_TAG]]


def group_of(index: int, scored: Judged, tags: Sequence[Tag]) -> Group:
    """The figures per tag of a group, and of those who held none."""
    members = [(at, tag) for at, tag in enumerate(tags) if tag.parent == index]
    parts, held = [], np.zeros(len(scored.tags), np.bool_)
    for at, tag in members:
        holds = (scored.tags >> at & 1).astype(np.bool_)
        held |= holds
        parts.append(part_of(tag.name, scored.chosen(holds)))
    parts.append(part_of(NO_TAG, scored.chosen(~held)))
    parts = [part for part in parts if part.quality.example_count]
    return Group(name=tags[index].name, tags=parts, gaps=gaps_of(parts))


def gaps_of(parts: Sequence[Part]) -> dict[str, float]:
    """By figure, the distance of the highest from the lowest, where two parts say something."""
    said = [part.quality for part in parts if part.intervals]
    if len(said) < 2:
        return {}
    found = {figure: [float(getattr(one, figure)) for one in said] for figure in FIGURES}
    return {figure: max(values) - min(values) for figure, values in found.items()}


def _intervals(scored: Judged) -> dict[str, Interval]:
    """Of all figures but the calibration error.

    Drawing users again adds to every bin's distance: its interval would lie above the figure.
    """
    examined = Examined(users=scored.users, outcomes=scored.outcomes)
    found = intervals(resample({"": scored.scores}, examined, SEED)[""])
    return {figure: known for figure, known in found.items() if figure != "calibration_error"}
