"""Random models.toml files: groups, complements, and every way to be eligible."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

Table = dict[str, object]

EVERY = ("1h", "2h", "7h", "1d")
REACH = {"1h": ("1h", "2h", "5h"), "2h": ("1h", "3h", "10h"), "7h": ("7h", "90m", "30h")}
REACH_OF_A_DAY = ("1d", "3d", "5d", "90m")
OUTCOMES = ("Order Completed", "Product Added", "Product Viewed", "Email Opened", "page")
NUMBERS = ("0.5", "1", "3", "horizon_days", "log1p(7)", "bend")


def model_tables(seed: int, features: Table) -> tuple[Table, list[str]]:
    """Two to four models, with their names: two of a group, maybe one of another, a complement."""
    random = Random(f"models {seed}")
    numbers = [name for name in features if is_number(name)]
    terms = term_tables(random, numbers)
    names = [*terms]
    first = random.sample(names, random.randint(1, len(names)))
    rest = [name for name in names if name not in first]
    sets: Table = {"first": {"prior": 10, "terms": first}}
    if rest:
        sets["second"] = {"adds_to": "first", "prior": 30, "terms": rest}
    every = random.choice(EVERY)
    models: Table = {
        "one": model(random, every, features, ["first"]),
        "two": model(random, every, features, [*sets]),
    }
    if random.random() < 0.5:
        models["three"] = model(random, random.choice(EVERY), features, [[*sets][-1]])
    if random.random() < 0.6:
        models["four"] = {"complement": random.choice([*models])}
    tables: Table = {"terms": terms, "set": sets, "model": models}
    used = {name: value for name, value in (("bend", 2), ("least", 1)) if name in str(tables)}
    return ({"thresholds": used} if used else {}) | tables, [*models]


def is_number(name: str) -> bool:
    """Whether a feature of `world_configs` is a number, by its name."""
    kinds = ("count", "sum", "days", "gap", "cart", "distinct", "ratio", "sessions")
    return name.startswith(kinds)


def term_tables(random: Random, features: Sequence[str]) -> Table:
    """A few terms, each of features and those above it."""
    terms: dict[str, object] = {}
    for number in range(random.randint(2, 5)):
        one, other = (random.choice((*features, *terms)) for _ in range(2))
        constant = random.choice(NUMBERS)
        terms[f"t{number}"] = random.choice(
            (
                f"log1p(first_of({one}, {other}, 0))",
                f"hinge({one}, {constant})",
                f"{one} / max({other}, {constant})",
                f"clip({one} - {other}, -5, 5)",
                f"min({one} * {constant}, 6) + log_expm1(clip({other}, 0, 20))",
                f"{random.choice(features)} == 1",
                f"log(max({one}, 0.05)) * {other}",
            )
        )
    return terms


def model(random: Random, every: str, features: Table, sets: list[str]) -> Table:
    """A model of users chosen by a count, by a window, by days, by a cart, or of everybody."""
    within = random.choice(REACH.get(every, REACH_OF_A_DAY))
    table: Table = {
        "outcome": random.sample(OUTCOMES, random.choice((1, 2, 3))),
        "within": within,
        "every": every,
        "default": random.choice((0.05, 0.2, 0.7)),
        "sets": sets,
    }
    rules = ("{} >= least", "{} > 2", "not ({} > 1)", "{} < 3")
    rule = random.choice((None, *rules)) if random.random() < 0.8 else None
    if rule is not None:
        name = random.choice([one for one in features if is_number(one)])
        table["eligible"] = rule.format(name)
    return table
