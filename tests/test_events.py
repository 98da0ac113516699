"""From raw records to columns; each story holds for the reference decoder too."""

from __future__ import annotations

import json

import numpy as np
import pytest

from connectors.columns import MISSING
from connectors.events import Decoder, RawBatch, partition_of
from tests.decoding import decode_all, raw_batch, small_config, to_events
from tests.messages import (
    CONFIG,
    DECODERS,
    MARCH_MS,
    SECOND_MS,
    Decode,
    message,
    order,
    reason,
    the_event,
)
from tests.reference_decoder import Event


@pytest.fixture(params=DECODERS)
def decoder(request: pytest.FixtureRequest) -> Decode:
    """Each story is told to both decoders."""
    return DECODERS[str(request.param)]


def test_a_message_becomes_one_row_with_the_fields_that_its_event_defines(decoder: Decode) -> None:
    shipping = {"method": {"name": "dhl", "speed": 9}, "weight": 1.2345}
    properties = {
        "product_id": "sku-1",
        "price": 19.995,
        "quantity": 2,
        "gift": True,
        "shipping": shipping,
        "query": "not of this event",
    }
    assert the_event(decoder, message(properties=properties)) == Event(
        offset=0,
        log_ms=MARCH_MS + 12 * SECOND_MS,
        at_ms=MARCH_MS + 10 * SECOND_MS,
        name="Product Added",
        user="ada",
        message_id="",
        fields={
            "item": "sku-1",
            "price": 2000,
            "quantity": 2000,
            "gift": True,
            "method": "dhl",
            "weight": 1235,
        },
        lines=[],
    )


def test_an_order_has_its_lines_with_absent_cells_missing(decoder: Decode) -> None:
    products = [
        {"product_id": "a", "price": 9.99, "quantity": 2, "category": "x"},
        {},
        {"quantity": 0.5, "price": None},
    ]
    event = the_event(decoder, order(total=99.5, products=products))
    assert event.fields == {"order": "o1", "amount": 9950}
    assert event.lines == [
        {"item": "a", "price": 999, "quantity": 2000, "category": "x"},
        {},
        {"quantity": 500},
    ]


def test_other_message_types_are_events_of_their_own_name(decoder: Decode) -> None:
    line = message(type="identify", event=..., traits={"country": "DE", "opted_out": False})
    assert the_event(decoder, line).name == "identify"
    assert the_event(decoder, line).fields == {"traits.country": "DE", "traits.opted_out": False}
    page = the_event(decoder, message(type="page", context={"ip": "10.0.0.1"}))
    assert (page.name, page.fields) == ("page", {"ip": "10.0.0.1"})
    assert the_event(decoder, message(type="alias")).fields == {}


def test_names_go_through_the_vocabulary_once(decoder: Decode) -> None:
    assert the_event(decoder, message(event="added")).name == "Product Added"
    # The shop calls something else by that name: what it maps to is no event of the config.
    assert the_event(decoder, message(event="Search", properties={"query": 5})).fields == {}


def test_an_unknown_event_is_a_row_without_fields_unless_the_config_is_strict(
    decoder: Decode,
) -> None:
    assert the_event(decoder, message(event="Whatever")).fields == {}
    assert reason(decoder, message(event="Whatever"), small_config(strict=True)) == "unknown_event"
    assert reason(decoder, message(type="group"), small_config(strict=True)) == "unknown_event"


def test_texts_and_keys_may_be_written_with_escapes(decoder: Decode) -> None:
    line = message(userId="ZOË", properties={"product_id": 'M\u00f6bel/😀"\\'})
    ascii_line = json.dumps(json.loads(line)).replace("/", "\\/").encode()
    spelled = ascii_line.replace(b'"userId"', b'"user\\u0049d"').replace(
        b'"track"', b'"trac\\u006b"'
    )
    assert the_event(decoder, spelled) == the_event(decoder, line)
    assert the_event(decoder, line).fields == {"item": 'Möbel/😀"\\'}
    lonely = message().replace(b'"sku-1"', b'"a\\ud800\\ud83d\\ude00\\udc00"')
    assert the_event(decoder, lonely).fields == {"item": "a\ufffd😀\ufffd"}


