"""Tags: which hold at one instant, given which held before."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from config.schema import Config, Tag
from tests.oracle_features import Reading, ceil_second
from tests.oracle_rules import Names, Thresholds, holds


@dataclass
class TagState:
    """The names of the tags held, since when, and until when those are kept whose rule failed."""

    held: frozenset[str] = frozenset()
    kept_until_ms: dict[str, int] = field(default_factory=dict)
    since_ms: dict[str, int] = field(default_factory=dict)


class Settling(NamedTuple):
    """One settling: its instant, the tags found to hold so far, and what rules' names stand for."""

    instant_ms: int
    now: set[str]
    names: Names


def settle(
    config: Config, thresholds: Thresholds, state: TagState, reading: Reading
) -> list[tuple[int, bool]]:
    """Settles all tags; gives the (index, gained) of those that turned, in order of the file."""
    now: set[str] = set()
    names = Names(reading.value, now, {}, thresholds["tags"])
    settle_children(config, -1, state, Settling(reading.instant_ms, now, names))
    turned = [
        (index, tag.name in now)
        for index, tag in enumerate(config.tags)
        if (tag.name in now) != (tag.name in state.held)
    ]
    state.held = frozenset(now)
    since = {config.tags[index].name: reading.instant_ms for index, gained in turned if gained}
    state.since_ms = {name: at for name, at in (state.since_ms | since).items() if name in now}
    return turned


def since_when(config: Config, state: TagState) -> dict[str, int]:
    """The tags held and the second (in ms) since when; a group as long as what it is held for."""
    return {
        tag.name: min(
            state.since_ms[name] // 1000 * 1000
            for name in state.held
            if (name == tag.name or name.startswith(f"{tag.name}.")) and not is_group(config, name)
        )
        for tag in config.tags
        if tag.name in state.held
    }


def is_group(config: Config, name: str) -> bool:
    return next(tag for tag in config.tags if tag.name == name).rule is None


def settle_children(config: Config, parent: int, state: TagState, settling: Settling) -> None:
    """The tags right below `parent` (-1: the top), in file order, and all below them."""
    now = settling.now
    one_only = parent >= 0 and config.tags[parent].pick_first
    picked = False
    for index, tag in enumerate(config.tags):
        if tag.parent != parent:
            continue
        if one_only and picked:
            forget(config, index, state)
        elif tag.rule is None:
            settle_children(config, index, state, settling)
            if any(child.parent == index and child.name in now for child in config.tags):
                now.add(tag.name)
        elif tag_holds(tag, state, settling.instant_ms, settling.names):
            now.add(tag.name)
        picked = picked or tag.name in now


def forget(config: Config, index: int, state: TagState) -> None:
    """A tag that is not picked is kept no longer, nor is any tag below it."""
    state.kept_until_ms.pop(config.tags[index].name, None)
    for below, tag in enumerate(config.tags):
        if tag.parent == index:
            forget(config, below, state)


def tag_holds(tag: Tag, state: TagState, instant_ms: int, names: Names) -> bool:
    """The rule, or what is left of `keep` since the first settling at which it failed."""
    assert tag.rule is not None
    if holds(tag.rule.text, names):
        state.kept_until_ms.pop(tag.name, None)
        return True
    if tag.name in state.held and tag.keep_ms and tag.name not in state.kept_until_ms:
        state.kept_until_ms[tag.name] = ceil_second(instant_ms + tag.keep_ms)
    if instant_ms < state.kept_until_ms.get(tag.name, -1):
        return True
    state.kept_until_ms.pop(tag.name, None)
    return False
