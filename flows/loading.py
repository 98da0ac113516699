"""Engines of stored partitions, whatever configuration their profiles were made with."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from config.schema import Config
from flows.partition import Engine
from state.conversion import Conversion, together, told
from state.convert import ShapeError
from state.store import Snapshot, StoreError

log = logging.getLogger(__name__)


def load_engine(where: str, config: Config, partition: int, snapshot: Snapshot) -> Engine:
    """The engine of a partition as of its snapshot, which is converted where need be.

    Raises:
        StoreError: the profiles cannot be converted; `where` says whose.
    """
    try:
        return Engine(config, partition=partition, snapshot=snapshot)
    except ShapeError as error:
        raise StoreError(
            where,
            expected=error.expected,
            got=error.got,
            fix="use the config that the state was made with, or replay the log into a new state",
        ) from error


def tell_conversions(where: str, conversions: Iterable[Conversion | None]) -> None:
    """Say once what became of the profiles of a state that was made with another config.

    `conversions` are those of its partitions' engines, None where nothing was converted.
    """
    made = [conversion for conversion in conversions if conversion is not None]
    if made:
        log.warning("%s: profiles converted: %s", where, told(together(made)))
