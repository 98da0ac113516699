"""shop.toml: what holds for the whole shop."""

from __future__ import annotations

import importlib.resources
import re
from collections.abc import Collection

from config.events import TRAIT_PREFIX, read_path
from config.limits import CHANNELS_MAX, RATES_MAX, VOCABULARY_MAX
from config.names import check_name
from config.problems import Place, nearest_name, shown
from config.schema import Shop
from config.tables import Table, check_each, check_number, check_text

CURRENCY = re.compile(r"[A-Z]{3}", re.ASCII)


def read_shop(table: Table) -> Shop:
    """The shop as shop.toml says; what is unusable is reported and left out."""
    currency = table.text("currency")
    if currency:
        check_currency(currency, table.place.at("currency"))
    shop = Shop(
        currency=currency,
        zone=read_zone(table),
        strict=table.flag("strict", default=False),
        rates=read_rates(table.table("rates"), currency),
        channels=read_channels(table.table("channels")),
        vocabulary=read_vocabulary(table.table("vocabulary")),
        live_from_ms=table.instant("live_from"),
    )
    table.close()
    return shop


def zones() -> tuple[str, ...]:
    """The zones of the pinned tzdata package, so that all machines know the same ones."""
    return tuple((importlib.resources.files("tzdata") / "zones").read_text("utf-8").split())


def read_zone(table: Table) -> str:
    """The time zone, one that the pinned tzdata has."""
    zone = table.text("zone")
    if zone and zone not in (known := zones()):
        nearest = nearest_name(zone, known)
        fix = None if nearest else 'write region and city, such as "Europe/Berlin"'
        table.place.at("zone").report(f"no time zone {shown(zone)}", nearest, fix)
    return zone


def read_rates(table: Table | None, currency: str) -> dict[str, float]:
    """What one unit of each other currency is worth in the shop's: a number above 0."""
    rates: dict[str, float] = {}

    def read_rate(code: str, value: object, place: Place) -> None:
        rate = check_number(value, place)
        if rate is not None and rate <= 0:
            fix = f"write what one {code} is worth in {currency or 'your currency'}, such as 0.92"
            place.report(f"expected a rate above 0, got {shown(value)}", fix=fix)
        elif code == currency:
            place.report("the shop's own currency needs no rate", fix="remove it")
        elif check_currency(code, place) and rate is not None:
            rates[code] = rate

    check_each(table, RATES_MAX, read_rate)
    return rates


def read_channels(table: Table | None) -> dict[str, str]:
    """The channels, each with the trait that closes it when true."""
    channels: dict[str, str] = {}

    def read_channel(channel: str, trait: object, place: Place) -> None:
        # A trait that could not be read still declares the channel, for the journeys that name it.
        if check_name("channel", channel, place):
            usable = check_text(trait, place) and read_path(f"{TRAIT_PREFIX}{trait}", place)
            channels[channel] = str(trait) if usable else ""
            others = [name for name, known in channels.items() if known == trait != ""]
            if others and others != [channel]:
                message = f"trait {shown(trait)} closes the channel '{others[0]}' already"
                place.report(message, fix="give each channel a trait of its own")

    check_each(table, CHANNELS_MAX, read_channel)
    return channels


def read_vocabulary(table: Table | None) -> dict[str, str]:
    """The shop's own event names, each with the name used everywhere else."""
    vocabulary: dict[str, str] = {}

    def read_word(own: str, name: object, place: Place) -> None:
        if check_text(own, place) and check_text(name, place):
            vocabulary[own] = str(name)

    check_each(table, VOCABULARY_MAX, read_word)
    return vocabulary


def check_vocabulary(shop: Shop, events: Collection[str], place: Place) -> None:
    """Report words that lead to no event, or stand for a name that is an event itself."""
    for own, name in shop.vocabulary.items():
        if name not in events:
            place.at(own).report_unknown("event in events.toml named", name, events)
        if own in events:
            message = f"{shown(own)} stands in events.toml, so it cannot mean another event here"
            place.at(own).report(message, fix="remove this line, or its table in events.toml")


def check_currency(code: str, place: Place) -> bool:
    """Whether `code` looks like a currency of ISO 4217; reports it if not."""
    if CURRENCY.fullmatch(code):
        return True
    upper = code.upper()
    fix = (
        f"write {upper}"
        if CURRENCY.fullmatch(upper)
        else "write its code of three letters, in capitals"
    )
    place.report(f'expected a currency such as "EUR", got {shown(code)}', fix=fix)
    return False
