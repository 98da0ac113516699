"""The topics that Beckon sends to, as an AsyncAPI 3.0 document for those who listen."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from connectors.contracts import MESSAGES, Message, Schema, schema_of

BINDING_VERSION = "0.5.0"
_ABOUT = (
    "The topics that Beckon sends to, seen by an application that listens, such as a messaging "
    "gateway. Pass over unknown fields: later versions may add some. Today a replay writes the "
    "same messages to files, one a line; the topics come with the live engine. What a gateway must "
    "do is told in docs/triggers.md."
)
_KEY = "The user's id, the same as `subject`: what concerns a user stays in order."
_LOST_KEY = "None: a letter is in the partition of the same number as its record."


def asyncapi_document(examples: Mapping[str, Any]) -> Schema:
    """The document; `examples` has a message of each kind, by its name."""
    return {
        "asyncapi": "3.0.0",
        "id": "urn:beckon:contracts",
        "info": {
            "title": "Beckon",
            "version": version("beckon"),
            "description": _ABOUT,
            "license": {"name": "Apache-2.0"},
        },
        "channels": {message.name: _channel(message) for message in MESSAGES},
        "operations": {f"receive_{message.name}": _operation(message) for message in MESSAGES},
        "components": {
            "messages": {
                message.name: _message(message, examples[message.name]) for message in MESSAGES
            },
            "schemas": {message.name: schema_of(message) for message in MESSAGES},
        },
    }


def _channel(message: Message) -> Schema:
    return {
        "address": message.topic,
        "title": message.title,
        "description": f"{message.about} {message.delivery}",
        "messages": {message.name: _reference("components/messages", message.name)},
        "bindings": _kafka(topic=message.topic),
    }


def _operation(message: Message) -> Schema:
    group = {"type": "string", "description": "One per application: each gets every message."}
    return {
        "action": "receive",
        "summary": message.about,
        "channel": _reference("channels", message.name),
        "messages": [_reference(f"channels/{message.name}/messages", message.name)],
        "bindings": _kafka(groupId=group),
    }


def _message(message: Message, example: object) -> Schema:
    is_event = message.event_type is not None
    key = {"type": "string", "description": _KEY if is_event else _LOST_KEY}
    return {
        "name": message.event_type or message.name,
        "title": message.title,
        "summary": message.about,
        "contentType": "application/cloudevents+json" if is_event else "application/json",
        "payload": _reference("components/schemas", message.name),
        "bindings": _kafka(key=key),
        "examples": [{"name": message.name, "payload": example}],
    }


def _reference(place: str, name: str) -> Schema:
    return {"$ref": f"#/{place}/{name}"}


def _kafka(**more: object) -> Schema:
    return {"kafka": {**more, "bindingVersion": BINDING_VERSION}}
