"""A user's profile as a person reads it: features, tags, instances, last triggers, all by name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from config.schema import Config
from connectors.late import TOO_LATE
from connectors.triggers import held_out, instant_text
from flows.decisions import Names
from flows.features import LAST_TOUCHED, read_features
from flows.machine import VALUES, Scratch
from flows.plan import PlanOf
from flows.plan_words import ALL_FEATURES
from state.history import (
    GOAL_STAGE,
    HISTORY_JOURNEY,
    HISTORY_SENT,
    HISTORY_SENT_AT,
    shadow_sent,
    stage_sent,
    withheld_at,
)
from state.instances import DUE, INSTANCE_ENTRY, INSTANCE_KEY, first_instance, journey_of, stage_of
from state.layout import CLOSED_CHANNELS, HISTORY_HEAD, TAGS
from state.memory import Memory
from state.seconds import instant_in


class ProfileReader(NamedTuple):
    """Reads the rows of one partition; slots are those of its table of users."""

    config: Config
    made: PlanOf
    names: Names
    memory: Memory
    scratch: Scratch

    def profile(self, user: bytes, slot: int, clock_ms: int) -> dict[str, object]:
        """The profile as of the clock; docs/semantics.md says what each part is."""
        held = {name: instant_text(at) for name, at in self.tags(slot).items()}
        return {
            "user": user.decode(),
            "at": instant_text(clock_ms),
            "features": self.features(slot, clock_ms),
            "tags": held,
            "instances": [self._instance(node) for node in self._instances(slot)],
            "triggers": self._triggers(user, slot),
            "closed_channels": self._closed_channels(slot),
        }

    def features(self, slot: int, clock_ms: int) -> dict[str, float | str | list[str]]:
        """The features that are not missing, by name."""
        listed = self.made.plan.ints[ALL_FEATURES]
        read_features(
            self.memory, self.made.plan, listed, slot, clock_ms, LAST_TOUCHED, self.scratch
        )
        values = self.scratch[VALUES : VALUES + len(self.config.features)]
        return self.names.features(values.tolist(), self._recent(slot))

    def tags(self, slot: int) -> dict[str, int]:
        """The tags held, in order of the config, with the instant (ms) since when.

        A group is held since the earliest of the tags for which it is held now.
        """
        words = self.made.layout.words
        held = int(self.memory.rows64[slot * words + TAGS])
        since: dict[int, int] = {}
        for index in reversed(range(len(self.config.tags))):
            if not held >> index & 1:
                continue
            cell = self.made.layout.since_cells[index]
            if cell >= 0:
                since[index] = instant_in(self.memory.rows32[2 * slot * words + cell])
            parent = self.config.tags[index].parent
            if parent >= 0:
                since[parent] = min(since[index], since.get(parent, since[index]))
        return {self.config.tags[index].name: since[index] for index in sorted(since)}

    def _recent(self, slot: int) -> list[int]:
        halves = 2 * slot * self.made.layout.words
        found: list[int] = []
        for first, keep in self.made.recent_cells:
            found += self.memory.rows32[halves + first : halves + first + keep].tolist()
        return found

    def _instances(self, slot: int) -> Iterator[int]:
        node = int(first_instance(self.memory, self.made.plan, slot))
        while node != 0:
            yield node
            node = int(self.memory.nodes[node])

    def _instance(self, node: int) -> dict[str, object]:
        nodes = self.memory.nodes
        journey = self.config.journeys[journey_of(self.memory, node)]
        return {
            "journey": journey.name,
            "key": self.names.key(int(nodes[node + INSTANCE_KEY])),
            "entry": instant_text(int(nodes[node + INSTANCE_ENTRY])),
            "stage": journey.stages[stage_of(self.memory, node)].name,
            "due": instant_text(int(nodes[node + DUE])),
        }

    def _triggers(self, user: bytes, slot: int) -> list[dict[str, object]]:
        """The last trigger of each journey, the newest first."""
        nodes = self.memory.nodes
        node = int(self.memory.rows32[2 * slot * self.made.layout.words + HISTORY_HEAD])
        last: list[tuple[int, int, int]] = []
        while node != 0:
            last.append(
                (-int(nodes[node + HISTORY_SENT_AT]), int(nodes[node + HISTORY_JOURNEY]), node)
            )
            node = int(nodes[node])
        return [self._trigger(user, node) for _, _, node in sorted(last)]

    def _trigger(self, user: bytes, node: int) -> dict[str, object]:
        nodes = self.memory.nodes
        sent_at_ms, word = int(nodes[node + HISTORY_SENT_AT]), int(nodes[node + HISTORY_SENT])
        journey = self.config.journeys[int(nodes[node + HISTORY_JOURNEY])]
        outcome = "sent"
        if shadow_sent(word):
            outcome = "shadow"
        elif withheld_at(int(nodes[node + GOAL_STAGE])) == sent_at_ms:
            outcome = TOO_LATE
        elif held_out(journey.name.encode(), user, journey.holdout):
            outcome = "holdout"
        stage = stage_sent(word)
        return {
            "journey": journey.name,
            # A state that was converted can remember a stage that the journey has no more.
            "stage": journey.stages[stage].name if stage < len(journey.stages) else None,
            "at": instant_text(sent_at_ms),
            "outcome": outcome,
        }

    def _closed_channels(self, slot: int) -> list[str]:
        closed = int(self.memory.rows32[2 * slot * self.made.layout.words + CLOSED_CHANNELS])
        return [name for bit, name in enumerate(self.config.shop.channels) if closed >> bit & 1]
