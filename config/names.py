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
        expected = f"a {what} with another name than a word of the rule language"
        place.report(f"expected {expected}, got {shown(name)}")
    elif not NAME.fullmatch(name) or len(name) > NAME_LENGTH_MAX:
        expected = f"1 to {NAME_LENGTH_MAX} letters, digits and _, no digit first, to name a {what}"
        place.report(f"expected {expected}, got {shown(name)}")
    else:
        return True
    return False
