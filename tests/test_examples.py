"""Examples: when a user is sampled, what is kept, when it closes and what came of it by then."""

from __future__ import annotations

from pathlib import Path
from random import Random

import numpy as np
import pytest

from config.schema import Config
from connectors.triggers import instant_ms
from flows import output as out
from flows.examples import in_order
from flows.learn_model import Learner, Settings, scores_by
from flows.learn_program import compiled_program
from flows.learn_saved import publish, read_version
from flows.partition import Engine
from state.memory import NEVER
from state.store import MemoryStore
from state.texts import new_texts, number_of
from tests.running import documents, stretches
from tests.sampling import (
    DAY_MS,
    MONTH,
    START_MS,
    WEEK,
    WEEK_MS,
    Told,
    event,
    examples,
    instants,
    order,
    outcomes,
    played,
    sampled,
    tick,
    view,
    write_shop,
)

END_MS = START_MS + 60 * DAY_MS
BOTH = {"week": WEEK, "month": MONTH}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Config:
    return write_shop(tmp_path_factory.mktemp("shop"), BOTH)


@pytest.fixture(scope="module")
def first(shop: Config) -> int:
    """The first instant of March at which ann can be sampled, a whole week after its start."""
    return instants(shop, START_MS + WEEK_MS, END_MS)[0]


def test_a_user_is_sampled_where_the_hash_says_as_long_as_eligible(shop: Config) -> None:
    ordered_ms = START_MS + 2 * DAY_MS
    refunded_ms = START_MS + 24 * DAY_MS
    refund = event("Order Refunded", refunded_ms, order_id="o", total=10.0)
    found = examples(shop, [view(START_MS), order(ordered_ms), refund, tick(END_MS)])
    assert sampled(found, "week") == instants(shop, ordered_ms, refunded_ms)
    assert sampled(found, "month") == instants(shop, ordered_ms, refunded_ms)
    for one in found:
        within_ms = WEEK_MS if one["data"]["model"] == "week" else 5 * WEEK_MS
        assert instant_ms(one["time"]) == instant_ms(one["data"]["sampled_at"]) + within_ms
    assert found == sorted(found, key=lambda one: str(one["time"]))


def test_the_first_record_is_not_sampled_at_its_own_instant(shop: Config, first: int) -> None:
    end = first + 3 * WEEK_MS
    assert sampled(examples(shop, [order(first), tick(end)]), "week") == [
        first + WEEK_MS,
        first + 2 * WEEK_MS,
    ]
    assert sampled(examples(shop, [order(first - 1), tick(end)]), "week")[0] == first


