"""Learning from the topic of examples: each once, in order, whatever is polled, killed, changed."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import pytest

from config.load import load
from config.schema import Config
from connectors.log import EXAMPLES_TOPIC
from connectors.memory_broker import MemoryBroker
from flows.learn_model import BATCH
from flows.learn_saved import read_version
from flows.learning import PARKED_MAX, Learning, Taken, load_saved
from tests.config_folders import copy_defaults, with_setting
from tests.example_lines import example_lines, learned_models

PARTITIONS = 4
CONFIG = load()
COUNT = 600
NAMES = [model.name for model in learned_models(CONFIG)]


@pytest.fixture(scope="module")
def lines() -> list[bytes]:
    """The topic, each example once."""
    return example_lines(CONFIG, COUNT)


def topic(lines: list[bytes]) -> MemoryBroker:
    broker = MemoryBroker(PARTITIONS)
    broker.topics[EXAMPLES_TOPIC] = [(None, line) for line in lines]
    return broker


def learned(lines: list[bytes], config: Config = CONFIG) -> Learning:
    """All of it, in one poll."""
    learning = Learning(config, PARTITIONS)
    take(learning, lines)
    return learning


def take(learning: Learning, lines: list[bytes], count_max: int = 10**6) -> Taken:
    """What a poll of a topic with these lines leads to."""
    reader = topic(lines).examples(learning.next_offset)
    return learning.take(reader.poll(count_max))


def knowledge(learning: Learning) -> dict[str, bytes]:
    """What each model has learned."""
    return {model.name: model.learner for model in load_saved(learning.save()).models}


def test_any_batching_of_the_topic_gives_the_same_model(lines: list[bytes]) -> None:
    expected = learned(lines).save()
    random = Random(7)
    for _ in range(5):
        learning = Learning(CONFIG, PARTITIONS)
        while learning.next_offset < len(lines):
            take(learning, lines, random.choice((1, 3, 50, 400)))
        assert learning.save() == expected


def test_whoever_goes_on_from_what_was_saved_learns_the_same(lines: list[bytes]) -> None:
    expected = learned(lines).save()
    random = Random(8)
    for _ in range(5):
        learning, saved = Learning(CONFIG, PARTITIONS), b""
        while learning.next_offset < len(lines):
            take(learning, lines, random.choice((10, 100, 300)))
            if random.random() < 0.5:
                saved = learning.save()
            if random.random() < 0.3:
                learning = Learning(CONFIG, PARTITIONS)
                if saved:
                    assert learning.resume(load_saved(saved), CONFIG) == []
        assert learning.save() == expected


def test_an_example_that_comes_again_is_learned_once(lines: list[bytes]) -> None:
    """Partitions go on from their checkpoints, each for itself, and write again what came since."""
    random = Random(9)
    parts: dict[int, list[bytes]] = {}
    for line in lines:
        parts.setdefault(hash_of(line), []).append(line)
    again: list[bytes] = []
    done = 0
    for at, line in enumerate(lines):
        again.append(line)
        if random.random() < 0.02:
            part = random.choice([*parts.values()])
            seen = [one for one in part if one in set(lines[: at + 1])]
            again += seen[-random.randrange(1, 30) :]
            done += 1
    assert done > 10
    learning = Learning(CONFIG, PARTITIONS)
    taken = take(learning, again)
    assert taken.repeated == len(again) - len(lines)
    assert taken.learned == dict.fromkeys(NAMES, COUNT)
    assert knowledge(learning) == knowledge(learned(lines))


def hash_of(line: bytes) -> int:
    """The partition of a line's user."""
    from flows.lookup import partition_of_user

    return partition_of_user(json.loads(line)["subject"].encode(), PARTITIONS)


