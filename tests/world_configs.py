"""Random configuration folders: every kind of feature, tag and journey, with short windows."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

from tests.world_models import model_tables
from tests.world_rules import RuleWriter

Table = dict[str, object]

EVENTS = """
["Product Viewed"]
fields = { item = "product_id", price = "price", category = "category" }
["Product Added"]
require = ["item"]
fields.item = "product_id"
fields.price = "price"
fields.quantity = "quantity"
fields.category = "category"
fields.cart_id = "cart_id"
["Product Removed"]
fields = { item = "product_id", quantity = "quantity", cart_id = "cart_id" }
["Cart Viewed"]
fields = { cart_id = "cart_id", lines = "products" }
["Checkout Started"]
fields = { amount = "value", cart_id = "cart_id" }
["Order Completed"]
fields = { order = "order_id", amount = "total", cart_id = "cart_id", lines = "products" }
require = ["order", "amount"]
["Order Refunded"]
fields = { order = "order_id", amount = "total", lines = "products" }
require = ["order"]
["Product Reviewed"]
fields.item = "product_id"
fields.rating = { path = "review.rating", type = "number" }
fields.gift = { path = "gift", type = "flag" }
["Email Opened"]
["Unsubscribed"]
fields = { channel = "channel" }
"""
WINDOWS = (
    ("1m", "1m"),
    ("10m", "1m"),
    ("10m", "3m"),
    ("7m", "2m"),
    ("1h", "5m"),
    ("1h", "1h"),
    ("90m", "90s"),
    ("1d", "1h"),
    ("3d", "1d"),
    ("30d", "2d"),
    ("365d", "30d"),
    None,
)
ITEM_EVENTS = ("Product Viewed", "Product Added", "Order Completed", "Cart Viewed")
PLAIN_EVENTS = (
    *ITEM_EVENTS,
    "Product Removed",
    "Checkout Started",
    "Order Refunded",
    "Email Opened",
    "page",
    "identify",
    "Product Reviewed",
)
ORDERS = {"Order Completed": 1, "Order Refunded": -1}


def write_config(seed: int, directory: Path, *, models: bool = False) -> Path:
    """Writes the folder of one seed's world and gives its path; with models if asked for."""
    random = Random(f"config {seed}")
    (directory / "journeys").mkdir(parents=True)
    write(directory / "shop.toml", shop(random) | live_from(seed))
    (directory / "events.toml").write_text(EVENTS)
    features = feature_tables(random)
    write(directory / "features.toml", features)
    scores: list[str] = []
    if models:
        tables, scores = model_tables(seed, features)
        write(directory / "models.toml", tables)
    tags, names = tag_tables(random, features, scores)
    write(directory / "tags.toml", tags)
    for index in range(random.choice((1, 2, 3, 5))):
        name = random.choice("abcd") + f"_journey_{index}"
        table = journey(random, features, names, scores)
        write(directory / "journeys" / f"{name}.toml", table)
    return directory


def live_from(seed: int) -> Table:
    """Some shops go live in the middle of their logs."""
    random = Random(f"live {seed}")
    if random.random() < 0.8:
        return {}
    hours = random.choice((0.5, 2, 24.5, 72, 400))
    return {"live_from": datetime(2026, 3, 2, 10, tzinfo=UTC) + timedelta(hours=hours)}


def shop(random: Random) -> Table:
    """Shops with 0, 2 and 3 decimals; strict ones; with and without channels closed by traits."""
    return {
        "currency": random.choice(("EUR", "EUR", "JPY", "KWD")),
        "zone": "Europe/Berlin",
        "strict": random.random() < 0.3,
        "rates": {"USD": 0.92, "GBP": 1.17},
        "channels": {"email": "email_unsubscribed", "push": "no_push"},
        "vocabulary": {"order_paid": "Order Completed"},
    }


def feature_tables(random: Random) -> Table:
    """Two or three features of every kind."""
    tables: Table = {}
    for index in range(random.choice((2, 3))):
        for kind, make in KINDS.items():
            table = make(random)
            tables[f"{kind}_{index}"] = {"kind": kind.split("_of")[0]} | table
    numbers = [name for name in tables if name.startswith(("count", "sum", "days", "gap", "cart"))]
    for index in range(2):
        tables[f"ratio_{index}"] = {"kind": "ratio", "of": random.sample(numbers, 2)}
    return tables