def test_what_is_recorded_at_the_instant_or_later_is_not_in_the_features(
    shop: Config, first: int
) -> None:
    lines = [
        order(first - DAY_MS),
        order(first - 1, total=20.1),
        order(first, at_ms=first - 2, total=40.0),
        order(first + 1, at_ms=first - 2, total=80.0),
        tick(first + WEEK_MS),
    ]
    (one,) = examples(shop, lines)
    assert one["data"]["features"] == {
        "orders": 2.0,
        "orders_week": 2.0,
        "gap": float(np.float32((DAY_MS // 1000) / 86400)),
        "basket": float(np.float32(30.1 / 2)),
    }


def test_what_is_not_known_is_null(shop: Config, first: int) -> None:
    one = examples(shop, [order(first - DAY_MS), tick(first + WEEK_MS)])[0]
    assert one["data"]["features"]["gap"] is None
    assert (one["data"]["score"], one["data"]["version"]) == (None, None)


@pytest.mark.parametrize(
    ("received", "at", "outcome"),
    [
        (0, -1, False),
        (0, 0, False),
        (1, 0, False),
        (1, 1, True),
        (WEEK_MS - 1, 1, True),
        (WEEK_MS - 1, WEEK_MS - 1, True),
        (WEEK_MS - 1, -1, False),
        (WEEK_MS, 1, False),
        (WEEK_MS, WEEK_MS, False),
    ],
)
def test_an_outcome_counts_by_event_time_if_recorded_before_the_example_closes(
    shop: Config, first: int, received: int, at: int, outcome: bool
) -> None:
    later = order(first + received, at_ms=first + at)
    found = examples(shop, [order(first - DAY_MS), later, tick(first + WEEK_MS)])
    assert sampled(found, "week") == [first]
    assert outcomes(found, "week") == [outcome]


def test_an_event_is_the_outcome_of_those_models_that_name_it(shop: Config, first: int) -> None:
    opened = event("Email Opened", first + 8 * DAY_MS)
    found = examples(shop, [order(first - DAY_MS), opened, tick(first + 6 * WEEK_MS)])
    assert outcomes(found, "month")[:3] == [True, True]
    assert not any(outcomes(found, "week"))


def test_an_event_that_is_repeated_is_no_outcome(shop: Config, first: int) -> None:
    opened = event("Email Opened", first - 2 * DAY_MS)
    lines = [opened, order(first - DAY_MS)]
    again = opened.replace(b"receivedAt", b"then").replace(b"timestamp", b"receivedAt")
    found = examples(shop, [*lines, again, tick(first + 5 * WEEK_MS)])
    assert outcomes(found, "month") == [False]


def test_tags_settle_before_the_user_is_sampled(shop: Config, first: int) -> None:
    turning = examples(shop, [order(first - 3 * DAY_MS), tick(first + WEEK_MS)])
    assert turning[0]["data"]["tags"] == []
    holding = examples(shop, [order(first - 3 * DAY_MS + 1000), tick(first + WEEK_MS)])
    assert holding[0]["data"]["tags"] == ["recent"]


def test_five_are_open_at_once_and_the_oldest_closes_as_the_sixth_is_sampled(
    shop: Config, first: int
) -> None:
    engine = Engine(shop)
    begin = [order(first - DAY_MS), tick(first + 5 * WEEK_MS - 1)]
    found = list(played(engine, shop, begin))
    assert sampled(found, "month") == []
    bytes_before = engine.resident_bytes
    for week in range(5, 200):
        found = list(played(engine, shop, [tick(first + week * WEEK_MS)]))
        assert sampled(found, "month") == [first + (week - 5) * WEEK_MS]
        assert sampled(found, "week") == [first + (week - 1) * WEEK_MS]
    assert engine.resident_bytes == bytes_before, "what has closed gives its room back"


def test_who_cannot_become_eligible_without_another_event_waits_for_nothing(
    tmp_path: Path, first: int
) -> None:
    rules = ("orders >= 1", "orders_week >= 1", "days >= 2 or basket > 5")
    for number, rule in enumerate(rules):
        model = WEEK.replace("orders >= 1", rule)
        config = write_shop(tmp_path / str(number), {"week": model}, tags="")
        engine = Engine(config)
        list(played(engine, config, [view(START_MS), view(START_MS + 1)]))
        assert engine.next_deadline_ms == NEVER, rule
        list(played(engine, config, [order(first - DAY_MS)]))
        assert engine.next_deadline_ms == first, rule


def test_time_alone_makes_a_user_eligible_and_ends_it(tmp_path: Path, first: int) -> None:
    ordered_ms = first - 2 * DAY_MS
    lines = [order(ordered_ms), tick(first + 5 * WEEK_MS)]
    later = WEEK.replace("orders >= 1", "days >= 10")
    config = write_shop(tmp_path / "later", {"week": later})
    assert sampled(examples(config, lines), "week") == [
        first + week * WEEK_MS for week in (2, 3, 4)
    ]
    recent = WEEK.replace("orders >= 1", "orders_week >= 1")
    config = write_shop(tmp_path / "recent", {"week": recent})
    assert sampled(examples(config, lines), "week") == [first]


def test_models_sampled_more_seldom_have_instants_of_their_own(
    tmp_path: Path, shop: Config
) -> None:
    seldom = MONTH.replace("7d", "28d").replace("35d", "91d")
    config = write_shop(tmp_path, {"week": WEEK, "quarter": seldom})
    end_ms = START_MS + 200 * DAY_MS
    found = examples(config, [order(START_MS), tick(end_ms)])
    assert sampled(found, "week") == instants(shop, START_MS, end_ms - WEEK_MS)
    instants_of = instants(config, START_MS, end_ms - 91 * DAY_MS, 28 * DAY_MS)
    assert sampled(found, "quarter") == instants_of
    assert len(instants_of) > 2


def test_models_of_one_group_take_whom_each_is_for(tmp_path: Path, first: int) -> None:
    often = MONTH.replace("orders >= 1", "orders >= 2")
    config = write_shop(tmp_path, {"week": WEEK, "month": often})
    lines = [order(first - DAY_MS), order(first + DAY_MS), tick(first + 6 * WEEK_MS)]
    found = examples(config, lines)
    assert sampled(found, "week")[0] == first
    assert sampled(found, "month") == [first + WEEK_MS]


def test_a_complement_has_no_examples_of_its_own(tmp_path: Path, first: int) -> None:
    config = write_shop(tmp_path, {"week": WEEK, "none": 'complement = "week"'})
    lines = [order(first - DAY_MS), tick(first + WEEK_MS)]
    assert {one["data"]["model"] for one in examples(config, lines)} == {"week"}


def random_log(random: Random) -> list[bytes]:
    """Forty days of three users, with late events among theirs."""
    lines = []
    at_ms = START_MS
    while at_ms < START_MS + 40 * DAY_MS:
        at_ms += random.randrange(1, DAY_MS)
        user = random.choice(("ann", "ben", "cleo"))
        late_ms = random.choice((0, 0, random.randrange(10 * DAY_MS)))
        made = random.choice((order, order, view))
        lines.append(made(at_ms, at_ms=at_ms - late_ms, user=user))
        if random.random() < 0.2:
            lines.append(event("Email Opened", at_ms, user=user))
    return [*lines, tick(at_ms + 50 * DAY_MS)]


@pytest.mark.parametrize("seed", range(3))
def test_cutting_a_log_into_batches_or_engines_changes_no_example(shop: Config, seed: int) -> None:
    random = Random(seed)
    lines = random_log(random)
    whole = examples(shop, lines)
    assert len(whole) > 20
    assert examples(shop, lines, batch=1) == whole
    store, engine = MemoryStore(), Engine(shop)
    resumed: list[Told] = []
    for stretch in stretches(shop, lines, 1):
        done = engine.process(
            stretch.columns, clock_ms=stretch.clock_ms, next_offset=stretch.next_offset
        )
        resumed += documents(done.examples())
        store.commit(engine.commit())
        if random.random() < 0.3:
            engine = Engine(shop, snapshot=store.load(0))
    assert resumed == whole


def test_a_drain_neither_samples_nor_closes(shop: Config, first: int) -> None:
    engine = Engine(shop)
    list(played(engine, shop, [order(first - DAY_MS), tick(first + 1)]))
    assert engine.drain().examples() == []


def test_the_counters_tell_what_has_closed_and_with_what(shop: Config, first: int) -> None:
    engine = Engine(shop)
    lines = [order(first - DAY_MS), order(first + DAY_MS), tick(first + 2 * WEEK_MS)]
    list(played(engine, shop, lines))
    counted = engine.counters.examples
    assert (counted["week"].closed, counted["week"].outcomes) == (2, 1)
    assert (counted["month"].closed, counted["month"].outcomes) == (0, 0)


def test_an_example_has_the_score_of_the_version_in_force_when_it_was_sampled(
    shop: Config, first: int
) -> None:
    recipe = shop.models[0].recipe
    learner = Learner(Settings(recipe=recipe))
    chance = np.random.default_rng(1)
    learner.learn(chance.exponential(2.0, (640, 4)), chance.random(640) < 0.3)
    version = read_version(publish(learner))
    engine = Engine(shop)
    found = list(played(engine, shop, [order(first - DAY_MS), tick(first + 1)]))
    assert engine.adopt("week", version)
    found += played(engine, shop, [tick(first + 3 * WEEK_MS)])
    scored = [one["data"] for one in found if one["data"]["model"] == "week"]
    assert [one["version"] for one in scored] == [None, version.id[:16], version.id[:16]]
    features = [[*one["features"].values()] for one in scored[1:]]
    scores = scores_by(
        compiled_program(recipe.program), version.scorer, np.array(features, np.float64)
    )
    assert scored[0]["score"] is None
    assert [one["score"] for one in scored[1:]] == [float(np.float32(score)) for score in scores]


def test_columns_for_learners_are_those_of_the_lines(shop: Config, first: int) -> None:
    engine = Engine(shop)
    lines = [order(first - DAY_MS), order(first + DAY_MS), tick(first + 6 * WEEK_MS)]
    for stretch in stretches(shop, lines, 1000):
        batch = engine.process(
            stretch.columns, clock_ms=stretch.clock_ms, next_offset=stretch.next_offset
        )
    closed, told = batch.closed(), documents(batch.examples())
    assert len(closed) == len(told) > 6
    for index, model in enumerate(shop.models):
        rows, features = closed.rows_of(index), closed.features_of(index)
        for row, values in zip(rows, features.tolist(), strict=True):
            data = told[row]["data"]
            assert data["model"] == model.name
            assert data["outcome"] == closed.outcome[row]
            assert [*data["features"]] == [*model.recipe.program.features]
            known = [None if value != value else value for value in values]
            assert [*data["features"].values()] == known


def test_examples_are_in_order_of_instant_user_model_and_sampling() -> None:
    users = new_texts()
    slots = {name: number_of(users, name) for name in (b"cleo", b"ann", b"ben")}
    order_wanted = [
        (1, b"ben", 1, 0),
        (2, b"ann", 0, 1),
        (2, b"ann", 0, 2),
        (2, b"ann", 1, 0),
        (2, b"ben", 0, 0),
        (2, b"cleo", 1, 0),
        (3, b"ann", 0, 0),
    ]
    rows = np.zeros((len(order_wanted), out.EXAMPLE_FEATURES), np.int64)
    for row, (closed, user, model, at) in zip(rows, order_wanted, strict=True):
        row[out.EXAMPLE_CLOSED], row[out.EXAMPLE_USER] = closed, slots[user]
        row[out.EXAMPLE_MODEL], row[out.EXAMPLE_SAMPLED] = model, at
    shuffled = rows[np.random.default_rng(3).permutation(len(rows))]
    assert in_order(shuffled, users).tolist() == rows.tolist()
