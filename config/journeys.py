"""journeys/*.toml: plans of messages, one file each."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Literal, NamedTuple, get_args

from msgspec.structs import replace

from config.events import Events, fields_of, find_event
from config.examples import fix_missing
from config.limits import ABOUT_BYTES_MAX, PRIORITY_MAX, STAGES_MAX
from config.names import check_name
from config.problems import Place, nearest_name, shown
from config.rules import read_rule
from config.schema import EventDef, FieldType, Goal, Journey, Program, Stage, Status
from config.scope import Scope
from config.tables import Table, check_each
from config.tags import Seen
from config.thresholds import check_used, read_thresholds

STATUSES: tuple[Status, ...] = get_args(Status)
Reentry = Literal["reset", "ignore"]
STAGE_KEYS = ("after", "when", "send", "ttl", "variants")
REENTRIES: tuple[Reentry, ...] = ("ignore", "reset")
SECOND_MS = 1_000
ENTRY_FIX = 'add it, such as event = "Product Added" or tag = "lifecycle.at_risk"'


class Around(NamedTuple):
    """What journeys refer to. None means that the file with these names could not be read."""

    channels: Collection[str] | None
    events: Events | None
    columns: Mapping[str, int]
    seen: Seen
    tags: Mapping[str, int] | None


class Entry(NamedTuple):
    """How instances open; exactly one of `event` and `tag` is set."""

    event: str | None = None
    tag: int | None = None
    when: Program | None = None
    key: str | None = None
    reentry: Reentry = "ignore"
    cooldown_ms: int = 0


def read_journey(name: str, table: Table, around: Around) -> Journey:
    """The journey of one file; what is unusable is reported and stands for nothing."""
    check_name("journey", name, table.place)
    limits = table.table("thresholds")
    thresholds = read_thresholds(limits, around.seen.features or ())
    scope = Scope(
        features=around.seen.features,
        propensities=around.seen.propensities,
        thresholds=thresholds,
        tags=around.tags,
    )
    entry = read_entry(table.table("entry", required=True), scope, around)
    exit_events, exit_when = read_exit(table.table("exit"), scope, around.events)
    journey = Journey(
        name=name,
        about=table.text("about", default="", limit=ABOUT_BYTES_MAX),
        status=table.choice("status", STATUSES),
        purpose=table.text("purpose"),
        channels=read_channels(table, around.channels),
        priority=table.whole("priority", -PRIORITY_MAX, PRIORITY_MAX, default=0),
        holdout=table.share("holdout", default=0.0),
        reentry=entry.reentry,
        cooldown_ms=entry.cooldown_ms,
        stages=read_stages(table.table("stage", required=True), scope),
        entry_event=entry.event,
        entry_tag=entry.tag,
        entry_when=entry.when,
        key=entry.key,
        exit_events=exit_events,
        exit_when=exit_when,
        goal=read_goal(table.table("goal"), around.events),
    )
    table.not_yet("edits")
    table.close()
    check_used(limits, thresholds, rules_of(table))
    return journey


def read_channels(table: Table, known: Collection[str] | None) -> tuple[str, ...]:
    """The channels in order of preference, all of them declared in shop.toml."""
    channels = table.texts("channels")
    for index, channel in enumerate(channels):
        if known is not None and channel not in known:
            place = table.place.at("channels").at(index)
            nearest = nearest_name(channel, known)
            fix = None if nearest else f"add it to [channels] there; known: {', '.join(known)}"
            place.report(f"no channel in shop.toml named {shown(channel)}", nearest, fix)
    return channels


def read_entry(table: Table | None, scope: Scope, around: Around) -> Entry:
    """`[entry]`: by an event, or by a tag that is gained."""
    if table is None or not table.is_table:
        return Entry()
    name, tag = table.text("event", default=""), table.text("tag", default="")
    if ("event" in table) == ("tag" in table):
        got = "both" if "event" in table else "none"
        fix = "remove one of the two" if got == "both" else ENTRY_FIX
        table.place.report(f"expected either an event or a tag, got {got}", fix=fix)
    event = find_event(name, around.events, table.place.at("event")) if name else None
    if name:
        scope = replace(scope, event=name, fields=entry_fields(event, around.columns))
    entry = Entry(
        event=name or None,
        tag=find_tag(tag, around.tags, table.place.at("tag")) if tag else None,
        when=read_when(table, scope),
        key=read_key(table, event) if "key" in table else None,
        reentry=table.choice("reentry", REENTRIES, default="ignore"),
        cooldown_ms=table.duration("cooldown", 0, default_ms=0),
    )
    table.close()
    return entry


def entry_fields(
    event: EventDef | None, columns: Mapping[str, int]
) -> Mapping[str, tuple[int, FieldType]] | None:
    """What rules see under `event.`: the event's own fields, not those of its lines."""
    if event is None:
        return None
    own = [field for field in event.fields if not field.line]
    return {field.name: (columns.get(field.name, -1), field.type) for field in own}


