"""Which value columns a decoded batch has: one per field name, whatever events define it."""

from __future__ import annotations

from collections.abc import Iterable

from config.schema import EventDef


def field_names(events: Iterable[EventDef]) -> tuple[str, ...]:
    """The value columns, sorted: the names of all fields of all events that hold one value.

    Fields of type "lines" and fields of an order's lines have no column of their own (a name that
    one event defines itself and another only on its lines has one).

    >>> from config.schema import Field
    >>> price = Field(name="price", path=("properties", "price"), type="money")
    >>> item = Field(name="item", path=("product_id",), type="text", line=True)
    >>> field_names([EventDef(name="Product Viewed", fields=(price, item))])
    ('price',)
    """
    fields = (field for event in events for field in event.fields)
    return tuple(
        sorted({field.name for field in fields if field.type != "lines" and not field.line})
    )
