"""Examples of a real shop: the UCI year of invoices, recounted naively for each user and instant.

Nothing of the engine runs; what features say is read from features.toml, and counted here a second
time from the orders and refunds strictly before the instant.
"""

from __future__ import annotations

import hashlib
import lzma
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from config.limits import DAY_MS
from config.schema import Config, Feature, Field, Model
from connectors.online_retail import Invoice, read_invoices
from flows.learn_progress import Examples, in_order

FIRST_DAY_MS = int(datetime(2010, 12, 1, tzinfo=UTC).timestamp()) * 1000
WEEK_DAYS = 7
UNSCORED_WEEKS = 13
"""The first weeks, in which nobody is scored."""

ORDER, REFUND = "Order Completed", "Order Refunded"

Instants = NDArray[np.int64]
Values = NDArray[np.float64]


class Facts(Struct, frozen=True, kw_only=True):
    """Events of one name, in order of time: (n,) instants, and (n,) values of each field."""

    at_ms: Instants
    values: Mapping[str, Values]


class Customer(Struct, frozen=True, kw_only=True):
    """What a customer did, by the events' names."""

    id: str
    facts: Mapping[str, Facts]


class Shop(Struct, frozen=True, kw_only=True):
    """Everybody who ordered, by id, and the last instant that is known."""

    customers: list[Customer]
    end_ms: int


class Seen(NamedTuple):
    """What a feature reads of a customer, in order of time; a value has its event's weight."""

    at_ms: Instants
    values: Values


def read_shop(path: Path) -> Shop:
    """The customers of the data set's file; guests are nobody."""
    invoices = read_invoices(BytesIO(lzma.decompress(path.read_bytes())), Counter())
    invoices.sort(key=lambda invoice: invoice.at)
    by_customer: dict[str, list[Invoice]] = {}
    for invoice in invoices:
        if invoice.customer:
            by_customer.setdefault(invoice.customer, []).append(invoice)
    customers = [_customer(id, by_customer[id]) for id in sorted(by_customer)]
    return Shop(
        customers=[customer for customer in customers if len(customer.facts[ORDER].at_ms)],
        end_ms=_ms(invoices[-1].at),
    )


def sampled(shop: Shop, config: Config, model: Model) -> Examples:
    """Everybody at instants of his own, the model's `every` apart, which his id alone decides."""
    firsts = [FIRST_DAY_MS + _phase(customer.id, model.every_ms) for customer in shop.customers]
    return _examples(shop, config, model, (firsts, model.every_ms))


def calendar_grid(shop: Shop, config: Config, model: Model) -> Examples:
    """Everybody who has ordered, weekly, after the first weeks."""
    first_ms = FIRST_DAY_MS + UNSCORED_WEEKS * WEEK_DAYS * DAY_MS
    firsts = [first_ms] * len(shop.customers)
    return _examples(shop, config, model, (firsts, WEEK_DAYS * DAY_MS))


def features_at(
    customer: Customer, config: Config, wanted: Sequence[int], at_ms: Instants
) -> Values:
    """(instants, wanted): features by their indices, just before each instant; NaN is missing."""
    return np.column_stack([_feature_at(customer, config, index, at_ms) for index in wanted])


def orders_within(customer: Customer, at_ms: Instants, horizon_ms: int) -> NDArray[np.bool_]:
    """Whether he orders after each instant, until the horizon is over."""
    ordered = customer.facts[ORDER].at_ms
    first, last = (
        np.searchsorted(ordered, until, "right") for until in (at_ms, at_ms + horizon_ms)
    )
    return np.asarray(last > first)


def _examples(
    shop: Shop, config: Config, model: Model, instants: tuple[Sequence[int], int]
) -> Examples:
    """Everybody from his first instant on, while the horizon is over at the end."""
    firsts_ms, period_ms = instants
    users, when, features, outcomes = [], [], [], []
    for number, (customer, first_ms) in enumerate(zip(shop.customers, firsts_ms, strict=True)):
        at_ms = np.arange(first_ms, shop.end_ms - model.within_ms + 1, period_ms)
        at_ms = at_ms[at_ms > customer.facts[ORDER].at_ms[0]]
        users.append(np.full(len(at_ms), number))
        when.append(at_ms)
        features.append(features_at(customer, config, model.features, at_ms))
        outcomes.append(orders_within(customer, at_ms, model.within_ms))
    return in_order(
        Examples(
            users=np.concatenate(users),
            at_ms=np.concatenate(when),
            # An example keeps features as float32, and a score reads them so.
            features=np.concatenate(features).astype(np.float32).astype(np.float64),
            outcomes=np.concatenate(outcomes),
        )
    )


