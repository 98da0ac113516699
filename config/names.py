"""Which names people may give to features, thresholds, tags, journeys, stages and fields."""

from __future__ import annotations

import keyword
import re

from config.limits import NAME_LENGTH_MAX
from config.problems import Place, shown

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
FUNCTIONS = ("has", "min", "max", "abs")
NAME_SPACES = ("event", "tags", "propensity")
RESERVED = frozenset((*FUNCTIONS, *NAME_SPACES, *keyword.kwlist))


def check_name(what: str, name: str, place: Place) -> bool:
    """Whether rules can use `name`; reports it if not.

    >>> check_name("feature", "views_24h", Place([], "features.toml"))
    True
    """
    if name in RESERVED:
        place.report(
            f"expected a name for a {what}, got {shown(name)}, a word of the rule language"
        )
    elif not NAME.fullmatch(name) or len(name) > NAME_LENGTH_MAX:
        expected = f"letters, digits and _ (at most {NAME_LENGTH_MAX}, no digit first)"
        place.report(f"expected a name for a {what} of {expected}, got {shown(name)}")
    else:
        return True
    return False
