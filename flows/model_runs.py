"""Recorded events through the engine for what its models are judged by: closed examples."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from threading import Event

import numpy as np

from config.schema import Config, Model
from flows.compare import Collected, Comparison, Entry, carrying, contest_of, no_contest
from flows.console import note_compiling, progress, stopping
from flows.contenders import Configured, of_river
from flows.examples import version_text
from flows.judged import Closed, Gathering
from flows.partition import Engine
from flows.replay import ReplayOptions, replay
from flows.slices import Decided

OURS = "this config"

log = logging.getLogger(__name__)


def gather_events(config: Config, events: tuple[str, ...]) -> Gathering:
    """The examples that close as models learn from a recorded log, with the scores they got.

    Raises:
        KeyboardInterrupt: asked to stop: what is not whole is not judged.
        OSError: a file cannot be read, or there are too many examples.
    """
    gathering = Gathering()
    names = [model.name for model in config.models]

    def take(decided: Decided) -> None:
        for closed in decided.closed:
            for index in np.unique(closed.model).tolist():
                rows = closed.rows_of(index)
                users, versions = closed.user, closed.version.tolist()
                one = Closed(
                    users=[users[row].decode() for row in rows.tolist()],
                    sampled_ms=closed.sampled_ms[rows],
                    outcomes=closed.outcome[rows],
                    scores=closed.score[rows],
                    versions=[version_text(versions[row]) for row in rows.tolist()],
                    tags=closed.tags[rows],
                )
                gathering.add(names[index], one)

    run_to_end(ReplayOptions(events=events, config=config), take)
    return gathering


def compare_on_events(
    config: Config, events: tuple[str, ...], entries: Mapping[str, Sequence[Entry]]
) -> Comparison:
    """Let contenders learn from what a recorded log brings; `entries` by the name of the model.

    Raises:
        KeyboardInterrupt: asked to stop: what is not whole is not judged.
        OSError: a file cannot be read, or there are too many examples.
    """
    carriers = carrying(config, entries)
    collected = Collected(carriers.models)
    options = ReplayOptions(events=events, config=carriers, learns=False)
    run_to_end(options, lambda decided: collected.take(decided.closed))
    contests = [
        contest_of(model, entries[model.name], collected.examples(index))
        if collected.has(index)
        else no_contest(model)
        for index, model in enumerate(carriers.models)
    ]
    return Comparison(config_version=config.version, contests=contests)


def entries_of(
    wanted: Sequence[Model], others: Mapping[str, Sequence[Model]], challengers: Collection[str]
) -> dict[str, list[Entry]]:
    """Who takes part, by the name of the model; `others` by the file that they stand in.

    Raises:
        ValueError: a file has none of the wanted models, or one that cannot be compared.
    """
    names = [model.name for model in wanted]
    for where, models in others.items():
        if not any(other.name in names and not other.complement for other in models):
            raise ValueError(
                f"{where}: expected a model named {' or '.join(names)}, to be compared with its "
                "namesake in the config, got none"
            )
    return {model.name: entries_for(model, others, challengers) for model in wanted}


def entries_for(
    model: Model, others: Mapping[str, Sequence[Model]], challengers: Iterable[str]
) -> list[Entry]:
    """Who takes part for a model of the config: itself, its namesakes, and challengers.

    Raises:
        ValueError: a namesake is sampled or judged otherwise, so that examples are not the same.
    """
    reads = model.recipe.program.features
    entries = [Entry(OURS, reads, Configured(model))]
    for where, models in others.items():
        for other in models:
            if other.name == model.name and not other.complement:
                check_same_examples(where, model, other)
                entries.append(Entry(where, other.recipe.program.features, Configured(other)))
    return entries + [Entry(f"River, {name}", reads, of_river(name, model)) for name in challengers]


def check_same_examples(where: str, model: Model, other: Model) -> None:
    """Refuse settings under which other examples would be taken; raises `ValueError`."""
    for key, ours, theirs in (
        ("outcome", model.outcome, other.outcome),
        ("within", model.within_ms, other.within_ms),
        ("every", model.every_ms, other.every_ms),
        ("eligible", _text(model), _text(other)),
    ):
        if ours != theirs:
            raise ValueError(
                f"{where}: expected model {model.name} with the same {key!r} as in the config, so "
                "that both learn from the same examples, got another one; write the config's there"
            )


def run_to_end(options: ReplayOptions, take: Callable[[Decided], None]) -> None:
    """Replay for what it brings, with progress on a terminal; a signal ends it.

    What could not be used is told: what is judged may be the less for it.
    """
    note_compiling()
    stop = Event()
    with stopping(stop), progress() as advance:

        def watch(decided: Decided, engines: Sequence[Engine]) -> None:
            advance(decided.stretch.record_count)
            take(decided)

        replayed = replay(options, stop, watch)
    unused = sum(replayed.dead_letters.values())
    if unused:
        reasons = ", ".join(f"{name} {count:,}" for name, count in replayed.dead_letters.items())
        log.warning(
            "%s of %s records could not be used: %s; "
            "`beckon replay EVENTS --dead-letters FILE` tells each",
            f"{unused:,}",
            f"{replayed.records:,}",
            reasons,
        )


def _text(model: Model) -> str:
    return model.eligible.text if model.eligible is not None else ""
