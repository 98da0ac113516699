"""Renders tags gained and lost to JSON lines, compiled: there are more of them than of triggers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from config.jit import compiled
from connectors.blake2b import Hashing, blake2b, put_hash
from connectors.json_text import Bytes, put_instant, put_whole
from flows.identity import ID_BYTES
from flows.output import TURNED_HELD, TURNED_INSTANT, TURNED_OFFSET, TURNED_TAG, TURNED_USER
from flows.render_parts import put_bytes, put_name, put_part
from flows.render_plan import (
    HEAD,
    ID_GAINED,
    ID_LOST,
    ID_TAG,
    SUBJECT_TAG,
    TAG_END,
    TAG_GAINED,
    TAG_ID,
    TAG_LOST,
    TAG_OPENING,
    TAG_RECORD_WORDS,
    TAGS_AT,
    TIME,
    RenderPlan,
)
from state.texts import Texts


@compiled
def render_transitions(
    plan: RenderPlan,
    users: Texts,
    rows: NDArray[np.int64],
    hashing: Hashing,
    buffer: Bytes,
    ends: NDArray[np.int64],
) -> None:
    """Write transitions into `buffer`, one after the other; `ends` tells where each ends.

    `rows` are as `flows.output.Reported` has them.
    """
    at = 0
    for row in range(len(rows)):
        # What the id is made of stands for a moment where the line will.
        end = _put_identity(plan, users, rows, row, buffer, at)
        blake2b(hashing, buffer, at, end, ID_BYTES)
        at = _put_transition(plan, users, rows, row, hashing, buffer, at)
        ends[row] = at


@compiled
def _put_identity(
    plan: RenderPlan, users: Texts, rows: NDArray[np.int64], row: int, buffer: Bytes, at: int
) -> int:
    """Type, user, tag, instant, whether it is held, and offset, NUL between them."""
    tag = plan.words[TAGS_AT] + rows[row, TURNED_TAG] * TAG_RECORD_WORDS
    at = put_bytes(users, rows[row, TURNED_USER], buffer, put_part(plan, ID_TAG, buffer, at))
    at = put_part(plan, plan.words[tag + TAG_ID], buffer, at)
    begin = at
    at = put_instant(buffer, at, rows[row, TURNED_INSTANT]) - 1
    buffer[begin] = 0
    held = rows[row, TURNED_HELD] != 0
    at = put_part(plan, ID_GAINED if held else ID_LOST, buffer, at)
    return put_whole(buffer, at, rows[row, TURNED_OFFSET])


@compiled
def _put_transition(
    plan: RenderPlan,
    users: Texts,
    rows: NDArray[np.int64],
    row: int,
    hashing: Hashing,
    buffer: Bytes,
    at: int,
) -> int:
    tag = plan.words[TAGS_AT] + rows[row, TURNED_TAG] * TAG_RECORD_WORDS
    at = put_hash(hashing, ID_BYTES, buffer, put_part(plan, HEAD, buffer, at))
    at = put_name(users, rows[row, TURNED_USER], buffer, put_part(plan, SUBJECT_TAG, buffer, at))
    at = put_instant(buffer, put_part(plan, TIME, buffer, at), rows[row, TURNED_INSTANT])
    at = put_part(plan, plan.words[tag + TAG_OPENING], buffer, at)
    at = put_part(plan, TAG_GAINED if rows[row, TURNED_HELD] != 0 else TAG_LOST, buffer, at)
    at = put_whole(buffer, at, rows[row, TURNED_OFFSET])
    return put_part(plan, TAG_END, buffer, at)
