"""The parts of docs/triggers.md that are made from the code: tables of fields, examples."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct, inspect

from connectors.contract_fields import FIELDS, SUPPRESSION_MEANINGS, Field
from connectors.contracts import MESSAGES, Message, type_of
from connectors.dead_letters import DeadLetterLine
from connectors.triggers import CloudEvent, Decided, Example, GoalReached, Turned

WIDTH = 96
"""Characters of a line of JSON before it is broken."""


def page_blocks(examples: Mapping[str, Any]) -> dict[str, str]:
    """The blocks of the page by name; `examples` has a message of each kind, by its name."""
    shown = {
        f"{name.replace('_', ' ')} example": f"```json\n{laid_out(example)}\n```"
        for name, example in examples.items()
    }
    reasons = [f"| `{name}` | {meaning} |" for name, meaning in SUPPRESSION_MEANINGS.items()]
    return shown | {
        "envelope": _table(CloudEvent, ""),
        "decision": _table(Decided, "data."),
        "goal": _table(GoalReached, "data."),
        "tag": _table(Turned, "data."),
        "closed example": _table(Example, "data."),
        "dead letter": _table(DeadLetterLine, ""),
        "reasons": "\n".join(["| reason | means |", "|---|---|", *reasons]),
        "topics": _topics(),
    }


def laid_out(value: object, indent: int = 0, before: int = 0) -> str:
    """A value as JSON for people: what fits into a line stays in one.

    indent: of the lines after the first; before: characters that precede it in its own.
    """
    flat = json.dumps(value, ensure_ascii=False)
    if indent + before + len(flat) <= WIDTH or not isinstance(value, dict | list):
        return flat
    inner = indent + 2
    if isinstance(value, dict):
        heads = [f"{json.dumps(key, ensure_ascii=False)}: " for key in value]
        parts, ends = list(value.values()), "{}"
    else:
        heads, parts, ends = [""] * len(value), value, "[]"
    lines = [
        f"{' ' * inner}{head}{laid_out(part, inner, len(head))}"
        for head, part in zip(heads, parts, strict=True)
    ]
    return f"{ends[0]}\n" + ",\n".join(lines) + f"\n{' ' * indent}{ends[1]}"


def _topics() -> str:
    rows = [
        f"| `{message.topic}` | `--{message.output.replace('_', '-')}` | {_type_name(message)} "
        f"| {message.delivery} |"
        for message in MESSAGES
    ]
    return "\n".join(["| topic | file today | type | delivered |", "|---|---|---|---|", *rows])


def _type_name(message: Message) -> str:
    return f"`{message.event_type}`" if message.event_type else "none: no CloudEvent"


def _table(struct: type[Struct], prefix: str) -> str:
    return "\n".join(["| field | is | means |", "|---|---|---|", *_rows(struct, prefix)])


def _rows(struct: type[Struct], prefix: str) -> Iterator[str]:
    """A row per field, those of the objects inside it after it."""
    for name, field in FIELDS[struct].items():
        path = f"{prefix}{name}"
        if (struct, name) == (CloudEvent, "data"):
            yield f"| `{path}` | object | {field.about} |"
            continue
        kind = type_of(struct, name)
        yield f"| `{path}` | {_words(kind, field)} | {field.about}{_only(struct, name)} |"
        if isinstance(kind, inspect.StructType):
            yield from _rows(kind.cls, f"{path}.")
        elif isinstance(kind, inspect.ListType) and isinstance(kind.item_type, inspect.StructType):
            yield from _rows(kind.item_type.cls, f"{path}[].")


def _only(struct: type[Struct], name: str) -> str:
    """Which kinds have a field that not all of them have."""
    kinds = [message for message in MESSAGES if struct in (message.body, CloudEvent)]
    events = [message for message in kinds if message.event_type is not None]
    having = [message for message in events if name not in message.without]
    if len(having) == len(events):
        return ""
    return " Only in " + ", ".join(f"`{message.event_type}`" for message in having) + "."


def _words(kind: inspect.Type, field: Field) -> str:
    """A type in plain words."""
    if field.more.get("format") == "date-time":
        return "instant"
    match kind:
        case inspect.ListType():
            return f"list of {_words(kind.item_type, field)}s"
        case inspect.DictType():
            return "object"
        case inspect.UnionType():
            return " or ".join(_words(one, field) for one in kind.types)
    return _WORDS[type(kind)]


_WORDS: dict[type[inspect.Type], str] = {
    inspect.StrType: "text",
    inspect.FloatType: "number",
    inspect.IntType: "whole number",
    inspect.BoolType: "true or false",
    inspect.NoneType: "null",
    inspect.StructType: "object",
}
