"""What tells whether a model, in another config, is still the one that learned."""

from __future__ import annotations

import hashlib

import msgspec

from config.schema import Config, Model
from state.example_groups import definition_of

DEFINITION_BYTES = 8


def definition(config: Config, model: Model) -> str:
    """A digest of what makes a model's examples what they are, and of its terms.

    What may change without it: whom it is sampled of, the default, and how it is learned.
    """
    features = [definition_of(index, config.features) for index in model.features]
    parts = (model.outcome, model.within_ms, model.every_ms, model.channel, model.recipe, features)
    encoded = msgspec.json.encode(parts)
    return hashlib.blake2b(encoded, digest_size=DEFINITION_BYTES).hexdigest()
