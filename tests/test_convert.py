"""Rows that are converted to another configuration keep all that both have."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from config.fields import field_names
from config.load import load
from config.schema import Config, Feature, Journey, Stage
from connectors.triggers import instant_text
from flows.partition import Engine
from state.convert import ShapeError, convert_rows
from state.layout import lay_out
from state.row_shape import RowShape, decode_shape, encode_shape, shape_digest, shape_of
from state.store import MemoryStore, Snapshot
from tests.changed_configs import write_changed
from tests.messages import message
from tests.oracle_profile import Document, World
from tests.packed_rows import repacked, row_of_format_1, shape_of_format_1
from tests.running import decoded, documents, note, run_engine, stretches
from tests.worlds import Given, make_withheld_world

SEEDS = range(60)
CONFIG = load()
FIRST = Stage(name="first", after_ms=0, ttl_ms=1000, send="nothing")


@pytest.mark.parametrize("seed", SEEDS)
def test_what_two_configs_share_goes_on_as_if_nothing_else_had_ever_been(
    seed: int, tmp_path: Path
) -> None:
    given = make_withheld_world(seed, tmp_path / "world")
    folders = write_changed(seed, given.directory, tmp_path / "all")
    changed = run_changed(folders, given, Random(f"changed {seed}"))
    if any(told_of(one).get("reason") == "replaced" for one in changed.decisions):
        folders = write_changed(seed, given.directory, tmp_path / "some", journeys=False)
        changed = run_changed(folders, given, Random(f"changed {seed}"))
    expected = run_engine(given.config, given.lines, given.idle_ms)
    shared = [shared_part(world, given.config) for world in (changed, expected)]
    assert shared[0].transitions == shared[1].transitions
    assert shared[0].decisions == shared[1].decisions
    assert shared[0].profiles == shared[1].profiles


@pytest.mark.parametrize("seed", SEEDS)
def test_rows_survive_the_way_to_a_larger_config_and_back(seed: int, tmp_path: Path) -> None:
    given = make_withheld_world(seed, tmp_path / "world")
    _, after = map(load, write_changed(seed, given.directory, tmp_path))
    rows = [row for _, row in snapshot_of(given.config, given.lines).rows]
    small, large = shape(given.config), shape(after)
    rows = repacked(rows, given.config)
    same, conversion = convert_rows(rows, small, small, template(given.config))
    assert same == rows
    assert not any((conversion.features_new, conversion.tags_gone, conversion.dropped))
    there, _ = convert_rows(rows, small, large, template(after))
    back, conversion = convert_rows(there, large, small, template(given.config))
    assert back == rows
    assert len(conversion.features_gone) == len(after.features) - len(given.config.features)


def test_a_converted_state_is_written_whole_with_its_shape_and_then_needs_no_converting(
    shop_log: Sequence[bytes],
) -> None:
    other = replace(CONFIG, features=CONFIG.features[::-1], version="other")
    before = snapshot_of(unrated(CONFIG), shop_log)
    engine = Engine(unrated(other), snapshot=before)
    assert engine.conversion is not None
    commit = engine.commit()
    assert len(commit.rows) == commit.checkpoint.user_count == len(before.rows)
    assert commit.checkpoint.layout == shape_digest(decode_shape(commit.shape))
    assert engine.commit().shape == b""
    after = Snapshot(checkpoint=commit.checkpoint, rows=commit.rows, shape=commit.shape)
    again = Engine(unrated(other), snapshot=after)
    assert again.conversion is None
    assert list(again.profiles()) == list(engine.profiles())
    assert not again.commit().rows


def test_a_feature_of_another_definition_starts_as_a_new_one(shop_log: Sequence[bytes]) -> None:
    at = next(index for index, one in enumerate(CONFIG.features) if one.kind == "days_since")
    feature = CONFIG.features[at]
    redefined = replace(feature, events={**feature.events, "Email Opened": 1})
    found, engine = converted(CONFIG, with_feature(CONFIG, at, redefined), shop_log)
    assert engine.conversion is not None
    assert engine.conversion.features_new == engine.conversion.features_gone == (feature.name,)
    for before, after in zip(profiles(CONFIG, shop_log), found, strict=True):
        before["features"].pop(feature.name, None)
        assert after == before


def test_instances_at_a_stage_that_is_gone_are_dropped_and_counted_by_journey(
    shop_log: Sequence[bytes],
) -> None:
    before = profiles(CONFIG, shop_log)
    pending = [(one["journey"], one["stage"]) for user in before for one in user["instances"]]
    journey, stage = max(set(pending), key=pending.count)
    found, engine = converted(CONFIG, without_stage(CONFIG, journey, stage), shop_log)
    assert engine.conversion is not None
    assert engine.conversion.dropped == {journey: pending.count((journey, stage))}
    for user, after in zip(before, found, strict=True):
        user["instances"] = [
            one for one in user["instances"] if (one["journey"], one["stage"]) != (journey, stage)
        ]
        assert after["instances"] == user["instances"]
    assert engine.counters.journeys[journey].pending == sum(
        one["journey"] == journey for user in found for one in user["instances"]
    )


def test_a_last_trigger_still_counts_when_its_stage_is_gone(shop_log: Sequence[bytes]) -> None:
    before = profiles(CONFIG, shop_log)
    sent = [(one["journey"], one["stage"]) for user in before for one in user["triggers"]]
    journey, stage = max(set(sent), key=sent.count)
    found, _ = converted(CONFIG, without_stage(CONFIG, journey, stage), shop_log)
    for user, after in zip(before, found, strict=True):
        for one in user["triggers"]:
            if (one["journey"], one["stage"]) == (journey, stage):
                one["stage"] = None
        assert after["triggers"] == user["triggers"]


def test_stages_are_known_again_wherever_they_stand(shop_log: Sequence[bytes]) -> None:
    journeys = tuple(replace(one, stages=(FIRST, *one.stages)) for one in CONFIG.journeys)
    other = replace(CONFIG, journeys=journeys, version="other")
    before = snapshot_of(CONFIG, shop_log)
    found, engine = converted(CONFIG, other, shop_log)
    assert engine.conversion is not None
    assert engine.conversion.dropped == {}
    for user, after in zip(profiles(CONFIG, shop_log), found, strict=True):
        assert (after["instances"], after["triggers"]) == (user["instances"], user["triggers"])
    goals = goals_after(CONFIG, before)
    assert goals
    assert goals_after(other, before) == goals
    gone = without_stage(CONFIG, *goals[0][1:])
    assert goals_after(gone, before) == [one for one in goals if one[1:] != goals[0][1:]]


def test_a_journey_that_is_gone_is_forgotten_and_the_others_are_not(
    shop_log: Sequence[bytes],
) -> None:
    before = profiles(CONFIG, shop_log)
    names = [one["journey"] for user in before for one in user["instances"] + user["triggers"]]
    gone = max(set(names), key=names.count)
    journeys = tuple(one for one in CONFIG.journeys if one.name != gone)
    other = replace(CONFIG, journeys=journeys, version="other")
    found, engine = converted(CONFIG, other, shop_log)
    assert engine.conversion is not None
    assert engine.conversion.journeys_gone == (gone,)
    for user, after in zip(before, found, strict=True):
        for kind in ("instances", "triggers"):
            assert after[kind] == [one for one in user[kind] if one["journey"] != gone]
    assert converted(other, CONFIG, shop_log)[1].conversion is not None


def test_closed_channels_are_known_again_by_their_names(shop_log: Sequence[bytes]) -> None:
    shop_log = [*shop_log, message(event="Unsubscribed", properties={"channel": "push"})]
    channels = dict(reversed(CONFIG.shop.channels.items()))
    assert len(channels) > 1
    other = replace(CONFIG, shop=replace(CONFIG.shop, channels=channels), version="other")
    found, _ = converted(CONFIG, other, shop_log)
    closed = [sorted(user["closed_channels"]) for user in profiles(CONFIG, shop_log)]
    assert [sorted(user["closed_channels"]) for user in found] == closed
    assert any(closed)


def test_tags_keep_their_since_when_their_group_begins_or_ends_to_pick_one(
    shop_log: Sequence[bytes],
) -> None:
    picking = [replace(tag, pick_first=tag.rule is None) for tag in CONFIG.tags]
    free = [replace(tag, pick_first=False) for tag in CONFIG.tags]
    pick, leave = (replace(CONFIG, tags=tuple(tags), version="o") for tags in (picking, free))
    for before, after in ((pick, leave), (leave, pick)):
        held = [user["tags"] for user in profiles(before, shop_log)]
        found = [user["tags"] for user in converted(before, after, shop_log)[0]]
        assert [tags.keys() for tags in found] == [tags.keys() for tags in held]
        if before is pick:
            assert found == held
    # Of those in a group that were held when it began to pick one, the first stays.
    for group in {tag.parent for tag in CONFIG.tags if tag.parent >= 0}:
        names = [tag.name for tag in CONFIG.tags if tag.rule and tag.parent == group]
        for before_tags, after_tags in zip(held, found, strict=True):
            first = next((name for name in names if name in before_tags), None)
            assert first is None or after_tags[first] == before_tags[first]


def test_amounts_in_another_currency_cannot_be_converted(shop_log: Sequence[bytes]) -> None:
    pounds = replace(CONFIG, shop=replace(CONFIG.shop, currency="GBP"), version="other")
    with pytest.raises(ShapeError, match="expected amounts in GBP, got EUR"):
        Engine(pounds, snapshot=snapshot_of(CONFIG, shop_log))


def test_rows_without_a_shape_beside_them_or_of_another_format_are_refused(
    shop_log: Sequence[bytes],
) -> None:
    found = snapshot_of(CONFIG, shop_log)
    other = replace(CONFIG, journeys=(), version="other")
    with pytest.raises(ShapeError, match="expected a description of the profiles' layout"):
        Engine(other, snapshot=replace(found, shape=b""))
    later = encode_shape(replace(decode_shape(found.shape), format=99))
    with pytest.raises(ShapeError, match="expected profiles of row format 1 or 2, got 99"):
        Engine(other, snapshot=replace(found, shape=later))


def test_rows_of_the_format_before_lack_a_hash_and_are_given_it(
    shop_log: Sequence[bytes],
) -> None:
    config = replace(CONFIG, models=())
    now = snapshot_of(config, shop_log)
    rows = [(user, row_of_format_1(row)) for user, row in now.rows]
    shape = encode_shape(shape_of_format_1(decode_shape(now.shape)))
    checkpoint = replace(now.checkpoint, layout="before")
    engine = Engine(config, snapshot=replace(now, rows=rows, shape=shape, checkpoint=checkpoint))
    assert list(engine.profiles()) == list(Engine(config, snapshot=now).profiles())
    assert [packed for _, packed in engine.commit().rows] == repacked(
        [row for _, row in now.rows], config
    )


def test_new_tags_are_held_at_once_and_turned_by_time_and_open_no_journey(
    shop_log: Sequence[bytes],
) -> None:
    quiet = {tag.name for tag in CONFIG.tags if tag.rule and "days_since" in tag.rule.text}
    bare = replace(CONFIG, tags=(), journeys=(), version="other")
    found = snapshot_of(bare, shop_log)
    engine = Engine(CONFIG, snapshot=found)
    columns, _, _ = next(decoded(CONFIG, list(shop_log), 1000))
    clock_ms, next_offset = found.checkpoint.clock_ms, found.checkpoint.next_offset
    nothing = columns.take(np.zeros(0, np.int64))
    at_once = engine.process(nothing, clock_ms=clock_ms, next_offset=next_offset).transitions()
    assert {told_of(one)["held"] for one in documents(at_once)} == {True}
    assert not any(journey.entered for journey in engine.counters.journeys.values())
    assert quiet & {told_of(one)["tag"] for one in documents(engine.drain().transitions())}


@pytest.mark.parametrize("seed", range(20))
def test_a_shape_is_read_back_as_it_was_stored(seed: int, tmp_path: Path) -> None:
    config = make_withheld_world(seed, tmp_path / "world").config
    one = shape(config)
    assert decode_shape(encode_shape(one)) == one
    assert shape_digest(one) != shape_digest(replace(one, tags=one.tags[::-1]))


def run_changed(folders: tuple[Path, Path], given: Given, random: Random) -> World:
    """The engine on a log, with another config from somewhere on."""
    before, after = map(load, folders)
    batch = random.choice((1, 7, 20))
    parts = [list(stretches(config, given.lines, batch)) for config in (before, after)]
    world = World(decisions=[], transitions=[], profiles=[], counters={})
    engine, store = Engine(before), MemoryStore()
    at = random.randint(1, len(parts[0]))
    for stretch in parts[0][:at]:
        note(world, [engine], stretch)
    store.commit(engine.commit())
    engine = Engine(after, snapshot=store.load(0))
    for stretch in parts[1][at:]:
        note(world, [engine], stretch)
    last = parts[1][-1]
    nothing, clock_ms = last.columns.take(np.zeros(0, np.int64)), last.clock_ms + given.idle_ms
    note(world, [engine], replace(last, columns=nothing, clock_ms=clock_ms))
    world.profiles.extend(documents(engine.profiles()))
    return world


def shared_part(world: World, config: Config) -> World:
    """What of a world a config tells: its journeys, tags and features."""
    features = {feature.name for feature in config.features}
    tags = {tag.name for tag in config.tags}
    journeys = {journey.name for journey in config.journeys}

    def pruned(document: Document) -> Document:
        """A profile or a decision's data, with what the config knows."""
        kept = {key: value for key, value in document.items() if key != "version"}
        for key, known in (("features", features), ("tags", tags)):
            named = kept.get(key)
            if isinstance(named, dict):
                kept[key] = {name: value for name, value in named.items() if name in known}
            elif isinstance(named, list):
                kept[key] = [name for name in named if name in known]
        for key in ("instances", "triggers"):
            if isinstance(listed := kept.get(key), list):
                kept[key] = [one for one in listed if one["journey"] in journeys]
        return kept

    return World(
        decisions=[
            one | {"data": pruned(told_of(one))}
            for one in world.decisions
            if told_of(one)["journey"] in journeys
        ],
        transitions=[one for one in world.transitions if told_of(one)["tag"] in tags],
        profiles=[pruned(one) for one in world.profiles],
        counters={},
    )


