"""Consent, as far as it goes today: unsubscribing closes a channel, and so does a trait."""

from __future__ import annotations

from config.jit import compiled
from connectors.columns import MISSING, Columns
from flows.features import text_number
from flows.plan_words import (
    CHANNEL_COLUMN,
    CHANNEL_COUNT,
    CHANNEL_TEXT,
    CHANNEL_TRAIT,
    CHANNEL_WORDS,
    CHANNELS,
    CONSENT_ROLE,
    CONSENT_UNSUBSCRIBE,
    EMAIL_CHANNEL,
    EVENT_WORDS,
    EVENTS,
)
from state.layout import CLOSED_CHANNELS, ROW_WORDS, Plan
from state.memory import Memory
from state.texts import Texts


@compiled
def apply_consent(
    memory: Memory, plan: Plan, texts: Texts, columns: Columns, index: int, slot: int
) -> None:
    """Close the channel that the user unsubscribed from; open or close those that traits name."""
    ints = plan.ints
    closed_at = 2 * slot * ints[ROW_WORDS] + CLOSED_CHANNELS
    closed = int(memory.rows32[closed_at])
    role = ints[ints[EVENTS] + columns.event[index] * EVENT_WORDS + CONSENT_ROLE]
    if role == CONSENT_UNSUBSCRIBE:
        cell = columns.values[index, ints[CHANNEL_COLUMN]]
        name = text_number(texts, columns.data, cell) if cell != MISSING else ints[EMAIL_CHANNEL]
        for channel in range(ints[CHANNEL_COUNT]):
            if ints[ints[CHANNELS] + channel * CHANNEL_WORDS + CHANNEL_TEXT] == name:
                closed |= 1 << channel
    else:
        for channel in range(ints[CHANNEL_COUNT]):
            trait = ints[ints[CHANNELS] + channel * CHANNEL_WORDS + CHANNEL_TRAIT]
            cell = columns.values[index, trait] if trait >= 0 else MISSING
            if cell != MISSING:
                closed = closed | 1 << channel if cell != 0 else closed & ~(1 << channel)
    memory.rows32[closed_at] = closed
