"""What features are made from: events with weights, a field of them, a trait, and the window."""

from __future__ import annotations

from collections.abc import Collection
from typing import cast

from msgspec.structs import replace

from config.durations import format_duration
from config.events import (
    FIELD_TYPES,
    TRAIT_PREFIX,
    Events,
    fields_of,
    find_event,
    read_path,
    with_fields,
)
from config.limits import HOUR_MS, LIST_LENGTH_MAX, MINUTE_MS, TILES_MAX, WEIGHT_MAX, WINDOW_MS_MAX
from config.problems import Place, shown
from config.schema import EventDef, Feature, Field, FieldType
from config.tables import Table, check_each

DEFAULT_TILES = 24
TRAIT_TYPES = tuple(kind for kind in FIELD_TYPES if kind != "lines")


def read_names(table: Table, events: Events | None) -> dict[str, int]:
    """The list `events`: each counts 1."""
    names = table.texts("events")
    for index, name in enumerate(names):
        find_event(name, events, table.place.at("events").at(index))
    return dict.fromkeys(names, 1)


def read_weights(table: Table, events: Events | None) -> dict[str, int]:
    """The list `events`, or a table that gives each event a weight other than 0."""
    if not isinstance(table.raw("events"), dict):
        return read_names(table, events)
    weighted = table.table("events")
    weights: dict[str, int] = {}

    def read(name: str, weight: object, place: Place) -> None:
        find_event(name, events, place)
        weights[name] = check_weight(weight, place)

    check_each(weighted, LIST_LENGTH_MAX, read)
    if not weights:
        message = "expected at least one event with a weight, got none"
        table.place.at("events").report(message, fix='write { "Order Completed" = 1 }')
    return weights


def check_weight(weight: object, place: Place) -> int:
    """A whole number other than 0; 1, reported, for anything else."""
    whole = isinstance(weight, int) and not isinstance(weight, bool)
    if whole and weight in range(-WEIGHT_MAX, WEIGHT_MAX + 1) and weight != 0:
        return cast(int, weight)
    expected = f"a whole number from -{WEIGHT_MAX} to {WEIGHT_MAX} other than 0"
    fix = "write 1 to count the event, -1 to take it off, or remove it"
    place.report(f"expected {expected}, got {shown(weight)}", fix=fix)
    return 1


def with_field(
    feature: Feature,
    types: Collection[FieldType],
    table: Table,
    events: Events | None,
    *,
    weighted: bool = False,
) -> Feature:
    """`feature` with its events and `of`: a field of one of `types` that each of the events has.

    `of = "traits.x"` needs no events: it reads `identify`, which gets the trait as a field.
    `Feature.of` tells name and type; where the field stands in each event is for the event to say.
    """
    name = table.text("of")
    place = table.place.at("of")
    if name.startswith(TRAIT_PREFIX):
        field = read_trait(name, table, events)
        check_type(field, types, place)
        return replace(feature, events={"identify": 1}, of=field)
    weights = read_weights(table, events) if weighted else read_names(table, events)
    if events is None or not name:
        return replace(feature, events=weights)
    fields = [find_field(name, events.get(event), place) for event in weights]
    known = [field for field in fields if field is not None]
    if known:
        check_type(known[0], types, place)
    return replace(feature, events=weights, of=known[0] if known else None)


def find_field(name: str, event: EventDef | None, place: Place) -> Field | None:
    """The field of `event`, reported when it has none of this name; None for an event not known."""
    if event is None:
        return None
    fields = fields_of(event)
    if name not in fields:
        place.report_unknown(f"field of {shown(event.name)} named", name, fields)
    return fields.get(name)


def check_type(field: Field, types: Collection[FieldType], place: Place) -> None:
    """Report a field of a type that the feature's kind cannot take."""
    if field.type not in types:
        message = f"expected a field of type {' or '.join(types)}, got {field.type}"
        place.report(message, fix="name another field, or give it a type in events.toml")


def read_trait(name: str, table: Table, events: Events | None) -> Field:
    """The trait as a field of `identify`: text unless `type` or its first use says otherwise."""
    identify = events.get("identify") if events is not None else None
    present = fields_of(identify).get(name) if identify is not None else None
    known_type: FieldType = present.type if present is not None else "text"
    field_type = table.choice("type", TRAIT_TYPES, default=known_type)
    if present is not None and field_type != known_type:
        message = f"this trait is read as {known_type} elsewhere, so it cannot be {field_type} here"
        table.place.at("type").report(message, fix=f'write "{known_type}", or remove the type')
    path = read_path(name, table.place.at("of"))
    field = Field(name=name, path=path, type=field_type)
    if events is not None and identify is not None:
        events["identify"] = with_fields(identify, (field,))
    return field


def windowed(feature: Feature, table: Table) -> Feature:
    """`feature` with its `window` and `tile`; without a window it counts since ever."""
    if "window" not in table:
        if "tile" in table:
            fix = 'add one, such as window = "30d", or remove the tile'
            table.place.at("tile").report("a tile needs a window", fix=fix)
        table.raw("window"), table.raw("tile")
        return feature
    window_ms = table.duration("window", MINUTE_MS)
    if window_ms > WINDOW_MS_MAX:
        longest = format_duration(WINDOW_MS_MAX)
        message = f"expected a window of at most {longest}, got {format_duration(window_ms)}"
        fix = f'write "{longest}", or remove the window to count since ever'
        table.place.at("window").report(message, fix=fix)
        window_ms = WINDOW_MS_MAX
    tile_ms = table.duration("tile", MINUTE_MS, default_ms=default_tile_ms(window_ms))
    check_tile(window_ms, tile_ms, table.place.at("tile"))
    return replace(feature, window_ms=window_ms, tile_ms=tile_ms)


def default_tile_ms(window_ms: int) -> int:
    """A 24th of the window in whole minutes, at least one.

    >>> default_tile_ms(86_400_000), default_tile_ms(60_000)
    (3600000, 60000)
    """
    return max(window_ms // DEFAULT_TILES // MINUTE_MS, 1) * MINUTE_MS


def check_tile(window_ms: int, tile_ms: int, place: Place) -> None:
    """Report a tile longer than its window, or one that cuts it into too many."""
    tiles = -(-window_ms // tile_ms)
    if tile_ms > window_ms:
        window, tile = format_duration(window_ms), format_duration(tile_ms)
        message = f"expected a tile of at most the window ({window}), got {tile}"
        place.report(message, fix=f'write "{window}" or shorter')
    elif tiles > TILES_MAX:
        unit_ms = HOUR_MS if window_ms > HOUR_MS * TILES_MAX else MINUTE_MS
        least_ms = -(-window_ms // TILES_MAX // unit_ms) * unit_ms
        message = f"expected at most {TILES_MAX} tiles in a window, got {tiles}"
        place.report(message, fix=f'write "{format_duration(least_ms)}" or longer')