def test_of_a_key_given_twice_the_last_counts_wholly(decoder: Decode) -> None:
    twice = b'{"product_id":"old","price":5},"properties":{"product_id":"new"}'
    line = message(properties=0).replace(b'"properties": 0', b'"properties":' + twice)
    assert the_event(decoder, line).fields == {"item": "new"}
    gone = line.replace(b'{"product_id":"new"}', b"null")
    assert reason(decoder, gone) == "missing_field"


def test_an_anonymous_id_stands_in_for_an_absent_user_id(decoder: Decode) -> None:
    for absent in (..., None, ""):
        line = message(userId=absent, anonymousId="guest")
        assert the_event(decoder, line).user == "guest"
    assert the_event(decoder, message(anonymousId=5)).user == "ada"


@pytest.mark.parametrize(
    ("expected", "members"),
    [
        ("unknown_type", {"type": ...}),
        ("unknown_type", {"type": None}),
        ("unknown_type", {"type": "Track"}),
        ("wrong_type", {"type": 1}),
        ("missing_id", {"userId": ..., "messageId": ...}),
        ("missing_id", {"userId": "", "anonymousId": None}),
        ("wrong_type", {"userId": 5}),
        ("wrong_type", {"userId": None, "anonymousId": ["x"]}),
        ("too_large", {"userId": "é" * 128 + "x"}),
        ("missing_message_id", {"messageId": ..., "timestamp": 5}),
        ("missing_message_id", {"messageId": ""}),
        ("wrong_type", {"messageId": 7}),
        ("wrong_type", {"sentAt": 1_772_323_200}),
        ("no_timestamp", {"timestamp": "yesterday"}),
        ("no_timestamp", {"timestamp": "", "originalTimestamp": "2026-03-01"}),
        ("no_timestamp", {"timestamp": ..., "receivedAt": ...}),
        ("no_timestamp", {"timestamp": "1969-12-31T23:59:59.999Z"}),
        ("future", {"timestamp": "2109-05-15T07:35:11.104Z"}),
        ("future", {"receivedAt": "2109-05-15T07:35:11.104Z"}),
        ("wrong_type", {"event": ...}),
        ("wrong_type", {"event": 3}),
        ("wrong_type", {"properties": [], "event": "Unknown"}),
        ("wrong_type", {"traits": "x"}),
        ("wrong_type", {"properties": {"product_id": 5}}),
        ("wrong_type", {"properties": {"product_id": "a", "price": "5"}}),
        ("wrong_type", {"properties": {"product_id": "a", "gift": 1}}),
        ("wrong_type", {"properties": {"product_id": "a", "shipping": 1}}),
        ("wrong_type", {"properties": {"product_id": "a", "shipping": {"method": []}}}),
        ("too_large", {"properties": {"product_id": "x" * 257}}),
        ("number_too_large", {"properties": {"price": 2**53 + 1}}),
        ("missing_field", {"properties": {"product_id": None, "currency": "ZZZ"}}),
        ("missing_field", {"properties": None}),
        ("unknown_currency", {"properties": {"product_id": "a", "currency": "ZZZ"}}),
        ("wrong_type", {"properties": {"product_id": "a", "currency": 5}}),
    ],
)
def test_the_first_check_that_fails_is_the_reason(
    decoder: Decode, expected: str, members: dict[str, object]
) -> None:
    assert reason(decoder, message(**members)) == expected


def test_orders_fail_by_their_list_then_by_their_lines_in_turn(decoder: Decode) -> None:
    assert reason(decoder, order(products={})) == "wrong_type"
    assert reason(decoder, order(products=None)) == "missing_field"
    assert reason(decoder, order(products=[{}, None])) == "wrong_type"
    assert reason(decoder, order(products=[{"price": 1e17}, {"price": "1"}])) == "number_too_large"
    assert reason(decoder, order(products=[{"price": "1"}, {"price": 1e17}])) == "wrong_type"
    assert reason(decoder, order(products=[{"price": "1"}] + [{}] * 2000)) == "too_large"
    assert len(the_event(decoder, order(products=[{}] * 2000)).lines) == 2000
    assert the_event(decoder, order(products=[])).lines == []


