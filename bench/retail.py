"""Examples of a real shop: the UCI year of invoices, recounted naively for each user and instant.

Nothing of the engine is used: features are those of `flows.learn_recipe`, from orders and refunds
strictly before the instant.
"""

from __future__ import annotations

import hashlib
import lzma
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from config.limits import DAY_MS
from connectors.online_retail import Invoice, read_invoices
from flows.learn_progress import Examples, in_order
from flows.learn_recipe import ORDER_FEATURES

FIRST_DAY_MS = int(datetime(2010, 12, 1, tzinfo=UTC).timestamp()) * 1000
WEEK_DAYS = 7
UNSCORED_WEEKS = 13
"""The first weeks, in which nobody is scored."""


class Customer(Struct, frozen=True, kw_only=True):
    """What a customer did, in order of time: (n,) each."""

    id: str
    ordered_at_ms: NDArray[np.int64]
    spent: NDArray[np.float64]
    items: NDArray[np.float64]
    refunded_at_ms: NDArray[np.int64]


class Shop(Struct, frozen=True, kw_only=True):
    """Everybody who ordered, by id, and the last instant that is known."""

    customers: list[Customer]
    end_ms: int


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
        customers=[customer for customer in customers if len(customer.ordered_at_ms)],
        end_ms=_ms(invoices[-1].at),
    )


def sampled(shop: Shop, *, horizon_days: int, period_days: int) -> Examples:
    """Everybody at instants of his own, `period_days` apart, which his id alone decides."""
    period_ms = period_days * DAY_MS
    firsts = [FIRST_DAY_MS + _phase(customer.id, period_ms) for customer in shop.customers]
    return _examples(shop, firsts, period_ms, horizon_days * DAY_MS)


def calendar_grid(shop: Shop, *, horizon_days: int) -> Examples:
    """Everybody who has ordered, weekly, after the first weeks."""
    first_ms = FIRST_DAY_MS + UNSCORED_WEEKS * WEEK_DAYS * DAY_MS
    firsts = [first_ms] * len(shop.customers)
    return _examples(shop, firsts, WEEK_DAYS * DAY_MS, horizon_days * DAY_MS)


def features_at(customer: Customer, at_ms: int) -> list[float]:
    """The `ORDER_FEATURES` just before an instant, by which he has ordered; NaN is missing."""
    before = customer.ordered_at_ms < at_ms
    ordered, spent = customer.ordered_at_ms[before], customer.spent[before]
    days_ago = (at_ms - ordered) / DAY_MS
    gaps = np.diff(ordered) / DAY_MS
    mean_gap = float(gaps.mean()) if len(gaps) else np.nan
    values = {
        "days_since_order": days_ago[-1],
        "orders_total": len(ordered),
        "spend_total": spent.sum(),
        "spend_per_order": spent.mean(),
        "order_value_last": spent[-1],
        "days_known": days_ago[0],
        "usual_gap_days": mean_gap,
        "order_gap_variation": gaps.std() / mean_gap if len(gaps) > 1 and mean_gap else np.nan,
        "order_gap_days": gaps[-1] if len(gaps) else np.nan,
        "orders_7d": (days_ago <= 7).sum(),
        "orders_30d": (days_ago <= 30).sum(),
        "orders_90d": (days_ago <= 90).sum(),
        "spend_90d": spent[days_ago <= 90].sum(),
        "items_total": customer.items[before].sum(),
        "refunds_total": (customer.refunded_at_ms < at_ms).sum(),
    }
    return [float(values[name]) for name in ORDER_FEATURES]


def orders_within(customer: Customer, at_ms: int, horizon_ms: int) -> bool:
    """Whether he orders at the instant or after it, before the horizon is over."""
    ordered = customer.ordered_at_ms
    return bool(((ordered >= at_ms) & (ordered < at_ms + horizon_ms)).any())


def _examples(shop: Shop, firsts_ms: Sequence[int], period_ms: int, horizon_ms: int) -> Examples:
    """Everybody from his first instant on, while the horizon is over at the end."""
    found = [
        (number, at_ms, features_at(customer, at_ms), orders_within(customer, at_ms, horizon_ms))
        for number, (customer, first_ms) in enumerate(zip(shop.customers, firsts_ms, strict=True))
        for at_ms in range(first_ms, shop.end_ms - horizon_ms + 1, period_ms)
        if customer.ordered_at_ms[0] < at_ms
    ]
    users, instants, features, outcomes = zip(*found, strict=True)
    return in_order(
        Examples(
            users=np.array(users, np.int64),
            at_ms=np.array(instants, np.int64),
            features=np.array(features),
            outcomes=np.array(outcomes, np.bool_),
        )
    )


def _customer(id: str, invoices: Sequence[Invoice]) -> Customer:
    orders = [invoice for invoice in invoices if not invoice.is_refund]
    totals = [sum(line.quantity * line.price for line in order.lines) for order in orders]
    items = [sum(line.quantity for line in order.lines) for order in orders]
    refunds = [_ms(invoice.at) for invoice in invoices if invoice.is_refund]
    return Customer(
        id=id,
        ordered_at_ms=np.array([_ms(order.at) for order in orders], np.int64),
        spent=np.array(totals, np.float64),
        items=np.array(items, np.float64),
        refunded_at_ms=np.array(refunds, np.int64),
    )


def _phase(id: str, period_ms: int) -> int:
    """Where in the period an id is sampled, by a hash that is the same everywhere."""
    digest = hashlib.blake2b(id.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % period_ms


def _ms(at: datetime) -> int:
    return int(at.replace(tzinfo=UTC).timestamp()) * 1000
