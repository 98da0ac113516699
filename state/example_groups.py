"""Groups of models that are learned from the same snapshots of a user, and what a snapshot takes.

Models that are sampled equally often are sampled at the same instants, so one snapshot serves them
all: its head, the tags held, and for each model the version that scored; then float32 cells, the
score of each model and the group's features. A model that is sampled when messages are sent is a
group of its own, whose snapshots end with the trigger's id. What the words mean is in
`state.examples`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from config.limits import OPEN_EXAMPLES_MAX
from config.schema import Config, Feature, Model
from state.memory import NODE_WORDS

SNAPSHOT_WORDS = 2
"""Of every snapshot: its head and the tags held."""

TRIGGER_WORDS = 2
"""Of a snapshot that was taken when a message was sent: its trigger's id."""

NODE_BYTES = 8 * NODE_WORDS


class SnapshotFeature(Struct, frozen=True, kw_only=True):
    """A feature of a snapshot, and a digest of its definition, that of a ratio's parts included."""

    name: str
    definition: str


class SampledModel(Struct, frozen=True, kw_only=True):
    """What makes an open example what it is: what comes of it, and how soon. `reads`: by name."""

    name: str
    outcome: tuple[str, ...]
    within_ms: int
    reads: tuple[str, ...]


class ExampleGroup(Struct, frozen=True, kw_only=True):
    """Models that are sampled every `every_ms`, in the order of the config, and what they read.

    Or one model, where that is 0: at each trigger sent by `channel`.
    """

    every_ms: int
    channel: str = ""
    models: tuple[SampledModel, ...]
    features: tuple[SnapshotFeature, ...]

    @property
    def words(self) -> int:
        """Words of a snapshot."""
        cells = len(self.models) + len(self.features)
        trigger = TRIGGER_WORDS if self.channel else 0
        return SNAPSHOT_WORDS + len(self.models) + (cells + 1) // 2 + trigger

    @property
    def nodes(self) -> int:
        """Nodes of a snapshot."""
        return -(-self.words // (NODE_WORDS - 1))

    @property
    def open_max(self) -> int:
        """How many snapshots of a user are open at once."""
        if self.channel:
            return OPEN_EXAMPLES_MAX
        within_ms = max(model.within_ms for model in self.models)
        return min(-(-within_ms // self.every_ms), OPEN_EXAMPLES_MAX)

    @property
    def key(self) -> tuple[int, str, str]:
        """What two groups of different configs that are sampled at the same instants share."""
        return self.every_ms, self.channel, self.models[0].name if self.channel else ""


def sampled_models(config: Config) -> list[list[int]]:
    """The indices of the models that are sampled together, group by group.

    A complement has no examples of its own.
    """
    groups: dict[tuple[int, str], list[int]] = {}
    for index, model in enumerate(config.models):
        if not model.complement:
            alone = model.name if model.channel else ""
            groups.setdefault((model.every_ms, alone), []).append(index)
    return list(groups.values())


def snapshot_features(models: Sequence[Model]) -> list[int]:
    """The indices of the features of a group's snapshots: all that one of its models reads."""
    return sorted({index for model in models for index in model.features})


def groups_of(config: Config) -> tuple[ExampleGroup, ...]:
    """The groups of a configuration, in the order of their first models."""
    return tuple(
        _group([config.models[index] for index in group], config)
        for group in sampled_models(config)
    )


def _group(models: Sequence[Model], config: Config) -> ExampleGroup:
    return ExampleGroup(
        every_ms=models[0].every_ms,
        channel=models[0].channel,
        models=tuple(
            SampledModel(
                name=model.name,
                outcome=model.outcome,
                within_ms=model.within_ms,
                reads=model.recipe.program.features,
            )
            for model in models
        ),
        features=tuple(
            SnapshotFeature(
                name=config.features[index].name, definition=definition_of(index, config.features)
            )
            for index in snapshot_features(models)
        ),
    )


def definition_of(index: int, features: Sequence[Feature]) -> str:
    """Twelve hex digits, equal for features that are read alike whatever stands around them."""
    feature = features[index]
    text = msgspec.json.encode(replace(feature, over=(0, 0)), order="deterministic")
    if feature.kind == "ratio":
        parts = (definition_of(part, features) for part in feature.over)
        text += "".join(parts).encode()
    return hashlib.blake2b(text, digest_size=6).hexdigest()


def example_nodes_max(groups: Collection[ExampleGroup]) -> int:
    """The most nodes that a user's open examples take."""
    return sum(group.open_max * group.nodes for group in groups)


def example_bytes_max(config: Config) -> int:
    """The most bytes that the open examples of a user take."""
    return NODE_BYTES * example_nodes_max(groups_of(config))
