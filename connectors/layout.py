"""A config as the arrays that the compiled decoder reads, built once.

The paths of all fields are a tree of nodes (see `connectors.scan`). The root's own keys come first,
in the order of the node constants here; the nodes below each of them follow as one block.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from config.fields import field_names
from config.schema import LINE_FIELDS, MESSAGE_TYPES, Config, EventDef, Field
from connectors.names import new_names
from connectors.scan import Scanner, new_scanner

ROOT_KEYS = (
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
)
ROOT = 0
TYPE, EVENT, USER_ID, ANONYMOUS_ID, MESSAGE_ID = 1, 2, 3, 4, 5
TIMESTAMP, SENT_AT, RECEIVED_AT, ORIGINAL_TIMESTAMP = 6, 7, 8, 9
CONTROL, PROPERTIES, TRAITS = 10, 11, 12

CONTROL_TYPE = "beckon.control"
CONTROL_KINDS = ("tick", "config", "model", "cut_points", "erase", "withheld")
WITHHELD = CONTROL_KINDS.index("withheld")

TYPE_NAMES, EVENT_NAMES, CONTROL_NAMES, CURRENCIES = (1 << 20), (2 << 20), (3 << 20), (4 << 20)
"""Spaces of names, beyond all nodes.

Compiled functions find them in a Layout, as numba compiles a function anew for each constant.
"""

TRACK = MESSAGE_TYPES.index("track")
CONTROL_CODE = len(MESSAGE_TYPES)
"""Codes in the space TYPE_NAMES: the message types in their order, then control records."""

FIELD_TYPES = ("text", "number", "money", "flag")
TEXT_FIELD, NUMBER_FIELD, MONEY_FIELD = 0, 1, 2

FIELDS_FROM, FIELDS_TO, REQUIRED_FROM, REQUIRED_TO, LINES_NODE, HAS_MONEY = range(6)
"""Columns of `Layout.events`: ranges of `fields` and `required`; LINES_NODE is -1 without lines."""

COLUMN, NODE, KIND = range(3)
"""Columns of `Layout.fields`; `required` has the first two, with LINES_COLUMN for lines."""

LINES_COLUMN = -1

_CURRENCY_PATH = ("properties", "currency")
_NO_NODE = -1


class Layout(NamedTuple):
    """What the compiled decoder knows of a config.

    parents: each node's parent, -1 for a root. type_events: per message type, the index of the
    event of that name or -1. rates: per code of a currency, 0 being the shop's own. line_node: the
    root of an order's line, followed by the nodes of LINE_FIELDS. What ends in _names is a space of
    names.
    """

    scanner: Scanner
    parents: NDArray[np.int64]
    events: NDArray[np.int64]
    fields: NDArray[np.int64]
    required: NDArray[np.int64]
    type_events: NDArray[np.int64]
    rates: NDArray[np.float64]
    line_node: int
    currency_node: int
    type_names: int
    event_names: int
    control_names: int
    currency_names: int
    money_digits: int
    is_strict: int


def new_layout(config: Config) -> Layout:
    """The arrays for a config."""
    nodes = number_paths(config.events)
    currencies = [config.shop.currency, *sorted(set(config.shop.rates) - {config.shop.currency})]
    events, fields, required = _programs(config.events, nodes)
    indices = {event.name: index for index, event in enumerate(config.events)}
    line_node = len(nodes)
    parents = [nodes[path[:-1]] if path else _NO_NODE for path in nodes]
    return Layout(
        scanner=new_scanner(new_names(_codes(config, nodes, currencies)), _blocks(nodes)),
        parents=np.array([*parents, _NO_NODE, *(line_node for _ in LINE_FIELDS)], np.int64),
        events=events,
        fields=fields,
        required=required,
        type_events=np.array([indices.get(name, -1) for name in MESSAGE_TYPES], np.int64),
        rates=np.array([1.0, *(config.shop.rates[name] for name in currencies[1:])]),
        line_node=line_node,
        currency_node=nodes[_CURRENCY_PATH],
        type_names=TYPE_NAMES,
        event_names=EVENT_NAMES,
        control_names=CONTROL_NAMES,
        currency_names=CURRENCIES,
        money_digits=config.shop.minor_digits,
        is_strict=int(config.shop.strict),
    )


def number_paths(events: Iterable[EventDef]) -> dict[tuple[str, ...], int]:
    """The node of each path that a message may be asked for, in order; the root's path is ()."""
    wanted = {field.path for event in events for field in event.fields if not field.line}
    wanted.add(_CURRENCY_PATH)
    paths = {path[:length] for path in wanted for length in range(1, len(path) + 1)}
    others = sorted(path for path in paths if len(path) == 1 and path[0] not in ROOT_KEYS)
    tops = [*((key,) for key in ROOT_KEYS), *others]
    below = (sorted(path for path in paths if path[0] == top[0] and path != top) for top in tops)
    ordered = [(), *tops, *(path for block in below for path in block)]
    return {path: node for node, path in enumerate(ordered)}


