"""The fields of the reference decoder: an event's fields and lines by their types, exactly."""

from __future__ import annotations

import math
from fractions import Fraction

from config.schema import LINE_FIELDS, NUMBER_SCALE, Config, EventDef, Field
from tests.reference_json import DeadError, Number, is_text

NUMBER_MAX = 2**53
LINE_TYPES = {"item": "text", "price": "money", "quantity": "number", "category": "text"}


def check_fields(
    message: dict[str, object], definition: EventDef, config: Config
) -> tuple[dict[str, int | str | bool], list[dict[str, int | str | bool]]]:
    """(fields, lines) that the event defines."""
    digits = config.shop.minor_digits
    fields: dict[str, int | str | bool] = {}
    own = [field for field in definition.fields if not field.line]
    values = sorted((each for each in own if each.type != "lines"), key=lambda each: each.name)
    for field in values:
        value = convert(at_path(message, field), field.type, digits)
        if value is not None:
            fields[field.name] = value
    lines_field = next((field for field in own if field.type == "lines"), None)
    lines = None if lines_field is None else check_lines(at_path(message, lines_field), digits)
    for name in definition.require:
        is_there = lines is not None if lines_field and name == lines_field.name else name in fields
        if not is_there:
            raise DeadError("missing_field")
    money = [field.name for field in values if field.type == "money"]
    if money or lines_field is not None:
        to_own_currency(
            message,
            [(fields, name) for name in money if name in fields]
            + [(line, "price") for line in lines or [] if "price" in line],
            config,
        )
    return fields, lines or []


def at_path(message: dict[str, object], field: Field) -> object:
    """The value at a field's path; absent and null are None, a path through anything else fails."""
    value: object = message
    for key in field.path:
        if value is None:
            return None
        if not isinstance(value, dict):
            raise DeadError("wrong_type")
        value = value.get(key)
    return value


def check_lines(value: object, digits: int) -> list[dict[str, int | str | bool]] | None:
    """The lines of an order; None when there is no such list."""
    if value is None:
        return None
    if not isinstance(value, list):
        raise DeadError("wrong_type")
    if len(value) > 2000:
        raise DeadError("too_large")
    lines = []
    for each in value:
        if not isinstance(each, dict):
            raise DeadError("wrong_type")
        line = {
            name: convert(each.get(key), LINE_TYPES[name], digits)
            for name, key in LINE_FIELDS.items()
        }
        lines.append({name: value for name, value in line.items() if value is not None})
    return lines


def convert(value: object, kind: str, digits: int) -> int | str | bool | None:
    """One field's value by its type; None when absent."""
    if value is None:
        return None
    if kind == "text":
        if not is_text(value):
            raise DeadError("wrong_type")
        if len(str(value).encode()) > 256:
            raise DeadError("too_large")
        return str(value)
    if kind == "flag":
        if not isinstance(value, bool):
            raise DeadError("wrong_type")
        return value
    if not isinstance(value, Number):
        raise DeadError("wrong_type")
    return rounded(value, 10**digits if kind == "money" else NUMBER_SCALE)


def rounded(text: Number, scale: int) -> int:
    """The number times `scale`, as a whole number, half away from zero."""
    mantissa, _, exponent = text.lower().partition("e")
    if not mantissa.strip("-0."):
        return 0
    if len(exponent.lstrip("+-0")) > 6:
        if exponent.startswith("-"):
            return 0
        raise DeadError("number_too_large")
    whole, _, decimals = mantissa.lstrip("-").partition(".")
    power = int(exponent or "0") - len(decimals)
    digits = (whole + decimals).lstrip("0")
    if len(digits) + power > 17:
        raise DeadError("number_too_large")
    if len(digits) + power < -17:
        return 0
    number = Fraction(whole_number(digits)) * Fraction(10) ** power
    if number > NUMBER_MAX:
        raise DeadError("number_too_large")
    whole_units = math.floor(number * scale + Fraction(1, 2))
    return -whole_units if mantissa.startswith("-") else whole_units


def whole_number(digits: str) -> int:
    """`int` without its limit of 4300 digits."""
    value = 0
    for start in range(0, len(digits), 4000):
        part = digits[start : start + 4000]
        value = value * 10 ** len(part) + int(part)
    return value


def to_own_currency(
    message: dict[str, object],
    amounts: list[tuple[dict[str, int | str | bool], str]],
    config: Config,
) -> None:
    """Turn amounts of another currency into the shop's, in place."""
    properties = message.get("properties")
    currency = properties.get("currency") if isinstance(properties, dict) else None
    if currency is None or (currency == config.shop.currency and is_text(currency)):
        return
    if not is_text(currency):
        raise DeadError("wrong_type")
    if currency not in config.shop.rates:
        raise DeadError("unknown_currency")
    for holder, name in amounts:
        amount = float(holder[name]) * config.shop.rates[str(currency)] + 0.5
        if abs(amount) > NUMBER_MAX * 10**config.shop.minor_digits:
            raise DeadError("number_too_large")
        holder[name] = math.floor(amount)
