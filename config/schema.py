"""The checked, resolved configuration: what the engine is told once every file has been read.

The TOML files are what people write; these values are what `config.load` makes of them. Every name
is resolved, every duration is in milliseconds, every threshold stands as a constant in its rule.
"""

from __future__ import annotations

from typing import Literal

from msgspec import UNSET, Struct, UnsetType

from config.terms import Recipe

FieldType = Literal["text", "number", "money", "flag", "lines"]
FeatureKind = Literal[
    "count",
    "sum",
    "distinct",
    "days_since",
    "last",
    "first",
    "ratio",
    "gap",
    "cart",
    "affinity",
    "sessions",
    "recent",
]
PROPENSITY: Literal["propensity"] = "propensity"
ValueType = Literal["number", "text", "texts"]
Status = Literal["live", "shadow", "off"]
DriftPolicy = Literal["note", "faster", "reset"]

MESSAGE_TYPES = ("track", "identify", "page", "screen", "group", "alias")
LINE_FIELDS = {
    "item": "product_id",
    "price": "price",
    "quantity": "quantity",
    "category": "category",
}
NUMBER_SCALE = 1000
"""Numbers are kept as whole thousandths; money as whole minor units of the shop's currency."""


class Field(Struct, frozen=True, kw_only=True):
    """A value read from events. `path` starts at the message's root: ("properties", "price").

    A field of an order's lines has `line=True` and a path that starts at the line.
    """

    name: str
    path: tuple[str, ...]
    type: FieldType
    line: bool = False


class EventDef(Struct, frozen=True, kw_only=True):
    """One event type: a track event's name, or another message type ("identify", "page")."""

    name: str
    fields: tuple[Field, ...] = ()
    require: tuple[str, ...] = ()


class Comparison(Struct, frozen=True, kw_only=True):
    """One comparison of a rule: its source text and where its two operands stand in the program.

    `left` and `right` are half-open ranges of `Program.code` that leave one value each.
    """

    text: str
    operator: Literal["==", "!=", "<", "<=", ">", ">="]
    left: tuple[int, int]
    right: tuple[int, int]


class Program(Struct, frozen=True, kw_only=True):
    """A rule as a postfix program: (opcode, operand) pairs; see `config.rules` for the opcodes."""

    text: str
    code: tuple[tuple[int, int], ...]
    constants: tuple[float, ...] = ()
    texts: tuple[str, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    features: tuple[int, ...] = ()
    tags: tuple[int, ...] = ()


class Feature(Struct, frozen=True, kw_only=True):
    """A named value read from a profile. What each kind uses is in docs/architecture.md.

    `events` gives each event's weight (1 where the file lists names only). `of` names a field, or
    for "gap" and "cart" what to read. `window_ms` 0 means since ever. A "propensity" is the score
    of a model.
    """

    name: str
    kind: FeatureKind | Literal["propensity"]
    value: ValueType
    events: dict[str, int] = {}
    of: Field | str | None = None
    window_ms: int = 0
    tile_ms: int = 0
    half_life_ms: int = 0
    gap_ms: int = 0
    keep: int = 0
    over: tuple[int, ...] = (0, 0)
    """For "ratio": the indices of the features above and below the line. For "propensity": of those
    that its model and its `eligible` read."""


class Tag(Struct, frozen=True, kw_only=True):
    """A tag, or a group of tags. Parents stand before their children; a group's rule is None.

    `parent` is the index of the group a tag rolls up to, -1 at the top.
    `pick_first` (on groups) means that at most one child is held.
    """

    name: str
    parent: int
    rule: Program | None
    pick_first: bool = False
    keep_ms: int = 0


class Stage(Struct, frozen=True, kw_only=True):
    """A named place in a journey; stages of a journey are sorted by `after_ms`."""

    name: str
    after_ms: int
    ttl_ms: int
    send: str
    when: Program | None = None


class Goal(Struct, frozen=True, kw_only=True):
    """What counts as success: this event, within this time of a trigger or a held-out one."""

    event: str
    within_ms: int


class Journey(Struct, frozen=True, kw_only=True):
    """One journey. Exactly one of `entry_event` and `entry_tag` (an index into tags) is set."""

    name: str
    about: str
    status: Status
    purpose: str
    channels: tuple[str, ...]
    priority: int
    holdout: float
    reentry: Literal["reset", "ignore"]
    cooldown_ms: int
    stages: tuple[Stage, ...]
    entry_event: str | None = None
    entry_tag: int | None = None
    entry_when: Program | None = None
    key: str | None = None
    exit_events: tuple[str, ...] = ()
    exit_when: Program | None = None
    goal: Goal | None = None


class Model(Struct, frozen=True, kw_only=True):
    """A propensity: how likely one of these events is within a time, by terms of these features.

    A user for whom `eligible` holds is sampled every `every_ms`, or where that is 0 at each trigger
    sent by `channel`. `default` is what rules see while there is no version. `features` are the
    indices of `recipe.program.features`. `complement` names the model that this one is one minus
    of, with all of its settings but the default. `drift`: what is done when scores get worse.
    """

    name: str
    about: str
    outcome: tuple[str, ...]
    within_ms: int
    every_ms: int
    channel: str
    eligible: Program | None
    default: float
    memory: int
    drift: DriftPolicy
    calibrate: bool
    recipe: Recipe
    features: tuple[int, ...]
    complement: str = ""


class Shop(Struct, frozen=True, kw_only=True):
    """What holds for the whole shop.

    `channels` maps each channel to the trait that closes it when true. `rates` maps other
    currencies to what one of their units is worth in the shop's. `strict`: unknown events are dead
    letters. Stages with a deadline before `live_from_ms` are not sent; it is left out, not null, so
    that the version of a config without it does not tell of it.
    """

    currency: str
    zone: str
    strict: bool = False
    rates: dict[str, float] = {}
    channels: dict[str, str] = {}
    vocabulary: dict[str, str] = {}
    live_from_ms: int | UnsetType = UNSET

    @property
    def minor_digits(self) -> int:
        """Decimals of the currency: 2 for most, 0 or 3 for some (ISO 4217)."""
        return MINOR_DIGITS.get(self.currency, 2)


class Config(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All of it. Journeys are sorted by name; `version` is a digest of everything that decides.

    Without models it is encoded as if there were none to have: so it keeps its version. `features`
    end with one "propensity" per model, in their order.
    """

    shop: Shop
    events: tuple[EventDef, ...]
    features: tuple[Feature, ...]
    tags: tuple[Tag, ...]
    journeys: tuple[Journey, ...]
    version: str
    models: tuple[Model, ...] = ()

    @property
    def profile_features(self) -> tuple[Feature, ...]:
        """The features of features.toml: without propensities."""
        return self.features[: len(self.features) - len(self.models)]


_WITHOUT_MINOR_UNIT = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_IN_THOUSANDTHS = "BHD IQD JOD KWD LYD OMR TND"
MINOR_DIGITS = dict.fromkeys(_WITHOUT_MINOR_UNIT.split(), 0) | dict.fromkeys(
    _IN_THOUSANDTHS.split(), 3
)
