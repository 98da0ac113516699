"""REES46's "eCommerce behavior data from multi category store" as Segment messages.

Each row is an event: a view, something put into or taken out of the cart, or a purchase, which
becomes an order of one line (the data set does not say which purchases belong together). The cart
is the session's. Two equal rows get the same message id: the engine applies one of them.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import BinaryIO, NamedTuple

from connectors.public_data import decimal_of, message_id, number, read_rows, track, write_message

COLUMNS = (
    *("event_time", "event_type", "product_id", "category_id", "category_code"),
    *("brand", "price", "user_id", "user_session"),
)
EVENTS = {
    "view": "Product Viewed",
    "cart": "Product Added",
    "remove_from_cart": "Product Removed",
    "purchase": "Order Completed",
}
CURRENCY = "USD"


class Row(NamedTuple):
    """A row as the file has it; see COLUMNS."""

    event_time: str
    event_type: str
    product_id: str
    category_id: str
    category_code: str
    brand: str
    price: str
    user_id: str
    user_session: str


def import_rees46(source: BinaryIO, out: BinaryIO) -> dict[str, int]:
    """Write a message for each usable row, in the order of the file, and count all rows.

    rows read = rows used + all "left out"; rows used = events written. Raises `WrongFormatError`
    for another file.
    """
    counts = Counter({"rows read": 0, "rows used": 0, "events written": 0})
    customers: set[str] = set()
    for cells in read_rows(source, COLUMNS, "rees46"):
        counts["rows read"] += 1
        at = event_time(cells[0]) if cells else None
        row = Row(*cells) if cells else None
        reason = left_out(row, at)
        if row is None or at is None or reason:
            counts[f"left out: {reason}"] += 1
            continue
        content = track(EVENTS[row.event_type], properties(row))
        write_message(out, content, message_id(*row), {"userId": row.user_id}, at)
        customers.add(row.user_id)
        counts["rows used"] += 1
        counts["events written"] += 1
        counts[EVENTS[row.event_type]] += 1
    counts["customers"] = len(customers)
    return dict(counts)


def left_out(row: Row | None, at: str | None) -> str | None:
    """Why a row cannot be used, or None."""
    if row is None:
        return "cut short"
    if at is None:
        return "no time"
    if row.event_type not in EVENTS:
        return "unknown event type"
    if not row.user_id or not row.product_id:
        return "no user or product"
    return "no price" if decimal_of(row.price) is None else None


def event_time(text: str) -> str | None:
    """The time of a row ("2019-10-01 00:00:00 UTC") as RFC 3339, or None.

    >>> event_time("2019-10-01 00:00:00 UTC")
    '2019-10-01T00:00:00Z'
    """
    try:
        moment = datetime.strptime(text, "%Y-%m-%d %H:%M:%S UTC")
    except ValueError:
        return None
    return f"{moment.isoformat()}Z"


def properties(row: Row) -> dict[str, object]:
    """What is said of the product, and of the cart or order it is in."""
    price = decimal_of(row.price)
    assert price is not None, "rows without a price are left out before"
    named = {
        "product_id": row.product_id,
        "category": row.category_code or row.category_id,
        "brand": row.brand,
    }
    product: dict[str, object] = {name: value for name, value in named.items() if value}
    product["price"] = number(price)
    cart: dict[str, object] = {"cart_id": row.user_session} if row.user_session else {}
    if row.event_type == "view":
        return product | {"currency": CURRENCY}
    if row.event_type != "purchase":
        return cart | product | {"quantity": 1, "currency": CURRENCY}
    order = {
        "order_id": message_id("order", *row),
        "total": number(price),
        "currency": CURRENCY,
        "products": [product | {"quantity": 1}],
    }
    return cart | order
