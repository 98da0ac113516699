"""A dead letter's sentence for the person who must act: which key, what was expected, what came."""

from __future__ import annotations

import difflib
import json

from msgspec import UNSET, Struct, UnsetType

from config.schema import LINE_FIELDS, MESSAGE_TYPES, Config
from connectors.columns import DeadLetter
from connectors.fates import fault_parts
from connectors.layout import CONTROL, CONTROL_KINDS, ROOT, number_paths
from connectors.message_fields import TEXT_BYTES_MAX
from connectors.order_lines import LINES_MAX
from connectors.reasons import REASONS, DeadLetterReason
from connectors.scan import DEPTH_MAX, RECORD_BYTES_MAX

SHOWN_CHARACTERS = 60
"""How much of a text is repeated in a sentence."""

_A_TEXT, _A_NUMBER, _AN_OBJECT = "a text", "a number", "an object"
_TYPE_PHRASES = {
    "text": _A_TEXT,
    "number": _A_NUMBER,
    "money": _A_NUMBER,
    "flag": "true or false",
    "lines": "a list of objects",
}
_LINE_PHRASES = (_A_TEXT, _A_NUMBER, _A_NUMBER, _A_TEXT)


class PlacedLetter(DeadLetter, frozen=True, kw_only=True):
    """A dead letter of a live log: also its partition, its log time, and the config's version."""

    partition: int
    log_ms: int
    version: str


class DeadLetterLine(Struct, frozen=True, kw_only=True):
    """A dead letter as it leaves, in JSON: its value as text, or in base64 if it is not UTF-8.

    Of a file's record partition, time and version are not told.
    """

    reason: str
    detail: str
    partition: int | UnsetType = UNSET
    offset: int
    time: str | UnsetType = UNSET
    version: str | UnsetType = UNSET
    value: str | UnsetType = UNSET
    value_base64: str | UnsetType = UNSET


class Places(Struct, frozen=True, kw_only=True):
    """What the nodes of faults mean: their paths, and what a config expects there."""

    config: Config
    paths: tuple[tuple[str, ...], ...]
    expected: dict[int, str]


class _Number(str):
    """The text of a JSON number, as it came."""


class _NotANumberError(ValueError):
    """Raised at a literal that is no JSON."""


def new_places(config: Config) -> Places:
    """The places of a config."""
    nodes = number_paths(config.events)
    line_node = len(nodes)
    fields = [field for event in config.events for field in event.fields if not field.line]
    inner = {field.path[:length] for field in fields for length in range(1, len(field.path))}
    expected = {nodes[field.path]: _TYPE_PHRASES[field.type] for field in fields}
    expected |= {nodes[path]: _AN_OBJECT for path in inner | {("properties",), ("traits",)}}
    expected |= {line_node + 1 + at: phrase for at, phrase in enumerate(_LINE_PHRASES)}
    expected[line_node] = _AN_OBJECT
    paths = (*nodes, (), *((key,) for key in LINE_FIELDS.values()))
    return Places(config=config, paths=paths, expected=expected)


def dead_letter(places: Places, raw: bytes, offset: int, fate: int) -> DeadLetter:
    """The dead letter of a record that has this fate."""
    code, node, line = fault_parts(fate)
    reason = REASONS[code - 1]
    if node == ROOT:
        detail = f"record: expected {_about_record(reason, raw)}"
    else:
        message = json.loads(raw, parse_int=_Number, parse_float=_Number)
        path = _full_path(places, message, node, line)
        value = _value_at(message, path)
        wanted = _wanted(places, reason, node, value)
        detail = f"{_dotted(path)}: expected {wanted}, got {_shown(value)}"
    return DeadLetter(reason=reason, detail=detail, offset=offset, value=raw)


