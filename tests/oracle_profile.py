"""Everything the oracle remembers about one user, and the moment at which it looks at it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from config.schema import Config, Field, Journey
from tests.oracle_carts import Carts
from tests.oracle_features import Facts, Reading, readable
from tests.oracle_rules import Names, Value
from tests.oracle_scores import Models, opposite
from tests.oracle_tags import TagState
from tests.reference_decoder import Event

Document = dict[str, object]
Place = tuple[object, ...]


@dataclass
class Instance:
    """One run of a journey, with its pending stage. `due_ms` None: to be decided at once.

    `earlier_sent_ms`: the last trigger of an instance opened earlier.
    """

    journey: Journey
    key: str | None
    entry_ms: int
    base_ms: int
    by_tag: bool
    number: int
    stage: int = 0
    deadline_ms: int = 0
    due_ms: int | None = None
    earlier_sent_ms: int | None = None


@dataclass
class Send:
    """A decision that counts: sent, held out, or shadow. `before_ms`: the one before, see there."""

    instance: Instance
    stage: int
    instant_ms: int
    outcome: str
    before_ms: int | None
    goal_reached: bool = False
    withheld: bool = False

    def counts_ms(self) -> int | None:
        """The instant from which the cooldown counts."""
        return self.before_ms if self.withheld else self.instant_ms


class Exit(NamedTuple):
    """An exit event met, whether or not it ended anything."""

    journey: str
    key: str | None
    at_ms: int


@dataclass
class Profile:
    """One user. `looked_ms` is the instant up to which time has been looked through.

    `scores` are those that tags see, as they were at the last look.
    """

    user: str
    message_ids: list[str] = field(default_factory=list)
    facts: Facts = field(default_factory=dict)
    carts: Carts = field(default_factory=Carts)
    tags: TagState = field(default_factory=TagState)
    instances: list[Instance] = field(default_factory=list)
    opened: int = 0
    exits: list[Exit] = field(default_factory=list)
    sends: list[Send] = field(default_factory=list)
    withheld_ms: dict[str, int] = field(default_factory=dict)
    closed: set[str] = field(default_factory=set)
    looked_ms: int = -1
    scores: dict[str, float | None] = field(default_factory=dict)


@dataclass
class World:
    """What came out of a log. Decisions and transitions in the order of their places."""

    decisions: list[Document]
    transitions: list[Document]
    profiles: list[Document]
    counters: Document


@dataclass
class Ledger:
    """Where one user's outputs are noted, with their places, and what is counted."""

    decisions: list[tuple[Place, Document]] = field(default_factory=list)
    transitions: list[tuple[Place, Document]] = field(default_factory=list)
    duplicates: int = 0
    late: int = 0
    entered: dict[str, int] = field(default_factory=dict)
    withheld: dict[str, int] = field(default_factory=dict)


class Moment(NamedTuple):
    """One user at one instant; `offset` -1 and no event when time alone brought it."""

    config: Config
    models: Models
    profile: Profile
    ledger: Ledger
    instant_ms: int
    offset: int = -1
    event: Event | None = None

    def reading(self) -> Reading:
        """The user's features and scores as of now."""
        return Reading(self.config, self.profile, self.instant_ms, self.score)

    def reading_of_tags(self) -> Reading:
        """The user's features as of now, and the scores held."""
        return Reading(self.config, self.profile, self.instant_ms, self.held_score)

    def score(self, name: str, reading: Reading) -> Value:
        """A model's score as of now."""
        return self.models.score(name, reading, self.offset).value

    def held_score(self, name: str, _reading: Reading) -> Value:
        """A model's score as of the last look at it."""
        if name in self.models.learned:
            return self.profile.scores.get(name)
        return opposite(self.profile.scores.get(self.models.models[name]["complement"]))

    def names(self, journey: Journey, key: str | None) -> Names:
        """What the names in the rules of a journey's instance with this key stand for now."""
        reading = self.reading().of_cart(key if journey.key == "cart_id" else None)
        own = self.models.thresholds[journey.name]
        return Names(reading.value, self.profile.tags.held, self.event_values(), own)

    def event_values(self) -> dict[str, Value]:
        """The event's own fields as rules see them."""
        if self.event is None:
            return {}
        digits = self.config.shop.minor_digits
        return {
            name: readable(self.field(name), value, digits)
            for name, value in self.event.fields.items()
        }

    def field(self, name: str) -> Field:
        """The definition of one of the event's fields."""
        known = next(
            one for one in self.config.events if self.event and one.name == self.event.name
        )
        return next(one for one in known.fields if one.name == name and not one.line)
