"""tags.toml: facts about a user, each with its rule, in groups that nest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from config.features import Features
from config.limits import TAG_DEPTH_MAX, TAGS_MAX
from config.names import check_name
from config.problems import Place, shown
from config.rules import read_rule
from config.schema import Tag, ValueType
from config.scope import Scope
from config.tables import Table
from config.thresholds import check_used, read_thresholds

TAG_KEYS = ("when", "keep", "pick", "thresholds")
"""Words with a meaning of their own in tags.toml, so not names of tags."""


WHEN_FIX = 'write { when = "the rule", keep = ... }'


class Entry(NamedTuple):
    """A tag or group as it stands in the file; `groups` are those around it."""

    name: str
    groups: tuple[str, ...]
    place: Place
    table: Table | None
    rule: object


class Seen(NamedTuple):
    """What rules see: features as `feature_types` gives them, and propensities by index.

    None: not known.
    """

    features: Mapping[str, tuple[int, ValueType | None]] | None
    propensities: Mapping[str, int] | None


def read_tags(table: Table, seen: Seen) -> tuple[Tag, ...]:
    """The tags of tags.toml, parents before their children, otherwise in file order."""
    limits = table.table("thresholds")
    thresholds = read_thresholds(limits, seen.features or ())
    entries = list_entries(table, ())
    if len(entries) > TAGS_MAX:
        message = f"expected at most {TAGS_MAX} tags and groups, got {len(entries)}"
        table.place.report(message, fix="remove those that nothing needs")
        entries = entries[:TAGS_MAX]
    names = [entry.name for entry in entries]
    tags = []
    for index, entry in enumerate(entries):
        # A group settles after its own tags, although it stands before them.
        above = {name: at for at, name in enumerate(names[:index]) if name not in entry.groups}
        below = {*names[index:], *entry.groups}
        scope = Scope(
            features=seen.features,
            propensities=seen.propensities,
            thresholds=thresholds,
            tags=above,
            tags_below=below,
        )
        parent = names.index(entry.groups[-1]) if entry.groups else -1
        tags.append(read_tag(entry, parent, scope))
    check_used(limits, thresholds, [entry.rule for entry in entries])
    return tuple(tags)


def list_entries(table: Table, groups: tuple[str, ...]) -> list[Entry]:
    """The tags and groups of a table, each group followed by its own."""
    entries: list[Entry] = []
    for key, value, place in table.rest():
        if len(entries) > TAGS_MAX:
            break
        entry = Entry(".".join((*groups[-1:], key)), groups, place, None, value)
        if key in TAG_KEYS:
            message = f"{shown(key)} has a meaning of its own in tags.toml, so it cannot name a tag"
            place.report(message, fix="choose another name")
        elif not check_name("tag", key, place):
            continue
        elif not isinstance(value, dict):
            entries.append(entry)
        elif "when" in value or "keep" in value:
            content = Table(value, place)
            entries.append(entry._replace(table=content, rule=value.get("when")))
        elif len(groups) == TAG_DEPTH_MAX:
            message = f"expected at most {TAG_DEPTH_MAX} levels of groups, got more"
            place.report(message, fix="put the tags into fewer groups")
        else:
            entries += list_group(entry._replace(table=Table(value, place), rule=None))
    return entries


def list_group(entry: Entry) -> list[Entry]:
    """A group and what it holds."""
    assert entry.table is not None, "a group is a table"
    entry.table.raw("pick")
    children = list_entries(entry.table, (*entry.groups, entry.name))
    if not children:
        fix = 'add a tag such as vip = "spend_365d >= 500", or remove the group'
        entry.place.report("expected a group with at least one tag, got none", fix=fix)
    return [entry, *children]


def read_tag(entry: Entry, parent: int, scope: Scope) -> Tag:
    """A group with its `pick`, or a tag with its rule and `keep`."""
    table = entry.table
    if table is None:
        return Tag(name=entry.name, parent=parent, rule=read_rule(entry.rule, scope, entry.place))
    if "when" not in table and "keep" not in table:
        pick = table.choice("pick", ("all", "first"), default="all")
        return Tag(name=entry.name, parent=parent, rule=None, pick_first=pick == "first")
    keep_ms = table.duration("keep", 1_000, default_ms=0)
    if "when" in table:
        rule = read_rule(table.raw("when"), scope, entry.place.at("when"))
    else:
        entry.place.report("expected a key 'when', got none", fix=WHEN_FIX)
        rule = None
    table.close()
    return Tag(name=entry.name, parent=parent, rule=rule, keep_ms=keep_ms)


def feature_types(features: Features | None) -> Mapping[str, tuple[int, ValueType | None]] | None:
    """Features as rules see them; None when features.toml could not be read."""
    if features is None:
        return None
    return {
        name: (index, feature.value if feature is not None else None)
        for index, (name, feature) in enumerate(features.items())
    }
