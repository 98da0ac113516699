"""features.toml: the named values that are read from a profile, kind by kind."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import NamedTuple, get_args

from msgspec.structs import replace

from config.events import Events, fields_of
from config.feature_sources import read_names, read_weights, windowed, with_field
from config.limits import AFFINITY_KEEP_MAX, FEATURES_MAX, MINUTE_MS, RECENT_KEEP_MAX
from config.names import check_name
from config.problems import Place, shown
from config.schema import EventDef, Feature, FeatureKind, Field, FieldType, ValueType
from config.tables import Table, check_each

KINDS: tuple[FeatureKind, ...] = get_args(FeatureKind)
NUMBERS: tuple[FieldType, ...] = ("number", "money")
TEXTS: tuple[FieldType, ...] = ("text",)
VALUES: tuple[FieldType, ...] = ("text", "number", "money", "flag")
DEFAULT_SESSION_GAP_MS = 30 * MINUTE_MS
GAPS = ("last", "mean", "variation")
RATIO_EXAMPLE = '["spend_365d", "orders_365d"]'

Features = dict[str, Feature | None]
"""Features by name, in file order; None for one that has a problem."""


class Known(NamedTuple):
    """What a feature may refer to: the events, and the features above it, of all `names`.

    `events` None means that events.toml could not be read: then nothing is said about its names.
    """

    events: Events | None
    features: Features
    names: Collection[str]


def read_features(table: Table, events: Events | None) -> Features:
    """The features of features.toml; traits that they read become fields of `identify`."""
    known = Known(events, {}, table.content.keys())

    def read(name: str, content: object, place: Place) -> None:
        found = len(place.found)
        check_name("feature", name, place)
        feature = read_feature(name, Table(content, place), known)
        known.features[name] = feature if len(place.found) == found else None

    check_each(table, FEATURES_MAX, read)
    return known.features


def read_feature(name: str, table: Table, known: Known) -> Feature | None:
    """One feature; its kind decides which keys it has. None when the kind is not known."""
    kind = table.choice("kind", KINDS)
    # What `choice` puts in the place of an unusable kind would call the other keys wrong.
    if table.content.get("kind") != kind:
        return None
    feature = READERS[kind](Feature(name=name, kind=kind, value="number"), table, known)
    table.close()
    return feature


def read_count(feature: Feature, table: Table, known: Known) -> Feature:
    """count: events with weights, in a window."""
    return windowed(replace(feature, events=read_weights(table, known.events)), table)


def read_sum(feature: Feature, table: Table, known: Known) -> Feature:
    """sum: a number or an amount of money of events with weights, in a window."""
    return windowed(with_field(feature, NUMBERS, table, known.events, weighted=True), table)


def read_distinct(feature: Feature, table: Table, known: Known) -> Feature:
    """distinct: how many different texts, in a window."""
    return windowed(with_field(feature, TEXTS, table, known.events), table)


def read_days_since(feature: Feature, table: Table, known: Known) -> Feature:
    """days_since: whole days since the latest event."""
    return replace(feature, events=read_names(table, known.events))


def read_last_or_first(feature: Feature, table: Table, known: Known) -> Feature:
    """last, first: a field of the latest or earliest event; text or number, as the field is."""
    feature = with_field(feature, VALUES, table, known.events)
    of = feature.of
    value: ValueType = "text" if isinstance(of, Field) and of.type == "text" else "number"
    return replace(feature, value=value)


def read_ratio(feature: Feature, table: Table, known: Known) -> Feature:
    """ratio: the first of two number features above by the second."""
    names = table.texts("of", example=RATIO_EXAMPLE)
    place = table.place.at("of")
    if names and len(names) != 2:
        message = f"expected two different features, got {len(names)}"
        place.report(message, fix=f"write two, such as of = {RATIO_EXAMPLE}")
    above = list(known.features)
    for index, name in enumerate(names):
        if name not in known.names:
            place.at(index).report_unknown("feature", name, above)
        elif name not in known.features:
            message = f"expected a feature that stands above, got {shown(name)}"
            place.at(index).report(message, fix=f"move [{name}] above this one")
        elif (other := known.features[name]) is not None and other.value != "number":
            message = f"expected a feature that is a number, got {shown(name)}, a {other.value}"
            place.at(index).report(message, fix="name a feature that counts or adds up")
    if len(names) != 2 or not set(names) <= known.features.keys():
        return feature
    return replace(feature, over=(above.index(names[0]), above.index(names[1])))


def read_gap(feature: Feature, table: Table, known: Known) -> Feature:
    """gap: days between the last two events, or between two on average, or how these vary."""
    events = read_names(table, known.events)
    return replace(feature, events=events, of=table.choice("of", GAPS))


def read_cart(feature: Feature, table: Table, known: Known) -> Feature:
    """cart: value, items or lines of a cart, which "Product Added" fills."""
    if known.events is not None:
        added = known.events.get("Product Added", EventDef(name="Product Added"))
        if added is not None and "item" not in fields_of(added):
            table.place.report(
                "expected an event 'Product Added' with a field 'item' to fill carts",
                fix='add item = "product_id" to its fields in events.toml',
            )
    return replace(feature, of=table.choice("of", ("value", "items", "lines")))


def read_affinity(feature: Feature, table: Table, known: Known) -> Feature:
    """affinity: the text that weighs most, older events weighing less."""
    feature = replace(feature, value="text")
    feature = with_field(feature, TEXTS, table, known.events, weighted=True)
    half_life_ms = table.duration("half_life", MINUTE_MS)
    keep = table.whole("keep", 1, AFFINITY_KEEP_MAX)
    return replace(feature, half_life_ms=half_life_ms, keep=keep)


def read_sessions(feature: Feature, table: Table, known: Known) -> Feature:
    """sessions: visits in a window; silence longer than `gap` ends one."""
    gap_ms = table.duration("gap", 1_000, default_ms=DEFAULT_SESSION_GAP_MS)
    feature = replace(feature, events=read_names(table, known.events), gap_ms=gap_ms)
    return windowed(feature, table)


def read_recent(feature: Feature, table: Table, known: Known) -> Feature:
    """recent: the latest different texts."""
    feature = with_field(replace(feature, value="texts"), TEXTS, table, known.events)
    return replace(feature, keep=table.whole("keep", 1, RECENT_KEEP_MAX))


READERS: dict[FeatureKind, Callable[[Feature, Table, Known], Feature]] = {
    "count": read_count,
    "sum": read_sum,
    "distinct": read_distinct,
    "days_since": read_days_since,
    "last": read_last_or_first,
    "first": read_last_or_first,
    "ratio": read_ratio,
    "gap": read_gap,
    "cart": read_cart,
    "affinity": read_affinity,
    "sessions": read_sessions,
    "recent": read_recent,
}
