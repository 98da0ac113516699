"""`beckon models`: how good propensities are, and what other settings would have reached."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

if TYPE_CHECKING:
    from config.schema import Config, Model

CONFIG_OPTION = click.option(
    "--config",
    "config_directory",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="A config folder; without it, the one that Beckon brings along.",
)


@click.group(name="models")
def models() -> None:
    """Propensity models: how good they are, and which versions are in force."""


@models.command()
@click.argument("events", metavar="EVENTS...", nargs=-1, required=True)
@CONFIG_OPTION
@click.option("--model", "name", metavar="NAME", help="This one alone; else all that learn.")
@click.option(
    "--examples", "are_examples", is_flag=True, help="EVENTS are examples that were written down."
)
@click.option(
    "--out",
    "folder",
    metavar="DIR",
    type=click.Path(path_type=Path),
    default=Path("models-evaluation"),
    show_default=True,
    help="Where report.txt, report.json and a page of pictures per model go.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the report as one JSON object.")
def evaluate(events: tuple[str, ...], config_directory: Path | None, **chosen: Any) -> None:
    """Learn from recorded events as they came, and tell how good the scores were.

    EVENTS are Segment messages, one JSON object a line; several files are one log. With --examples
    they are lines of the topic or the replay output `examples`, with the scores given then.
    """
    from config.load import load
    from flows.evaluation import evaluation_of, tables_of_all, write_evaluation
    from flows.example_lines import gather_lines
    from flows.model_runs import gather_events
    from flows.show import show

    config = load(config_directory)
    wanted = wanted_models(config, chosen["name"])
    # A folder that cannot be made is told before the minutes that it takes to fill it.
    chosen["folder"].mkdir(parents=True, exist_ok=True)
    if chosen["are_examples"]:
        gathered = gather_lines(events, [tag.name for tag in config.tags])
    else:
        gathered = gather_events(config, events)
    evaluation = evaluation_of(config, wanted, gathered)
    written = write_evaluation(evaluation, chosen["folder"])
    if chosen["as_json"]:
        click.echo(msgspec.json.encode(evaluation))
    else:
        show(tables_of_all(evaluation))
    click.echo(f"written: {', '.join(map(str, written))}", err=True)


@models.command()
@click.argument("events", metavar="EVENTS...", nargs=-1, required=True)
@CONFIG_OPTION
@click.option("--model", "name", metavar="NAME", help="This one alone; else all that learn.")
@click.option(
    "--with",
    "others",
    metavar="FILE",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Another models.toml, over the same features; several are allowed.",
)
@click.option(
    "--challenger",
    "challengers",
    metavar="NAME",
    multiple=True,
    help="A model of River's over the same terms; several are allowed.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the comparison as one JSON object.")
def compare(
    events: tuple[str, ...], config_directory: Path | None, name: str | None, **chosen: Any
) -> None:
    """Tell what other settings would have reached on recorded events, in one pass.

    Each learns from the same examples and scores them by what it could know. Differences are told
    with intervals of 95 %; one that does not hold 0 is more than chance.
    """
    from config.load import load, load_models
    from flows.compare_page import contest_tables
    from flows.model_runs import compare_on_events, entries_of
    from flows.show import show

    check_challengers(chosen["challengers"])
    if not (chosen["others"] or chosen["challengers"]):
        raise click.UsageError(
            "expected --with FILE or --challenger NAME, to compare with; got none"
        )
    config = load(config_directory)
    others = {str(path): load_models(config_directory, path) for path in chosen["others"]}
    wanted = comparable_models(config, name)
    try:
        entries = entries_of(wanted, others, chosen["challengers"])
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    comparison = compare_on_events(config, events, entries)
    if chosen["as_json"]:
        click.echo(msgspec.json.encode(comparison))
    else:
        show([table for contest in comparison.contests for table in contest_tables(contest)])


def check_challengers(names: tuple[str, ...]) -> None:
    """Refuse a challenger that there is not."""
    from config.problems import nearest_name, shown
    from flows.learn_challengers import CHALLENGERS

    for name in names:
        if name not in CHALLENGERS:
            nearest = nearest_name(name, CHALLENGERS)
            hint = f"; did you mean {nearest!r}?" if nearest else ""
            message = f"expected one of {', '.join(CHALLENGERS)}, got {shown(name)}{hint}"
            raise click.BadParameter(message, param_hint="--challenger")


def comparable_models(config: Config, name: str | None) -> list[Model]:
    """Those of the wanted models whose examples are the same whatever their settings are."""
    wanted = wanted_models(config, name)
    for model in wanted:
        if model.complement:
            raise click.UsageError(
                f"{model.name} is one minus {model.complement}, so that it has the same "
                f"differences; say --model {model.complement}"
            )
    comparable = [model for model in wanted if model.every_ms]
    if not comparable:
        raise click.UsageError("expected a model with 'every': what is sent differs with settings")
    return comparable


def wanted_models(config: Config, name: str | None) -> list[Model]:
    """The model of this name, or all that learn: a complement's figures are those of its model."""
    from config.problems import nearest_name, shown

    known = {model.name: model for model in config.models}
    if not known:
        raise click.UsageError("expected a config with models, got one without models.toml")
    if name is None:
        return [model for model in config.models if not model.complement]
    if name in known:
        return [known[name]]
    nearest = nearest_name(name, known)
    hint = f"; did you mean {nearest!r}?" if nearest else ""
    raise click.BadParameter(f"no model {shown(name)} in this config{hint}", param_hint="--model")
