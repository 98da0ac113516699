"""A user's carts, as plain lists and dicts in the order of their last touch."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.oracle_rules import Value
from tests.reference_decoder import Event

CARTS_MAX = 4
LINES_MAX = 50
ONE = 1_000
"""A quantity of one, in thousandths."""

ITEM_EVENTS = ("Product Added", "Product Removed")


@dataclass
class Line:
    """One item of a cart: minor units, thousandths."""

    price: int
    quantity: int
    category: str | None


@dataclass
class Cart:
    """One cart; the unnamed one has no key."""

    key: str | None
    emptied_at_ms: int
    lines: dict[str, Line] = field(default_factory=dict)


class Carts:
    """All carts of a user, the least recently touched first."""

    def __init__(self) -> None:
        self.carts: list[Cart] = []
        self.all_emptied_at_ms = -1

    def take(self, event: Event) -> None:
        """Applies an event; one that is not about carts changes nothing."""
        if event.name == "Order Completed":
            self.empty(event)
        elif event.name in ITEM_EVENTS and event.fields.get("item") is not None:
            cart = self.touched(event)
            if cart is not None:
                change = add if event.name == "Product Added" else remove
                change(cart, event.fields)
        elif event.name == "Cart Viewed" and event.lines:
            cart = self.touched(event)
            if cart is not None:
                cart.lines = {}
                for line in event.lines:
                    if line.get("item") is not None:
                        add(cart, line)

    def find(self, key: str | None) -> Cart | None:
        """The cart of this key, if it is known."""
        return next((cart for cart in self.carts if cart.key == key), None)

    def touched(self, event: Event) -> Cart | None:
        """The event's cart, now the last touched; None when the event is older than an emptying."""
        key = cart_key(event)
        cart = self.find(key)
        if event.at_ms < (cart.emptied_at_ms if cart else self.all_emptied_at_ms):
            return None
        if cart is None:
            cart = self.known(key)
        self.carts.remove(cart)
        self.carts.append(cart)
        return cart

    def known(self, key: str | None) -> Cart:
        """A new cart, as the least recently touched; beyond the limit, in the place of that one."""
        if len(self.carts) == CARTS_MAX:
            del self.carts[0]
        cart = Cart(key, self.all_emptied_at_ms)
        self.carts.insert(0, cart)
        return cart

    def empty(self, event: Event) -> None:
        key = cart_key(event)
        emptied = self.carts if key is None else [self.find(key) or self.known(key)]
        for cart in emptied:
            cart.lines = {}
            cart.emptied_at_ms = max(cart.emptied_at_ms, event.at_ms)
        if key is None:
            self.all_emptied_at_ms = max(self.all_emptied_at_ms, event.at_ms)

    def lines(self, key: str | None) -> dict[str, Line]:
        """The lines of the cart of this key; without a key, of the last touched."""
        carts = [cart for cart in self.carts if key in (None, cart.key)]
        return carts[-1].lines if carts else {}

    def measure(self, what: str, key: str | None, digits: int) -> Value:
        """The value, items or lines of a cart, as rules see it."""
        lines = self.lines(key).values()
        if what == "lines":
            return float(len(lines))
        if what == "items":
            return sum(line.quantity for line in lines) / 1000.0
        minor = sum((line.price * line.quantity + 500) // 1000 for line in lines)
        return minor / 10.0**digits


def cart_key(event: Event) -> str | None:
    key = event.fields.get("cart_id")
    assert key is None or isinstance(key, str)
    return key


def add(cart: Cart, fields: dict[str, int | str | bool]) -> None:
    """Adds an item as `Product Added` does, or as a line of `Cart Viewed` does."""
    item, price, category = str(fields["item"]), fields.get("price"), fields.get("category")
    line = cart.lines.get(item)
    if line is None:
        if len(cart.lines) == LINES_MAX:
            return
        line = cart.lines[item] = Line(0, 0, None)
    line.quantity += int(fields.get("quantity", ONE))
    line.price = line.price if price is None else int(price)
    line.category = line.category if category is None else str(category)
    if line.quantity <= 0:
        del cart.lines[item]


def remove(cart: Cart, fields: dict[str, int | str | bool]) -> None:
    """Takes an item's quantity away; without a quantity, its whole line."""
    item = str(fields["item"])
    line = cart.lines.get(item)
    if line is None:
        return
    line.quantity -= int(fields.get("quantity", line.quantity))
    if line.quantity <= 0:
        del cart.lines[item]
