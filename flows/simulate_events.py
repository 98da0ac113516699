"""The simulated shop's events as columns, and how a cart's lines are packed into one number."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]

SECOND_MS, HOUR_MS, DAY_MS = 1000, 3_600_000, 86_400_000

LINES, LINE_BITS, ITEM_BITS = 4, 15, 12
QUANTITY_MAX = (1 << LINE_BITS - ITEM_BITS) - 1
LINE_MASK, ITEM_MASK = (1 << LINE_BITS) - 1, (1 << ITEM_BITS) - 1


class Kind(IntEnum):
    """What happened."""

    PAGE = 0
    LIST = 1
    SEARCH = 2
    VIEWED = 3
    IDENTIFY = 4
    ADDED = 5
    REMOVED = 6
    CART_VIEWED = 7
    CHECKOUT = 8
    ORDER = 9
    REFUNDED = 10
    CANCELLED = 11
    DELIVERED = 12
    OPENED = 13
    CLICKED = 14
    UNSUBSCRIBED = 15
    UNSUBSCRIBED_IDENTIFY = 16
    PUSHED = 17
    TAPPED = 18
    SIGNED_UP = 19
    PROMOTION_VIEWED = 20
    PROMOTION_CLICKED = 21
    COUPON_ENTERED = 22
    COUPON_APPLIED = 23


class Events(NamedTuple):
    """Events as columns, one row each; `kind` is a `Kind`.

    `lines` holds up to LINES cart lines of LINE_BITS each: item + 1, and the quantity above it; 0
    is no line. An event about one item has one line. `cart` is the number of the user's cart.
    """

    at_ms: Integers
    kind: NDArray[np.int8]
    user: Integers
    cart: NDArray[np.int32]
    lines: Integers

    def take(self, rows: Integers) -> Events:
        """The events at `rows`, in that order."""
        carts, lines = self.cart[rows], self.lines[rows]
        return Events(self.at_ms[rows], self.kind[rows], self.user[rows], carts, lines)


def joined(*parts: Events) -> Events:
    """The parts' events, one part after the other."""
    return Events(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def line_of(item: Integers, quantity: Integers | int = 1) -> Integers:
    """One packed cart line."""
    return (item + 1) | (np.asarray(quantity, np.int64) << ITEM_BITS)


def unpacked(lines: int) -> list[tuple[int, int]]:
    """The (item, quantity) pairs of a packed cart.

    >>> unpacked(int(line_of(7, 2)) | int(line_of(9)) << LINE_BITS)
    [(7, 2), (9, 1)]
    """
    pairs = []
    while lines:
        pairs.append(((lines & ITEM_MASK) - 1, (lines & LINE_MASK) >> ITEM_BITS))
        lines >>= LINE_BITS
    return pairs


def with_line(lines: Integers, item: Integers, quantity: Integers) -> tuple[Flags, Integers]:
    """Carts with one more line each, or more of a line they hold; and whether there was room."""
    taken = np.zeros(len(lines), bool)
    lines = lines.copy()
    for slot in range(LINES):
        held = each_line(lines, slot)
        same = (held & ITEM_MASK) == item + 1
        fits = (held >> ITEM_BITS) + quantity <= QUANTITY_MAX
        here = ~taken & ((held == 0) | same & fits)
        here &= same | ~_holds(lines, item)
        added = np.where(same, quantity << ITEM_BITS, line_of(item, quantity))
        lines = np.where(here, lines + (added << slot * LINE_BITS), lines)
        taken |= here
    return taken, lines


def _holds(lines: Integers, item: Integers) -> Flags:
    """Whether each cart has a line of its item."""
    found = np.zeros(len(lines), bool)
    for slot in range(LINES):
        found |= (lines >> slot * LINE_BITS & ITEM_MASK) == item + 1
    return found


def without_first_line(lines: Integers) -> Integers:
    """Carts without their first line."""
    return lines >> LINE_BITS


def each_line(lines: Integers, slot: int) -> Integers:
    """The line in one place of each cart, packed; 0 where there is none."""
    return lines >> slot * LINE_BITS & LINE_MASK
