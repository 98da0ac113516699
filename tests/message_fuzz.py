"""Seeded messages that go wrong in every way: wrong values, odd spellings, broken bytes."""

from __future__ import annotations

import json
from random import Random

TEXTS = (
    '""',
    '"a"',
    '"Product Added"',
    '"Order Completed"',
    '"track"',
    '"identify"',
    '"EUR"',
    '"USD"',
    '"JPY"',
    '"XAU"',
    '"ZZZ"',
    '"M\\u00f6bel \\ud83d\\ude00"',
    '"\\ud800"',
    '"\\udc00\\ud800x"',
    '"a\\/b\\n"',
    '"\\u0000"',
    '"Möbel 😀"',
    '"' + "x" * 256 + '"',
    '"' + "x" * 257 + '"',
    '"' + "\\u00e9" * 129 + '"',
    '"a\tb"',
    '"\\x"',
    '"\\u12g4"',
    '"unfinished',
    '"\x7f"',
    '"\\"',
    '"eight..8"',
    '"sixteen.bytes..6"',
)
NUMBERS = (
    "0",
    "-0",
    "1",
    "-1",
    "2.5",
    "0.0005",
    "0.00049999999999999999999",
    "-0.0005",
    "1.005",
    "12.345",
    "9007199254740992",
    "9007199254740993",
    "-9007199254740992",
    "9007199254740992.0001",
    "1e3",
    "1E-3",
    "1e400",
    "1e-400",
    "0e999999999999",
    "1e99999999999999999999",
    "1e-99999999999999999999",
    "01",
    "1.",
    ".5",
    "-",
    "+1",
    "1e",
    "1e+",
    "0.1e1",
    "123456789012345678901234567890e-20",
    "0." + "0" * 400 + "1e401",
    "9007199254740991.9996",
    "9007199254740991.9994",
    "NaN",
    "Infinity",
    "-Infinity",
    "-NaN",
    "Nan",
    "Inf",
)
TIMES = (
    '"2026-03-01T00:00:00.000Z"',
    '"2026-02-29"',
    '"2024-02-29"',
    '"2026-03-01 01:02"',
    '"2026-03-01T01:02:03"',
    '"2026-03-01T01:02:03.4567+05:30"',
    '"2026-03-01T01:02:03-0800"',
    '"2026-03-01T24:00:00Z"',
    '"2026-03-01T00:60:00Z"',
    '"2026-03-01T00:00:60Z"',
    '"1969-12-31T23:59:59.9Z"',
    '"1970-01-01"',
    '"1970-01-01T00:30+01:00"',
    '"2109-05-15T07:35:11.103Z"',
    '"2109-05-15T07:35:11.104Z"',
    '"9999-12-31T23:59:59.999Z"',
    '"0000-01-01"',
    '"0001-01-01"',
    '"2026-13-01"',
    '"2026-00-10"',
    '"2026-04-31"',
    '"2026-3-1"',
    '"2026-03-01T"',
    '"2026-03-01T00"',
    '"2026-03-01T00:00:00."',
    '"2026-03-01T00:00:00.1+1:00"',
    '"2026-03-01T00:00:00z"',
    '"2026-03-01t00:00Z"',
    '"2026-03-01Z"',
    '"2026\\u002d03-01"',
    '"2026-03-01T00:00:00+24:00"',
    '"2026-03-01T00:00+00:60"',
    '"now"',
    '""',
    '"2026-03-01T00:00:00.٣"',
    '"2026-06-01T00:00:00Z"',
    '"2026-03-20"',
    '"2026-04-20T10:00:00Z"',
)
OTHERS = (
    "null",
    "true",
    "false",
    "nul",
    "{}",
    "[]",
    "[{}]",
    "[null]",
    '[{"price":1.5,"product_id":"a"},{}]',
    '[{"price":"1"}]',
    '[{"price":1,"price":null}]',
    '{"name":"x"}',
    '{"name":5}',
    '{"method":{"name":"y"}}',
    "[" * 30 + "]" * 30,
    "[" * 31 + "]" * 31,
    "[" * 40,
    '{"a":' * 33,
    "[1,]",
    '{"a":1,}',
    "{,}",
    '{"a" 1}',
    '[{"quantity":9e15},{"quantity":1e16}]',
    "[" + "{}," * 499 + "{}]",
    "[" + "{}," * 500 + "{}]",
    "[" + "{}," * 500 + "5]",
    '[{"price":1e-3},5]',
    "",
    " ",
    "'a'",
    "[NaN",
    "/* */ 1",
    "{}}",
    "\ufeff1",
)
KEYS = (
    "type",
    "event",
    "userId",
    "anonymousId",
    "messageId",
    "timestamp",
    "sentAt",
    "receivedAt",
    "originalTimestamp",
    "control",
    "properties",
    "traits",
    "context",
)
INNER_KEYS = (
    "product_id",
    "price",
    "quantity",
    "gift",
    "shipping",
    "order_id",
    "total",
    "products",
    "currency",
    "query",
    "country",
    "opted_out",
    "ip",
    "category",
    "other",
)
BLANKS = ("", "", "", "", "", " ", "\t", "\r\n ", "  ", "\x0b", "\xa0")
KINDS = ('"track"', '"track"', '"track"', '"identify"', '"page"', '"alias"', '"beckon.control"')
NAMES = (
    '"Product Added"',
    '"added"',
    '"Order Completed"',
    '"order_paid"',
    '"Cart Viewed"',
    '"Search"',
    '"Searched"',
    '"identify"',
    '"Unknown"',
    '"Order Complete\\u0064"',
)
EVERYTHING = TEXTS + NUMBERS + TIMES + OTHERS


