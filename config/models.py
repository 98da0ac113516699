"""models.toml: propensities, what each is learned from, and the terms that it reads."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from config.durations import format_duration
from config.events import TRIGGER_FIELD, Events, fields_of, find_event
from config.features import Features
from config.limits import (
    ABOUT_BYTES_MAX,
    DAY_MS,
    HOUR_MS,
    MEMORY_MAX,
    MEMORY_MIN,
    MODELS_MAX,
    OPEN_EXAMPLES_MAX,
    SETS_MAX,
    WINDOW_MS_MAX,
)
from config.model_terms import Terms, check_unused, read_sets, read_terms, texts_at
from config.names import check_name
from config.problems import Place, shown
from config.rules import read_rule
from config.schema import PROPENSITY, DriftPolicy, Feature, Model, Program
from config.scope import Scope
from config.tables import Table, check_each
from config.tags import feature_types
from config.term_steps import program_of
from config.terms import STEPS_MAX, Recipe, TermProgram, TermSet
from config.thresholds import check_used, read_thresholds

DEFAULT_MEMORY = 10_000
DRIFT_POLICIES: tuple[DriftPolicy, ...] = ("note", "faster", "reset")
SAMPLED_FIX = 'write every = "7d", or channel = "email" to learn from messages'


class Around(NamedTuple):
    """What models refer to; None is what could not be read."""

    features: Features | None
    events: Events | None
    channels: Collection[str] | None


class Shared(NamedTuple):
    """What the models of a file share; `models` are those above."""

    around: Around
    scope: Scope
    terms: Terms
    sets: Mapping[str, TermSet]
    models: dict[str, Model]


def read_models(table: Table, around: Around) -> tuple[Model, ...]:
    """The models of models.toml, in its order."""
    found = len(table.place.found)
    limits = table.table("thresholds")
    thresholds = read_thresholds(limits, around.features or ())
    terms = read_terms(table.table("terms"), around.features, thresholds)
    set_tables, model_tables = table.table("set"), table.table("model")
    shared = Shared(
        around=around,
        scope=Scope(
            features=feature_types(around.features), thresholds=thresholds, features_only=True
        ),
        terms=terms,
        sets=read_sets(set_tables, terms.expressions),
        models={},
    )

    def read(name: str, content: object, place: Place) -> None:
        check_name("model", name, place)
        shared.models[name] = read_model(name, Table(content, place), shared)

    check_each(model_tables, MODELS_MAX, read)
    if not shared.models:
        # The faults of its terms are to be told all the same.
        terms.within(1.0)
    table.close()
    check_used(limits, thresholds, rules_of(terms, model_tables))
    # Where a name is mistyped, it would be said of its bearer that nothing uses it.
    if len(table.place.found) == found:
        check_unused(terms, set_tables, model_tables)
    return tuple(shared.models.values())


def propensities(models: Sequence[Model]) -> tuple[Feature, ...]:
    """What rules read of models, as features that stand behind those of features.toml."""
    return tuple(
        Feature(
            name=f"{PROPENSITY}.{model.name}", kind=PROPENSITY, value="number", over=_read_by(model)
        )
        for model in models
    )


def _read_by(model: Model) -> tuple[int, ...]:
    asked = model.eligible.features if model.eligible is not None else ()
    return tuple(sorted({*model.features, *asked}))


def rules_of(terms: Terms, models: Table | None) -> list[object]:
    """The texts of all expressions of models.toml."""
    expressions = (expression.text for expression in terms.expressions.values())
    return [*texts_at(models, "eligible"), *expressions]


def read_model(name: str, table: Table, shared: Shared) -> Model:
    """One model."""
    if "complement" in table:
        return read_complement(name, table, shared.models)
    within_ms = read_span(table, "within")
    every_ms, channel = read_sampling(table, shared.around.channels, within_ms)
    recipe = read_recipe(table, shared, within_ms / DAY_MS)
    index = {feature: at for at, feature in enumerate(shared.around.features or ())}
    model = Model(
        name=name,
        about=table.text("about", default="", limit=ABOUT_BYTES_MAX),
        outcome=read_outcome(table, shared.around.events, channel),
        within_ms=within_ms,
        every_ms=every_ms,
        channel=channel,
        eligible=read_eligible(table, shared.scope),
        default=table.share("default"),
        memory=table.whole("memory", MEMORY_MIN, MEMORY_MAX, default=DEFAULT_MEMORY),
        drift=table.choice("drift", DRIFT_POLICIES, default="note"),
        calibrate=table.flag("calibrate", default=False),
        recipe=recipe,
        features=tuple(index[feature] for feature in recipe.program.features if feature in index),
    )
    table.close()
    return model


def read_complement(name: str, table: Table, above: Mapping[str, Model]) -> Model:
    """A model that is one minus another, and no model of its own."""
    about = table.text("about", default="", limit=ABOUT_BYTES_MAX)
    other = table.text("complement")
    table.close()
    known = {model.name: model for model in above.values() if not model.complement}
    if other and other not in known:
        table.place.at("complement").report_unknown("model above this one named", other, known)
    if other not in known:
        return replace(NO_MODEL, name=name)
    of = known[other]
    return replace(of, name=name, about=about, default=1.0 - of.default, complement=other)


def read_span(table: Table, key: str) -> int:
    """A duration from an hour to a year."""
    span_ms = table.duration(key, HOUR_MS)
    if span_ms > WINDOW_MS_MAX:
        longest = format_duration(WINDOW_MS_MAX)
        message = f"expected a duration of at most {longest}, got {format_duration(span_ms)}"
        table.place.at(key).report(message, fix=f'write "{longest}" or less')
    return span_ms


def read_sampling(
    table: Table, channels: Collection[str] | None, within_ms: int
) -> tuple[int, str]:
    """When users are sampled: at times of their own, or (0, with a channel) at each message."""
    channel = table.text("channel", default="")
    if ("every" in table) == ("channel" in table):
        got = "both" if "every" in table else "none"
        fix = "remove one of the two" if got == "both" else SAMPLED_FIX
        table.place.report(f"expected either a key 'every' or a 'channel', got {got}", fix=fix)
    if channel and channels is not None and channel not in channels:
        place = table.place.at("channel")
        place.report_unknown("channel in shop.toml named", channel, channels)
    found = len(table.place.found)
    every_ms = read_span(table, "every") if "every" in table else 0
    table.asked.add("every")
    # Of a span that is out of its range there is nothing more to say.
    is_span = len(table.place.found) == found and within_ms <= WINDOW_MS_MAX
    if every_ms and is_span and within_ms > OPEN_EXAMPLES_MAX * every_ms:
        least = format_duration(-(-within_ms // OPEN_EXAMPLES_MAX // HOUR_MS) * HOUR_MS)
        message = f"expected at least {least}, so that at most {OPEN_EXAMPLES_MAX} samples of a "
        message += f"user wait for their outcome at once, got {format_duration(every_ms)}"
        table.place.at("every").report(message, fix=f'write "{least}" or longer')
    return every_ms, channel


def read_outcome(table: Table, events: Events | None, channel: str) -> tuple[str, ...]:
    """The events of which one makes the outcome; of messages, those that name what they answer."""
    names = table.texts("outcome")
    for index, name in enumerate(names):
        place = table.place.at("outcome").at(index)
        event = find_event(name, events, place)
        if channel and event is not None and TRIGGER_FIELD not in fields_of(event):
            place.report(
                f"expected an event that names the trigger it answers, got {shown(name)}, which "
                f"has no field '{TRIGGER_FIELD}'",
                fix=f'write fields = {{ {TRIGGER_FIELD} = "trigger_id" }} there in events.toml',
            )
    return names


def read_eligible(table: Table, scope: Scope) -> Program | None:
    """The rule that says who is sampled and scored, if there is one."""
    rule = table.raw("eligible")
    return read_rule(rule, scope, table.place.at("eligible")) if rule is not None else None


def read_recipe(table: Table, shared: Shared, horizon_days: float) -> Recipe:
    """The sets of a model, with the program that computes their terms."""
    names = table.texts("sets", example='["rates"]')
    place = table.place.at("sets")
    for index, name in enumerate(names):
        if name not in shared.sets:
            place.at(index).report_unknown("set named", name, shared.sets)
    if len(names) > SETS_MAX:
        place.report(f"expected at most {SETS_MAX} sets, got {len(names)}", fix="remove some")
    sets = tuple(shared.sets[name] for name in names if name in shared.sets)
    steps = shared.terms.within(horizon_days).named.values()
    terms = tuple(dict.fromkeys(name for one in sets for name in one.terms))
    program = program_of(steps, terms)
    if len(program.steps) > STEPS_MAX:
        message = f"expected terms of at most {STEPS_MAX} steps, got {len(program.steps)}"
        place.report(message, fix="remove or shorten some of their terms")
    return Recipe(program=program, sets=sets)


NO_MODEL = Model(
    name="",
    about="",
    outcome=(),
    within_ms=0,
    every_ms=0,
    channel="",
    eligible=None,
    default=0.0,
    memory=DEFAULT_MEMORY,
    drift="note",
    calibrate=False,
    recipe=Recipe(program=TermProgram(features=(), steps=(), terms=()), sets=()),
    features=(),
)
"""In the place of one that has a problem."""
