"""The contract with those who read what Beckon sends: JSON Schemas from the code's own types.

They are written to `docs/contracts/` by `python -m connectors.contract_files`.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct, inspect, structs

from connectors.contract_fields import FIELDS
from connectors.dead_letters import DeadLetterLine
from connectors.triggers import (
    EXAMPLE,
    GOAL,
    SUPPRESSED,
    TAG,
    TRIGGER,
    CloudEvent,
    Decided,
    Example,
    GoalReached,
    Turned,
)

Schema = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_AT_LEAST_ONCE = "At least once, with the same `id` each time."


class Message(Struct, frozen=True, kw_only=True):
    """A kind of message.

    output: the output of a replay that has it. event_type: its CloudEvents type; None: it is no
    CloudEvent. body: the type of its data, or of the whole message if it is no CloudEvent. without:
    fields that this kind never has. either: fields of which it has exactly one. live_only: fields
    that it has in a topic and lacks in a file. optional: fields that it may lack; it has all
    others. known: fields of it that are never null.
    """

    name: str
    title: str
    topic: str
    output: str
    about: str
    delivery: str
    event_type: str | None
    body: type[Struct]
    without: tuple[str, ...] = ()
    either: tuple[str, ...] = ()
    live_only: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    known: tuple[str, ...] = ()


MESSAGES = (
    Message(
        name="trigger",
        title="A message to send",
        topic="beckon.triggers",
        output="triggers",
        about="Tells a gateway to send something to a user, now.",
        delivery="Exactly once in the topic, for those who read with `read_committed`.",
        event_type=TRIGGER,
        body=Decided,
        without=("reason",),
        optional=("because",),
        known=("channel",),
    ),
    Message(
        name="suppressed",
        title="A stage that was not sent",
        topic="beckon.suppressed",
        output="decisions",
        about="A stage was due and is not sent, for this reason. For reports; nothing to act on.",
        delivery=_AT_LEAST_ONCE,
        event_type=SUPPRESSED,
        body=Decided,
        without=("expirytime", "because"),
    ),
    Message(
        name="goal",
        title="A goal that was reached",
        topic="beckon.goals",
        output="decisions",
        about="What a journey is for happened in time, after a stage was sent or held out.",
        delivery=_AT_LEAST_ONCE,
        event_type=GOAL,
        body=GoalReached,
        without=("expirytime",),
    ),
    Message(
        name="tag",
        title="A tag gained or lost",
        topic="beckon.tags",
        output="tags",
        about="A user gained or lost a tag: what keeps an audience elsewhere up to date.",
        delivery=_AT_LEAST_ONCE,
        event_type=TAG,
        body=Turned,
        without=("expirytime",),
    ),
    Message(
        name="closed_example",
        title="An example that has closed",
        topic="beckon.examples",
        output="examples",
        about="What a user was like when sampled for a model, and what came of it. For learners; "
        "also a training set without leakage for your own.",
        delivery="At least once, with the same `id` each time; the topic has one partition.",
        event_type=EXAMPLE,
        body=Example,
        without=("expirytime",),
        optional=("trigger",),
    ),
    Message(
        name="dead_letter",
        title="A record that cannot be used",
        topic="beckon.dead-letters",
        output="dead_letters",
        about="A record of the log that cannot be used, whole, with the reason. No CloudEvent.",
        delivery="At least once; `partition` and `offset` tell one from another.",
        event_type=None,
        body=DeadLetterLine,
        either=("value", "value_base64"),
        live_only=("partition", "time", "version"),
    ),
)
"""All that leaves Beckon, each kind on a topic of its own."""


def schema_of(message: Message) -> Schema:
    """The JSON Schema of a kind of message, complete in itself.

    It lets unknown fields pass, because later versions of Beckon may add some.
    """
    head: Schema = {"title": message.title, "description": message.about}
    if message.event_type is None:
        return head | _object_schema(message.body, message)
    schema = head | _object_schema(CloudEvent, message)
    schema["properties"]["type"]["const"] = message.event_type
    return schema


def document_of(message: Message) -> Schema:
    """The schema as a document of its own, which says what it is and by which dialect."""
    return {"$schema": DIALECT, "$id": f"urn:beckon:{message.name}"} | schema_of(message)


def type_of(struct: type[Struct], name: str) -> inspect.Type:
    """The type of a field, any but the envelope's `data`."""
    return inspect.type_info(
        next(field.type for field in structs.fields(struct) if field.name == name)
    )


def _object_schema(struct: type[Struct], message: Message) -> Schema:
    properties: Schema = {}
    for name in struct.__struct_fields__:
        if name in message.without:
            continue
        is_data = struct is CloudEvent and name == "data"
        kind = inspect.type_info(message.body) if is_data else type_of(struct, name)
        if name in message.known and isinstance(kind, inspect.UnionType):
            kind = next(one for one in kind.types if not isinstance(one, inspect.NoneType))
        field = FIELDS[struct][name]
        properties[name] = {"description": field.about} | _schema(kind, message) | field.more
    schema: Schema = {"type": "object", "properties": properties}
    spared = (*message.either, *message.live_only, *message.optional)
    schema["required"] = [name for name in properties if name not in spared]
    if message.either and struct is message.body:
        schema["oneOf"] = [{"required": [name]} for name in message.either]
    return schema


def _schema(kind: inspect.Type, message: Message) -> Schema:
    """What JSON Schema says of a type of Python's."""
    match kind:
        case inspect.StructType():
            return _object_schema(kind.cls, message)
        case inspect.ListType():
            return {"type": "array", "items": _schema(kind.item_type, message)}
        case inspect.DictType():
            return {"type": "object", "additionalProperties": _schema(kind.value_type, message)}
        case inspect.UnionType():
            parts = [_schema(one, message) for one in kind.types]
            merged = {key: value for part in parts for key, value in part.items()}
            return merged | {"type": [part["type"] for part in parts]}
    return {"type": _SIMPLE[type(kind)]}


_SIMPLE: dict[type[inspect.Type], str] = {
    inspect.StrType: "string",
    inspect.FloatType: "number",
    inspect.IntType: "integer",
    inspect.BoolType: "boolean",
    inspect.NoneType: "null",
}
