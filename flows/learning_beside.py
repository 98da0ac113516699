"""The learner as a process beside the engine: kept running once there is something to learn."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import wait
from contextlib import contextmanager
from functools import partial
from threading import Event

from connectors.log import ControlRecord
from connectors.threads import on_thread
from flows.config_records import has_models
from flows.exits import PROBLEMS, USAGE
from flows.supervise import supervise
from state.store import StoreError

LOOK_SECONDS = 5.0
END_SECONDS = 3.0
"""How often it is looked whether the config has models by now; how long the learner's end is waited
for, which saves what it has learned."""

Config = Callable[[], ControlRecord | None]


@contextmanager
def learning_beside(
    command: Sequence[str], config: Config, stop: Event, tell: Callable[[str], None]
) -> Iterator[None]:
    """Keep the process of a command running during the block; `stop` ends it, too.

    It begins when the record that `config` reads has models.
    """
    keeper = on_thread("learner", partial(keep, command, config, stop, tell))
    try:
        yield
    finally:
        stop.set()
        wait([keeper], END_SECONDS)


def keep(command: Sequence[str], config: Config, stop: Event, tell: Callable[[str], None]) -> None:
    """Wait for models, then start the process again whenever it ends, until `stop` is set."""
    while not learns(config):
        if stop.wait(LOOK_SECONDS):
            return
    if code := supervise([command], stop, tell, frozenset({PROBLEMS, USAGE})):
        tell(f"ended with code {code}")


def learns(config: Config) -> bool:
    """Whether the config in force has models; False where that cannot be told yet."""
    try:
        record = config()
    except (OSError, StoreError):
        return False
    return record is not None and has_models(record)
