"""events.toml: which events exist, which of their fields count, which must be there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from config.fields import field_names
from config.limits import EVENTS_MAX, FIELDS_MAX, PATH_DEPTH_MAX, TEXT_BYTES_MAX
from config.names import check_name
from config.places import in_quotes
from config.problems import Place, nearest_name, shown
from config.schema import LINE_FIELDS, MESSAGE_TYPES, EventDef, Field, FieldType
from config.tables import NOT_YET, Table, check_each, check_text

FIELD_TYPES: tuple[FieldType, ...] = ("text", "number", "money", "flag", "lines")
TRIGGER_FIELD = "trigger"
"""Of an answer to a message: the id of the trigger that it was sent for."""

STANDARD_TYPES: dict[str, FieldType] = {
    "item": "text",
    "category": "text",
    "cart_id": "text",
    "channel": "text",
    TRIGGER_FIELD: "text",
    "price": "money",
    "amount": "money",
    "quantity": "number",
    "lines": "lines",
}
"""The engine itself reads fields of these names (carts, consent, answers); their types are set."""

TRAIT_PREFIX = "traits."
MESSAGE_EVENTS = tuple(name for name in MESSAGE_TYPES if name != "track")
UNSUBSCRIBED = EventDef(
    name="Unsubscribed",
    fields=(Field(name="channel", path=("properties", "channel"), type="text"),),
)

Events = dict[str, EventDef | None]
"""Event definitions by name, in file order; None for one whose table could not be read."""


def read_events(table: Table, traits: Iterable[str]) -> Events:
    """The events of events.toml, then "identify" and "Unsubscribed" if it leaves them out.

    `traits` are those that close channels: they become flags of "identify", named "traits.<trait>".
    """
    events: Events = {}
    types: dict[str, tuple[FieldType, str]] = {}

    def read(name: str, content: object, place: Place) -> None:
        if check_text(name, place):
            events[name] = read_event(name, Table(content, place))
            check_types(events[name], types, place)

    check_each(table, EVENTS_MAX, read)
    known = events.setdefault("Unsubscribed", UNSUBSCRIBED)
    if known is not None:
        events["Unsubscribed"] = with_fields(known, UNSUBSCRIBED.fields)
    identify = events.setdefault("identify", EventDef(name="identify"))
    if identify is not None:
        events["identify"] = with_fields(identify, map(trait_flag, traits))
    return events


def trait_flag(trait: str) -> Field:
    """The field of `identify` that closes a channel."""
    name = f"{TRAIT_PREFIX}{trait}"
    return Field(name=name, path=tuple(name.split(".")), type="flag")


def read_event(name: str, table: Table) -> EventDef | None:
    """One event; None when its fields could not be read, so that none is said to be missing."""
    own = table.table("fields")
    fields = read_fields(own) if own is not None else ()
    names = [field.name for field in fields]
    require = table.texts("require", default=())
    table.close()
    if not table.is_table or (own is not None and not own.is_table):
        return None
    for field_name in require:
        if field_name not in names:
            place = table.place.at("require").at(require.index(field_name))
            place.report_unknown(f"field of {shown(name)} named", field_name, names)
    event = EventDef(name=name, fields=fields, require=require)
    return with_fields(event, line_fields()) if "lines" in names else event


def read_fields(table: Table) -> tuple[Field, ...]:
    """The fields of one event, in file order."""
    fields: list[Field] = []

    def read(name: str, content: object, place: Place) -> None:
        if check_name("field", name, place):
            fields.append(read_field(name, content, place))

    check_each(table, FIELDS_MAX, read)
    return tuple(fields)


def read_field(name: str, content: object, place: Place) -> Field:
    """A field: a path, whose type follows from the name, or `{ path = ..., type = ... }`."""
    standard: FieldType = STANDARD_TYPES.get(name, "text")
    if not isinstance(content, dict):
        return Field(name=name, path=read_path(content, place), type=standard)
    table = Table(content, place)
    path_text = table.text("path")
    path = read_path(path_text, place.at("path")) if path_text else ()
    field_type = table.choice("type", FIELD_TYPES, default=standard)
    table.close()
    if name in STANDARD_TYPES and field_type != standard:
        message = f"'{name}' is always of type {standard}, got {field_type}"
        place.at("type").report(message, fix="remove the type, or choose another name")
        field_type = standard
    elif field_type == "lines" and name != "lines":
        message = "only the field named 'lines' is of type lines"
        place.at("type").report(message, fix="name the field lines, or choose another type")
    return Field(name=name, path=path, type=field_type)


def read_path(content: object, place: Place) -> tuple[str, ...]:
    """Where a field stands in a message: below `properties`, or where its prefix says.

    >>> read_path("shipping.method", Place([], "events.toml"))
    ('properties', 'shipping', 'method')
    >>> read_path("traits.country", Place([], "events.toml"))
    ('traits', 'country')
    """
    if not check_text(content, place):
        return ()
    path = tuple(str(content).split("."))
    if not all(path) or len(path) > PATH_DEPTH_MAX:
        place.report(
            f"expected up to {PATH_DEPTH_MAX} names with dots between, got {shown(content)}",
            fix='write it like "shipping.method"',
        )
    if path[0] == "context" and len(path) > 1:
        message = f"reading {shown(content)} is {NOT_YET}: only properties and traits are read"
        place.report(message, fix="remove the field")
    rooted = path[0] in ("properties", "traits") and len(path) > 1
    return path if rooted else ("properties", *path)


def check_events(events: Iterable[EventDef], place: Place) -> None:
    """Report what only complete events show, with the traits that features and channels read."""
    events = tuple(events)
    count = len(field_names(events))
    if count > FIELDS_MAX:
        message = f"expected at most {FIELDS_MAX} different fields, got {count}"
        place.report(message, fix="remove those that no feature or rule reads")
    for event in events:
        check_paths(event, place.at(event.name).at("fields"))


def check_paths(event: EventDef, place: Place) -> None:
    """Report fields that no message can satisfy: two types of one value, one inside another."""
    own = [field for field in event.fields if field.path and not field.line]
    by_path = {field.path: field for field in own}
    for field in own:
        same = by_path[field.path]
        if same.type != field.type:
            place.at(field.name).report(
                f"field '{same.name}' reads this value as {same.type}, this one as {field.type}",
                fix=f"write it with its type: {typed(field, same.type)}",
            )
        for depth in range(1, len(field.path)):
            outer = by_path.get(field.path[:depth])
            if outer is not None:
                message = f"field '{outer.name}' reads this value as a whole, not a part of it"
                place.at(field.name).report(message, fix="remove one of the two fields")


def check_types(
    event: EventDef | None, types: dict[str, tuple[FieldType, str]], place: Place
) -> None:
    """Report fields that another event gives another type; `types` grows by those of `event`."""
    if event is None:
        return
    for field in event.fields:
        known_type, known_event = types.setdefault(field.name, (field.type, event.name))
        if known_type != field.type:
            message = (
                f"'{field.name}' is {known_type} in {shown(known_event)}, but {field.type} here"
            )
            fix = f"write {field.name} = {typed(field, known_type)}, or choose another name"
            place.at("fields").at(field.name).report(message, fix=fix)


def typed(field: Field, field_type: FieldType) -> str:
    """The field as people write it where its type does not follow from its name.

    >>> print(typed(Field(name="x", path=("properties", "a", "b"), type="text"), "number"))
    { path = "a.b", type = "number" }
    """
    path = field.path[1:] if field.path[:1] == ("properties",) else field.path
    return f'{{ path = {in_quotes(".".join(path))}, type = "{field_type}" }}'


def line_fields() -> tuple[Field, ...]:
    """The fields of an order's lines, with their paths inside a line."""
    return tuple(
        Field(name=name, path=(path,), type=STANDARD_TYPES[name], line=True)
        for name, path in LINE_FIELDS.items()
    )


def with_fields(event: EventDef, fields: Iterable[Field]) -> EventDef:
    """`event` with those of `fields` that it does not define itself, after its own."""
    own = {field.name for field in event.fields}
    added = tuple(field for field in fields if field.name not in own)
    return EventDef(name=event.name, fields=event.fields + added, require=event.require)


def find_event(name: str, events: Events | None, place: Place) -> EventDef | None:
    """The event of this name; reports an unknown one. None also for one whose problem is known.

    A message type that events.toml leaves out is added to `events`, without fields.
    """
    if events is None:
        return None
    if name not in events and name in MESSAGE_EVENTS:
        events[name] = EventDef(name=name)
    if name not in events:
        known = (*events, *MESSAGE_EVENTS)
        nearest = nearest_name(name, known)
        fix = None if nearest else f"add a table [{in_quotes(name[:TEXT_BYTES_MAX])}] there"
        place.report(f"no event in events.toml named {shown(name)}", nearest, fix)
    return events.get(name)


def fields_of(event: EventDef) -> Mapping[str, Field]:
    """The event's fields by name, those of its lines included."""
    return {field.name: field for field in event.fields}
