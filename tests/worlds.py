"""Small, nasty worlds: a seed makes a configuration and a log, always the same ones."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import NamedTuple

from config.load import load
from config.schema import Config
from flows.learn_saved import Version as Published
from tests import oracle
from tests.oracle_scores import Adoption, Models, models_of
from tests.reference_decoder import FAR_MS, decode
from tests.world_configs import write_config
from tests.world_events import DAY_MS, MINUTE_MS, write_log, write_model_log
from tests.world_versions import adoptions_of
from tests.world_withheld import with_withheld


class Given(NamedTuple):
    """A configuration and a log; `idle_ms` of time pass after its last record.

    `models` have the versions that `model` records bring.
    """

    directory: Path
    config: Config
    models: Models
    lines: list[bytes]
    idle_ms: int


def make_withheld_world(seed: int, directory: Path) -> Given:
    """As `make_world`; of three seeds in four the log says that some triggers were not sent."""
    given = make_world(seed, directory)
    if seed % 4 == 0:
        return given
    decoded = decode(given.lines, given.config)
    clock_ms = decoded.clock_ms
    world = oracle.run(given.config, decoded.events, clock_ms=clock_ms, models=given.models)
    triggers = [one for one in world.decisions if one["type"] == "beckon.trigger"]
    random = Random(f"withheld {seed}")
    return given._replace(lines=with_withheld(given.lines, decoded.events, triggers, random))


class GivenModels(NamedTuple):
    """A world with models, and the versions of them that its log's `model` records bring.

    Of the log, only what was recorded before `before_ms` is known.
    """

    given: Given
    adopted: list[tuple[Adoption, Published]]
    before_ms: int = FAR_MS

    @property
    def models(self) -> Models:
        """With these versions."""
        return self.given.models


def with_versions(given: Given, adopted: list[tuple[Adoption, Published]]) -> GivenModels:
    """A world whose log brings these versions."""
    adoptions = [adoption for adoption, _ in adopted]
    models = models_of(given.config, given.directory, adoptions)
    return GivenModels(given._replace(models=models), adopted)


def make_model_world(seed: int, directory: Path) -> GivenModels:
    """The world of one seed, with models; see `make_world`."""
    write_config(seed, directory, models=True)
    config = load(directory)
    idle_ms = Random(f"idle {seed}").choice((0, 10 * MINUTE_MS, 2 * DAY_MS, 6 * DAY_MS))
    lines = write_model_log(seed, config)
    given = Given(directory, config, models_of(config, directory), lines, idle_ms)
    return with_versions(given, adoptions_of(seed, config, decode(lines, config).events))


def make_world(seed: int, directory: Path) -> Given:
    """The world of one seed; its config is written to `directory`, which is made."""
    write_config(seed, directory)
    config = load(directory)
    idle_ms = Random(f"idle {seed}").choice((0, 10 * MINUTE_MS, 2 * DAY_MS, 100 * DAY_MS))
    models, lines = models_of(config, directory), write_log(seed, config)
    return Given(directory, config, models, lines, idle_ms)
