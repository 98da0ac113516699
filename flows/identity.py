"""What decisions and hold-outs are known by, hashed: ids, and whether a user is held out."""

from __future__ import annotations

from typing import NamedTuple

from config.jit import compiled
from connectors.blake2b import Hashing, blake2b, hashed_share
from connectors.json_text import Bytes, put_instant
from flows.render_parts import put_bytes, put_part
from flows.render_plan import (
    JOURNEY_HASHED,
    JOURNEY_RECORD_WORDS,
    JOURNEYS_AT,
    STAGE_ID,
    STAGE_NAME,
    STAGE_RECORD_WORDS,
    STAGES_AT,
    RenderPlan,
)
from state.texts import Texts

ID_BYTES, HOLDOUT_HASH_BYTES = 16, 8
HASHED_BYTES_MAX = 2048
"""More than what an id is hashed from: a user, a key, names and an instant."""


class Decision(NamedTuple):
    """What a decision's id is made of: its type (a part of the plan), whose, and of which stage."""

    kind: int
    user: int
    journey: int
    stage: int
    key: int
    entry_ms: int


class Naming(NamedTuple):
    """What hashing needs beside the texts that events named. What is hashed goes into `buffer`."""

    plan: RenderPlan
    users: Texts
    hashing: Hashing
    buffer: Bytes


@compiled
def hash_decision(naming: Naming, texts: Texts, decision: Decision, at: int) -> None:
    """Make the id of a decision, with which `naming.hashing` then begins.

    Of type, user, journey, key, entry and stage, NUL between them; it stands in the buffer from
    `at` on for a moment.
    """
    plan, buffer = naming.plan, naming.buffer
    stage = stage_record(plan, decision.journey, decision.stage)
    end = put_part(plan, decision.kind, buffer, at)
    end = put_bytes(naming.users, decision.user, buffer, end)
    end = put_part(plan, plan.words[stage + STAGE_ID], buffer, end)
    if decision.key != 0:
        end = put_bytes(texts, decision.key, buffer, end)
    # The instant is written with quotes around it: the NUL takes the place of the first.
    begin = end
    end = put_instant(buffer, end, decision.entry_ms) - 1
    buffer[begin] = 0
    end = put_part(plan, plan.words[stage + STAGE_NAME], buffer, end)
    blake2b(naming.hashing, buffer, at, end, ID_BYTES)


@compiled
def is_held_out(naming: Naming, user: int, journey: int, at: int) -> bool:
    """Whether a user is in a journey's hold-out (see `connectors.triggers.held_out`).

    What is hashed stands in the buffer from `at` on for a moment.
    """
    plan, buffer = naming.plan, naming.buffer
    share = plan.holdouts[journey]
    if share <= 0.0:
        return False
    record = plan.words[JOURNEYS_AT] + journey * JOURNEY_RECORD_WORDS
    end = put_part(plan, plan.words[record + JOURNEY_HASHED], buffer, at)
    end = put_bytes(naming.users, user, buffer, end)
    blake2b(naming.hashing, buffer, at, end, HOLDOUT_HASH_BYTES)
    return bool(hashed_share(naming.hashing) < share)


@compiled
def stage_record(plan: RenderPlan, journey: int, stage: int) -> int:
    """Where a stage's record stands in the words of the plan."""
    return int(plan.words[plan.words[STAGES_AT] + journey] + stage * STAGE_RECORD_WORDS)
