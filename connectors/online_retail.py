"""The UCI "Online Retail" data set as Segment messages: a year of a British shop's invoices.

An invoice is one order, at the time of its first row; one that cancels (its number starts with C)
is a refund. Rows without a customer belong to a guest, one per invoice. Times are London's.
"""

from __future__ import annotations

import functools
import importlib.resources
from collections import Counter
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import BinaryIO, NamedTuple
from zoneinfo import ZoneInfo

from msgspec import Struct

from connectors.public_data import decimal_of, message_id, number, read_rows, track, write_message

COLUMNS = (
    "InvoiceNo",
    "StockCode",
    "Quantity",
    "InvoiceDate",
    "UnitPrice",
    "CustomerID",
    "Country",
)
CURRENCY = "GBP"
CENT = Decimal("0.01")
TIMES_MAX = 1000
"""How many times are remembered as UTC: the rows of an invoice have the same."""

COUNTED = ("rows read", "rows used", "orders", "refunds", "guests", "identifications")


class Line(NamedTuple):
    """One usable row: an item of an invoice; the quantity is positive, also of what came back."""

    item: str
    quantity: int
    price: Decimal


class Invoice(Struct, kw_only=True):
    """An order, or a refund, with its lines in the order of the file."""

    number: str
    at: datetime
    customer: str
    country: str
    lines: list[Line]

    @property
    def is_refund(self) -> bool:
        """Whether it takes back what an earlier invoice sold."""
        return self.number.startswith("C")

    @property
    def profile(self) -> dict[str, str]:
        """The ids that its messages have."""
        return {"userId": self.customer} if self.customer else {"anonymousId": self.guest}

    @property
    def guest(self) -> str:
        """Who it belongs to when it names no customer."""
        return f"guest-{self.number}"


def import_online_retail(source: BinaryIO, out: BinaryIO) -> dict[str, int]:
    """Write orders, refunds and what is known of customers, in order of time, and count all rows.

    rows read = rows used + all "left out"; events written = orders + refunds + identifications, one
    of which tells a customer's country before the first message and whenever it changes. The whole
    data set is held in memory (half a million rows). Raises `WrongFormatError` for another file.
    """
    counts = Counter(dict.fromkeys(COUNTED, 0))
    invoices = read_invoices(source, counts)
    countries: dict[str, str] = {}
    for invoice in sorted(invoices, key=lambda invoice: invoice.at):
        at = f"{invoice.at.isoformat()}Z"
        if invoice.customer and countries.get(invoice.customer) != invoice.country:
            countries[invoice.customer] = invoice.country
            traits: dict[str, object] = {"type": "identify", "traits": {"country": invoice.country}}
            write_message(out, traits, message_id("identify", invoice.number), invoice.profile, at)
            counts["identifications"] += 1
        name = "Order Refunded" if invoice.is_refund else "Order Completed"
        content = track(name, properties(invoice))
        write_message(out, content, message_id("invoice", invoice.number), invoice.profile, at)
        counts["refunds" if invoice.is_refund else "orders"] += 1
        counts["guests"] += not invoice.customer
    counts["customers"] = len(countries)
    counts["events written"] = sum(
        counts[name] for name in ("identifications", "orders", "refunds")
    )
    return dict(counts)


def read_invoices(source: BinaryIO, counts: Counter[str]) -> list[Invoice]:
    """The invoices that have usable rows, in order of their first one; counts every row."""
    invoices: dict[str, Invoice] = {}
    for cells in read_rows(source, COLUMNS, "online-retail"):
        counts["rows read"] += 1
        row = read_row(cells)
        if isinstance(row, str):
            counts[f"left out: {row}"] += 1
            continue
        counts["rows used"] += 1
        invoice = invoices.setdefault(row.number, row)
        if invoice is not row:
            invoice.lines += row.lines
            invoice.at = min(invoice.at, row.at)
    return list(invoices.values())


def read_row(cells: tuple[str, ...]) -> Invoice | str:
    """An invoice of one line, or why the row cannot be used.

    Rows that sell nothing are accounting (bad debts, invoices starting with A) or stock that was
    lost or damaged (no positive quantity, or no price).
    """
    if not cells:
        return "cut short"
    invoice, item, quantity_text, at_text, price_text, customer, country = cells
    at, price, quantity = local_time(at_text), decimal_of(price_text), whole_number(quantity_text)
    if not invoice or not item or at is None or price is None or quantity is None:
        return "unreadable"
    if invoice.startswith("A"):
        return "adjustment"
    quantity = -quantity if invoice.startswith("C") else quantity
    if quantity <= 0:
        return "no positive quantity"
    if price <= 0:
        return "no price"
    line = Line(item, quantity, price)
    customer = customer.removesuffix(".0")
    return Invoice(number=invoice, at=at, customer=customer, country=country, lines=[line])


def properties(invoice: Invoice) -> dict[str, object]:
    """What is said of an order or refund: the total, positive for both, and the lines."""
    total = sum((line.quantity * line.price for line in invoice.lines), Decimal(0))
    products = [
        {"product_id": line.item, "quantity": line.quantity, "price": number(line.price)}
        for line in invoice.lines
    ]
    return {
        "order_id": invoice.number,
        "total": number(total.quantize(CENT, ROUND_HALF_UP)),
        "currency": CURRENCY,
        "products": products,
    }


@functools.lru_cache(maxsize=TIMES_MAX)
def local_time(text: str) -> datetime | None:
    """A time of the shop's clock as UTC; of an hour that came twice, the first.

    >>> local_time("2011-06-01 12:00:00"), local_time("yesterday")
    (datetime.datetime(2011, 6, 1, 11, 0), None)
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.replace(tzinfo=_london()).astimezone(UTC).replace(tzinfo=None)


def whole_number(text: str) -> int | None:
    """A whole number, or None.

    >>> whole_number("-12"), whole_number("1.5")
    (-12, None)
    """
    try:
        return int(text)
    except ValueError:
        return None


@functools.cache
def _london() -> ZoneInfo:
    """London's clock, from the pinned tzdata package and not from the system."""
    file = importlib.resources.files("tzdata") / "zoneinfo" / "Europe" / "London"
    with file.open("rb") as stream:
        return ZoneInfo.from_file(stream, key="Europe/London")
