"""Versions that come into force somewhere in a random log."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import numpy as np

from config.schema import Config, Model
from flows.learn_model import Learner, Settings
from flows.learn_saved import Version as Published
from flows.learn_saved import publish, read_version
from tests.oracle_scores import Adoption, Version, shape_of
from tests.reference_decoder import Event


def adoptions_of(
    seed: int, config: Config, events: Sequence[Event]
) -> list[tuple[Adoption, Published]]:
    """Versions that come into force here and there in the log; some fit no model."""
    random = Random(f"versions {seed}")
    learned = [one for one in config.models if not one.complement]
    if not learned or not events:
        return []
    found = []
    for _ in range(random.choice((0, 2, 4, 8))):
        target = random.choice(learned)
        source = random.choice(learned) if random.random() < 0.15 else target
        before = random.randint(0, random.choice((3, len(events))) % (len(events) + 1))
        earliest = events[before - 1].log_ms if before else 0
        latest = events[before].log_ms if before < len(events) else earliest
        log_ms = random.choice((earliest, latest, random.randint(earliest, latest)))
        offset = events[before].offset if before < len(events) else events[-1].offset + 1
        published = random_version(random, source)
        version = told_of(published)
        found.append((Adoption(log_ms, offset, target.name, version), published))
    return sorted(found, key=lambda pair: (pair[0].log_ms, pair[0].before))


def random_version(random: Random, model: Model) -> Published:
    """A version of a model as if it had learned something."""
    learner = Learner(Settings(recipe=model.recipe))
    terms = len(model.recipe.program.terms)
    chance = np.random.default_rng(random.getrandbits(32))
    learner.moments.counts[:] = 100.0
    learner.moments.means[:] = chance.normal(0.5, 1.0, terms)
    learner.moments.squares[:] = 100.0 * chance.choice((0.0, 0.3, 2.0), terms)
    for regression in learner.regressions:
        regression.weights[:] = chance.normal(0.0, 1.0, len(regression.weights))
    return read_version(publish(learner))


def told_of(published: Published) -> Version:
    """A version's numbers, term by term."""
    scorer = published.scorer
    numbers = zip(
        scorer.means.tolist(), scorer.scales.tolist(), scorer.weights.tolist(), strict=True
    )
    clip, intercept = scorer.bounds.tolist()
    return Version(
        id=published.id,
        shape=shape_of(published.terms),
        terms=dict(zip(published.terms.terms, numbers, strict=True)),
        clip=clip,
        intercept=intercept,
    )
