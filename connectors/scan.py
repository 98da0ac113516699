"""The JSON scanner: validates a whole record, and notes the tokens of paths that the config names.

Paths are a tree of nodes, numbered so that the nodes below a node are one range. `Names` finds the
node of a key in the space of its parent; `Scanner.tokens` has a token per node. Of a key given
twice the last counts.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from config.jit import compiled, inlined
from config.words import byte_at
from connectors.escapes import unescape
from connectors.names import Names, find
from connectors.reasons import code_of
from connectors.tokens import (
    ABSENT,
    ARRAY,
    BAD_JSON,
    CLOSE_ARRAY,
    CLOSE_OBJECT,
    COLON,
    COMMA,
    OBJECT,
    OPEN_ARRAY,
    OPEN_OBJECT,
    QUOTE,
    START_SHIFT,
    TEXT,
    new_token,
    scan_scalar,
    scan_text,
)

DEPTH_MAX = 32
"""Levels of objects and arrays within each other."""

RECORD_BYTES_MAX = 65_536
"""A longer record is not looked at."""

NOWHERE = -1
"""The node of what no path of the config leads to."""

TOO_DEEP = -code_of("too_deep")

_IN_ARRAY = -2


class Scanner(NamedTuple):
    """What a scan needs; its working memory is used for one record after the other.

    names: keys to nodes; below: per node, the range of nodes below it; tokens: one per node.
    stack: the node of each open object; key: room for a key without its escapes; root: node 0.
    """

    names: Names
    below: NDArray[np.int64]
    tokens: NDArray[np.int64]
    stack: NDArray[np.int64]
    key: NDArray[np.uint8]
    root: int


def new_scanner(names: Names, below: NDArray[np.int64]) -> Scanner:
    """A scanner for these names."""
    return Scanner(
        names=names,
        below=below,
        tokens=np.zeros(len(below), np.int64),
        stack=np.zeros(DEPTH_MAX, np.int64),
        key=np.zeros(RECORD_BYTES_MAX + 8, np.uint8),
        root=0,
    )


@compiled
def scan_value(
    data: NDArray[np.uint8], position: int, end: int, node: int, scanner: Scanner
) -> int:
    """Scan the value that starts at or after `position`; returns where it ends, or a fault.

    `node` is the path that leads to it. A control character follows at `end`.
    """
    depth = 0
    while True:
        position = after_blanks(data, position, end)
        byte = byte_at(data, position)
        if byte in (OPEN_OBJECT, OPEN_ARRAY):
            if depth == DEPTH_MAX:
                return TOO_DEEP
            kind = OBJECT if byte == OPEN_OBJECT else ARRAY
            _note(scanner, node, position << START_SHIFT | kind)
            position = after_blanks(data, position + 1, end)
            if byte_at(data, position) == byte + 2:
                position += 1
            else:
                scanner.stack[depth] = _level(scanner, node, byte)
                depth += 1
                if byte == OPEN_ARRAY:
                    node = NOWHERE
                else:
                    position, node = _scan_key(
                        data, position, end, scanner.stack[depth - 1], scanner
                    )
                    if position < 0:
                        return position
                continue
        else:
            scanned = scan_scalar(data, position)
            if scanned < 0:
                return scanned
            if node >= 0:
                quotes = 1 if byte == QUOTE else 0
                length = (scanned >> 4) - position - 2 * quotes
                _note(scanner, node, new_token(scanned & 15, position + quotes, length))
            position = scanned >> 4
        while True:
            if depth == 0:
                return position
            position = after_blanks(data, position, end)
            byte = byte_at(data, position)
            parent = scanner.stack[depth - 1]
            position += 1
            if byte == COMMA:
                break
            if byte != (CLOSE_ARRAY if parent == _IN_ARRAY else CLOSE_OBJECT):
                return BAD_JSON
            depth -= 1
        node = NOWHERE
        if parent != _IN_ARRAY:
            position, node = _scan_key(data, position, end, parent, scanner)
            if position < 0:
                return position


@inlined
def after_blanks(data: NDArray[np.uint8], position: int, end: int) -> int:
    """The first position from here on that is `end` or no white space."""
    while position < end and byte_at(data, position) <= 0x20:
        byte = byte_at(data, position)
        if byte != 0x20 and byte != 0x0A and byte != 0x0D and byte != 0x09:
            return position
        position += 1
    return position


@inlined
def _level(scanner: Scanner, node: int, byte: int) -> int:
    """What the stack holds for what opens; objects without wanted keys are all the same."""
    if byte == OPEN_ARRAY:
        return _IN_ARRAY
    return node if node >= 0 and scanner.below[node, 1] > scanner.below[node, 0] else NOWHERE


@inlined
def _note(scanner: Scanner, node: int, token: int) -> None:
    """Note a token; what an earlier value of the same key left behind goes."""
    if node < 0:
        return
    if scanner.tokens[node] != ABSENT:
        for below in range(scanner.below[node, 0], scanner.below[node, 1]):
            scanner.tokens[below] = ABSENT
    scanner.tokens[node] = token


@inlined
def _scan_key(
    data: NDArray[np.uint8], position: int, end: int, parent: int, scanner: Scanner
) -> tuple[int, int]:
    """Scan a key and its colon: where its value starts (or a fault), and the node of its path."""
    start = after_blanks(data, position, end) + 1
    if byte_at(data, start - 1) != QUOTE:
        return BAD_JSON, NOWHERE
    scanned = scan_text(data, start)
    if scanned < 0:
        return scanned, NOWHERE
    node, length = NOWHERE, (scanned >> 4) - 1 - start
    if parent >= 0:
        if scanned & 15 == TEXT:
            node = find(scanner.names, data, start, length, parent)
        else:
            node = _find_escaped(data, start, length, parent, scanner)
    position = after_blanks(data, scanned >> 4, end)
    if byte_at(data, position) != COLON:
        return BAD_JSON, NOWHERE
    return position + 1, node


@compiled
def _find_escaped(
    data: NDArray[np.uint8], start: int, length: int, parent: int, scanner: Scanner
) -> int:
    """The node of a key that is written with escapes."""
    begin = len(scanner.key) - 8 - length
    end = unescape(data, start, length, scanner.key, begin)
    return find(scanner.names, scanner.key, begin, end - begin, parent)
