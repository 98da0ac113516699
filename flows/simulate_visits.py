"""A day's visits to the simulated shop as events: what is clicked, added, ordered, in order."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flows.simulate_catalog import pick_categories, pick_items
from flows.simulate_customers import Customers, Flags, Visits
from flows.simulate_days import Day
from flows.simulate_events import (
    HOUR_MS,
    LINE_BITS,
    LINE_MASK,
    Events,
    Integers,
    Kind,
    line_of,
    with_line,
    without_first_line,
)

HOUR_WEIGHTS = np.array(
    [3, 2, 1, 1, 1, 2, 6, 12, 18, 22, 25, 27, 30, 27, 25, 25, 26, 28, 34, 42, 48, 44, 28, 0]
)
"""How likely a visit starts in each hour of the day; none after 23:00, so that it ends that day."""

BROWSE_STOP, BROWSE_MAX = 0.30, 16
BROWSE_KINDS = np.array([Kind.PAGE, Kind.LIST, Kind.SEARCH, Kind.VIEWED])
BROWSE_LIMITS = np.array([0.10, 0.28, 0.36])
SAME_CATEGORY = 0.75
SECOND_ADD, THIRD_ADD, ADDS_MAX = 0.35, 0.12, 3
TAKES_TWO = 0.15
REMOVES, LOOKS_AT_CART, LEAVES_AT_CHECKOUT = 0.2, 0.4, 0.18
SEES_PROMOTION, FOLLOWS_PROMOTION = 0.7, 0.3
"""Of the visits on a campaign's days, and of those who see it."""

COUPON_SHARES = np.array([[0.0, 0.4], [0.35, 0.8]])
"""Orders with a coupon, on plain days and a campaign's, of most customers and bargain hunters."""

STEP_MS_MIN, STEP_MS_MEAN = 900, 24_000
CART_DAYS = 3
"""A cart that nobody touched for longer is gone; the next one has a new id."""


class _Block(NamedTuple):
    """Events of some visits: which visit, what happened, and lines; `place` orders a visit's."""

    visit: Integers
    place: NDArray[np.float64]
    kind: int | Integers
    lines: int | Integers


def visit_events(
    customers: Customers, visits: Visits, day: Day, random: np.random.Generator
) -> Events:
    """All events of a day's visits, unsorted; carts of the customers are those after it."""
    user, count = visits.user, len(visits.user)
    category = pick_categories(customers, user, random)
    _renew_carts(customers, user[visits.cart], day.number)
    adds = 1 + (random.random(count) < SECOND_ADD) + (random.random(count) < THIRD_ADD)
    adds = np.where(visits.cart, adds, 0)
    blocks = [_browsing(customers, user, category, random)]
    blocks += _adding(customers, user, (category, adds), random)
    blocks.append(_removing(customers, user, adds, random))
    blocks += _deciding(customers, visits, day, random)
    start = day.at_ms + _times_of_day(customers.hour_shift[user], random)
    cart = customers.cart_number[user]
    customers.cart_day[user[visits.cart]] = day.number
    customers.cart_lines[user[visits.order]] = 0
    return _in_sequence(blocks, (user, cart, start), random)


def _renew_carts(customers: Customers, user: Integers, number: int) -> None:
    """Who fills a cart goes on with the one left behind, or takes a new one."""
    old = customers.cart_lines[user] == 0
    old |= customers.cart_day[user] < number - CART_DAYS
    customers.cart_number[user[old]] += 1
    customers.cart_lines[user[old]] = 0


def _browsing(
    customers: Customers, user: Integers, category: Integers, random: np.random.Generator
) -> _Block:
    steps = np.minimum(random.geometric(BROWSE_STOP, len(user)), BROWSE_MAX)
    visit = np.repeat(np.arange(len(user)), steps)
    other = pick_categories(customers, user[visit], random)
    looked_at = np.where(random.random(len(visit)) < SAME_CATEGORY, category[visit], other)
    item = pick_items(customers, user[visit], looked_at, random)
    kind = BROWSE_KINDS[np.searchsorted(BROWSE_LIMITS, random.random(len(visit)))]
    return _Block(visit, 1 + random.random(len(visit)), kind, line_of(item))


def _adding(
    customers: Customers,
    user: Integers,
    plan: tuple[Integers, Integers],
    random: np.random.Generator,
) -> list[_Block]:
    """What goes into the carts, each item looked at just before; `plan`: categories and counts."""
    category, adds = plan
    blocks = []
    for turn in range(ADDS_MAX):
        visit = np.flatnonzero(adds > turn)
        who = user[visit]
        item = pick_items(customers, who, category[visit], random)
        quantity = 1 + (random.random(len(visit)) < TAKES_TWO)
        taken, lines = with_line(customers.cart_lines[who], item, quantity)
        customers.cart_lines[who] = lines
        visit, line = visit[taken], line_of(item, quantity)[taken]
        place = 1 + random.random(len(visit))
        blocks.append(_Block(visit, place, Kind.VIEWED, line))
        blocks.append(_Block(visit, np.nextafter(place, 3), Kind.ADDED, line))
    return blocks