def _feature_at(customer: Customer, config: Config, index: int, at_ms: Instants) -> Values:
    feature = config.features[index]
    if feature.kind == "ratio":
        above, below = (_feature_at(customer, config, one, at_ms) for one in feature.over)
        return np.asarray(above / np.where(below == 0.0, np.nan, below))
    return RECOUNTS[feature.kind](feature, _seen(customer, feature), at_ms)


def _seen(customer: Customer, feature: Feature) -> Seen:
    """The events of a feature, those of all names together."""
    found = [
        (facts.at_ms, weight * facts.values[feature.of.name])
        if isinstance(feature.of, Field)
        else (facts.at_ms, np.full(len(facts.at_ms), float(weight)))
        for name, weight in feature.events.items()
        for facts in [customer.facts.get(name)]
        if facts is not None
    ]
    if not found:
        return Seen(np.zeros(0, np.int64), np.zeros(0))
    at_ms, values = (np.concatenate(column) for column in zip(*found, strict=True))
    order = np.argsort(at_ms, kind="stable")
    return Seen(at_ms[order], values[order])


def _total(feature: Feature, seen: Seen, at_ms: Instants) -> Values:
    """What is before each instant, and in whose window its tile still is."""
    inside = seen.at_ms < at_ms[:, None]
    if feature.window_ms:
        leaves_at_ms = (seen.at_ms // feature.tile_ms + 1) * feature.tile_ms + feature.window_ms
        inside &= leaves_at_ms > at_ms[:, None]
    return np.asarray(inside @ seen.values, np.float64)


def _days_since(feature: Feature, seen: Seen, at_ms: Instants) -> Values:
    """Whole days since the last one."""
    return _of_last(seen, at_ms, 1, lambda last: np.floor((at_ms - seen.at_ms[last]) / DAY_MS))


def _last(feature: Feature, seen: Seen, at_ms: Instants) -> Values:
    return _of_last(seen, at_ms, 1, lambda last: seen.values[last])


def _gap(feature: Feature, seen: Seen, at_ms: Instants) -> Values:
    """Days between the last two, or any two on average, or how these vary."""
    if feature.of == "variation":
        return _of_last(seen, at_ms, 3, lambda last: _variation(seen.at_ms // 1000, last))

    def days(last: NDArray[np.int64]) -> Values:
        gaps = 1 if feature.of == "last" else np.maximum(last, 1)
        return np.asarray((seen.at_ms[last] - seen.at_ms[last - gaps]) / DAY_MS / gaps)

    return _of_last(seen, at_ms, 2, days)


def _variation(seconds: NDArray[np.int64], last: NDArray[np.int64]) -> Values:
    """The deviation of the gaps up to each by their mean; 0 where all are at one instant."""
    squares = np.cumsum(np.diff(seconds, prepend=seconds[:1]) ** 2)
    span = seconds[last] - seconds[0]
    return np.asarray(np.sqrt(last * squares[last] - span**2) / np.maximum(span, 1))


def _of_last(
    seen: Seen,
    at_ms: Instants,
    least: int,
    value: Callable[[NDArray[np.int64]], NDArray[np.float64]],
) -> Values:
    """`value` of the index of the last one before each instant; missing before `least` of them."""
    count = np.searchsorted(seen.at_ms, at_ms, "left")
    if len(seen.at_ms) < least:
        return np.full(len(at_ms), np.nan)
    return np.where(count >= least, value(np.maximum(count, least) - 1), np.nan)


RECOUNTS: Mapping[str, Callable[[Feature, Seen, Instants], Values]] = MappingProxyType(
    {
        "count": _total,
        "sum": _total,
        "sessions": _total,
        "days_since": _days_since,
        "last": _last,
        "gap": _gap,
    }
)
"""The kinds that propensities read; of visits this shop knows none, so that all are 0."""


def _customer(id: str, invoices: Sequence[Invoice]) -> Customer:
    return Customer(
        id=id,
        facts={
            name: _facts([invoice for invoice in invoices if invoice.is_refund == refund])
            for name, refund in ((ORDER, False), (REFUND, True))
        },
    )


def _facts(invoices: Sequence[Invoice]) -> Facts:
    lines = [invoice.lines for invoice in invoices]
    amounts = [sum(line.quantity * line.price for line in sold) for sold in lines]
    items = [sum(line.quantity for line in sold) for sold in lines]
    return Facts(
        at_ms=np.array([_ms(invoice.at) for invoice in invoices], np.int64),
        values={
            "amount": np.array(amounts, np.float64).round(2),
            "quantity": np.array(items, np.float64),
        },
    )


def _phase(id: str, period_ms: int) -> int:
    """Where in the period an id is sampled, by a hash that is the same everywhere."""
    digest = hashlib.blake2b(id.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % period_ms


def _ms(at: datetime) -> int:
    return int(at.replace(tzinfo=UTC).timestamp()) * 1000
