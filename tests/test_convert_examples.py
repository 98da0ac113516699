"""Open examples under another config: carried over by model, feature and tag, or dropped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from config.schema import Config
from flows.partition import Engine
from state.conversion import told
from tests.sampling import (
    DAY_MS,
    FEATURES,
    MONTH,
    START_MS,
    TAGS,
    TERMS,
    WEEK,
    Told,
    event,
    examples,
    order,
    played,
    tick,
    write_shop,
)

BOTH = {"week": WEEK, "month": MONTH}
SWITCH = "2026-03-31"
"""When BEFORE ends."""

NIGHT = 'outcome = ["Email Opened"]\nwithin = "28d"\nevery = "28d"'
BEFORE = [
    order(START_MS + DAY_MS),
    order(START_MS + 3 * DAY_MS, user="ben"),
    order(START_MS + 4 * DAY_MS, user="cleo"),
    order(START_MS + 9 * DAY_MS),
    event("Email Opened", START_MS + 20 * DAY_MS, user="ben"),
    tick(START_MS + 30 * DAY_MS),
]
AFTER = [
    order(START_MS + 31 * DAY_MS, user="ben"),
    event("Email Opened", START_MS + 33 * DAY_MS, user="cleo"),
    tick(START_MS + 100 * DAY_MS),
]


@pytest.fixture
def before(tmp_path: Path) -> Config:
    return write_shop(tmp_path / "before", BOTH)


def switched(before: Config, after: Config) -> tuple[Engine, list[Told]]:
    """Another config comes into force between BEFORE and AFTER; the examples from then on."""
    engine = Engine(before)
    list(played(engine, before, BEFORE))
    engine = engine.successor(after)
    return engine, list(played(engine, after, AFTER))


def open_after(config: Config) -> dict[str, int]:
    """How many examples of each model are open after BEFORE: what closes later, without AFTER."""
    found = later(examples(config, [*BEFORE, tick(START_MS + 100 * DAY_MS)]), *BOTH)
    models = [one["data"]["model"] for one in found if str(one["data"]["sampled_at"]) < SWITCH]
    return dict(Counter(models))


def later(found: Sequence[Told], *models: str) -> list[Told]:
    """The examples of these models that close after BEFORE."""
    return [one for one in found if one["data"]["model"] in models and str(one["time"]) > SWITCH]


def test_another_order_of_models_features_and_tags_changes_no_example(
    before: Config, tmp_path: Path
) -> None:
    features = dict(reversed(FEATURES.items())) | {
        "opens": 'kind = "count"\nevents = ["Email Opened"]'
    }
    features = {name: features[name] for name in (*features,) if name != "basket"} | {
        "basket": features["basket"]
    }
    models = {"night": NIGHT, "month": MONTH, "week": WEEK}
    tags = '[keen]\nwhen = "opens >= 1"\n' + TAGS
    after = write_shop(tmp_path / "after", models, features=features, tags=tags)
    engine, found = switched(before, after)
    whole = examples(before, [*BEFORE, *AFTER])
    assert engine.conversion is not None
    assert engine.conversion.examples == {}
    for model in ("week", "month"):
        expected = later(whole, model)
        assert len(expected) > 8
        for one in later(found, model):
            one["data"]["tags"] = [tag for tag in one["data"]["tags"] if tag != "keen"]
        assert later(found, model) == expected
    assert later(found, "night")


def test_another_definition_of_an_outcome_drops_the_open_examples_of_its_model(
    before: Config, tmp_path: Path
) -> None:
    for number, (old, new) in enumerate(
        (('"35d"', '"28d"'), ('["Email Opened"]', '["Product Viewed"]'), ('"7d"', '"14d"'))
    ):
        after = write_shop(tmp_path / str(number), {"week": WEEK, "month": MONTH.replace(old, new)})
        engine, found = switched(before, after)
        assert engine.conversion is not None
        assert engine.conversion.examples == {"month": 11}
        assert "open examples dropped: 11 of month" in told(engine.conversion)
        assert later(found, "week") == later(examples(before, [*BEFORE, *AFTER]), "week")
        sampled_at = [str(one["data"]["sampled_at"]) for one in later(found, "month")]
        assert sampled_at
        assert min(sampled_at) > SWITCH


def test_a_snapshot_without_what_a_model_reads_now_is_of_no_use_to_it(
    before: Config, tmp_path: Path
) -> None:
    redefined = FEATURES | {
        "spend": FEATURES["spend"].replace('"Order Completed"', '"Order Refunded"')
    }
    after = write_shop(tmp_path / "ratio", BOTH, features=redefined)
    engine, _ = switched(before, after)
    assert engine.conversion is not None
    assert engine.conversion.examples == open_after(before)
    more = TERMS.replace("log1p(basket)", "log1p(basket) + log1p(spend)")
    engine, _ = switched(before, write_shop(tmp_path / "more", BOTH, terms=more))
    assert engine.conversion is not None
    assert engine.conversion.examples == open_after(before)


def test_fewer_features_other_terms_and_another_rule_change_nothing_of_what_was_sampled(
    before: Config, tmp_path: Path
) -> None:
    models = {name: text.replace("orders >= 1", "orders >= 2") for name, text in BOTH.items()}
    terms = TERMS.replace("log1p(orders) + orders_week", "orders_week * 2")
    after = write_shop(tmp_path / "after", models, terms=terms)
    engine, found = switched(before, after)
    assert engine.conversion is not None
    assert engine.conversion.examples == {}
    whole = {one["id"]: one for one in examples(before, [*BEFORE, *AFTER])}
    carried = [one for one in later(found, "month") if one["id"] in whole]
    assert len(carried) > 10
    for one in carried:
        expected = whole[one["id"]]["data"]
        kept = {name: expected["features"][name] for name in one["data"]["features"]}
        assert one["data"] == expected | {"features": kept}


def test_without_models_all_open_examples_are_dropped(before: Config) -> None:
    engine = Engine(before)
    list(played(engine, before, BEFORE))
    own = before.profile_features
    engine = engine.successor(replace(before, models=(), features=own, version="none"))
    assert engine.conversion is not None
    assert engine.conversion.examples == open_after(before)


def test_models_that_are_new_sample_everybody_they_take(tmp_path: Path, before: Config) -> None:
    without = replace(before, models=(), features=before.profile_features, version="none")
    engine = Engine(without)
    list(played(engine, without, BEFORE))
    found = list(played(engine.successor(before), before, AFTER))
    expected = [
        one
        for one in examples(before, [*BEFORE, *AFTER])
        if str(one["data"]["sampled_at"]) > SWITCH
    ]
    assert len(expected) > 10
    assert found == expected