def find_tag(name: str, tags: Mapping[str, int] | None, place: Place) -> int | None:
    """The index of a tag or group."""
    if tags is not None and name not in tags:
        place.report_unknown("tag in tags.toml named", name, tags)
    return tags.get(name) if tags is not None else None


def read_key(table: Table, event: EventDef | None) -> str:
    """The field that tells instances apart: a text of the entry event itself."""
    key = table.text("key")
    place = table.place.at("key")
    if "tag" in table:
        message = "a journey entered by tag has one instance per user, so no key"
        place.report(message, fix="remove it")
    elif key and event is not None:
        own = {name: field for name, field in fields_of(event).items() if not field.line}
        if key not in own:
            place.report_unknown(f"field of {shown(event.name)} named", key, own)
        elif own[key].type != "text":
            fix = 'name a field that holds an id, such as "cart_id", or remove the key'
            place.report(f"expected a field of type text, got {own[key].type}", fix=fix)
    return key


def read_exit(
    table: Table | None, scope: Scope, events: Events | None
) -> tuple[tuple[str, ...], Program | None]:
    """`[exit]`: the events that end instances, and the rule that does."""
    if table is None:
        return (), None
    names = table.texts("events", default=())
    for index, name in enumerate(names):
        find_event(name, events, table.place.at("events").at(index))
    when = read_when(table, scope)
    table.close()
    return names, when


def read_stages(table: Table | None, scope: Scope) -> tuple[Stage, ...]:
    """`[stage.<name>]`, sorted by `after`; stages of one `after` stay in file order."""
    stages: list[Stage] = []

    def read(name: str, content: object, place: Place) -> None:
        if check_name("stage", name, place):
            stages.append(read_stage(name, Table(content, place), scope))

    if table is not None and (loose := [key for key in STAGE_KEYS if is_loose(table, key)]):
        table.asked.update(loose)
        fix = "write [stage.reminder], or another name after the dot"
        table.place.report("expected a stage's name in the heading, got [stage]", fix=fix)
    check_each(table, STAGES_MAX, read)
    if table is not None and table.is_table and not table.content:
        table.place.report("expected at least one stage, got none", fix=fix_missing("stage"))
    return tuple(sorted(stages, key=lambda stage: stage.after_ms))


def is_loose(table: Table, key: str) -> bool:
    """Whether a stage's key stands where the names of stages should."""
    return key in table and not isinstance(table.content[key], dict)


def read_stage(name: str, table: Table, scope: Scope) -> Stage:
    """One stage."""
    stage = Stage(
        name=name,
        after_ms=table.duration("after", 0),
        ttl_ms=table.duration("ttl", SECOND_MS),
        send=table.text("send"),
        when=read_when(table, scope),
    )
    table.not_yet("variants")
    table.close()
    return stage


def read_goal(table: Table | None, events: Events | None) -> Goal | None:
    """`[goal]`: what counts as success."""
    if table is None:
        return None
    event = table.text("event")
    if event:
        find_event(event, events, table.place.at("event"))
    goal = Goal(event=event, within_ms=table.duration("within", SECOND_MS))
    table.close()
    return goal


def read_when(table: Table, scope: Scope) -> Program | None:
    """The rule at `when`, if there is one."""
    rule = table.raw("when")
    return read_rule(rule, scope, table.place.at("when")) if rule is not None else None


def rules_of(table: Table) -> list[object]:
    """The texts of all rules of a journey's file."""
    stages = table.content.get("stage")
    parts = [table.content.get("entry"), table.content.get("exit")]
    parts += [stages, *stages.values()] if isinstance(stages, dict) else []
    return [part.get("when") for part in parts if isinstance(part, dict)]
