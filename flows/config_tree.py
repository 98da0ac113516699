"""What a config folder holds, drawn as a tree: the shop as the people who operate it know it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from config.durations import format_duration
from config.load import PACKAGED, label_of
from config.schema import PROPENSITY, Config, Feature, Journey, Model, Stage, Tag
from config.tables import Table
from config.toml_files import Folder, read_folder
from flows.branches import Branch, counted
from state.example_groups import example_bytes_max


class FeatureBytes(Struct, frozen=True, kw_only=True):
    """What one part of a profile takes; `kind` is None for what every profile has."""

    name: str
    kind: str | None
    bytes: int


def config_tree(
    directory: Path | None,
    config: Config,
    features: Sequence[FeatureBytes],
    *,
    with_features: bool,
) -> Branch:
    """A folder without problems, file by file; features summed per kind, or one by one."""
    label = label_of(directory)
    # Thresholds stand as numbers in the rules of a config; their names are in the files alone.
    folder = read_folder(directory or PACKAGED, label, [])
    files = (
        shop_branch(config),
        Branch(text=f"events.toml: {counted(len(config.events), 'event')}"),
        features_branch(config, features, with_features=with_features),
        tags_branch(config.tags, folder),
        *models_branches(config, folder),
        *(journey_branch(journey, config, folder) for journey in config.journeys),
    )
    return Branch(text=f"{label}: no problems, version {config.version}", branches=files)


def shop_branch(config: Config) -> Branch:
    """Currency, zone, channels and other currencies."""
    shop = config.shop
    lines = (
        ("channels", shop.channels),
        ("also takes", shop.rates),
        ("event names of your own:", shop.vocabulary),
    )
    told = (Branch(text=f"{what} {', '.join(names)}") for what, names in lines if names)
    return Branch(text=f"shop.toml: {shop.currency}, {shop.zone}", branches=tuple(told))


def features_branch(
    config: Config, features: Sequence[FeatureBytes], *, with_features: bool
) -> Branch:
    """How many features of which kind, and the memory that they take."""
    total = sum(part.bytes for part in features)
    count = counted(len(config.profile_features), "feature")
    kinds = Counter(feature.kind for feature in config.profile_features).most_common()
    lines = [", ".join(f"{kind} ({many})" for kind, many in kinds)] if kinds else []
    if with_features:
        windows = {feature.name: window_text(feature) for feature in config.features}
        features = [part for part in features if part.kind != PROPENSITY or part.bytes]
        width = max(len(part.name) for part in features)
        lines = [
            f"{part.name:{width}}  {part.bytes:>5,} bytes  "
            + (f"{part.kind}{windows[part.name]}" if part.kind else "of every profile")
            for part in features
        ]
    branches = tuple(Branch(text=line) for line in lines)
    return Branch(text=f"features.toml: {count}, {total:,} bytes per user", branches=branches)


def window_text(feature: Feature) -> str:
    """The window of a feature that has one."""
    return f" in {format_duration(feature.window_ms)}" if feature.window_ms else ""


def tags_branch(tags: Sequence[Tag], folder: Folder) -> Branch:
    """Groups with their tags and rules, as they stand in the file."""
    count = sum(tag.rule is not None for tag in tags)
    branches = (*tags_below(-1, tags), *thresholds_branch(folder.tags))
    return Branch(text=f"tags.toml: {counted(count, 'tag')}", branches=branches)


def tags_below(parent: int, tags: Sequence[Tag]) -> tuple[Branch, ...]:
    """The tags and groups of a group, which stand behind it."""
    return tuple(
        Branch(text=tag_text(tag), branches=tags_below(index, tags))
        for index, tag in enumerate(tags)
        if tag.parent == parent
    )


def tag_text(tag: Tag) -> str:
    """A tag with its rule, or the name of a group."""
    name = tag.name.rpartition(".")[2]
    if tag.rule is None:
        return f"{name}: only the first that holds" if tag.pick_first else name
    kept = f", kept {format_duration(tag.keep_ms)}" if tag.keep_ms else ""
    return f"{name}: {one_line(tag.rule.text)}{kept}"


def models_branches(config: Config, folder: Folder) -> tuple[Branch, ...]:
    """Models with what they foretell and read; nothing where there is no models.toml."""
    if not config.models:
        return ()
    count = counted(len(config.models), "model")
    sampled = f"up to {example_bytes_max(config):,} bytes per user who is sampled"
    branches = (*map(model_branch, config.models), *thresholds_branch(folder.models))
    return (Branch(text=f"models.toml: {count}, {sampled}", branches=branches),)


def model_branch(model: Model) -> Branch:
    """What a model foretells; below it who is sampled when, and what it reads."""
    if model.complement:
        return Branch(text=f"{model.name}: one minus {model.complement}")
    outcome = f"{' or '.join(model.outcome)} within {format_duration(model.within_ms)}"
    sampled = (
        f"every {format_duration(model.every_ms)}" if model.every_ms else f"at each {model.channel}"
    )
    when = f" when {one_line(model.eligible.text)}" if model.eligible else ""
    program = model.recipe.program
    terms = counted(len(program.terms), "term")
    lines = (
        f"sampled {sampled}{when}",
        f"{terms} of {counted(len(program.features), 'feature')}; until learned {model.default:g}",
    )
    branches = tuple(Branch(text=line) for line in lines)
    return Branch(text=f"{model.name}: {outcome}", branches=branches)


def journey_branch(journey: Journey, config: Config, folder: Folder) -> Branch:
    """A journey's status, entry, stages and thresholds."""
    holdout = f", holdout {journey.holdout:.0%}" if journey.holdout else ""
    title = f"journeys/{journey.name}.toml: {journey.status}, priority {journey.priority}{holdout}"
    lines = (entry_text(journey, config), *map(stage_text, journey.stages))
    branches = tuple(Branch(text=line) for line in lines)
    return Branch(
        text=title,
        branches=(*branches, *thresholds_branch(folder.journeys.get(journey.name))),
    )


def entry_text(journey: Journey, config: Config) -> str:
    """What opens instances of a journey."""
    tag = journey.entry_tag
    entry = f"tag {config.tags[tag].name}" if tag is not None else journey.entry_event
    key = f" per {journey.key}" if journey.key else ""
    when = f" when {one_line(journey.entry_when.text)}" if journey.entry_when else ""
    return f"enters on {entry}{key}{when}"


def stage_text(stage: Stage) -> str:
    """When a stage is due, what it sends, and under which condition."""
    after, ttl = format_duration(stage.after_ms), format_duration(stage.ttl_ms)
    when = f" when {one_line(stage.when.text)}" if stage.when else ""
    return f"{stage.name}: after {after} (for {ttl}) sends {stage.send}{when}"


def thresholds_branch(table: Table | None) -> tuple[Branch, ...]:
    """The numbers of a file's rules by name, if it has any."""
    content = table.content.get("thresholds") if table is not None else None
    if not isinstance(content, Mapping) or not content:
        return ()
    numbers = ", ".join(f"{name} {number}" for name, number in content.items())
    return (Branch(text=f"thresholds: {numbers}"),)


def one_line(rule: str) -> str:
    """A rule that may stand on several lines."""
    return " ".join(rule.split())