def _blocks(nodes: dict[tuple[str, ...], int]) -> NDArray[np.int64]:
    """Per node, the half-open range of the nodes below it; those of an order's lines come last."""
    blocks = []
    for path, node in nodes.items():
        below = [
            other for longer, other in nodes.items() if longer[:-1][: len(path)] == path and longer
        ]
        blocks.append((min(below), max(below) + 1) if below else (node, node))
    line_node = len(nodes)
    blocks.append((line_node + 1, line_node + 1 + len(LINE_FIELDS)))
    return np.array([*blocks, *((line_node, line_node) for _ in LINE_FIELDS)], np.int64)


def _codes(
    config: Config, nodes: dict[tuple[str, ...], int], currencies: list[str]
) -> dict[tuple[int, str], int]:
    """All names that the decoder looks up, by their spaces."""
    line_node = len(nodes)
    codes = {(nodes[path[:-1]], path[-1]): node for path, node in nodes.items() if path}
    codes |= {(line_node, key): line_node + 1 + at for at, key in enumerate(LINE_FIELDS.values())}
    codes |= {(TYPE_NAMES, name): code for code, name in enumerate(MESSAGE_TYPES)}
    codes[TYPE_NAMES, CONTROL_TYPE] = CONTROL_CODE
    codes |= {(CONTROL_NAMES, name): code for code, name in enumerate(CONTROL_KINDS)}
    codes |= {(CURRENCIES, name): code for code, name in enumerate(currencies)}
    indices = {event.name: index for index, event in enumerate(config.events)}
    known = indices | {name: indices.get(to, -1) for name, to in config.shop.vocabulary.items()}
    return codes | {(EVENT_NAMES, name): index for name, index in known.items() if index >= 0}


def _programs(
    events: tuple[EventDef, ...], nodes: dict[tuple[str, ...], int]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """(events, fields, required) of a Layout."""
    columns = {name: column for column, name in enumerate(field_names(events))}
    rows: list[tuple[int, ...]] = []
    fields: list[tuple[int, ...]] = []
    required: list[tuple[int, ...]] = []
    for event in events:
        own = sorted(
            (field for field in event.fields if not field.line), key=lambda each: each.name
        )
        values = [field for field in own if field.type != "lines"]
        lines = [nodes[field.path] for field in own if field.type == "lines"]
        needed = [_required(name, own, columns, nodes) for name in event.require]
        spans = (len(fields), len(fields) + len(values), len(required), len(required) + len(needed))
        has_money = bool(lines) or any(field.type == "money" for field in values)
        rows.append((*spans, lines[0] if lines else _NO_NODE, has_money))
        fields += [
            (columns[field.name], nodes[field.path], FIELD_TYPES.index(field.type))
            for field in values
        ]
        required += needed
    return _table(rows, 6), _table(fields, 3), _table(required, 2)


def _required(
    name: str,
    fields: list[Field],
    columns: dict[str, int],
    nodes: dict[tuple[str, ...], int],
) -> tuple[int, int]:
    field = next((each for each in fields if each.name == name), None)
    assert field is not None, f"the config requires {name}, which its event does not define"
    column = LINES_COLUMN if field.type == "lines" else columns[name]
    return column, nodes[field.path]


def _table(rows: list[tuple[int, ...]], width: int) -> NDArray[np.int64]:
    return np.array(rows, np.int64).reshape(len(rows), width)
