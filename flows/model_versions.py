"""Which versions of models are in force in a partition: the last that its log has, where they fit.

A version fits a config whose model has the same terms. One that does not is kept: it is in force
again under a config that it fits. Until then the model scores by its default.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from config.schema import Config
from connectors.log import ControlRecord
from flows.learn_saved import Version
from flows.model_records import ModelRecordError, model_of
from flows.partition import Engine
from flows.versions import SHORT_DIGITS

log = logging.getLogger(__name__)

RolledBack = Callable[[ModelRecordError], bool]
"""Whether the log has, behind a version that cannot be read, a rollback of its model."""


def never(error: ModelRecordError) -> bool:
    """Nobody looks for a rollback: what cannot be read is refused."""
    return False


class ModelVersions:
    """The versions of one partition's log; `rolled_back` is asked of those that cannot be read."""

    def __init__(self, rolled_back: RolledBack = never) -> None:
        self.in_force: Mapping[str, str] = {}
        """The names of the versions that scores are made with, by model; replaced, not changed."""
        self._rolled_back = rolled_back
        self._versions: dict[str, Version] = {}
        self._to_store: dict[str, bytes] = {}

    def resume(self, stored: Mapping[str, bytes], config: Config, engine: Engine) -> None:
        """Go on with what was stored with the engine's snapshot: records' values by model.

        Raises:
            ModelRecordError: one cannot be read, and was not rolled back.
        """
        for value in stored.values():
            self._read(value, engine.checkpoint.next_offset - 1)
        self.put_in_force(config, engine)

    def take(self, record: ControlRecord, config: Config, engine: Engine) -> None:
        """The version of a record is in force from there on, of a model that the config has.

        Raises:
            ModelRecordError: it cannot be read, and was not rolled back.
        """
        model = self._read(record.value, record.offset)
        if not model:
            return
        if any(model == one.name for one in config.models):
            self._to_store[model] = record.value
            self._put_in_force(model, engine)
        else:
            self._versions.pop(model, None)
            log.warning(
                "partition %d, offset %d: passing over a version of model %s, which is not in the "
                "config",
                engine.checkpoint.partition,
                record.offset,
                model,
            )

    def put_in_force(self, config: Config, engine: Engine) -> None:
        """This engine decides from now on, by this config: it is told of the versions that fit."""
        self.in_force = {}
        for model in config.models:
            if model.name in self._versions:
                self._put_in_force(model.name, engine)

    def taken(self) -> dict[str, bytes]:
        """The records' values that came since this was asked last, by model."""
        taken, self._to_store = self._to_store, {}
        return taken

    def _put_in_force(self, model: str, engine: Engine) -> None:
        version = self._versions[model]
        name = version.id[:SHORT_DIGITS]
        if engine.adopt(model, version):
            self.in_force = {**self.in_force, model: name}
            return
        self.in_force = {one: held for one, held in self.in_force.items() if one != model}
        log.warning(
            "partition %d: version %s of model %s has other terms than the config: the model has "
            "its default until its learner publishes a version",
            engine.checkpoint.partition,
            name,
            model,
        )

    def _read(self, value: bytes, offset: int) -> str:
        """Keep a version; its model, or "" where it cannot be read and was rolled back."""
        try:
            model, version = model_of(value, offset)
        except ModelRecordError as error:
            if not self._rolled_back(error):
                raise
            log.warning("passing over %s: it was rolled back", error)
            return ""
        self._versions[model] = version
        return model
