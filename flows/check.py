"""`beckon check`: what is wrong with a config folder, or what it holds and costs."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec
from msgspec import Struct

from config.load import label_of, load
from config.problems import ConfigError, Problem
from config.schema import Config
from flows.config_tree import FeatureBytes, config_tree
from flows.exits import DONE, PROBLEMS
from flows.plan import layout_bytes
from flows.problem_tree import problem_tree
from state.example_groups import example_bytes_max


class Checked(Struct, frozen=True, kw_only=True):
    """The JSON of `beckon check --json`. docs/operations.md says what each key means."""

    config: str
    version: str | None
    problems: tuple[Problem, ...] = ()
    features: tuple[FeatureBytes, ...] = ()
    example_bytes: int = 0


def run_check(directory: Path | None, *, as_json: bool, with_features: bool) -> int:
    """Check a folder and print the outcome; returns the exit code."""
    config = checked_config(directory)
    checked = check_folder(directory, config)
    if as_json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(checked)).decode() + "\n")
        return PROBLEMS if checked.problems else DONE
    # Not for --json, which CI runs often: what draws takes a tenth of a second to import.
    from flows.show import drawn, show

    if isinstance(config, ConfigError):
        show([drawn(problem_tree(checked.config, checked.problems))])
        return PROBLEMS
    show([drawn(config_tree(directory, config, checked.features, with_features=with_features))])
    return DONE


def checked_config(directory: Path | None) -> Config | ConfigError:
    """The config of a folder, or all that is wrong with it."""
    try:
        return load(directory)
    except ConfigError as error:
        return error


def check_folder(directory: Path | None, config: Config | ConfigError) -> Checked:
    """What is to be told of a folder that was read."""
    label = label_of(directory)
    if isinstance(config, ConfigError):
        return Checked(config=label, version=None, problems=config.problems)
    kinds = {feature.name: feature.kind for feature in config.features}
    features = tuple(
        FeatureBytes(name=name, kind=kinds.get(name), bytes=count)
        for name, count in layout_bytes(config).items()
    )
    return Checked(
        config=label,
        version=config.version,
        features=features,
        example_bytes=example_bytes_max(config),
    )