def told_of(document: Document) -> dict[str, Any]:
    data = document["data"]
    assert isinstance(data, dict)
    return data


def snapshot_of(config: Config, lines: Sequence[bytes]) -> Snapshot:
    """What an engine commits after a log."""
    engine, store = Engine(config), MemoryStore()
    for columns, clock_ms, next_offset in decoded(config, list(lines), 1000):
        engine.process(columns, clock_ms=clock_ms, next_offset=next_offset)
    store.commit(engine.commit())
    snapshot = store.load(0)
    assert snapshot is not None
    return snapshot


def profiles(config: Config, lines: Sequence[bytes]) -> list[dict[str, Any]]:
    """The profiles after a log."""
    engine = Engine(config, snapshot=snapshot_of(config, lines))
    return [json.loads(line) for line in engine.profiles()]


def converted(
    before: Config, after: Config, lines: Sequence[bytes]
) -> tuple[list[dict[str, Any]], Engine]:
    """The profiles after a log, once they are converted, and the engine that did it."""
    engine = Engine(after, snapshot=snapshot_of(before, lines))
    return [json.loads(line) for line in engine.profiles()], engine


def goals_after(config: Config, snapshot: Snapshot) -> list[tuple[str, str, str]]:
    """Which stages (user, journey, stage) are credited when all buy a minute after a snapshot."""
    engine = Engine(config, snapshot=snapshot)
    at = instant_text(snapshot.checkpoint.clock_ms + 60_000)
    order = {"order_id": "o", "total": 10, "products": []}
    lines = [
        message(
            event="Order Completed",
            userId=user.decode(),
            messageId="bought",
            timestamp=at,
            receivedAt=at,
            properties=order,
        )
        for user, _ in snapshot.rows
    ]
    goals = []
    for columns, clock_ms, next_offset in decoded(config, lines, 1000):
        batch = engine.process(columns, clock_ms=clock_ms, next_offset=next_offset)
        for one in documents(batch.decisions()):
            if one["type"] == "beckon.goal":
                data = told_of(one)
                goals.append((str(one["subject"]), data["journey"], data["stage"]))
    return sorted(goals)


def shape(config: Config) -> RowShape:
    return shape_of(config, lay_out(config, field_names(config.events)))


def template(config: Config) -> Any:
    return lay_out(config, field_names(config.events)).template


def unrated(config: Config) -> Config:
    """Without what refers to features by their numbers: tags, journeys, ratios."""
    features = tuple(one for one in config.features if one.kind != "ratio")
    return replace(config, features=features, tags=(), journeys=())


def with_feature(config: Config, at: int, feature: Feature) -> Config:
    features = list(config.features)
    features[at] = feature
    return replace(config, features=tuple(features), version="other")


def without_stage(config: Config, journey: str, stage: str) -> Config:
    """A config in which a journey has another stage in the place of one."""

    def renamed(one: Journey) -> Journey:
        stages = (replace(it, name="new") if it.name == stage else it for it in one.stages)
        return replace(one, stages=tuple(stages)) if one.name == journey else one

    return replace(config, journeys=tuple(map(renamed, config.journeys)), version="other")
