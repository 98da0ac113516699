"""The public data sets become Segment messages: small files by hand, and the real ones."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest

from config.load import load
from connectors.files import open_bytes
from connectors.online_retail import import_online_retail
from connectors.public_data import WrongFormatError
from connectors.rees46 import import_rees46
from tests import reference_decoder

Importer = Callable[[BytesIO, BytesIO], dict[str, int]]

REES46_HEADER = (
    "event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session"
)
RETAIL_HEADER = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country"


def imported(importer: Importer, *rows: str) -> tuple[list[Any], dict[str, int]]:
    out = BytesIO()
    counts = importer(BytesIO("\n".join(rows).encode()), out)
    return [json.loads(line) for line in out.getvalue().splitlines()], counts


def retail(*rows: str) -> tuple[list[Any], dict[str, int]]:
    return imported(import_online_retail, RETAIL_HEADER, *rows)


def rees46(*rows: str) -> tuple[list[Any], dict[str, int]]:
    return imported(import_rees46, REES46_HEADER, *rows)


def test_a_view_a_cart_and_a_purchase_become_their_segment_events() -> None:
    messages, counts = rees46(
        "2019-10-01 00:00:00 UTC,view,44,21,,shiseido,35.79,7,s-1",
        "2019-10-01 00:00:01 UTC,cart,39,22,home.heater,,33.20,7,s-1",
        "2019-10-01 00:00:02 UTC,purchase,39,22,home.heater,,33.20,7,s-1",
    )
    view, cart, order = (message["properties"] for message in messages)
    names = [message["event"] for message in messages]
    assert names == ["Product Viewed", "Product Added", "Order Completed"]
    product = {"product_id": "39", "category": "home.heater", "price": 33.2}
    assert view == {
        "product_id": "44",
        "category": "21",
        "brand": "shiseido",
        "price": 35.79,
        "currency": "USD",
    }
    assert cart == {**product, "cart_id": "s-1", "quantity": 1, "currency": "USD"}
    assert order.pop("order_id")
    assert order == {
        "cart_id": "s-1",
        "total": 33.2,
        "currency": "USD",
        "products": [{**product, "quantity": 1}],
    }
    assert {message["userId"] for message in messages} == {"7"}
    assert messages[0]["timestamp"] == messages[0]["receivedAt"] == "2019-10-01T00:00:00Z"
    assert counts["rows used"] == counts["events written"] == 3


def test_equal_rows_have_one_message_id_and_different_rows_have_different_ones() -> None:
    row = "2019-10-01 00:00:00 UTC,view,44,21,,,35.79,7,s-1"
    messages, _ = rees46(row, row, row.replace("35.79", "35.80"))
    first, again, other = (message["messageId"] for message in messages)
    assert first == again != other


def test_rows_of_rees46_that_cannot_be_used_are_counted_by_reason() -> None:
    good = "2019-10-01 00:00:00 UTC,view,44,21,,,35.79,7,s-1"
    messages, counts = rees46(
        good,
        good.replace("view", "stare"),
        good.replace(",7,", ",,"),
        good.replace("35.79", "NaN"),
        good.replace("2019-10-01", "2019-13-01"),
        "2019-10-01 00:00:00 UTC,view,44",
    )
    assert len(messages) == counts["rows used"] == 1
    assert {name: count for name, count in counts.items() if name.startswith("left out")} == {
        "left out: unknown event type": 1,
        "left out: no user or product": 1,
        "left out: no price": 1,
        "left out: no time": 1,
        "left out: cut short": 1,
    }


def test_an_invoice_is_one_order_at_the_time_of_its_first_row() -> None:
    messages, counts = retail(
        "1,A,THING,6,2010-12-01 08:27:00,2.55,17850.0,United Kingdom",
        "2,A,THING,1,2010-12-01 08:26:30,1.00,17850.0,United Kingdom",
        '1,B,"THING, OTHER",2,2010-12-01 08:26:00,0.335,17850.0,United Kingdom',
    )
    assert [message.get("event") for message in messages] == [
        None,
        "Order Completed",
        "Order Completed",
    ]
    identified, order, _ = messages
    assert identified["type"] == "identify"
    assert identified["traits"] == {"country": "United Kingdom"}
    assert order["userId"] == identified["userId"] == "17850"
    assert order["timestamp"] == order["receivedAt"] == "2010-12-01T08:26:00Z"
    assert order["properties"] == {
        "order_id": "1",
        "total": 15.97,
        "currency": "GBP",
        "products": [
            {"product_id": "A", "quantity": 6, "price": 2.55},
            {"product_id": "B", "quantity": 2, "price": 0.335},
        ],
    }
    assert counts["orders"] == 2
    assert counts["customers"] == counts["identifications"] == 1


def test_a_cancellation_is_a_refund_of_a_positive_amount() -> None:
    messages, counts = retail("C9,A,THING,-3,2010-12-01 09:00:00,2.50,17850.0,France")
    refund = messages[1]
    assert refund["event"] == "Order Refunded"
    assert refund["properties"]["total"] == 7.5
    assert refund["properties"]["products"] == [{"product_id": "A", "quantity": 3, "price": 2.5}]
    assert (counts["refunds"], counts["orders"]) == (1, 0)


def test_each_invoice_without_a_customer_is_a_guest_of_its_own() -> None:
    messages, counts = retail(
        "1,A,THING,1,2010-12-01 08:26:00,2.55,,France",
        "1,B,THING,1,2010-12-01 08:26:00,2.55,,France",
        "2,A,THING,1,2010-12-01 08:27:00,2.55,,France",
    )
    assert [message["anonymousId"] for message in messages] == ["guest-1", "guest-2"]
    assert not any("userId" in message for message in messages)
    assert (counts["guests"], counts["customers"]) == (2, 0)


def test_a_country_is_told_at_first_sight_and_when_it_changes() -> None:
    messages, counts = retail(
        "1,A,THING,1,2010-12-01 08:26:00,2.55,5.0,France",
        "2,A,THING,1,2010-12-02 08:26:00,2.55,5.0,France",
        "3,A,THING,1,2010-12-03 08:26:00,2.55,5.0,Spain",
    )
    told = [message.get("traits", {}).get("country") for message in messages]
    assert told == ["France", None, None, "Spain", None]
    assert counts["identifications"] == 2


@pytest.mark.parametrize(
    ("local", "utc"),
    [
        ("2010-12-01 08:26:00", "2010-12-01T08:26:00Z"),
        ("2011-07-01 08:26:00", "2011-07-01T07:26:00Z"),
        ("2011-10-30 01:30:00", "2011-10-30T00:30:00Z"),
        ("2011-10-30 02:30:00", "2011-10-30T02:30:00Z"),
    ],
)
def test_times_are_those_of_london_and_of_an_hour_that_came_twice_the_first(
    local: str, utc: str
) -> None:
    messages, _ = retail(f"1,A,THING,1,{local},2.55,,France")
    assert messages[0]["timestamp"] == utc


def test_rows_that_sell_nothing_are_counted_by_reason_and_left_out() -> None:
    messages, counts = retail(
        "1,A,THING,1,2010-12-01 08:26:00,2.55,5.0,France",
        "1,A,THING,0,2010-12-01 08:26:00,2.55,5.0,France",
        "1,A,damaged,-9,2010-12-01 08:26:00,0.0,,France",
        "1,A,THING,1,2010-12-01 08:26:00,0.0,5.0,France",
        "A2,B,Adjust bad debt,1,2010-12-01 08:26:00,-110.5,,France",
        "1,A,THING,1,yesterday,2.55,5.0,France",
        "1,A,THING",
    )
    assert len(messages) == 2
    assert counts["rows read"] == 7
    assert counts["rows used"] == 1
    assert {name: count for name, count in counts.items() if name.startswith("left out")} == {
        "left out: no positive quantity": 2,
        "left out: no price": 1,
        "left out: adjustment": 1,
        "left out: unreadable": 1,
        "left out: cut short": 1,
    }


@pytest.mark.parametrize("importer", [import_rees46, import_online_retail])
@pytest.mark.parametrize("content", ["", "a,b,c\n1,2,3", '{"type":"track"}', 'x"\r"\0\n'])
def test_another_file_is_refused_with_what_was_expected(importer: Importer, content: str) -> None:
    with pytest.raises(WrongFormatError, match="expected a header with"):
        imported(importer, content)


def test_bytes_that_are_no_utf8_do_not_stop_an_import() -> None:
    rows = f"{RETAIL_HEADER}\n1,A,POUND \u00a31,1,2010-12-01 08:26:00,2.55,,France\n"
    counts = import_online_retail(BytesIO(rows.encode("latin-1")), BytesIO())
    assert counts["orders"] == 1


def adds_up(counts: dict[str, int]) -> bool:
    left_out = sum(count for name, count in counts.items() if name.startswith("left out"))
    return counts["rows read"] == counts["rows used"] + left_out


def imported_file(importer: Importer, path: Path) -> tuple[list[bytes], dict[str, int]]:
    out = BytesIO()
    with open_bytes(str(path)) as source:
        counts = importer(source, out)  # type: ignore[arg-type] # any binary stream will do
    return out.getvalue().splitlines(), counts


def test_the_real_rees46_rows_are_all_used(data: Callable[[str], Path]) -> None:
    lines, counts = imported_file(import_rees46, data("rees46_head/2019-Oct_head.csv.xz"))
    assert adds_up(counts)
    assert counts["rows read"] == counts["events written"] == len(lines) == 17_434
    assert counts["customers"] == 4_504
    names = ("Product Viewed", "Product Added", "Order Completed")
    assert [counts[name] for name in names] == [17_055, 165, 214]
    orders = [line for line in lines if b'"Order Completed"' in line]
    outcome = reference_decoder.decode(lines[:1000] + orders, load(None))
    assert not outcome.dead_letters
    assert len(outcome.events) == 1214


def test_the_real_online_retail_year_adds_up_to_the_published_total(
    data: Callable[[str], Path],
) -> None:
    source = data("online_retail/online_retail.csv.xz")
    lines, counts = imported_file(import_online_retail, source)
    assert adds_up(counts)
    assert counts["rows read"] == 541_909
    events = ("orders", "refunds", "identifications")
    assert counts["events written"] == len(lines) == sum(counts[name] for name in events)
    messages = [msgspec.json.decode(line) for line in lines]
    assert all(a["receivedAt"] <= b["receivedAt"] for a, b in pairwise(messages))
    totals: Counter[str] = Counter()  # money in pence
    for message in messages:
        properties = message.get("properties", {})
        totals[message.get("event", "identify")] += round(properties.get("total", 0) * 100)
        totals["lines"] += len(properties.get("products", ()))
    assert totals["lines"] == counts["rows used"]
    # The published total is that of all rows: it has the one bad debt that is not taken back.
    published, bad_debts = 974_774_793, -1_106_206
    assert totals["Order Completed"] - totals["Order Refunded"] == published - bad_debts
