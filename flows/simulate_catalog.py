"""What the simulated shop sells, and who looks at what: categories, price tiers, popularity.

An item is a number: (category x TIERS + tier) x RANKS + rank; rank 0 is the shelf's most popular.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flows.simulate_customers import FAVOURITES, TIERS, Customers

Integers = NDArray[np.int64]

CATEGORIES = (
    *("dresses", "shoes", "shirts", "jackets", "trousers", "bags", "jewellery", "watches"),
    *("lamps", "rugs", "bedding", "décor", "kitchen", "garden", "toys", "books"),
    *("headphones", "cameras", "perfume", "skincare"),
)
BASE_CENTS = np.array(
    [
        *(5900, 7900, 2900, 9900, 4900, 5900, 3900, 12900, 4500, 11900),
        *(3900, 1900, 2400, 3400, 1900, 1500, 8900, 34900, 5900, 2200),
    ]
)
TIER_PERCENT = np.array([55, 100, 210])
RANKS = 36
ITEMS = len(CATEGORIES) * TIERS * RANKS

CATEGORY_EXPONENT, RANK_EXPONENT = 0.7, 1.1
FAVOURITE_SHARE, OWN_TIER_SHARE = 0.7, 0.7
FAVOURITE_LIMITS = np.array([0.6, 0.9])
"""Cumulative shares of the first two favourites among visits to a favourite."""


def zipf_shares(count: int, exponent: float) -> NDArray[np.float64]:
    """Zipf's law: shares proportional to rank ** -exponent.

    >>> zipf_shares(2, 1.0).round(3).tolist()
    [0.667, 0.333]
    """
    weights = np.arange(1, count + 1) ** -exponent
    return np.asarray(weights / weights.sum())


CATEGORY_SHARES = zipf_shares(len(CATEGORIES), CATEGORY_EXPONENT)
_CATEGORY_LIMITS = np.cumsum(CATEGORY_SHARES)[:-1]
_RANK_LIMITS = np.cumsum(zipf_shares(RANKS, RANK_EXPONENT))[:-1]


def item_prices() -> Integers:
    """The price of every item in cents, by item number; prices end in 90 or 50."""
    item = np.arange(ITEMS)
    percent = TIER_PERCENT[item // RANKS % TIERS]
    varied = BASE_CENTS[category_of(item)] * percent * (80 + item * 37 % 41) // 10_000
    return np.asarray(varied // 100 * 100 + np.where(item % 3 == 0, 50, 90))


def category_of(item: Integers) -> Integers:
    """The category's number of each item."""
    return item // (TIERS * RANKS)


def pick_categories(customers: Customers, user: Integers, random: np.random.Generator) -> Integers:
    """One category for each visit of these users: mostly a favourite, else by popularity."""
    draw = random.random((3, len(user)))
    which = np.searchsorted(FAVOURITE_LIMITS, draw[1])
    assert len(FAVOURITE_LIMITS) + 1 == FAVOURITES, "one share per favourite"
    favourite = customers.favourites[user, which].astype(np.int64)
    popular = np.searchsorted(_CATEGORY_LIMITS, draw[2])
    picked: Integers = np.where(draw[0] < FAVOURITE_SHARE, favourite, popular)
    return picked


def pick_items(
    customers: Customers, user: Integers, category: Integers, random: np.random.Generator
) -> Integers:
    """One item of each category: mostly of the user's price tier, by popularity on its shelf."""
    draw = random.random((3, len(user)))
    other_tier = (draw[1] * TIERS).astype(np.int64)
    tier = np.where(draw[0] < OWN_TIER_SHARE, customers.tier[user], other_tier)
    rank = np.searchsorted(_RANK_LIMITS, draw[2])
    item: Integers = (category * TIERS + tier) * RANKS + rank
    return item
