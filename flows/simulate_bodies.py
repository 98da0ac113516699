"""What each simulated message says of its event: the JSON before ids and times, as text."""

from __future__ import annotations

import numpy as np

from flows.simulate_catalog import CATEGORIES, ITEMS, category_of, item_prices
from flows.simulate_customers import COUNTRIES, Customers
from flows.simulate_events import ITEM_MASK, Events, Kind, unpacked
from flows.simulate_names import first_name

WEB = '"context":{"library":{"name":"web"}},'
SERVER = '"context":{"library":{"name":"server"}},'
PAGE = '{"type":"page","name":"%s","properties":{"url":"https://shop.example/%s"},' + WEB
IDENTIFY = (
    '{"type":"identify","traits":{"first_name":"%s","country":"%s","email_unsubscribed":%s},' + WEB
)
TRACK = '{"type":"track","event":"%s","properties":{%s},'

ONE_CART = '"cart_id":"c%(user)d-%(cart)d"'
ONE_ORDER = '"order_id":"o%(user)d-%(cart)d"'
TOTAL = '"total":%(value)s,"currency":"%(currency)s"'
PRODUCTS = '"products":[%(products)s]'
PROMOTION = '"promotion_id":"free-shipping","name":"Free shipping"'
COUPON = f'{ONE_ORDER},{ONE_CART},"coupon_id":"free-shipping"'
"""It takes off the shipping, which is in no total."""

WITH_CART: dict[int, str] = {
    Kind.ADDED: TRACK % ("Product Added", ONE_CART + ',%(first)s,"currency":"%(currency)s"') + WEB,
    Kind.REMOVED: TRACK % ("Product Removed", ONE_CART + ",%(first)s") + WEB,
    Kind.CART_VIEWED: TRACK % ("Cart Viewed", f"{ONE_CART},{PRODUCTS}") + WEB,
    Kind.CHECKOUT: TRACK
    % ("Checkout Started", ONE_ORDER + ',"value":%(value)s,"currency":"%(currency)s"')
    + WEB,
    Kind.ORDER: TRACK % ("Order Completed", f"{ONE_ORDER},{ONE_CART},{TOTAL},{PRODUCTS}") + WEB,
    Kind.COUPON_ENTERED: TRACK % ("Coupon Entered", COUPON) + WEB,
    Kind.COUPON_APPLIED: TRACK % ("Coupon Applied", COUPON) + WEB,
    Kind.REFUNDED: TRACK % ("Order Refunded", f"{ONE_ORDER},{TOTAL},{PRODUCTS}") + SERVER,
    Kind.CANCELLED: TRACK % ("Order Cancelled", f"{ONE_ORDER},{TOTAL},{PRODUCTS}") + SERVER,
}
"""Templates of the events about carts and orders; an order is named after the cart it empties."""

BY_CUSTOMER = {
    Kind.SIGNED_UP: ("Signed Up", ""),
    Kind.PROMOTION_VIEWED: ("Promotion Viewed", PROMOTION),
    Kind.PROMOTION_CLICKED: ("Promotion Clicked", PROMOTION),
}
BY_SERVER = {
    Kind.DELIVERED: ("Email Delivered", '"campaign":{"name":"newsletter"}'),
    Kind.OPENED: ("Email Opened", '"campaign":{"name":"newsletter"}'),
    Kind.CLICKED: ("Email Link Clicked", '"campaign":{"name":"newsletter"}'),
    Kind.UNSUBSCRIBED: ("Unsubscribed", '"list":{"name":"newsletter"}'),
    Kind.PUSHED: ("Push Notification Received", '"campaign":{"name":"today"}'),
    Kind.TAPPED: ("Push Notification Tapped", '"campaign":{"name":"today"}'),
}


class Bodies:
    """Renders bodies; those that are the same for all users come from a table."""

    def __init__(self, customers: Customers, currency: str) -> None:
        self._country = customers.country
        self._currency = currency
        self._prices = item_prices().tolist()
        categories = category_of(np.arange(ITEMS)).tolist()
        self._products = [
            f'"product_id":"p{item}","category":"{CATEGORIES[category]}","price":{_money(price)}'
            for item, (category, price) in enumerate(zip(categories, self._prices, strict=True))
        ]
        self._same_for_all = self._table([CATEGORIES[category] for category in categories])

    def render(self, events: Events) -> list[str]:
        """The body of each event."""
        same_for_all = self._same_for_all
        codes = events.kind.astype(np.int64) * (ITEMS + 1) + (events.lines & ITEM_MASK)
        bodies = [same_for_all[code] for code in codes.tolist()]
        rows = np.flatnonzero(np.isin(events.kind, list(WITH_CART)))
        columns = (events.kind[rows], events.user[rows], events.cart[rows], events.lines[rows])
        carts = zip(rows.tolist(), *(column.tolist() for column in columns), strict=True)
        for row, kind, user, cart, lines in carts:
            bodies[row] = self._with_cart(kind, user, cart, lines)
        self._identify(events, bodies)
        return bodies

    def _with_cart(self, kind: int, user: int, cart: int, lines: int) -> str:
        pairs = unpacked(lines)
        products = [f'{self._products[item]},"quantity":{quantity}' for item, quantity in pairs]
        value = sum(self._prices[item] * quantity for item, quantity in pairs)
        return WITH_CART[kind] % {
            "user": user,
            "cart": cart,
            "first": products[0],
            "products": "{" + "},{".join(products) + "}",
            "value": _money(value),
            "currency": self._currency,
        }

    def _identify(self, events: Events, bodies: list[str]) -> None:
        for kind, unsubscribed in ((Kind.IDENTIFY, "false"), (Kind.UNSUBSCRIBED_IDENTIFY, "true")):
            for row in np.flatnonzero(events.kind == kind).tolist():
                user = int(events.user[row])
                country = COUNTRIES[self._country[user]]
                bodies[row] = IDENTIFY % (first_name(user), country, unsubscribed)

    def _table(self, categories: list[str]) -> list[str]:
        """By kind x (ITEMS + 1) + the code of an item (its number + 1; 0 is none)."""
        names = ["", *categories]
        currency = f'"currency":"{self._currency}"'
        texts = {
            Kind.PAGE: [PAGE % (name or "home", name) for name in names],
            Kind.LIST: [_track("Product List Viewed", f'"category":"{name}"') for name in names],
            Kind.SEARCH: [_track("Products Searched", f'"query":"{name}"') for name in names],
            Kind.VIEWED: [
                _track("Product Viewed", f"{product},{currency}")
                for product in ["", *self._products]
            ],
        }
        for kind, (name, properties) in BY_CUSTOMER.items():
            texts[kind] = [_track(name, properties)] * len(names)
        for kind, (name, properties) in BY_SERVER.items():
            texts[kind] = [TRACK % (name, properties) + SERVER] * len(names)
        rendered_otherwise = [""] * len(names)
        return [body for kind in Kind for body in texts.get(kind, rendered_otherwise)]


def _track(name: str, properties: str) -> str:
    return TRACK % (name, properties) + WEB


def _money(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"
