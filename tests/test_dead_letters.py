"""What a dead letter says."""

from __future__ import annotations

import pytest

from connectors.events import Decoder
from connectors.reasons import MEANINGS, REASONS
from tests.decoding import raw_batch, small_config
from tests.messages import message, order, tick


@pytest.mark.parametrize(
    ("line", "detail"),
    [
        (b"x" * 70_000, "record: expected at most 65536 bytes, got 70000 or more"),
        (
            b'{"a":"\xff"}',
            "record: expected UTF-8, got byte 0xff at position 6: invalid start byte",
        ),
        (b'{"a" 1}', "record: expected JSON, got at character 5: Expecting ':' delimiter"),
        (b'{"a":NaN}', "record: expected JSON, got NaN; leave the key out or send null"),
        (b"[" * 33, "record: expected at most 32 levels of objects and arrays, got more"),
        (b"[1]", "record: expected a JSON object, got a list of 1"),
        (b"12", "record: expected a JSON object, got the number 12"),
        (
            message(type="trak"),
            "type: expected one of track, identify, page, screen, group, alias, "
            'got the text "trak"',
        ),
        (
            tick(control="tock"),
            "control: expected one of tick, config, model, cut_points, erase, withheld, "
            'got the text "tock"',
        ),
        (
            tick("soon"),
            'receivedAt: expected the ISO 8601 time that it proves, got the text "soon"',
        ),
        (message(userId=...), "userId: expected a user's id here or in anonymousId, got nothing"),
        (message(userId={}), "userId: expected a text, got an object"),
        (
            message(messageId=""),
            'messageId: expected an id that no other message has, got the text ""',
        ),
        (
            message(timestamp="1.3."),
            'timestamp: expected an ISO 8601 time after 1970, got the text "1.3."',
        ),
        (
            message(timestamp="2200-01-01"),
            "timestamp: expected a time before 2109 that is, without receivedAt, near those around "
            'it, got the text "2200-01-01"',
        ),
        (
            message(event="Product Aded"),
            "event: expected an event of events.toml (did you mean 'Product Added'?), "
            'got the text "Product Aded"',
        ),
        (message(properties=True), "properties: expected an object, got true"),
        (
            message(properties={"product_id": "a", "shipping": {"method": 3}}),
            "properties.shipping.method: expected an object, got the number 3",
        ),
        (
            message(properties={"product_id": "ä" * 200}),
            "properties.product_id: expected at most 256 bytes, "
            f'got the text "{"ä" * 60}... (200)"',
        ),
        (
            message(properties={"price": 1e300}),
            "properties.price: expected a number of at most 2^53, got the number 1e+300",
        ),
        (
            message(properties={}),
            "properties.product_id: expected a text, which events.toml requires, got nothing",
        ),
        (
            message(properties={"product_id": "a", "currency": "ZZZ"}),
            "properties.currency: expected EUR or a currency with a rate in shop.toml, "
            'got the text "ZZZ"',
        ),
        (
            order(products=[{}, {"price": "9,99"}]),
            'properties.products[1].price: expected a number, got the text "9,99"',
        ),
        (order(products=[{}, 7]), "properties.products[1]: expected an object, got the number 7"),
        (
            order(products=[{}] * 2001),
            "properties.products: expected at most 2000 lines, got a list of 2001",
        ),
        (
            message(type="identify", traits={"opted_out": "yes"}),
            'traits.opted_out: expected true or false, got the text "yes"',
        ),
    ],
)
def test_a_dead_letter_says_what_to_mend(line: bytes, detail: str) -> None:
    decoded = Decoder(small_config(strict=True)).decode(raw_batch([line]), last=True)
    assert [letter.detail for letter in decoded.dead_letters] == [detail]
    assert decoded.dead_letters[0].value == line


def test_every_reason_has_its_meaning() -> None:
    assert tuple(MEANINGS) == REASONS
