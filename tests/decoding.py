"""Around the decoder: lines to batches, columns to events as the reference decoder has them."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np

from config.schema import LINE_FIELDS, Config, EventDef, Field, FieldType, Shop
from config.words import hash_text
from connectors import late
from connectors.columns import MISSING, SPAN_BITS, Columns
from connectors.events import Decoder, RawBatch
from tests.reference_decoder import Event, Outcome, Withheld

LINE_FIELD_TYPES: tuple[FieldType, ...] = ("text", "money", "number", "text")


def small_config(*, strict: bool = False, currency: str = "EUR") -> Config:
    """A config that has a field of each type, nested ones, lines, and names of a shop's own."""
    properties = {
        "item": field("item", "product_id"),
        "price": field("price", "price", "money"),
        "quantity": field("quantity", "quantity", "number"),
        "gift": field("gift", "gift", "flag"),
        "method": field("method", "shipping.method.name"),
        "weight": field("weight", "shipping.weight", "number"),
    }
    traits = (
        Field(name="traits.country", path=("traits", "country"), type="text"),
        Field(name="traits.opted_out", path=("traits", "opted_out"), type="flag"),
    )
    lines = (
        field("lines", "products", "lines"),
        *(
            Field(name=name, path=(key,), type=kind, line=True)
            for (name, key), kind in zip(LINE_FIELDS.items(), LINE_FIELD_TYPES, strict=True)
        ),
    )
    order = (field("order", "order_id"), field("amount", "total", "money"))
    events = (
        EventDef(name="Product Added", fields=tuple(properties.values()), require=("item",)),
        EventDef(
            name="Order Completed", fields=(*order, *lines), require=("order", "amount", "lines")
        ),
        EventDef(name="Cart Viewed", fields=lines),
        EventDef(name="Search", fields=(field("query", "query"),)),
        EventDef(name="identify", fields=traits),
        EventDef(name="page", fields=(Field(name="ip", path=("context", "ip"), type="text"),)),
    )
    shop = Shop(
        currency=currency,
        zone="UTC",
        strict=strict,
        rates={"USD": 0.92, "JPY": 0.0062, "XAU": 1e15},
        vocabulary={
            "order_paid": "Order Completed",
            "Search": "Searched",
            "added": "Product Added",
        },
    )
    return Config(shop=shop, events=events, features=(), tags=(), journeys=(), version="")


def field(name: str, path: str, kind: FieldType = "text") -> Field:
    """A field below `properties`."""
    return Field(name=name, path=("properties", *path.split(".")), type=kind)


def raw_batch(
    lines: Sequence[bytes], *, first_offset: int = 0, log_ms: Sequence[int] | None = None
) -> RawBatch:
    """Lines of a file, or with `log_ms` of a broker, as they come from there."""
    length = np.array([len(line) for line in lines], np.int64)
    return RawBatch(
        data=np.frombuffer(b"\n".join(lines), np.uint8),
        start=np.cumsum(length + 1) - length - 1,
        length=length,
        offset=np.arange(first_offset, first_offset + len(lines)),
        log_ms=None if log_ms is None else np.array(log_ms, np.int64),
    )


def decode_all(
    lines: Sequence[bytes],
    config: Config,
    *,
    batch_size: int = 1_000_000,
    log_ms: Sequence[int] | None = None,
) -> Outcome:
    """Decode lines in batches, handing held records over to the next one."""
    decoder = Decoder(config)
    events: list[Event] = []
    dead_letters: list[tuple[int, str]] = []
    withheld: list[Withheld] = []
    begin, end = 0, 0
    while True:
        end = min(end + batch_size, len(lines))
        times = None if log_ms is None else log_ms[begin:end]
        batch = raw_batch(lines[begin:end], first_offset=begin, log_ms=times)
        decoded = decoder.decode(batch, last=end == len(lines))
        events += to_events(decoded.columns, decoder, config)
        for letter in decoded.dead_letters:
            assert letter.value == lines[letter.offset]
            dead_letters.append((letter.offset, letter.reason))
        withheld += map(notice_of, decoded.withheld)
        begin = end - decoded.held
        if end == len(lines):
            assert decoded.held == 0
            assert decoded.clock_ms == decoder.clock_ms
            return Outcome(events, dead_letters, decoder.clock_ms, withheld)


def notice_of(withheld: late.Withheld) -> Withheld:
    """What a record says was not sent, as the reference decoder tells it."""
    return Withheld(
        offset=withheld.offset,
        log_ms=withheld.log_ms,
        user=withheld.subject,
        trigger=withheld.trigger,
        journey=withheld.journey,
        instant_ms=withheld.instant_ms,
        suppressed=json.loads(withheld.line),
    )


def to_events(columns: Columns, decoder: Decoder, config: Config) -> list[Event]:
    """The rows of columns as events; what columns do not hold is "": unknown names, message ids."""
    events = []
    for row in range(len(columns.offset)):
        index = int(columns.event[row])
        definition = config.events[index] if index >= 0 else EventDef(name="")
        start, length = int(columns.user_start[row]), int(columns.user_length[row])
        user = columns.data[start : start + length].tobytes().decode()
        assert columns.user_hash[row] == hash_text(columns.data, start, length)
        kinds = {each.name: each.type for each in definition.fields if not each.line}
        values = {
            name: cell_value(columns, int(columns.values[row, column]), kinds.get(name))
            for column, name in enumerate(decoder.fields)
            if columns.values[row, column] != MISSING
        }
        line_from = int(columns.line_from[row])
        lines = [
            line_values(columns, line)
            for line in range(line_from, line_from + int(columns.line_count[row]))
        ]
        offset, log_ms, at_ms = (int(each[row]) for each in columns[:3])
        events.append(Event(offset, log_ms, at_ms, definition.name, user, "", values, lines))
    return events


def line_values(columns: Columns, line: int) -> dict[str, int | str | bool]:
    """One line of an order."""
    cells = zip(LINE_FIELDS, LINE_FIELD_TYPES, columns.lines[line].tolist(), strict=True)
    return {name: cell_value(columns, cell, kind) for name, kind, cell in cells if cell != MISSING}


def cell_value(columns: Columns, cell: int, kind: str | None) -> int | str | bool:
    """What a cell holds, by its field's type."""
    assert kind is not None, "only fields of the event have values"
    if kind == "text":
        start, length = cell >> SPAN_BITS, cell & (1 << SPAN_BITS) - 1
        return columns.data[start : start + length].tobytes().decode()
    return bool(cell) if kind == "flag" else cell


def known(outcome: Outcome, config: Config) -> Outcome:
    """A reference outcome without what columns do not hold."""
    names = {event.name for event in config.events}
    events = [
        event._replace(name=event.name if event.name in names else "", message_id="")
        for event in outcome.events
    ]
    return outcome._replace(events=events)
