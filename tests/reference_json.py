"""The JSON of the reference decoder: Python's parser, with our reasons for what it refuses."""

from __future__ import annotations

import json
import re


class DeadError(Exception):
    """Raised where a record turns out to be unusable; its one argument is the reason."""


class Number(str):
    """The text of a JSON number."""


def is_text(value: object) -> bool:
    """Whether a parsed value is a JSON string."""
    return isinstance(value, str) and not isinstance(value, Number)


def parse(line: bytes) -> object:
    """The JSON value of a record; lone surrogates become U+FFFD, numbers stay texts."""
    if len(line) > 65_536:
        raise DeadError("too_large")
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        raise DeadError("bad_utf8") from None
    shallow = cut_below_32_levels(text)
    value = parse_shallow(text if shallow is None else shallow)
    if shallow is not None:
        raise DeadError("too_deep")
    return value


def cut_below_32_levels(text: str) -> str | None:
    """The text with `null` for what opens the 33rd level, properly closed; None if nothing does."""
    closing: list[str] = []
    inside = escaped = False
    for position, character in enumerate(text):
        if inside:
            inside = escaped or character != '"'
            escaped = not escaped and character == "\\"
        elif character == '"':
            inside = True
        elif character in "[{":
            if len(closing) == 32:
                return text[:position] + "null" + "".join(reversed(closing))
            closing.append("]" if character == "[" else "}")
        elif character in "]}" and closing:
            closing.pop()
    return None


def parse_shallow(text: str) -> object:
    """Python's own parser, with the reasons for what it does not take."""

    def not_a_number(literal: str) -> object:
        raise DeadError("not_a_number")

    try:
        value: object = json.loads(
            text, parse_constant=not_a_number, parse_int=Number, parse_float=Number
        )
    except json.JSONDecodeError:
        raise DeadError("bad_json") from None
    return without_lone_surrogates(value)


def without_lone_surrogates(value: object) -> object:
    """The same value with U+FFFD for each lone surrogate."""
    if isinstance(value, dict):
        return {
            without_lone_surrogates(key): without_lone_surrogates(each)
            for key, each in value.items()
        }
    if isinstance(value, list):
        return [without_lone_surrogates(each) for each in value]
    if is_text(value):
        return re.sub("[\ud800-\udfff]", "\ufffd", str(value))
    return value