def _about_record(reason: DeadLetterReason, raw: bytes) -> str:
    """The rest of the sentence where the record as a whole is at fault."""
    if reason == "too_large":
        return f"at most {RECORD_BYTES_MAX} bytes, got {len(raw)} or more"
    if reason == "too_deep":
        return f"at most {DEPTH_MAX} levels of objects and arrays, got more"
    try:
        value = json.loads(raw.decode(), parse_int=_Number, parse_constant=_refuse)
    except UnicodeDecodeError as error:
        return f"UTF-8, got byte 0x{raw[error.start]:02x} at position {error.start}: {error.reason}"
    except json.JSONDecodeError as error:
        return f"JSON, got at character {error.pos}: {error.msg}"
    except _NotANumberError as error:
        return f"JSON, got {error}; leave the key out or send null"
    return f"a JSON object, got {_shown(value)}"


def _refuse(literal: str) -> object:
    raise _NotANumberError(literal)


def _full_path(
    places: Places, message: dict[str, object], node: int, line: int
) -> tuple[str | int, ...]:
    """The path from the message's root; for a line, through its event's list and its number."""
    if line < 0:
        return places.paths[node]
    name = _event_name(places.config, message)
    event = next(event for event in places.config.events if event.name == name)
    lines = next(field for field in event.fields if field.type == "lines")
    return (*lines.path, line, *places.paths[node])


def _event_name(config: Config, message: dict[str, object]) -> str:
    if message["type"] != "track":
        return str(message["type"])
    return config.shop.vocabulary.get(str(message["event"]), str(message["event"]))


def _value_at(message: object, path: tuple[str | int, ...]) -> object:
    value = message
    for key in path:
        if isinstance(value, dict):
            value = value.get(key)
        elif isinstance(value, list) and isinstance(key, int):
            value = value[key]
        else:
            return None
    return value


def _wanted(places: Places, reason: DeadLetterReason, node: int, value: object) -> str:
    """What would have been right at a node."""
    shop = places.config.shop
    match reason:
        case "wrong_type":
            return places.expected.get(node, _A_TEXT)
        case "too_large":
            is_list = isinstance(value, list)
            return f"at most {LINES_MAX} lines" if is_list else f"at most {TEXT_BYTES_MAX} bytes"
        case "unknown_type":
            return _one_of(MESSAGE_TYPES)
        case "bad_control":
            return _one_of(CONTROL_KINDS) if node == CONTROL else "the ISO 8601 time that it proves"
        case "missing_id":
            return "a user's id here or in anonymousId"
        case "missing_message_id":
            return "an id that no other message has"
        case "no_timestamp":
            return "an ISO 8601 time after 1970"
        case "future":
            return "a time before 2109 that is, without receivedAt, near those around it"
        case "unknown_event":
            return f"an event of events.toml{_nearest(places.config, value)}"
        case "number_too_large":
            return "a number of at most 2^53"
        case "missing_field":
            return f"{places.expected[node]}, which events.toml requires"
        case "unknown_currency":
            return f"{shop.currency} or a currency with a rate in shop.toml"
    raise AssertionError(f"{reason} is about the record as a whole")


def _nearest(config: Config, value: object) -> str:
    names = [event.name for event in config.events] + list(config.shop.vocabulary)
    near = difflib.get_close_matches(str(value), names, n=1)
    return f" (did you mean '{near[0]}'?)" if near else ""


def _one_of(names: tuple[str, ...]) -> str:
    return f"one of {', '.join(names)}"


def _dotted(path: tuple[str | int, ...]) -> str:
    """A path as people write it.

    >>> _dotted(("properties", "products", 2, "price"))
    'properties.products[2].price'
    """
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path).lstrip(".")


def _shown(value: object) -> str:
    """A value as a sentence can hold it."""
    match value:
        case None:
            return "nothing"
        case bool():
            return f"{value}".lower()
        case list():
            return f"a list of {len(value)}"
        case dict():
            return _AN_OBJECT
        case _Number():
            return f"the number {_cut(value)}"
    return f"the text {json.dumps(_cut(str(value)), ensure_ascii=False)}"


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}... ({len(text)})"