def nasty_message(random: Random) -> bytes:
    """One message: mostly in order, with some values that are not, sometimes with broken bytes."""
    members = usual_members(random)
    for _ in range(random.choice((0, 0, 1, 1, 2, 4))):
        members.append((random.choice(KEYS), random.choice(EVERYTHING)))
    for _ in range(random.choice((0, 0, 0, 1))):
        members.pop(random.randrange(len(members)))
    text = spelled(members, random)
    if random.random() < 0.05:
        text = random.choice(EVERYTHING) + text
    if random.random() < 0.05:
        text += random.choice(EVERYTHING)
    line = text.encode()
    return with_broken_bytes(line, random) if random.random() < 0.15 else line


def usual_members(random: Random) -> list[tuple[str, str]]:
    """The members of a message that is in order but for its properties."""
    day, second = random.randrange(1, 29), random.randrange(60)
    members = [
        ("type", random.choice(KINDS)),
        ("event", random.choice(NAMES)),
        ("userId", f'"u{random.randrange(5)}"'),
        ("messageId", f'"{random.randrange(10**12)}"'),
        ("timestamp", f'"2026-03-{day:02}T10:00:{second:02}.5Z"'),
    ]
    if random.random() < 0.5:
        members.append(("receivedAt", f'"2026-03-{day:02}T10:01:{second:02}Z"'))
    if random.random() < 0.3:
        members.append(("sentAt", f'"2026-03-{day:02}T10:00:{second:02}.75Z"'))
    if random.random() < 0.3:
        members.append(("control", '"tick"'))
    container = "traits" if random.random() < 0.2 else "properties"
    members.append((container, spelled(inner_members(random), random)))
    if random.random() < 0.1:
        members.append(("context", '{"ip":"10.0.0.1"}'))
    random.shuffle(members)
    return members


def inner_members(random: Random) -> list[tuple[str, str]]:
    """Members of properties or traits, about half of them as they should be."""
    lines = '[{"product_id":"p1","price":9.99,"quantity":2,"category":"c"},{"price":0.005}]'
    usual = [
        ("product_id", '"p1"'),
        ("price", "19.99"),
        ("quantity", "2"),
        ("gift", "true"),
        ("shipping", '{"method":{"name":"dhl"},"weight":1.25}'),
        ("order_id", '"o1"'),
        ("total", "99.95"),
        ("products", lines),
        ("query", '"shoes"'),
        ("country", '"DE"'),
        ("opted_out", "false"),
    ]
    members = [member for member in usual if random.random() < 0.8]
    if random.random() < 0.3:
        members.append(("currency", random.choice(TEXTS[6:11])))
    for _ in range(random.choice((0, 0, 0, 1, 1, 2))):
        members.append((random.choice(INNER_KEYS), random.choice(EVERYTHING)))
    return members


def spelled(members: list[tuple[str, str]], random: Random) -> str:
    """An object of these members, with blanks here and there and keys with escapes now and then."""
    blank = random.choice(BLANKS) if random.random() < 0.2 else ""
    parts = []
    for key, value in members:
        name = json.dumps(key)
        if random.random() < 0.03:
            at = random.randrange(len(key))
            name = f'"{key[:at]}\\u{ord(key[at]):04x}{key[at + 1 :]}"'
        parts.append(f"{blank}{name}{blank}:{blank}{value}{blank}")
    return f"{blank}{{{','.join(parts)}}}{blank}"


def with_broken_bytes(line: bytes, random: Random) -> bytes:
    """A line with some bytes changed, cut out, put in or cut off."""
    changed = bytearray(line)
    for _ in range(random.choice((1, 1, 2, 5))):
        at = random.randrange(len(changed) + 1)
        action = random.randrange(4)
        if action == 0:
            del changed[at : at + random.choice((1, 1, 3))]
        elif action == 1:
            changed[at:at] = random.choice(
                (b'"', b"\\", b"{", b"]", b",", b"\xff", b"\xc3\xa9", b"\xed\xa0\x80")
            )
        elif action == 2 and at < len(changed):
            changed[at] = random.randrange(256)
        elif random.random() < 0.2:
            del changed[at:]
    return bytes(changed).replace(b"\n", b"\r")
