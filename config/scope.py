"""What the names of a rule mean where it stands, and what to say of those that mean nothing."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Literal, NamedTuple

from msgspec import Struct

from config.expressions import Fault
from config.opcodes import OP_CONST, OP_EVENT, OP_FEATURE, OP_TAG
from config.problems import nearest_name, shown
from config.schema import FieldType, ValueType

RuleType = Literal["number", "text", "texts", "truth", "unknown"]
"""Unknown is the type of what has a fault: it fits everywhere, so that one fault is told once."""

FIELD_RULE_TYPES: Mapping[FieldType, RuleType] = {
    "text": "text",
    "number": "number",
    "money": "number",
    "flag": "number",
}


class Scope(Struct, frozen=True, kw_only=True):
    """What a rule sees. None instead of a mapping means not known: any name is taken there.

    features: index and type by name (type None: it has a problem of its own). thresholds: numbers
    by name (None as well). tags: indices of the tags above the rule; `tags_below` are there but
    settle later. event: the entry event's name where rules see its fields; fields: value column
    and type by name. propensities: indices by model. features_only: the rule is one of models.toml,
    from which the others follow.
    """

    features: Mapping[str, tuple[int, ValueType | None]] | None
    thresholds: Mapping[str, float | None] = {}
    tags: Mapping[str, int] | None = {}
    tags_below: Collection[str] = ()
    event: str | None = None
    fields: Mapping[str, tuple[int, FieldType]] | None = {}
    propensities: Mapping[str, int] | None = {}
    features_only: bool = False


class Term(NamedTuple):
    """What a name stands for: an opcode with its operand, or with OP_CONST the `value`."""

    type: RuleType
    opcode: int = OP_CONST
    operand: int = 0
    value: float = 0.0


UNKNOWN = Term("unknown")
SPACES = ("event", "tags", "propensity")


def unknown(message: str, nearest: str | None, write: str | None, otherwise: str) -> Fault:
    """A name that means nothing: write the nearest instead, where there is one."""
    return Fault(message, nearest, f"write {write}" if nearest is not None else otherwise)


def find_name(name: str, scope: Scope) -> Term | Fault:
    """The feature or threshold of this name."""
    if name in scope.thresholds:
        value = scope.thresholds[name]
        return UNKNOWN if value is None else Term("number", value=value)
    if scope.features is None:
        return UNKNOWN
    if name not in scope.features:
        nearest = nearest_name(name, [*scope.features, *scope.thresholds])
        fix = "add it to features.toml or to [thresholds]; a text needs single quotes"
        return unknown(f"no feature or threshold {shown(name)}", nearest, nearest, fix)
    index, value_type = scope.features[name]
    return UNKNOWN if value_type is None else Term(value_type, OP_FEATURE, index)


def find_in_space(space: str, name: str, scope: Scope) -> Term | Fault:
    """What `space.name` stands for: a tag, a propensity, or a field of the entry event."""
    if scope.features_only and space in SPACES:
        message = f"'{space}.' is not known in models.toml, from which propensities are made"
        return Fault(message, fix="use a feature")
    if space == "tags":
        return find_tag(name, scope)
    if space == "event":
        return find_field(name, scope)
    if space == "propensity":
        return find_propensity(name, scope)
    nearest = nearest_name(space, SPACES)
    fix = "before the dot stands tags, propensity or event"
    return unknown(f"no name space {shown(space)}", nearest, f"{nearest}.{name}", fix)


def find_tag(name: str, scope: Scope) -> Term | Fault:
    """The tag or group of this name, if it stands above."""
    if scope.tags is None:
        return UNKNOWN
    if name in scope.tags:
        return Term("truth", OP_TAG, scope.tags[name])
    if name in scope.tags_below:
        message = f"expected a tag that stands above this rule, got 'tags.{name}'"
        return Fault(message, fix=f"move this rule below {name}, or name a tag above")
    nearest = nearest_name(name, scope.tags)
    return unknown(f"no tag {shown(name)}", nearest, f"tags.{nearest}", "add it to tags.toml")


def find_propensity(name: str, scope: Scope) -> Term | Fault:
    """The propensity that the model of this name makes."""
    if scope.propensities is None:
        return UNKNOWN
    if name in scope.propensities:
        return Term("number", OP_FEATURE, scope.propensities[name])
    nearest = nearest_name(name, scope.propensities)
    fix = "add the model to models.toml"
    return unknown(f"no model {shown(name)}", nearest, f"propensity.{nearest}", fix)


def find_field(name: str, scope: Scope) -> Term | Fault:
    """The field of the entry event of this name."""
    if scope.event is None:
        message = "'event.' is known only in the `when` of an [entry] that has an event"
        return Fault(message, fix="use a feature or a tag")
    if scope.fields is None:
        return UNKNOWN
    if name not in scope.fields:
        nearest = nearest_name(name, scope.fields)
        message = f"no field of {shown(scope.event)} named {shown(name)}"
        return unknown(message, nearest, f"event.{nearest}", "add it to events.toml")
    column, field_type = scope.fields[name]
    if field_type == "lines":
        message = f"expected a field with one value, got {shown(name)}, the lines of an order"
        return Fault(message, fix="name another field")
    return Term(FIELD_RULE_TYPES[field_type], OP_EVENT, column)
