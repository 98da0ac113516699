"""Scores in the engine: what they are, when tags see them, and what records tell of them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from msgspec.structs import replace
from numpy.typing import NDArray

from config.load import load
from config.schema import Config, Model
from connectors.columns import Columns
from flows.learn_model import Learner, Settings, scores_by
from flows.learn_river import river_pipeline
from flows.learn_saved import Version, publish, read_version
from flows.machine import SHARES, VALUES, new_scratch
from flows.partition import Engine
from flows.plan import PlanOf, make_plan
from flows.plan_words import ALL_SCORES, MODEL_WORDS, MODELS, SCORES_INPUTS, SCORES_STEPS
from flows.propensity import score
from flows.reasons import add_shares
from flows.versions import Versions, fits
from tests.learning import POISON
from tests.oracle_profile import Document, World
from tests.running import documents, note, stretches
from tests.scores import Shop, second_of, version_of

CONFIG = load()
DAY_MS = 86_400_000


def model_of(name: str, config: Config = CONFIG) -> Model:
    return next(model for model in config.models if model.name == name)


def random_rows(count: int, features: int, seed: int) -> NDArray[np.float64]:
    """Features as they might be, some of them missing, infinite or absurd."""
    chance = np.random.default_rng(seed)
    rows = np.floor(chance.exponential(20.0, (count, features)) * 4.0) / 4.0
    rows[chance.random(rows.shape) < 0.05] = np.nan
    poisoned = chance.random(rows.shape) < 0.02
    rows[poisoned] = chance.choice(POISON, int(poisoned.sum()))
    return rows


def rounded(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """As examples have them: what float32 cannot hold is infinite, so missing."""
    with np.errstate(over="ignore"):
        return rows.astype(np.float32).astype(np.float64)


def learned(model: Model, seed: int) -> Learner:
    learner = Learner(Settings(recipe=model.recipe))
    rows = random_rows(2000, len(model.features), seed)
    outcomes = np.nan_to_num(rows[:, 0], posinf=0.0, neginf=0.0) > 15.0
    learner.learn(rounded(rows), outcomes)
    return learner


def engine_scores(made: PlanOf, rows: list[dict[int, float]], models: int) -> NDArray[np.float64]:
    """(rows, models): what the compiled scoring makes of features by index."""
    scratch = new_scratch(made.registers)
    first = VALUES + made.counts.features
    found = np.zeros((len(rows), models))
    for index, row in enumerate(rows):
        for feature, value in row.items():
            scratch[VALUES + feature] = value
        scratch[first : first + models] = 0.5
        score(made.plan, scratch, int(made.plan.ints[ALL_SCORES]))
        found[index] = scratch[first : first + models]
    return found


@pytest.mark.parametrize("seed", range(3))
def test_scores_are_those_of_the_learner_and_of_rivers_pipeline(seed: int) -> None:
    made = make_plan(CONFIG)
    versions = Versions(CONFIG, made.plan)
    table = random_rows(400, len(CONFIG.profile_features), seed)
    found = engine_scores(made, [dict(enumerate(row)) for row in table], len(CONFIG.models))
    assert (found == 0.5).all(), "without a version nothing is scored"
    learners = {model.name: learned(model, seed) for model in CONFIG.models if not model.complement}
    for name, learner in learners.items():
        assert versions.adopt(name, read_version(publish(learner)))
    found = engine_scores(made, [dict(enumerate(row)) for row in table], len(CONFIG.models))
    for column, model in enumerate(CONFIG.models):
        learner = learners[model.complement or model.name]
        rows = rounded(table[:, list(model.features)])
        expected = scores_by(learner.program, learner.scorer(), rows)
        np.testing.assert_array_equal(
            found[:, column], 1.0 - expected if model.complement else expected
        )


def test_scores_are_rivers_predict_proba_one() -> None:
    model = model_of("purchase_30d")
    settings = Settings(recipe=model.recipe)
    pipeline, learner = river_pipeline(settings), Learner(settings)
    names = model.recipe.program.features
    rows = rounded(random_rows(640, len(names), 5))
    outcomes = np.random.default_rng(5).random(640) < 0.3
    learn_in_batches(pipeline, names, rows, outcomes)
    learner.learn(rows, outcomes)
    made = make_plan(CONFIG)
    assert Versions(CONFIG, made.plan).adopt(model.name, read_version(publish(learner)))
    tried = [dict(zip(model.features, row, strict=True)) for row in rows[:200]]
    column = [one.name for one in CONFIG.models].index(model.name)
    found = engine_scores(made, tried, len(CONFIG.models))[:, column]
    for row, value in zip(rows, found.tolist(), strict=False):
        chances = pipeline.predict_proba_one(dict(zip(names, row.tolist(), strict=True)))
        assert math.isclose(chances[True], value, rel_tol=0.0, abs_tol=1e-9)


def learn_in_batches(
    pipeline: Any, names: tuple[str, ...], rows: NDArray[np.float64], outcomes: NDArray[np.bool_]
) -> None:
    pandas = pytest.importorskip("pandas")
    for start in range(0, len(rows), 64):
        frame = pandas.DataFrame(rows[start : start + 64], columns=list(names))
        pipeline.learn_many(frame, pandas.Series(outcomes[start : start + 64]))


def test_models_that_share_steps_compute_them_once() -> None:
    made = make_plan(CONFIG)
    ints = made.plan.ints
    block = int(ints[ALL_SCORES])
    steps = int(ints[ints[block + SCORES_STEPS]])
    own = [len(model.recipe.program.steps) for model in CONFIG.models if not model.complement]
    assert steps <= max(own) + 15 < sum(own)
    assert int(ints[ints[block + SCORES_INPUTS]]) == len(
        {feature for model in CONFIG.models for feature in model.features}
    )


def test_a_version_of_another_program_is_not_in_force() -> None:
    model, other = model_of("purchase_30d"), model_of("response_email")
    versions = Versions(CONFIG, make_plan(CONFIG).plan)
    version = read_version(publish(Learner(Settings(recipe=model.recipe))))
    assert versions.adopt("purchase_30d", version)
    assert not versions.adopt("purchase_7d", version), "its horizon is another"
    assert not versions.adopt("churn_30d", version), "a complement has no versions"
    assert not versions.adopt("nothing", version)
    assert not fits(version, other.recipe.program)
    renamed = tuple(
        replace(
            step,
            name=f"{step.name} too",
            inputs=tuple(
                one if one in model.recipe.program.features else f"{one} too" for one in step.inputs
            ),
        )
        for step in model.recipe.program.steps
    )
    terms = tuple(f"{term} too" for term in model.recipe.program.terms)
    assert fits(version, replace(model.recipe.program, steps=renamed, terms=terms))
    assert not fits(version, replace(model.recipe.program, steps=renamed[:-1], terms=terms[:1]))


def test_there_is_a_default_until_a_version_is_in_force(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.event("01T10:00:00", "Order Completed", order_id="1", total=10)
    shop.tags('low = "propensity.buy == 0.25"\nhigh = "propensity.stay == 0.75"')
    world = shop.run()
    assert held(world) == {"low", "high"}
    assert scores(world) == {}


def test_who_is_not_eligible_has_no_score(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.event("01T10:00:00", "Product Viewed", product_id="p")
    shop.tags(
        'some = "has(propensity.buy)"\nnone = "not has(propensity.buy)"\nlow = "propensity.buy < 1"'
    )
    assert held(shop.run(version_of(shop.model("buy"), intercept=1.0))) == {"none"}


def test_a_score_is_told_in_the_profile_with_its_version(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.event("01T10:00:00", "Order Completed", order_id="1", total=10)
    shop.tick("04T11:00:00")
    version = version_of(shop.model("buy"), {"recency": -0.5}, intercept=1.0)
    score = round(1.0 / (1.0 + math.exp(0.5)), 6)
    assert scores(shop.run(version)) == {
        "buy": {"value": score, "version": version.id[:16]},
        "stay": {"value": round(1.0 - score, 6), "version": version.id[:16]},
    }


def test_tags_see_a_score_at_events_and_at_the_daily_second_only(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.event("01T10:00:00", "Order Completed", order_id="1", total=10)
    shop.tags('late = "propensity.buy < 0.5"')
    shop.tick("20T00:00:00")
    # 3.5 days without an order: seen at the first look on which four days are full.
    version = version_of(shop.model("buy"), {"recency": -1.0}, intercept=3.5)
    (gained,) = shop.run(version).transitions
    look = second_of("ann")
    expected = f"2026-03-05T{look}" if look >= "10:00:00" else f"2026-03-06T{look}"
    assert gained["time"] == f"{expected}.000Z"
    shop.lines.insert(1, shop.line("05T10:00:01", "Order Refunded", order_id="1", total=1))
    (gained,) = shop.run(version).transitions
    assert gained["time"] == min(f"{expected}.000Z", "2026-03-05T10:00:01.000Z")


def test_another_tags_sweep_turns_no_tag_by_its_score(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.event("01T10:00:00", "Order Completed", order_id="1", total=10)
    shop.tags(
        'late = "propensity.buy < 0.5 and days_since_order < 9"\nfour = "days_since_order >= 4"'
    )
    shop.tick("20T00:00:00")
    version = version_of(shop.model("buy"), {"recency": -1.0}, intercept=3.5)
    turned = [
        (data_of(one)["tag"], str(one["time"])[8:19]) for one in shop.run(version).transitions
    ]
    assert ("four", "05T10:00:00") in turned
    look = second_of("ann")
    day = "05" if look > "10:00:00" else "06"
    assert ("late", f"{day}T{look}") in turned
    assert ("late", "10T10:00:00") in turned, "what else the rule reads turns it at its time"


def test_who_is_not_eligible_is_not_looked_at(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.event("01T10:00:00", "Product Viewed", product_id="p")
    shop.tags('late = "propensity.buy < 0.5"')
    engine = Engine(shop.config())
    for stretch in stretches(shop.config(), shop.lines, 10):
        note(World([], [], [], {}), [engine], stretch)
    assert engine.next_deadline_ms > 2**60
    shop.event("01T11:00:00", "Order Completed", order_id="1", total=10)
    engine = Engine(shop.config())
    for stretch in stretches(shop.config(), shop.lines, 10):
        note(World([], [], [], {}), [engine], stretch)
    assert 0 < engine.next_deadline_ms - engine.checkpoint.clock_ms <= DAY_MS


def test_a_drain_does_not_look_for_ever(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.event("01T10:00:00", "Order Completed", order_id="1", total=10)
    shop.tags('late = "propensity.buy < 0.5"')
    engine = Engine(shop.config())
    for stretch in stretches(shop.config(), shop.lines, 10):
        note(World([], [], [], {}), [engine], stretch, drain=True)
    assert engine.checkpoint.clock_ms <= stretch.clock_ms + DAY_MS


def test_versions_may_come_twice_and_a_successor_is_told_of_them(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.event("01T10:00:00", "Order Completed", order_id="1", total=10)
    version = version_of(shop.model("buy"), {"recency": -0.5}, intercept=1.0)
    engine = Engine(shop.config())
    assert engine.adopt("buy", version)
    assert engine.adopt("buy", version)
    for stretch in stretches(shop.config(), shop.lines, 10):
        note(World([], [], [], {}), [engine], stretch)
    (before,) = documents(engine.profiles())
    for rule in ("orders_total > 0", "propensity.buy > 0.1"):
        shop.tags(f'new = "{rule}"')
        engine = engine.successor(shop.config())
        assert engine.adopt("buy", version)
        note(World([], [], [], {}), [engine], replace(stretch, columns=nothing(stretch.columns)))
        (then,) = documents(engine.profiles())
        assert before["scores"] == then["scores"] != {}
        assert "new" in cast(Document, then["tags"])


def nothing(columns: Columns) -> Columns:
    return columns.take(np.zeros(0, np.int64))


@pytest.mark.parametrize("batch", [1, 3, 100])
def test_how_records_are_cut_into_batches_changes_nothing(tmp_path: Path, batch: int) -> None:
    shop = busy_shop(tmp_path)
    version = version_of(shop.model("buy"), {"recency": -1.0, "spend": 0.4}, intercept=1.5)
    whole, cut = shop.run(version), shop.run(version, batch=batch)
    assert whole.transitions
    assert whole.decisions
    assert (cut.decisions, cut.transitions, cut.profiles) == (
        whole.decisions,
        whole.transitions,
        whole.profiles,
    )


def busy_shop(directory: Path) -> Shop:
    """Some users who buy now and then, a tag over their score, and a journey that reads both."""
    shop = Shop(directory)
    shop.tags('late = "propensity.buy < 0.5"\nsoon = "propensity.stay < 0.4 and not tags.late"')
    shop.journey(
        "remind",
        '[entry]\ntag = "late"\n[stage.one]\nafter = "1h"\nttl = "1d"\nsend = "hello"\n'
        'when = "tags.late and propensity.stay > 0.5"\n'
        '[stage.two]\nafter = "1d"\nttl = "1d"\nsend = "again"\nwhen = "propensity.buy > 0.9"\n',
    )
    chance = np.random.default_rng(3)
    for hour in range(0, 24 * 25, 5):
        user, at = f"user {chance.integers(6)}", f"{1 + hour // 24:02}T{hour % 24:02}:10:00"
        name = ("Order Completed", "Product Viewed", "Order Refunded")[chance.integers(3)]
        total = int(chance.integers(1, 60))
        shop.event(at, name, user=user, order_id=str(hour), total=total, product_id="p")
    shop.tick("28T00:00:00")
    return shop


def test_a_trigger_tells_all_scores_and_what_adds_most_to_those_that_its_rule_reads(
    tmp_path: Path,
) -> None:
    shop = busy_shop(tmp_path)
    version = version_of(shop.model("buy"), {"recency": -1.0, "spend": 0.4}, intercept=1.5)
    sent = [one for one in shop.run(version).decisions if one["type"] == "beckon.trigger"]
    assert sent
    for trigger in sent:
        data = data_of(trigger)
        assert set(data["scores"]) == {"buy", "stay"}
        features = data["features"]
        told = {(one["score"], one["feature"]): one["adds"] for one in data["because"]}
        logit = -math.log(1.0 / data["scores"]["buy"]["value"] - 1.0)
        assert sum(told[key] for key in told if key[0] == "buy") == pytest.approx(
            logit - 1.5, abs=1e-4
        )
        waited = told.get(("buy", "days_since_order"), 0.0)
        assert waited == pytest.approx(-features["days_since_order"])
        spend = 0.4 * math.log1p(max(features["spend_total"], 0.0))
        reads_both = data["stage"] == "one"
        assert told.get(("buy", "spend_total"), 0.0) == pytest.approx(spend, abs=1e-5)
        assert told.get(("stay", "spend_total")) == (
            pytest.approx(-spend, abs=1e-5) if reads_both and spend else None
        )


@pytest.mark.parametrize("name", ["purchase_7d", "churn_30d"])
def test_what_features_add_makes_the_logit(name: str) -> None:
    made = make_plan(CONFIG)
    learner = learned(model_of(name), 7)
    of = model_of(name).complement or name
    assert Versions(CONFIG, made.plan).adopt(of, read_version(publish(learner)))
    rows = random_rows(50, len(CONFIG.profile_features), 8)
    index = [model.name for model in CONFIG.models].index(name)
    record = int(made.plan.ints[MODELS]) + index * MODEL_WORDS
    engine = Engine(CONFIG)
    machine = engine._machine()._replace(plan=made.plan, scratch=new_scratch(made.registers))
    for row in rows:
        machine.scratch[VALUES : VALUES + len(row)] = row
        machine.scratch[VALUES + len(row) : VALUES + len(row) + len(CONFIG.models)] = 0.5
        score(made.plan, machine.scratch, int(made.plan.ints[ALL_SCORES]))
        add_shares(machine, record)
        shares = machine.scratch[SHARES : SHARES + len(model_of(name).features)]
        chance = machine.scratch[VALUES + len(row) + index]
        logit = math.log(chance / (1.0 - chance))
        intercept = learner.scorer().bounds[1] * (-1.0 if of != name else 1.0)
        assert shares.sum() == pytest.approx(logit - intercept, abs=1e-9)
        assert np.count_nonzero(shares) > 5


def test_a_suppressed_stage_tells_the_scores_that_its_own_rule_names(tmp_path: Path) -> None:
    shop = busy_shop(tmp_path)
    version = version_of(shop.model("buy"), {"recency": -1.0, "spend": 0.4}, intercept=1.5)
    held_back = [
        data_of(one)
        for one in shop.run(version).decisions
        if one["type"] == "beckon.suppressed" and data_of(one)["reason"] == "rule"
    ]
    stages = {data["stage"] for data in held_back}
    assert "two" in stages
    for data in held_back:
        assert set(data["scores"]) == ({"stay"} if data["stage"] == "one" else {"buy"})
        assert "because" not in data


def data_of(document: Document) -> Any:
    return document["data"]


def held(world: World) -> set[str]:
    return {str(name) for name in found(world)["tags"]}


def scores(world: World) -> Any:
    return found(world)["scores"]


def found(world: World) -> Any:
    (profile,) = world.profiles
    return profile


def test_version_names_are_told_as_they_are(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.event("01T10:00:00", "Order Completed", order_id="1", total=10)
    version = version_of(shop.model("buy"), intercept=0.0)
    for name in ("ffff00000000000f", "0123456789abcdef", "8000000000000000"):
        renamed: Version = replace(version, id=name + 48 * "0")
        assert scores(shop.run(renamed))["buy"] == {"value": 0.5, "version": name}