def _removing(
    customers: Customers, user: Integers, adds: Integers, random: np.random.Generator
) -> _Block:
    """Some who put in several things take one line out again, if more are in the cart."""
    several = customers.cart_lines[user] >> LINE_BITS != 0
    visit = np.flatnonzero(several & (adds > 1) & (random.random(len(user)) < REMOVES))
    lines = customers.cart_lines[user[visit]]
    customers.cart_lines[user[visit]] = without_first_line(lines)
    return _Block(visit, np.full(len(visit), 2.0), Kind.REMOVED, lines & LINE_MASK)


def _deciding(
    customers: Customers, visits: Visits, day: Day, random: np.random.Generator
) -> list[_Block]:
    """The rest of each visit: landing, campaign, signing up, cart, checkout, coupon, order."""
    count = len(visits.user)
    lines = customers.cart_lines[visits.user]
    assert np.all(lines[visits.cart] != 0), "a cart that was filled holds something"
    draw = random.random((5, count))
    checkout = visits.order | visits.cart & (draw[0] < LEAVES_AT_CHECKOUT)
    looks = visits.order | visits.cart & (draw[1] < LOOKS_AT_CART)
    sees = (draw[2] < SEES_PROMOTION) & day.campaign
    identified = visits.first & ~customers.guest[visits.user]
    shares = COUPON_SHARES[int(day.campaign), customers.bargain[visits.user].astype(np.int64)]
    coupon = visits.order & (draw[4] < shares)
    everyone = np.ones(count, bool)
    plan: tuple[tuple[Flags, float, int, Integers | None], ...] = (
        (everyone, 0.0, Kind.PAGE, None),
        (sees, 0.2, Kind.PROMOTION_VIEWED, None),
        (sees & (draw[3] < FOLLOWS_PROMOTION), 0.3, Kind.PROMOTION_CLICKED, None),
        (identified, 0.5, Kind.SIGNED_UP, None),
        (identified, 0.6, Kind.IDENTIFY, None),
        (looks, 3.0, Kind.CART_VIEWED, lines),
        (checkout, 4.0, Kind.CHECKOUT, lines),
        (coupon, 4.3, Kind.COUPON_ENTERED, lines),
        (coupon, 4.6, Kind.COUPON_APPLIED, lines),
        (visits.order, 5.0, Kind.ORDER, lines),
        (visits.order, 6.0, Kind.PAGE, None),
    )
    blocks = []
    for flags, place, kind, kept in plan:
        visit = np.flatnonzero(flags)
        held = 0 if kept is None else kept[visit]
        blocks.append(_Block(visit, np.full(len(visit), place), kind, held))
    return blocks


def _in_sequence(
    blocks: list[_Block],
    visits: tuple[Integers, NDArray[np.int32], Integers],
    random: np.random.Generator,
) -> Events:
    """The blocks' events in order of visit and place, with times; `visits`: user, cart, start."""
    user, cart, start = visits
    visit = np.concatenate([block.visit for block in blocks])
    place = np.concatenate([block.place for block in blocks])
    kind = np.concatenate([np.broadcast_to(b.kind, len(b.visit)) for b in blocks])
    lines = np.concatenate([np.broadcast_to(b.lines, len(b.visit)) for b in blocks])
    order = np.lexsort((place, visit))
    visit = visit[order]
    pause = random.exponential(STEP_MS_MEAN, len(visit)).astype(np.int64) + STEP_MS_MIN
    elapsed = np.cumsum(pause)
    first = np.flatnonzero(np.diff(visit, prepend=-1))
    since_start = elapsed - np.repeat(elapsed[first], np.diff(first, append=len(visit)))
    at_ms = start[visit] + since_start
    return Events(at_ms, kind[order].astype(np.int8), user[visit], cart[visit], lines[order])


def _times_of_day(hour_shift: NDArray[np.int8], random: np.random.Generator) -> Integers:
    """When visits start, in ms of the day: by the hours' weights, moved by the user's habit."""
    limits = np.cumsum(HOUR_WEIGHTS / HOUR_WEIGHTS.sum())[:-1]
    hour = np.searchsorted(limits, random.random(len(hour_shift)))
    hour = np.clip(hour + hour_shift, 0, len(HOUR_WEIGHTS) - 2)
    start: Integers = hour * HOUR_MS + random.integers(0, HOUR_MS, len(hour_shift))
    return start
