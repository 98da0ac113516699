"""From a folder of TOML files to a `Config`, or to all that is wrong with it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from config.events import Events, check_events, read_events
from config.features import Features, read_features
from config.fields import field_names
from config.journeys import Around, read_journey
from config.models import Around as AroundModels
from config.models import propensities, read_models
from config.problems import ConfigError, Place, Problem
from config.schema import Config, EventDef, Feature, Journey, Model, Shop, Tag
from config.shop import check_vocabulary, read_shop
from config.tables import Table
from config.tags import Seen, feature_types, read_tags
from config.toml_files import Folder, read_folder, read_table

PACKAGED = Path(__file__).parent
PACKAGED_LABEL = "config"

Part = TypeVar("Part")


def load(directory: Path | None = None) -> Config:
    """The config of a folder; without one, of the packaged defaults.

    Raises `ConfigError` with all problems of all files. What a file that cannot be read would have
    named is taken as known, so that its absence is told once.

    >>> load().shop.currency
    'EUR'
    """
    found: list[Problem] = []
    label = label_of(directory)
    folder = read_folder(directory or PACKAGED, label, found)
    shop = read_part(folder.shop, read_shop)
    traits = [trait for trait in shop.channels.values() if trait] if shop is not None else []
    events = read_part(folder.events, lambda table: read_events(table, traits))
    if folder.shop is not None and shop is not None and events is not None:
        check_vocabulary(shop, events, folder.shop.place.at("vocabulary"))
    features = read_part(folder.features, lambda table: read_features(table, events))
    channels = shop.channels if shop is not None else None
    around = AroundModels(features=features, events=events, channels=channels)
    models = read_part(folder.models, lambda table: read_models(table, around))
    seen = Seen(features=feature_types(features), propensities=scored(features, models))
    tags = read_part(folder.tags, lambda table: read_tags(table, seen))
    journeys = read_journeys(folder, surroundings(shop, events, seen, tags))
    if folder.events is not None and events is not None:
        check_events(known_events(events), folder.events.place)
    if found or None in (shop, events, features, tags, models):
        raise ConfigError(tuple(sorted(found, key=lambda one: (one.file, one.line or 0))))
    assert shop is not None and events is not None and features is not None, "they were read"
    config = Config(
        shop=shop,
        events=known_events(events),
        features=(*known_features(features), *propensities(models or ())),
        tags=tags or (),
        models=models or (),
        journeys=journeys,
        version="",
    )
    return replace(config, version=version_of(config))


def load_models(directory: Path | None, path: Path) -> tuple[Model, ...]:
    """The models of another models.toml, over the shop, events and features of a config folder.

    Raises:
        ConfigError: with all problems of that file, or of those that it builds on.
    """
    found: list[Problem] = []
    folder = read_folder(directory or PACKAGED, label_of(directory), found)
    table = read_table(path, Place(found, str(path)))
    shop = read_part(folder.shop, read_shop)
    traits = [trait for trait in shop.channels.values() if trait] if shop is not None else []
    events = read_part(folder.events, lambda table: read_events(table, traits))
    features = read_part(folder.features, lambda table: read_features(table, events))
    channels = shop.channels if shop is not None else None
    around = AroundModels(features=features, events=events, channels=channels)
    models = read_part(table, lambda table: read_models(table, around))
    if found or models is None:
        raise ConfigError(tuple(sorted(found, key=lambda one: (one.file, one.line or 0))))
    return models


def label_of(directory: Path | None) -> str:
    """What messages call a config folder.

    >>> label_of(Path("shops/north")), label_of(None)
    ('shops/north', 'config')
    """
    return PACKAGED_LABEL if directory is None else str(directory).rstrip("/") or "/"


def read_part(table: Table | None, read: Callable[[Table], Part]) -> Part | None:
    """What a file says; None when the file could not be read."""
    return read(table) if table is not None else None


def surroundings(
    shop: Shop | None,
    events: Events | None,
    seen: Seen,
    tags: tuple[Tag, ...] | None,
) -> Around:
    """What journeys may refer to."""
    names = field_names(known_events(events)) if events is not None else ()
    return Around(
        channels=shop.channels if shop is not None else None,
        events=events,
        columns={name: column for column, name in enumerate(names)},
        seen=seen,
        tags={tag.name: index for index, tag in enumerate(tags)} if tags is not None else None,
    )


def read_journeys(folder: Folder, around: Around) -> tuple[Journey, ...]:
    """The journeys of the files that could be read, in order of name."""
    readable = [(name, table) for name, table in folder.journeys.items() if table is not None]
    return tuple(read_journey(name, table, around) for name, table in sorted(readable))


def known_features(features: Features) -> tuple[Feature, ...]:
    """The features without those that could not be read."""
    return tuple(feature for feature in features.values() if feature is not None)


def scored(features: Features | None, models: tuple[Model, ...] | None) -> Mapping[str, int] | None:
    """The indices of propensities, which stand behind features; None where those are not known."""
    if features is None or models is None:
        return None
    return {model.name: len(features) + index for index, model in enumerate(models)}


def known_events(events: Events) -> tuple[EventDef, ...]:
    """The events without those that could not be read."""
    return tuple(event for event in events.values() if event is not None)


def without_live_from(config: Config) -> Config:
    """The config of a replay that is given it: what is past is what it is about."""
    return replace(config, shop=replace(config.shop, live_from_ms=UNSET))


def version_of(config: Config) -> str:
    """Twelve hex digits over everything in a config but its version."""
    encoded = msgspec.json.encode(replace(config, version=""), order="sorted")
    return hashlib.blake2b(encoded, digest_size=6).hexdigest()
