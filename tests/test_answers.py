"""Examples of messages: taken at each trigger of a channel, labelled by what answers it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest

from config.schema import Config
from connectors.late import Withheld, read_withheld, too_late, trigger_of
from connectors.log import ControlRecord
from connectors.triggers import instant_ms, instant_text
from flows.partition import Engine
from state.store import MemoryStore
from tests.running import documents, stretches
from tests.sampling import DAY_MS, START_MS, WEEK, event, order, tick, write_shop

HOUR_MS = 3_600_000
Told = dict[str, Any]
ADDED_MS = START_MS + DAY_MS
RESPONSE = 'outcome = ["Email Opened", "Email Link Clicked"]\nwithin = "2d"\nchannel = "email"'
CART = """
about = "A story."
status = "{status}"
purpose = "marketing"
channels = ["{channel}"]
priority = 50
holdout = {holdout}
[entry]
event = "{entry}"
key = "cart_id"
cooldown = "1s"
[stage.now]
after = "{after}"
send = "a"
ttl = "2h"
[stage.later]
after = "12h"
send = "b"
ttl = "2h"
"""


def write_cart_shop(
    folder: Path,
    models: dict[str, str] | None = None,
    **more: object,
) -> Config:
    """A shop that writes to everybody who adds something: at once, and half a day later."""
    (folder / "journeys").mkdir(parents=True)
    how = {"channel": "email", "after": "0s", "status": "live", "holdout": 0.0}
    text = CART.format(**how | {"entry": "Product Added"} | more)
    (folder / "journeys" / "cart.toml").write_text(text)
    return write_shop(folder, models or {"response": RESPONSE})


def added(received_ms: int, cart: str = "c1", **more: Any) -> bytes:
    properties: dict[str, Any] = {"product_id": "p", "price": 5.0, "quantity": 1, "cart_id": cart}
    return event("Product Added", received_ms, **properties | more)


def answer(received_ms: int, trigger: str, name: str = "Email Opened", **more: Any) -> bytes:
    return event(name, received_ms, trigger_id=trigger, **more)


def play(
    config: Config, lines: Sequence[bytes], *, engine: Engine | None = None, batch: int = 1000
) -> tuple[list[Told], list[Told]]:
    """The triggers of a log and the examples that close."""
    engine = engine or Engine(config)
    sent: list[Told] = []
    found: list[Told] = []
    for stretch in stretches(config, list(lines), batch):
        done = engine.process(
            stretch.columns, clock_ms=stretch.clock_ms, next_offset=stretch.next_offset
        )
        sent += documents(done.triggers())
        found += documents(done.examples())
    return sent, found


def ids_of(config: Config, lines: Sequence[bytes]) -> list[str]:
    """The ids of the triggers that come of these lines."""
    return [str(one["id"]) for one in play(config, lines)[0]]


def test_an_example_is_taken_at_each_trigger_of_the_channel(tmp_path: Path) -> None:
    config = write_cart_shop(tmp_path)
    lines = [order(START_MS), order(START_MS + 1), added(ADDED_MS), tick(ADDED_MS + 5 * DAY_MS)]
    sent, found = play(config, lines)
    assert len(sent) == len(found) == 2
    for trigger, example in zip(sent, found, strict=True):
        data = example["data"]
        assert data["trigger"] == trigger["id"]
        assert data["sampled_at"] == trigger["time"]
        assert instant_ms(str(example["time"])) == instant_ms(str(trigger["time"])) + 2 * DAY_MS
        assert (data["model"], data["outcome"]) == ("response", False)
        assert (data["score"], data["version"]) == (None, None)
    assert [one["data"]["features"]["orders"] for one in found] == [2.0, 2.0]
    assert [one["data"]["tags"] for one in found] == [["recent"], ["recent"]]


def test_what_is_recorded_with_the_trigger_is_in_the_features_and_what_comes_later_is_not(
    tmp_path: Path,
) -> None:
    config = write_cart_shop(tmp_path, entry="Order Completed")
    later_ms = ADDED_MS + DAY_MS // 2
    lines = [
        order(ADDED_MS, cart_id="c1"),
        order(ADDED_MS, at_ms=ADDED_MS - 6),
        order(later_ms, at_ms=ADDED_MS),
        tick(ADDED_MS + 5 * DAY_MS),
    ]
    _, found = play(config, lines)
    assert [one["data"]["sampled_at"] for one in found] == [
        instant_text(ADDED_MS),
        instant_text(later_ms),
    ]
    assert [one["data"]["features"]["orders"] for one in found] == [1.0, 2.0]


def test_other_channels_and_what_is_not_sent_make_no_example(tmp_path: Path) -> None:
    hows: tuple[dict[str, Any], ...] = (
        *({"channel": "push"}, {"status": "shadow"}),
        *({"status": "off"}, {"holdout": 1.0}),
    )
    for number, how in enumerate(hows):
        config = write_cart_shop(tmp_path / str(number), **how)
        lines = [added(ADDED_MS), tick(ADDED_MS + 5 * DAY_MS)]
        assert play(config, lines)[1] == []


@pytest.mark.parametrize(
    ("received", "at", "outcome"),
    [
        (1, 0, False),
        (1, -5, False),
        (1, 1, True),
        (HOUR_MS, 1, True),
        (2 * DAY_MS - 1, 1, True),
        (2 * DAY_MS - 1, 2 * DAY_MS - 1, True),
        (2 * DAY_MS, 1, False),
        (3 * DAY_MS, 1, False),
    ],
)
def test_an_answer_counts_by_event_time_if_recorded_before_the_example_closes(
    tmp_path: Path, received: int, at: int, outcome: bool
) -> None:
    config = write_cart_shop(tmp_path)
    first, _ = ids_of(config, [added(ADDED_MS), tick(ADDED_MS + DAY_MS)])
    opened = answer(ADDED_MS + received, first, at_ms=ADDED_MS + at)
    _, found = play(config, [added(ADDED_MS), opened, tick(ADDED_MS + 5 * DAY_MS)])
    assert [one["data"]["outcome"] for one in found] == [outcome, False]


def test_an_example_of_a_fraction_of_a_second_closes_at_the_next_whole_one(tmp_path: Path) -> None:
    config = write_cart_shop(tmp_path)
    late = added(ADDED_MS + 250, at_ms=ADDED_MS)
    (first, _) = ids_of(config, [late, tick(ADDED_MS + DAY_MS)])
    end_ms = ADDED_MS + 250 + 2 * DAY_MS
    for at_ms, outcome in ((end_ms, True), (end_ms + 1, False)):
        opened = answer(ADDED_MS + 2 * DAY_MS + 999, first, at_ms=at_ms)
        _, found = play(config, [late, opened, tick(ADDED_MS + 5 * DAY_MS)])
        assert found[0]["data"]["sampled_at"] == instant_text(ADDED_MS + 250)
        assert found[0]["time"] == instant_text(ADDED_MS + 2 * DAY_MS + 1000)
        assert found[0]["data"]["outcome"] == outcome


def test_an_answer_labels_the_message_that_it_names_and_no_other(tmp_path: Path) -> None:
    config = write_cart_shop(tmp_path)
    lines = [added(ADDED_MS), added(ADDED_MS + HOUR_MS, "c2")]
    first, second, third, _ = ids_of(config, [*lines, tick(ADDED_MS + DAY_MS)])
    at_ms = ADDED_MS + DAY_MS
    for named, outcomes in (
        ((second,), [False, True, False, False]),
        ((first, third), [True, False, True, False]),
        (("", second[:31], second.upper(), second + "0", "0" * 32, "x" * 32), [False] * 4),
    ):
        answers = [answer(at_ms + number, name) for number, name in enumerate(named)]
        none = event("Email Opened", at_ms + 10)
        _, found = play(config, [*lines, *answers, none, tick(at_ms + 5 * DAY_MS)])
        assert [one["data"]["outcome"] for one in found] == outcomes


def test_somebody_elses_answer_labels_nothing(tmp_path: Path) -> None:
    config = write_cart_shop(tmp_path)
    first, _ = ids_of(config, [added(ADDED_MS), tick(ADDED_MS + DAY_MS)])
    opened = answer(ADDED_MS + 1, first, user="ben")
    _, found = play(config, [added(ADDED_MS), opened, tick(ADDED_MS + 5 * DAY_MS)])
    assert [one["data"]["outcome"] for one in found] == [False, False]


def test_opened_and_followed_is_one_outcome(tmp_path: Path) -> None:
    config = write_cart_shop(tmp_path)
    first, _ = ids_of(config, [added(ADDED_MS), tick(ADDED_MS + DAY_MS)])
    answers = [
        answer(ADDED_MS + HOUR_MS, first),
        answer(ADDED_MS + HOUR_MS + 1, first, "Email Link Clicked"),
    ]
    for some in (answers, answers[:1], answers[1:]):
        _, found = play(config, [added(ADDED_MS), *some, tick(ADDED_MS + 5 * DAY_MS)])
        assert [one["data"]["outcome"] for one in found] == [True, False]


def test_a_user_whom_the_model_is_not_for_is_not_taken(tmp_path: Path) -> None:
    model = RESPONSE + '\neligible = "orders >= 1"'
    config = write_cart_shop(tmp_path, {"response": model})
    lines = [added(ADDED_MS), order(ADDED_MS + HOUR_MS, cart_id="c2")]
    _, found = play(config, [*lines, tick(ADDED_MS + 5 * DAY_MS)])
    assert [one["data"]["features"]["orders"] for one in found] == [1.0]


def test_a_sixth_message_is_not_taken_while_five_are_open(tmp_path: Path) -> None:
    config = write_cart_shop(tmp_path)
    lines = [added(ADDED_MS + cart * HOUR_MS, f"c{cart}") for cart in range(7)]
    engine = Engine(config)
    sent, found = play(config, [*lines, tick(ADDED_MS + 2 * DAY_MS - 1)], engine=engine)
    assert (len(sent), len(found)) == (14, 0)
    counted = engine.counters.examples["response"]
    assert (counted.closed, counted.skipped) == (0, 9)
    _, found = play(config, [tick(ADDED_MS + 9 * DAY_MS)], engine=engine)
    assert [one["data"]["trigger"] for one in found] == [one["id"] for one in sent[:5]]
    again = [added(ADDED_MS + 10 * DAY_MS, "c9"), tick(ADDED_MS + 20 * DAY_MS)]
    assert len(play(config, again, engine=engine)[1]) == 2


def withheld(trigger: Told, log_ms: int) -> Withheld:
    """What the log says of a trigger that was not sent."""
    note = {
        "control": "withheld",
        "subject": trigger["subject"],
        "id": trigger["id"],
        "suppressed": json.loads(too_late(trigger_of(json.dumps(trigger).encode()))),
    }
    record = ControlRecord(
        kind="withheld", offset=9, log_ms=log_ms, value=json.dumps(note).encode()
    )
    read = read_withheld(record)
    assert isinstance(read, Withheld)
    return read


def test_the_example_of_a_withheld_trigger_is_dropped(tmp_path: Path) -> None:
    config = write_cart_shop(tmp_path)
    for number in range(3):
        engine = Engine(config)
        lines = [added(ADDED_MS), added(ADDED_MS + HOUR_MS, "c2"), tick(ADDED_MS + 13 * HOUR_MS)]
        sent, _ = play(config, lines, engine=engine)
        assert len(sent) == 4
        engine.withhold(withheld(sent[number], ADDED_MS + DAY_MS))
        kept = [one["id"] for one in sent if one is not sent[number]]
        store = MemoryStore()
        store.commit(engine.commit())
        for taking_over in (engine, Engine(config, snapshot=store.load(0))):
            _, found = play(config, [tick(ADDED_MS + 5 * DAY_MS)], engine=taking_over)
            assert [one["data"]["trigger"] for one in found] == kept


def test_a_drain_takes_nobody(tmp_path: Path) -> None:
    config = write_cart_shop(tmp_path, after="1h")
    engine = Engine(config)
    play(config, [added(ADDED_MS)], engine=engine)
    drained = engine.drain()
    assert len(drained.triggers()) == 2
    assert drained.examples() == []
    assert engine.counters.examples["response"].skipped == 0


def random_log(random: Random, config: Config) -> Iterator[bytes]:
    """A month of three users who answer some of what is sent to them, twice at times, or late."""
    engine = Engine(config)
    at_ms = START_MS
    sent: list[Told] = []
    while at_ms < START_MS + 30 * DAY_MS:
        at_ms += random.randrange(1, DAY_MS // 2)
        user = random.choice(("ann", "ben", "cleo"))
        line = random.choice((added, order))(at_ms, cart_id=random.choice("abc"), user=user)
        if sent and random.random() < 0.6:
            one = random.choice(sent[-8:])
            at = instant_ms(str(one["time"])) + random.randrange(1, 3 * DAY_MS)
            name = random.choice(("Email Opened", "Email Link Clicked"))
            subject = str(one["subject"])
            line = answer(at_ms, str(one["id"]), name, at_ms=min(at, at_ms), user=subject)
        sent += play(config, [line], engine=engine)[0]
        yield line
    yield tick(at_ms + 10 * DAY_MS)


@pytest.mark.parametrize("seed", range(3))
def test_cutting_a_log_into_batches_or_engines_changes_no_example(
    tmp_path: Path, seed: int
) -> None:
    models = {"response": RESPONSE, "week": WEEK, "click": RESPONSE.replace('"Email Opened", ', "")}
    config = write_cart_shop(tmp_path, models)
    random = Random(seed)
    lines = [*random_log(random, config)]
    _, whole = play(config, lines)
    told = [one["data"]["outcome"] for one in whole if one["data"]["model"] == "response"]
    assert 10 < sum(told) < len(told)
    assert {one["data"]["model"] for one in whole} == {*models}
    assert play(config, lines, batch=1)[1] == whole
    store, engine = MemoryStore(), Engine(config)
    resumed: list[Told] = []
    for stretch in stretches(config, lines, 1):
        done = engine.process(
            stretch.columns, clock_ms=stretch.clock_ms, next_offset=stretch.next_offset
        )
        resumed += documents(done.examples())
        store.commit(engine.commit())
        if random.random() < 0.3:
            engine = Engine(config, snapshot=store.load(0))
    assert resumed == whole


def test_open_examples_go_on_under_another_config_with_the_same_model(tmp_path: Path) -> None:
    before = write_cart_shop(tmp_path / "before", {"response": RESPONSE, "week": WEEK})
    after = write_cart_shop(tmp_path / "after", {"week": WEEK, "response": RESPONSE})
    lines = [added(ADDED_MS), added(ADDED_MS + HOUR_MS, "c2"), tick(ADDED_MS + DAY_MS)]
    first, second, *_ = ids_of(before, lines)
    answered = [answer(ADDED_MS + DAY_MS + 1, second), tick(ADDED_MS + 5 * DAY_MS)]
    engine = Engine(before)
    play(before, [*lines[:2], answer(ADDED_MS + DAY_MS, first)], engine=engine)
    successor = engine.successor(after)
    found = play(after, answered, engine=successor)[1]
    assert [one["data"]["outcome"] for one in found] == [True, True, False, False]
    assert [one["data"]["trigger"] for one in found[:2]] == [first, second]
    assert successor.conversion is not None
    assert successor.conversion.examples == {}


@pytest.mark.parametrize(
    ("old", "new"), [('"2d"', '"3d"'), ('"email"', '"push"'), ('"Email Opened", ', "")]
)
def test_open_examples_of_another_outcome_are_dropped(tmp_path: Path, old: str, new: str) -> None:
    before = write_cart_shop(tmp_path / "before")
    after = write_cart_shop(tmp_path / "after", {"response": RESPONSE.replace(old, new)})
    engine = Engine(before)
    play(before, [added(ADDED_MS), tick(ADDED_MS + HOUR_MS)], engine=engine)
    successor = engine.successor(after)
    assert successor.conversion is not None
    assert successor.conversion.examples == {"response": 1}