@pytest.mark.parametrize(
    "foreign",
    [
        b"",
        b"[]",
        b'{"subject":"u1"}',
        b"\xff\xfe",
        b'{"subject":"u1","time":"soon","data":{"model":"purchase_7d","sampled_at":"2026-01-01",'
        b'"outcome":true,"score":null,"features":{}}}',
    ],
)
def test_what_is_no_example_is_passed_over(lines: list[bytes], foreign: bytes) -> None:
    learning = Learning(CONFIG, PARTITIONS)
    taken = take(learning, [*lines[:100], foreign, *lines[100:]])
    assert (taken.passed_over, sum(taken.learned.values())) == (1, len(lines))
    assert knowledge(learning) == knowledge(learned(lines))


def test_examples_of_no_model_or_without_its_features_are_passed_over(lines: list[bytes]) -> None:
    of_none = lines[0].replace(NAMES[0].encode(), b"of_another_config")
    lacking = lines[2].replace(b'"orders_total"', b'"orders"')
    taken = take(Learning(CONFIG, PARTITIONS), [of_none, lines[1], lacking, *lines[3:]])
    assert taken.passed_over == 2
    assert sum(taken.learned.values()) == len(lines) - 2


def test_a_version_is_published_once_enough_is_known_and_when_more_is(lines: list[bytes]) -> None:
    learning = Learning(CONFIG, PARTITIONS)
    take(learning, lines, 190 * len(NAMES))
    assert list(learning.unpublished()) == []
    take(learning, lines, 200 * len(NAMES))
    published = dict(learning.unpublished())
    assert set(published) == set(NAMES)
    learned_count = read_version(published[NAMES[0]]).learned_count
    assert learned_count == 390 // BATCH * BATCH
    for name, version in published.items():
        learning.note_published(name, version)
    assert list(learning.unpublished()) == []
    saved = learning.save()
    learning = Learning(CONFIG, PARTITIONS)
    learning.resume(load_saved(saved), CONFIG)
    assert list(learning.unpublished()) == []
    take(learning, lines, BATCH * len(NAMES))
    assert {name for name, _ in learning.unpublished()} == set(NAMES)


def changed(folder: Path, old: str, new: str) -> Config:
    """The default config with another `within` in models.toml."""
    folder.mkdir()
    models = copy_defaults(folder) / "models.toml"
    models.write_text(with_setting(models.read_text(), "within", old, new))
    return load(models.parent)


def test_a_model_whose_examples_are_others_now_begins_anew_and_is_found_again(
    lines: list[bytes], tmp_path: Path
) -> None:
    other = changed(tmp_path / "other", '"30d"', '"29d"')
    learning = learned(lines)
    before = knowledge(learning)
    assert learning.change(other) == ["purchase_30d"]
    assert knowledge(learning)["purchase_7d"] == before["purchase_7d"]
    assert knowledge(learning)["purchase_30d"] != before["purchase_30d"]
    saved = learning.save()
    learning = Learning(other, PARTITIONS)
    assert learning.resume(load_saved(saved), CONFIG) == []
    assert knowledge(learning) == before


def test_other_settings_of_learning_forget_nothing(lines: list[bytes], tmp_path: Path) -> None:
    learning = learned(lines)
    slower = changed(tmp_path / "slower", '"7d"', '"7d"\nmemory = 20000')
    assert learning.change(slower) == []


def test_models_that_are_gone_are_kept_for_a_while(lines: list[bytes], tmp_path: Path) -> None:
    learning = learned(lines)
    before = knowledge(learning)
    for days in range(1, PARKED_MAX):
        learning.change(changed(tmp_path / f"{days}", '"30d"', f'"{30 - days}d"'))
    assert learning.change(CONFIG) == []
    assert knowledge(learning)["purchase_30d"] == before["purchase_30d"]
    for days in range(1, 2 * PARKED_MAX):
        learning.change(changed(tmp_path / f"again-{days}", '"30d"', f'"{30 - days}d"'))
    assert learning.change(CONFIG) == ["purchase_30d"]
    assert len(load_saved(learning.save()).parked) <= PARKED_MAX


def test_figures_tell_how_good_the_given_scores_were(lines: list[bytes]) -> None:
    figures = learned(lines).figures()["purchase_7d"]
    assert (figures.taken_count, figures.scored_count) == (COUNT, COUNT // 2)
    assert 0 < figures.log_loss < 1
