"""Which names people may give to features, thresholds, tags, journeys, stages and fields."""

from __future__ import annotations

import keyword
import re

from config.limits import NAME_LENGTH_MAX
from config.problems import Place, shown

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
FUNCTIONS = ("has", "min", "max", "abs")
NAME_SPACES = ("event", "tags", "propensity")
HORIZON = "horizon_days"
"""In a term: the days within which its model's outcome counts."""

TERM_FUNCTIONS = ("log1p", "log", "log_expm1", "clip", "hinge", "first_of", "min", "max")
RESERVED = frozenset((*FUNCTIONS, *NAME_SPACES, *keyword.kwlist))
RESERVED_IN_TERMS = frozenset((HORIZON, *TERM_FUNCTIONS))


def check_name(what: str, name: str, place: Place) -> bool:
    """Whether rules can use `name`; reports it if not.

    >>> check_name("feature", "views_24h", Place([], "features.toml"))
    True
    """
    if name in RESERVED:
        message = f"{shown(name)} is a word of the rule language, so it cannot name a {what}"
        place.report(message, fix="choose another name")
    elif len(name) > NAME_LENGTH_MAX:
        message = f"expected a {what}'s name of at most {NAME_LENGTH_MAX} letters, got {len(name)}"
        place.report(message, fix="shorten it")
    elif not NAME.fullmatch(name):
        message = f"expected letters, digits and _ to name a {what}, no digit first"
        place.report(f"{message}, got {shown(name)}", fix=name_fix(name))
    else:
        return True
    return False


def name_fix(name: str) -> str:
    """A name that rules can use, made of one that they cannot.

    >>> name_fix("my query"), name_fix("24h views")
    ('write my_query', 'start it with a letter')
    """
    words = "_".join(re.findall(r"[A-Za-z0-9_]+", name, re.ASCII))
    usable = NAME.fullmatch(words) and words not in RESERVED
    return f"write {words}" if usable else "start it with a letter"