def test_amounts_of_another_currency_are_turned_into_the_shops(decoder: Decode) -> None:
    products = [{"price": 10.01}, {"quantity": 1}]
    event = the_event(decoder, order(total=-30.35, currency="USD", products=products))
    assert event.fields["amount"] == -2792
    assert event.lines == [{"price": 921}, {"quantity": 1000}]
    yen = the_event(decoder, order(total=30.5, currency="JPY"), small_config(currency="JPY"))
    assert yen.fields["amount"] == 31
    assert reason(decoder, order(total=2**50, currency="XAU")) == "number_too_large"
    assert the_event(decoder, message(event="Search", properties={"currency": "ZZZ"})).fields == {}


def test_batches_of_nothing_or_of_dead_letters_only_work() -> None:
    decoder = Decoder(CONFIG)
    for batch in (raw_batch([]), raw_batch([], log_ms=[])):
        decoded = decoder.decode(batch, last=False)
        assert (len(decoded.columns.offset), decoded.held, decoded.clock_ms) == (0, 0, 0)
        assert decoded.columns.values.shape == (0, len(decoder.fields))
        assert partition_of(decoded.columns, 4).tolist() == []
    decoded = decoder.decode(raw_batch([b"[", b"{}"]), last=False)
    assert (len(decoded.columns.offset), len(decoded.dead_letters)) == (0, 2)


def test_records_may_touch_each_other_or_leave_gaps() -> None:
    lines = [message(userId="one"), b'{"a":Na', b"N}", message(userId="two")]
    length = np.array([len(line) for line in lines], np.int64)
    for gap in (b"", b"#", b"\n", b"\n\n"):
        decoded = Decoder(CONFIG).decode(
            RawBatch(
                data=np.frombuffer(b"#" + gap.join(lines) + b"#", np.uint8),
                start=np.cumsum(length + len(gap)) - length - len(gap) + 1,
                length=length,
                offset=np.arange(4) + 70,
                log_ms=None,
            ),
            last=True,
        )
        users = [event.user for event in to_events(decoded.columns, Decoder(CONFIG), CONFIG)]
        assert users == ["one", "two"]
        letters = [(each.offset, each.reason, each.value) for each in decoded.dead_letters]
        assert letters == [(71, "bad_json", lines[1]), (72, "bad_json", lines[2])]


def test_many_orders_of_many_lines_find_room() -> None:
    orders = [order(products=[{"price": at, "quantity": at}] * 499) for at in range(12)]
    orders += [order(products=[{}] * 400, currency="ZZZ"), order()]
    events = decode_all(orders, CONFIG).events
    assert [len(event.lines) for event in events] == [499] * 12 + [1]
    assert events[11].lines[498] == {"price": 1100, "quantity": 11_000}
    columns = Decoder(CONFIG).decode(raw_batch(orders), last=True).columns
    assert len(columns.lines) == columns.line_count.sum()


def test_columns_are_contiguous_and_name_the_same_message_alike() -> None:
    lines = [message(messageId="a"), b"[", message(messageId="\u00e4"), message(messageId="a")]
    lines.append(json.dumps(json.loads(lines[2])).encode())
    decoded = Decoder(CONFIG).decode(raw_batch(lines), last=True)
    hashes = decoded.columns.message_hash.tolist()
    assert hashes[0] == hashes[2] != hashes[1] == hashes[3]
    assert all(column.flags.c_contiguous for column in decoded.columns)
    assert decoded.columns.values[0, Decoder(CONFIG).fields.index("price")] == MISSING


def test_events_are_in_the_partition_of_their_profile_id() -> None:
    lines = [message(userId="foobar"), message(userId=None, anonymousId="21")]
    columns = Decoder(CONFIG).decode(raw_batch(lines), last=True).columns
    expected = [(value & 0x7FFFFFFF) % 16 for value in (-790332482, -973932308)]
    assert partition_of(columns, 16).tolist() == expected