def some(random: Random, names: tuple[str, ...]) -> list[str]:
    return random.sample(names, random.randint(1, min(3, len(names))))


def windowed(random: Random) -> Table:
    window = random.choice(WINDOWS)
    return {"window": window[0], "tile": window[1]} if window else {}


def count(random: Random) -> Table:
    if random.random() < 0.3:
        return {"events": ORDERS} | windowed(random)
    return {"events": some(random, PLAIN_EVENTS)} | windowed(random)


def total(random: Random) -> Table:
    of = random.choice(("amount", "amount", "price", "quantity"))
    items: dict[str, int] = dict.fromkeys(
        ("Product Added", "Order Completed"), random.choice((1, 2))
    )
    return {"of": of, "events": ORDERS if of == "amount" else items} | windowed(random)


def distinct(random: Random) -> Table:
    of = random.choice(("item", "item", "category"))
    return {"of": of, "events": some(random, ITEM_EVENTS)} | windowed(random)


def days_since(random: Random) -> Table:
    return {"events": some(random, PLAIN_EVENTS)}


def text_of(random: Random) -> Table:
    if random.random() < 0.3:
        return {"of": "traits.country"}
    return {"of": random.choice(("item", "category")), "events": some(random, ITEM_EVENTS)}


def number_of(random: Random) -> Table:
    if random.random() < 0.3:
        return {"of": random.choice(("rating", "gift")), "events": ["Product Reviewed"]}
    return {"of": "price", "events": some(random, ITEM_EVENTS)}


def gap(random: Random) -> Table:
    return {
        "of": random.choice(("last", "mean", "variation")),
        "events": some(random, PLAIN_EVENTS),
    }


def cart(random: Random) -> Table:
    return {"of": random.choice(("value", "items", "lines"))}


def affinity(random: Random) -> Table:
    events = {name: random.choice((1, 2, 4, -1)) for name in some(random, ITEM_EVENTS)}
    half_life = random.choice(("10m", "1d", "14d"))
    of = random.choice(("item", "category"))
    return {"of": of, "events": events, "half_life": half_life, "keep": random.choice((1, 2, 3))}


def sessions(random: Random) -> Table:
    gaps: list[Table] = [{}, {"gap": "5m"}, {"gap": "1m"}]
    return {"events": some(random, PLAIN_EVENTS)} | random.choice(gaps) | windowed(random)


def recent(random: Random) -> Table:
    events = some(random, ITEM_EVENTS)
    return {"of": "item", "events": events, "keep": random.choice((1, 2, 5))}


KINDS = {
    "count": count,
    "sum": total,
    "distinct": distinct,
    "days_since": days_since,
    "last": text_of,
    "last_of_number": number_of,
    "first": text_of,
    "first_of_number": number_of,
    "gap": gap,
    "cart": cart,
    "affinity": affinity,
    "sessions": sessions,
    "recent": recent,
}


def writer(random: Random, features: Table, prefix: str) -> RuleWriter:
    """A writer of rules that reads these features, the cheap and lively kinds more often."""
    texts = ("last_0", "last_1", "first_0", "first_1", "affinity_0", "affinity_1")
    days = [name for name in features if name.startswith("days_since")]
    others = [name for name in features if name.startswith("recent")]
    numbers = [name for name in features if name not in (*texts, "last_2", "first_2", "affinity_2")]
    numbers = [name for name in numbers if name not in (*days, *others)]
    lively = [name for name in numbers if name.startswith(("count", "cart", "sum", "sessions"))]
    return RuleWriter(random, numbers + lively, days, list(texts), others, prefix)


def tag_tables(random: Random, features: Table, models: list[str]) -> tuple[Table, list[str]]:
    """Nested groups of tags, with the names of all of them, groups included."""
    rules = writer(random, features, "tag_level")
    rules.models = models
    names: list[str] = []
    tables: Table = {}
    for index in range(random.choice((1, 2, 3))):
        tables[f"group_{index}"] = tag_group(random, rules, f"group_{index}", 2, names)
    return tables | thresholds_used(rules, tables), names


def thresholds_used(rules: RuleWriter, table: Table) -> Table:
    """The table of those thresholds that found their way into a rule."""
    words = set(re.findall(r"\w+", json.dumps(table)))
    used = {name: value for name, value in rules.thresholds.items() if name in words}
    return {"thresholds": used} if used else {}


def tag_group(random: Random, rules: RuleWriter, name: str, depth: int, names: list[str]) -> Table:
    table: Table = {"pick": "first"} if random.random() < 0.5 else {}
    names.append(name)
    inner: Table = {}
    for index in range(random.choice((2, 3))):
        tag = f"{name}.tag_{index}"
        rule = rules.rule(random.choice((0, 1, 2)))
        kept = {"when": rule, "keep": random.choice(("1s", "90s", "10m", "1h", "2d"))}
        table[f"tag_{index}"] = kept if random.random() < 0.4 else rule
        rules.tags.append(tag)
        names.append(tag)
    if depth > 1 and random.random() < 0.5:
        inner["inner"] = tag_group(random, rules, f"{name}.inner", depth - 1, names)
    rules.tags.append(name)
    return table | inner


def journey(random: Random, features: Table, tags: list[str], models: list[str]) -> Table:
    """A journey with a random choice of every key."""
    rules = writer(random, features, "level")
    rules.tags, rules.models = tags, models
    table: Table = {
        "about": "A random journey.",
        "status": random.choice(("live", "live", "live", "shadow", "off")),
        "purpose": "marketing",
        "channels": random.choice((["push", "email"], ["email"], ["email", "push"])),
        "priority": random.choice((10, 50, 50)),
        "holdout": random.choice((0.0, 0.0, 0.3)),
        "entry": entry(random, rules, tags),
        "stage": stages(random, rules),
    }
    exits = some(random, ("Order Completed", "Product Removed", "Email Opened", "Order Refunded"))
    leave: Table = {"events": exits[:2]} if random.random() < 0.7 else {}
    if random.random() < 0.3:
        leave = {"when": rules.rule(1)} | leave
    if leave:
        table["exit"] = leave
    if random.random() < 0.6:
        goal = random.choice(("Order Completed", "Email Opened", "page"))
        table["goal"] = {"event": goal, "within": random.choice(("1s", "10m", "1d"))}
    return table | thresholds_used(rules, table)


def entry(random: Random, rules: RuleWriter, tags: list[str]) -> Table:
    table: Table = {
        "reentry": random.choice(("reset", "ignore")),
        "cooldown": random.choice(("1s", "10m", "1h", "3d")),
    }
    if random.random() < 0.3:
        table["tag"] = random.choice(tags)
        if random.random() < 0.3:
            table["when"] = rules.rule(1)
        return table
    keyed = random.choice(("cart_id", "cart_id", None, "item"))
    events = ("Product Added",) * 5 + ("Checkout Started", "Cart Viewed", "Order Completed")
    table["event"] = random.choice(events) if keyed != "item" else "Product Added"
    if keyed:
        table["key"] = keyed
    if random.random() < 0.3:
        amount = "event.price >= 10" if table["event"] == "Product Added" else "has(event.cart_id)"
        table["when"] = random.choice((amount, rules.rule(1)))
    return table


def stages(random: Random, rules: RuleWriter) -> Table:
    """Up to three stages, close together or far apart, in any order of names."""
    afters = random.sample(
        ("0s", "1s", "1m", "10m", "1h", "1h", "1d", "1d"), random.choice((1, 2, 2, 3))
    )
    return {
        name: {
            "after": after,
            "send": f"send_{name}",
            "ttl": random.choice(("1s", "1m", "1h", "1d")),
        }
        | ({"when": rules.rule(1)} if random.random() < (0.8 if rules.models else 0.5) else {})
        for name, after in zip(("one", "two", "three"), afters, strict=False)
    }


def write(path: Path, table: Table) -> None:
    path.write_text(toml(table))


def toml(table: Table) -> str:
    """A table as TOML: a section for each table right below, what is deeper inline, in order."""
    plain = {key: value for key, value in table.items() if not isinstance(value, dict)}
    lines = pairs(plain)
    for key, value in table.items():
        if isinstance(value, dict):
            lines += ["", f"[{json.dumps(key)}]", *pairs(value)]
    return "\n".join(lines) + "\n"


def pairs(table: Table) -> list[str]:
    return [f"{json.dumps(key)} = {literal(value)}" for key, value in table.items()]


def literal(value: object) -> str:
    """A TOML literal: as in JSON, but for inline tables."""
    if isinstance(value, dict):
        return "{ " + ", ".join(pairs(value)) + " }"
    if isinstance(value, datetime):
        return value.isoformat()
    return json.dumps(value, ensure_ascii=False)
